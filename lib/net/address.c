/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/address_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/mem.h"

static bool ipv4_is_private(uint32_t address)
{
    static const struct {
        uint32_t network;
        unsigned bits;
    } rows[] = { { 0x00000000, 8 },  { 0x0a000000, 8 },  { 0x64400000, 10 }, { 0x7f000000, 8 },
                 { 0xa9fe0000, 16 }, { 0xac100000, 12 }, { 0xc0a80000, 16 }, { 0xe0000000, 3 } };

    for (size_t i = 0; i < COUNT(rows); i++)
        if ((address ^ rows[i].network) >> (32 - rows[i].bits) == 0)
            return true;
    return false;
}

/* IPv6 addresses that lead to an IPv4 one: where that begins, or 0. */
static size_t ipv4_within(const struct in6_addr *a)
{
    static const struct {
        unsigned char prefix[12];
        size_t len, at;
    } rows[] = {
        { { [10] = 0xff, [11] = 0xff }, 12, 12 }, /* mapped */
        { { 0 }, 12, 12 },                        /* compatible; "::" and "::1" too are private */
        { { 0x00, 0x64, 0xff, 0x9b }, 12, 12 },   /* NAT64 */
        { { 0x20, 0x02 }, 2, 2 },                 /* 6to4 */
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        if (memcmp(a->s6_addr, rows[i].prefix, rows[i].len) == 0)
            return rows[i].at;
    return 0;
}

static bool ipv6_is_private(const struct in6_addr *a)
{
    size_t at = ipv4_within(a);

    if (at > 0) {
        uint32_t v4;
        memcpy(&v4, a->s6_addr + at, sizeof v4);
        return ipv4_is_private(ntohl(v4));
    }
    return IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_MULTICAST(a) || (a->s6_addr[0] & 0xfe) == 0xfc;
}

bool address_is_private(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return ipv4_is_private(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        return ipv6_is_private(&v6.sin6_addr);
    }
    return false;
}

bool address_text_is_private(const char *text)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, text, &v4) == 1)
        return ipv4_is_private(ntohl(v4.s_addr));
    return inet_pton(AF_INET6, text, &v6) == 1 && ipv6_is_private(&v6);
}
