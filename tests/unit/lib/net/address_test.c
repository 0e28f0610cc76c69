/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/address_internal.h"

#include "tests/support/test.h"

static const struct {
    const char *text;
    bool is_private;
} rows[] = {
    { "127.0.0.1", true },
    { "127.255.255.255", true },
    { "0.0.0.0", true },
    { "10.0.0.1", true },
    { "100.64.0.1", true }, /* of carriers, and of tailnets */
    { "100.128.0.1", false },
    { "169.254.169.254", true }, /* where clouds keep credentials */
    { "172.16.0.1", true },
    { "172.32.0.1", false },
    { "192.168.1.1", true },
    { "192.169.1.1", false },
    { "224.0.0.1", true },
    { "255.255.255.255", true },
    { "1.1.1.1", false },
    { "::1", true },
    { "::", true },
    { "fe80::1", true },
    { "fd00:ec2::254", true }, /* the same in IPv6 */
    { "ff02::1", true },
    { "::ffff:127.0.0.1", true }, /* IPv4 in disguise */
    { "::ffff:1.1.1.1", false },
    { "64:ff9b::7f00:1", true }, /* and through a translator */
    { "64:ff9b::101:101", false },
    { "::127.0.0.1", true },
    { "2002:7f00:1::", true }, /* 6to4 */
    { "2606:4700::1111", false },
    { "no address", false },
};

static void private_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (address_text_is_private(rows[i].text) != rows[i].is_private)
            fail_msg("%s", rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(private_addresses) };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
