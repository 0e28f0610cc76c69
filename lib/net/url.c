/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/url.h"

#include <ctype.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"

static int bad_url(const char *text, const char *why, struct error *err)
{
    return error_set(err, ERROR_CORRUPT, 0, "address \"%.*s\" %s", (int)strcspn(text, "?\r\n\033"),
                     text, why);
}

/* Only what RFC 3986 lets stand in an address: no space, no control byte, nothing above ASCII. */
static bool bytes_are_valid(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f ||
            strchr("\"<>\\^`{|}", *text))
            return false;
    }
    return true;
}

static bool host_is_valid(struct str host)
{
    bool is_v6 = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';

    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        bool is_fine = is_v6 ? isxdigit(c) || strchr("[:.]", c) : isalnum(c) || strchr("-._", c);
        if (!is_fine)
            return false;
    }
    return host.len > 0;
}

/* "host[:port]" into `out`. */
static int parse_authority(const char *text, struct str authority, struct url *out,
                           struct error *err)
{
    if (memchr(authority.ptr, '@', authority.len))
        return error_set(err, ERROR_CORRUPT, 0, "address with credentials in it is refused");
    const char *end = authority.ptr + authority.len;
    const char *colon = memrchr(authority.ptr, ':', authority.len);
    uint64_t port = out->is_https ? 443 : 80;
    struct str host = authority;

    if (colon && !memchr(colon, ']', (size_t)(end - colon))) {
        struct str digits = { colon + 1, (size_t)(end - colon - 1) };
        host.len = (size_t)(colon - authority.ptr);
        if (!str_to_u64(digits, 10, 65535, &port) || port == 0)
            return bad_url(text, "has no valid port", err);
    }
    if (!host_is_valid(host))
        return bad_url(text, "has no valid host", err);
    out->port = (unsigned)port;
    out->host = xstrndup(host.ptr, host.len);
    for (char *c = out->host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return 0;
}

/* Resolves "." and ".." and keeps all else as it is: doubled slashes may mean something. */
static char *remove_dots(struct str path)
{
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    struct str rest = { path.ptr + 1, path.len - 1 };

    for (bool more = true; more;) {
        more = memchr(rest.ptr, '/', rest.len) != NULL;
        struct str part = str_cut(&rest, '/');
        bool is_up = str_equal(part, STR(".."));
        if (is_up) {
            while (out.len > 0 && out.buf[out.len - 1] != '/')
                out.buf[--out.len] = '\0';
            if (out.len > 0)
                out.buf[--out.len] = '\0';
        }
        if (is_up || str_equal(part, STR("."))) {
            if (!more)
                strbuf_addch(&out, '/');
            continue;
        }
        strbuf_addch(&out, '/');
        strbuf_add(&out, part.ptr, part.len);
    }
    if (out.len == 0)
        strbuf_addch(&out, '/');
    return strbuf_detach(&out);
}

/* The text behind the authority: path, query, and a fragment that is dropped. */
static void parse_path(const char *text, struct url *out)
{
    size_t all = strcspn(text, "#");
    size_t path = strcspn(text, "?#");

    out->path = text[0] == '/' ? remove_dots((struct str){ text, path }) : xstrdup("/");
    out->query = xstrndup(text + path, all - path);
}

int url_parse(const char *text, struct url *out, struct error *err)
{
    auto_(url) struct url url = { .is_https = strncasecmp(text, "https://", 8) == 0 };

    if (!url.is_https && strncasecmp(text, "http://", 7) != 0)
        return bad_url(text, "is neither http nor https", err);
    if (!bytes_are_valid(text))
        return bad_url(text, "holds bytes that no address has", err);
    const char *authority = text + (url.is_https ? 8 : 7);
    size_t len = strcspn(authority, "/?#");
    TRY(parse_authority(text, (struct str){ authority, len }, &url, err));
    parse_path(authority + len, &url);
    *out = url;
    url = (struct url){ 0 };
    return 0;
}

static bool has_scheme(const char *text)
{
    size_t len = strcspn(text, ":/?#");
    return len > 0 && text[len] == ':';
}

int url_resolve(const struct url *base, const char *reference, struct url *out, struct error *err)
{
    auto_free char *absolute = NULL;

    if (has_scheme(reference))
        return url_parse(reference, out, err);
    if (str_starts_with(reference, "//")) {
        absolute = xasprintf("%s:%s", base->is_https ? "https" : "http", reference);
        return url_parse(absolute, out, err);
    }
    size_t kept = strlen(base->path);
    if (reference[0] == '/')
        kept = 0;
    else if (reference[0] != '\0' && !strchr("?#", reference[0]))
        kept = (size_t)(strrchr(base->path, '/') + 1 - base->path);
    absolute = xasprintf("%s://%s:%u%.*s%s", base->is_https ? "https" : "http", base->host,
                         base->port, (int)kept, base->path, reference);
    return url_parse(absolute, out, err);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
    return a->is_https == b->is_https && a->port == b->port && strcmp(a->host, b->host) == 0;
}

static char *print_with_query(const struct url *url, const char *query)
{
    if (url->port == (url->is_https ? 443 : 80))
        return xasprintf("%s://%s%s%s", url->is_https ? "https" : "http", url->host, url->path,
                         query);
    return xasprintf("%s://%s:%u%s%s", url->is_https ? "https" : "http", url->host, url->port,
                     url->path, query);
}

char *url_print(const struct url *url)
{
    return print_with_query(url, url->query);
}

char *url_print_safe(const struct url *url)
{
    return print_with_query(url, "");
}

void url_release(struct url *url)
{
    free(url->host);
    free(url->path);
    free(url->query);
    *url = (struct url){ 0 };
}

bool url_host_is_loopback(const char *host)
{
    static const char v6[] = "[::1]";
    struct str name = str_of(host);
    struct str first = { 0 };
    uint64_t number = 0;

    if (str_starts_with(host, v6))
        return host[strlen(v6)] == '\0' || host[strlen(v6)] == ':';
    name = str_cut(&name, ':');
    if (name.len == strlen("localhost") && strncasecmp(name.ptr, "localhost", name.len) == 0)
        return true;
    for (size_t parts = 0; parts < 4; parts++) {
        struct str part = str_cut(&name, '.');
        if (!str_to_u64(part, 10, 255, &number))
            return false;
        if (parts == 0)
            first = part;
    }
    return name.len == 0 && str_equal(first, STR("127"));
}

char *url_escape(const char *text)
{
    auto_(strbuf) struct strbuf out = STRBUF_INIT;

    for (; *text; text++) {
        if (isalnum((unsigned char)*text) || strchr("-._~", *text))
            strbuf_addch(&out, *text);
        else
            strbuf_addf(&out, "%%%02X", (unsigned)(unsigned char)*text);
    }
    return strbuf_detach(&out);
}
