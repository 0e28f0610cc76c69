/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/identity.h"

#include "tests/support/test.h"

#include "lib/base/str.h"
#include "lib/base/strbuf.h"
#include "snapshotter/sandbox/network.h"

static const char passwd_text[] = "garbage\n"
                                  "root:x:0:0:root:/root:/bin/sh\n"
                                  ":x:5:5::/:\n"
                                  "bad:x:12x:1::/:\n"
                                  "app:x:1000:1001:App:/home/app:/bin/sh\n"
                                  "1000:x:77:77::/home/number:\n"
                                  "short:x:7\n";
static const char group_text[] = "root:x:0:\nwheel:x:10:root,app\nstaff:x:50:app,root\n"
                                 "games:x:60:app\napp:x:1001:\nnearly:x:61:apple\n";

static const struct identity_case {
    const char *user, *passwd, *group;
    const char *result; /* "uid gid groups.. home", or NULL: refused with `text` */
    const char *text;
} identities[] = {
    { "", passwd_text, group_text, "0 0 0,10,50 /root", NULL },
    { "", NULL, NULL, "0 0 0 /", NULL },
    { "root", NULL, NULL, "0 0 0 /", NULL },
    { "0:0", passwd_text, group_text, "0 0 0 /root", NULL },
    { "app", passwd_text, group_text, "1000 1001 1001,10,50,60 /home/app", NULL },
    { "1000", passwd_text, group_text, "1000 1001 1001,10,50,60 /home/app", NULL },
    { "app:50", passwd_text, group_text, "1000 50 50 /home/app", NULL },
    { "app:staff", passwd_text, group_text, "1000 50 50 /home/app", NULL },
    { "app:root", passwd_text, NULL, "1000 0 0 /home/app", NULL },
    { ":staff", passwd_text, group_text, "0 50 50 /root", NULL },
    { "4711", passwd_text, group_text, "4711 0 0 /", NULL },
    { "4711:4712", NULL, NULL, "4711 4712 4712 /", NULL },
    { "short", passwd_text, group_text, "7 0 0 /", NULL },
    { "2147483647", NULL, NULL, "2147483647 0 0 /", NULL },
    { "2147483648", NULL, NULL, NULL, "out of range" },
    { "99999999999999999999", NULL, NULL, NULL, "out of range" },
    { "0:4294967296", NULL, NULL, NULL, "out of range" },
    { "-1", passwd_text, group_text, NULL, "unable to find user -1" },
    { " 1", passwd_text, group_text, NULL, "unable to find user  1" },
    { "0x10", passwd_text, group_text, NULL, "unable to find user 0x10" },
    { "bad", passwd_text, group_text, NULL, "unable to find user bad" },
    { "0:evil", passwd_text, group_text, NULL, "unable to find group evil" },
};

static void identity_resolves(void **state)
{
    const struct identity_case *c = *state;
    auto_(identity) struct identity id = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    struct error err = { 0 };
    int rc = identity_resolve(c->user, c->passwd, c->group, &id, &err);
    if (!c->result) {
        assert_error(rc, &err, ERROR_USER, c->text);
        return;
    }
    assert_ok(rc, &err);
    strbuf_addf(&text, "%u %u ", id.uid, id.gid);
    for (size_t i = 0; i < id.group_count; i++)
        strbuf_addf(&text, "%s%u", i ? "," : "", id.groups[i]);
    strbuf_addf(&text, " %s", id.home);
    assert_string_equal(text.buf, c->result);
}

static void resolv_conf_of_own_network(void **state)
{
    (void)state;
    auto_free char *mixed =
        network_resolv_own("search a b\nnameserver 127.0.0.1\nnameserver 10.0.0.1\noptions x");
    assert_string_equal(mixed, "search a b\nnameserver 10.0.0.1\noptions x\n");
    auto_free char *none = network_resolv_own("nameserver ::1\n");
    assert_true(str_starts_with(none, "nameserver 8.8.8.8\n"));
}

int main(void)
{
    struct CMUnitTest tests[COUNT(identities) + 1];
    size_t n = 0;
    for (; n < COUNT(identities); n++)
        tests[n] = (struct CMUnitTest){ identities[n].user, identity_resolves, NULL, NULL,
                                        (void *)(uintptr_t)&identities[n] };
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(resolv_conf_of_own_network);
    return _cmocka_run_group_tests("identity", tests, n, NULL, NULL);
}
