/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/network.h"

#include <fcntl.h>
#include <stdbool.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

enum { RESOLV_MAX = 1024 * 1024 };

char *network_hosts(const char *hostname, const char *extra)
{
    return xasprintf("127.0.0.1\tlocalhost %s\n::1\tlocalhost ip6-localhost ip6-loopback\n%s",
                     hostname, extra ? extra : "");
}

/* The address if `line` names a server, else an empty text. */
static struct str server_of(struct str line)
{
    struct str rest = str_trim(line, " \t\r");
    if (!str_equal(str_cut(&rest, ' '), STR("nameserver")))
        return (struct str){ "", 0 };
    return str_trim(rest, " \t");
}

static bool is_loopback(struct str address)
{
    return (address.len >= 4 && strncmp(address.ptr, "127.", 4) == 0) ||
           str_equal(address, STR("::1"));
}

char *network_resolv_own(const char *host)
{
    struct strbuf out = STRBUF_INIT;
    struct str rest = str_of(host);
    bool has_server = false;
    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        struct str server = server_of(line);
        if (server.len && is_loopback(server))
            continue;
        has_server = has_server || server.len;
        strbuf_add(&out, line.ptr, line.len);
        strbuf_addch(&out, '\n');
    }
    if (!has_server)
        strbuf_addstr(&out, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"
                            "nameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n");
    return strbuf_detach(&out);
}

static void read_host_file(const char *path, struct strbuf *out)
{
    struct error ignored = { 0 };
    if (fd_read_file(AT_FDCWD, path, RESOLV_MAX, out, &ignored) < 0)
        strbuf_clear(out);
    error_clear(&ignored);
}

static bool names_only_stub(const char *text)
{
    struct str rest = str_of(text);
    size_t servers = 0;
    bool is_stub = true;
    while (rest.len) {
        struct str server = server_of(str_cut(&rest, '\n'));
        servers += server.len > 0;
        is_stub = is_stub && (server.len == 0 || str_equal(server, STR("127.0.0.53")));
    }
    return servers > 0 && is_stub;
}

char *network_resolv_host(bool stub_aside)
{
    struct strbuf text = STRBUF_INIT;
    read_host_file("/etc/resolv.conf", &text);
    if (stub_aside && names_only_stub(text.buf)) {
        strbuf_clear(&text);
        read_host_file("/run/systemd/resolve/resolv.conf", &text);
    }
    return strbuf_detach(&text);
}
