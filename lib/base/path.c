/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/path.h"

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"

/* Drops the last component of `out`, unless that is ".." or nothing is left to drop. */
static bool drop_last(struct strbuf *out, size_t root)
{
    size_t at = out->len;
    while (at > root && out->buf[at - 1] != '/')
        at--;
    if (out->len == root || strcmp(out->buf + at, "..") == 0)
        return false;
    out->len = at > root ? at - 1 : root;
    out->buf[out->len] = '\0';
    return true;
}

char *path_clean(const char *path)
{
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    size_t root = path[0] == '/' ? 1 : 0;
    struct str rest = str_of(path);
    if (root)
        strbuf_addch(&out, '/');
    while (rest.len) {
        struct str part = str_cut(&rest, '/');
        if (part.len == 0 || str_equal(part, STR(".")))
            continue;
        if (str_equal(part, STR("..")) && (drop_last(&out, root) || root))
            continue;
        if (out.len > root)
            strbuf_addch(&out, '/');
        strbuf_add(&out, part.ptr, part.len);
    }
    if (out.len == 0)
        strbuf_addch(&out, '.');
    return strbuf_detach(&out);
}

char *path_join(const char *base, const char *rest)
{
    auto_free char *joined = xasprintf("%s/%s", base, rest);
    return path_clean(*base ? joined : rest);
}

/* Once for every entry of a walk. */
char *path_below(const char *dir, const char *rest)
{
    size_t dir_len = strlen(dir);
    size_t rest_len = strlen(rest);
    size_t slash = dir_len && rest_len;
    char *path = xmalloc(dir_len + slash + rest_len + 1);
    memcpy(path, dir, dir_len);
    path[dir_len] = '/';
    memcpy(path + dir_len + slash, rest, rest_len + 1);
    return path;
}

char *path_absolute(const char *cwd, const char *path)
{
    if (path[0] == '/')
        return path_clean(path);
    auto_free char *joined = xasprintf("/%s/%s", cwd, path);
    return path_clean(joined);
}

size_t path_dir_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool path_is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    if (strcmp(dir, "/") == 0)
        return path[0] == '/';
    return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}
