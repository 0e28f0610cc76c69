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

/* Lines of `host` that begin with `word`, unless there are others to put in their place. */
static void add_lines(struct strbuf *out, const char *host, const char *word)
{
    struct str rest = str_of(host);
    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        struct str after = str_trim(line, " \t\r");
        if (str_equal(str_cut(&after, ' '), str_of(word)))
            strbuf_addf(out, "%.*s\n", (int)line.len, line.ptr);
    }
}

static void add_joined(struct strbuf *out, const char *host, const char *word,
                       const struct strvec *chosen)
{
    if (chosen->count == 0) {
        add_lines(out, host, word);
        return;
    }
    strbuf_addstr(out, word);
    for (size_t i = 0; i < chosen->count; i++)
        strbuf_addf(out, " %s", chosen->items[i]);
    strbuf_addch(out, '\n');
}

char *network_resolv_chosen(const char *host, const struct sandbox_dns *dns)
{
    struct strbuf out = STRBUF_INIT;
    if (dns->servers.count + dns->searches.count + dns->options.count == 0)
        return NULL;
    if (dns->servers.count == 0)
        add_lines(&out, host, "nameserver");
    for (size_t i = 0; i < dns->servers.count; i++)
        strbuf_addf(&out, "nameserver %s\n", dns->servers.items[i]);
    add_joined(&out, host, "search", &dns->searches);
    add_joined(&out, host, "options", &dns->options);
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
