/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/context/git_url.h"

#include <ctype.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"

static bool has_prefix(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_http(const char *text)
{
    return has_prefix(text, "http://") || has_prefix(text, "https://");
}

/* user@host:path, and no port or drive behind the colon */
static bool is_scp_style(const char *text)
{
    size_t user = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    if (user == 0 || text[0] == '-' || text[user] != '@')
        return false;
    const char *host = text + user + 1;
    size_t len = strcspn(host, ":/");
    return len && host[0] != '-' && host[len] == ':' && host[len + 1];
}

bool git_url_is(const char *text, bool is_context)
{
    if (has_prefix(text, "git://") || has_prefix(text, "ssh://") || is_scp_style(text))
        return true;
    if (is_context && has_prefix(text, "github.com/"))
        return true;
    if (!is_http(text))
        return false;
    auto_free char *address = xstrndup(text, strcspn(text, "#?"));
    return str_ends_with(address, ".git");
}

char *git_url_print_safe(const char *text)
{
    const char *scheme = strstr(text, "://");
    const char *host = scheme ? scheme + 3 : text;
    const char *at = scheme ? memchr(host, '@', strcspn(host, "/?#")) : NULL;
    return at ? xasprintf("%.*s%s", (int)(host - text), text, at + 1) : xstrdup(text);
}

static int set_once(char **field, struct str value, const char *what, struct error *err)
{
    if (value.len == 0)
        return 0;
    if (*field && !(strlen(*field) == value.len && memcmp(*field, value.ptr, value.len) == 0))
        return error_set(err, ERROR_USER, 0, "%s conflicts: %s and %.*s", what, *field,
                         (int)value.len, value.ptr);
    free(*field);
    *field = xstrndup(value.ptr, value.len);
    return 0;
}

static bool is_true(struct str value)
{
    return value.len == 0 || str_equal(value, str_of("1")) ||
           tolower((unsigned char)value.ptr[0]) == 't';
}

static int set_ref(struct git_url *u, const char *space, struct str name, struct error *err)
{
    auto_free char *full = xasprintf("%s%.*s", space, (int)name.len, name.ptr);
    return name.len ? set_once(&u->ref, str_of(full), "ref", err) : 0;
}

static int read_key(struct git_url *u, struct str key, struct str value, struct error *err)
{
    if (str_equal(key, str_of("ref")))
        return set_ref(u, "", value, err);
    if (str_equal(key, str_of("tag")))
        return set_ref(u, "refs/tags/", value, err);
    if (str_equal(key, str_of("branch")))
        return set_ref(u, "refs/heads/", value, err);
    if (str_equal(key, str_of("subdir")))
        return set_once(&u->subdir, value, "subdir", err);
    if (str_equal(key, str_of("checksum")) || str_equal(key, str_of("commit")))
        return set_once(&u->checksum, value, "checksum", err);
    if (str_equal(key, str_of("keep-git-dir"))) {
        u->has_keep_git_dir = true;
        u->keep_git_dir = is_true(value);
    } else if (str_equal(key, str_of("submodules"))) {
        u->no_submodules = !is_true(value);
    } else if (str_equal(key, str_of("mtime"))) {
        u->commit_times = str_equal(value, str_of("commit"));
        if (!u->commit_times && !str_equal(value, str_of("checkout")))
            return error_set(err, ERROR_USER, 0, "mtime is commit or checkout, not %.*s",
                             (int)value.len, value.ptr);
    } else if (!str_equal(key, str_of("fetch-by-commit"))) {
        return error_set(err, ERROR_USER, 0, "unexpected query \"%.*s\"", (int)key.len, key.ptr);
    }
    return 0;
}

static int read_query(struct git_url *u, struct str query, struct error *err)
{
    while (query.len) {
        struct str value = str_cut(&query, '&');
        struct str key = str_cut(&value, '=');
        TRY(read_key(u, key, value, err));
    }
    return 0;
}

/* What follows is joined to a path of ours and handed to git. */
static int check(struct git_url *u, struct error *err)
{
    if (u->subdir) {
        char *clean = path_absolute("/", u->subdir);
        free(u->subdir);
        u->subdir = xstrdup(clean + 1);
        free(clean);
        if (!*u->subdir)
            free(take_ptr(u->subdir));
    }
    if (u->ref && (u->ref[0] == '-' || u->ref[strcspn(u->ref, " ~^:?*[\\\t\n")]))
        return error_set(err, ERROR_USER, 0, "%s is no name of a branch, tag or commit", u->ref);
    size_t len = u->checksum ? strlen(u->checksum) : 0;
    if (u->checksum && (len < 7 || len > 64 || strspn(u->checksum, "0123456789abcdef") != len)) {
        return error_set(err, ERROR_USER, 0,
                         "invalid checksum %s for a git source: it is a commit, 7 to 40 hex digits",
                         u->checksum);
    }
    return 0;
}

int git_url_parse(const char *text, struct git_url *out, struct error *err)
{
    auto_(git_url) struct git_url u = { 0 };
    bool scp = is_scp_style(text);
    struct str rest = str_of(text);
    struct str address = str_cut(&rest, '#');
    struct str subdir = rest;
    struct str ref = str_cut(&subdir, ':');
    struct str query = address;
    struct str remote = scp ? address : str_cut(&query, '?');
    u.remote = has_prefix(text, "github.com/")
                   ? xasprintf("https://%.*s", (int)remote.len, remote.ptr)
                   : xstrndup(remote.ptr, remote.len);
    int rc = set_ref(&u, "", ref, err);
    if (rc == 0)
        rc = set_once(&u.subdir, subdir, "subdir", err);
    if (rc == 0 && !scp)
        rc = read_query(&u, query, err);
    if (rc == 0)
        rc = check(&u, err);
    if (rc < 0) {
        auto_free char *safe = git_url_print_safe(text);
        return error_wrap(err, "%s", safe);
    }
    *out = u;
    u = (struct git_url){ 0 };
    return 0;
}

void git_url_release(struct git_url *u)
{
    free(u->remote);
    free(u->ref);
    free(u->subdir);
    free(u->checksum);
    *u = (struct git_url){ 0 };
}
