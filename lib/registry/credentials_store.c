/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/codec/base64.h"
#include "lib/registry/credentials_internal.h"

/* docker's config.json while it is changed. */
struct config_file {
    char *path;
    js *doc;
};

static void config_file_release(struct config_file *f)
{
    free(f->path);
    js_free(f->doc);
}
DEFINE_AUTO(config_file, struct config_file, config_file_release(value))

static int load(const struct credential_places *places, struct config_file *out, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(error) struct error why = { 0 };

    out->path = credentials_docker_file(places);
    if (!out->path)
        return error_set(err, ERROR_USER, 0,
                         "no place for credentials: neither $DOCKER_CONFIG nor $HOME is set");
    /* The file that a link leads to is replaced, not the link. */
    char *target = realpath(out->path, NULL);
    if (target) {
        free(out->path);
        out->path = target;
    }
    if (fd_read_file(AT_FDCWD, out->path, CREDENTIALS_FILE_MAX, &text, &why) < 0) {
        if (why.kind != ERROR_NOT_FOUND) {
            error_move(err, &why);
            return -1;
        }
        out->doc = js_new_object();
        return 0;
    }
    bool is_empty = str_trim(str_of(text.buf), " \t\r\n").len == 0;
    int rc = is_empty ? 0 : js_parse(text.buf, text.len, out->path, &out->doc, err);
    explicit_bzero(text.buf, text.len);
    if (rc < 0)
        err->kind = ERROR_USER;
    else if (is_empty)
        out->doc = js_new_object();
    return rc;
}

static int save(const struct config_file *f, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    const char *slash = strrchr(f->path, '/');
    auto_free char *dir = slash ? xstrndup(f->path, (size_t)(slash - f->path)) : xstrdup(".");

    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return error_set(err, ERROR_USER, errno, "create %s", dir);
    auto_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return error_set(err, ERROR_USER, errno, "open %s", dir);
    js_print_in_order(f->doc, 2, &text);
    strbuf_addch(&text, '\n');
    int rc = atomic_file_write(dir_fd, path_base(f->path), text.buf, text.len, 0600, err);
    explicit_bzero(text.buf, text.len);
    return rc;
}

/* A copy of "auths" without what it says of `host` (NULL: of any); they are counted. */
static js *auths_without(const js *doc, const char *host, size_t *out_count)
{
    const js *old = js_member(doc, "auths");
    js *auths = js_new_object();

    for (void *i = js_is_object(old) ? js_iter(old) : NULL; i; i = js_next(old, i)) {
        if (!host || credentials_key_matches(js_iter_key(i), host, ""))
            ++*out_count;
        else
            js_set_take(auths, js_iter_key(i), js_copy(js_iter_value(i)));
    }
    return auths;
}

static int helper_failed(const char *name, const char *verb, const struct process_result *result,
                         const char *place, struct error *err)
{
    struct str said = str_trim(str_of(result->out.len ? result->out.buf : result->err.buf), "\r\n");

    return error_set(err, ERROR_USER, 0, "docker-credential-%s %s, named in %s, failed: %.*s", name,
                     verb, place, (int)said.len, said.ptr);
}

static int store_with_helper(const struct config_file *f, const char *name, const char *server,
                             const struct credential *c, struct error *err)
{
    auto_(js) js *doc = js_new_object();
    auto_(strbuf) struct strbuf input = STRBUF_INIT;
    struct process_result result;

    js_set_text(doc, "ServerURL", server);
    js_set_text(doc, "Username", c->identity_token ? CREDENTIALS_TOKEN_USER : c->username);
    js_set_text(doc, "Secret", c->identity_token ? c->identity_token : c->secret);
    js_print_in_order(doc, 0, &input);
    int rc = credentials_run_helper(name, "store", input.buf, f->path, &result, err);
    explicit_bzero(input.buf, input.len);
    TRY(rc);
    if (result.status != 0)
        rc = helper_failed(name, "store", &result, f->path, err);
    process_result_release(&result);
    return rc;
}

static js *plain_entry(const struct credential *c)
{
    auto_free char *plain = xasprintf("%s:%s", c->username, c->secret);
    auto_(strbuf) struct strbuf encoded = STRBUF_INIT;
    js *entry = js_new_object();

    base64_encode(plain, strlen(plain), &encoded);
    explicit_bzero(plain, strlen(plain));
    js_set_text(entry, "auth", encoded.buf);
    if (c->identity_token)
        js_set_text(entry, "identitytoken", c->identity_token);
    explicit_bzero(encoded.buf, encoded.len);
    return entry;
}

int credentials_store(const struct credential_places *places, const char *host,
                      const struct credential *c, char **out_where, struct error *err)
{
    auto_(config_file) struct config_file f = { 0 };
    const char *server = credentials_server_of(host);
    size_t replaced = 0;

    TRY(load(places, &f, err));
    const char *helper = credentials_helper_for(f.doc, host, "");
    if (helper)
        TRY(store_with_helper(&f, helper, server, c, err));
    js *auths = auths_without(f.doc, host, &replaced);
    /* with a helper, the entry says that there is something to ask it for */
    js_set_take(auths, server, helper ? js_new_object() : plain_entry(c));
    js_set_take(f.doc, "auths", auths);
    TRY(save(&f, err));
    *out_where =
        helper ? xasprintf("docker-credential-%s (named in %s)", helper, f.path) : xstrdup(f.path);
    return 0;
}

/* A helper that knows nothing of it has nothing to forget. */
static int erase_with_helper(const struct config_file *f, const char *name, const char *server,
                             size_t *count, struct error *err)
{
    struct process_result result;
    int rc = 0;

    TRY(credentials_run_helper(name, "erase", server, f->path, &result, err));
    if (result.status == 0)
        ++*count;
    else if (!strstr(result.out.buf, "not found"))
        rc = helper_failed(name, "erase", &result, f->path, err);
    process_result_release(&result);
    return rc;
}

static int erase_all_with_helpers(const struct config_file *f, size_t *count, struct error *err)
{
    const js *auths = js_member(f->doc, "auths");

    for (void *i = js_is_object(auths) ? js_iter(auths) : NULL; i; i = js_next(auths, i)) {
        const char *server = js_iter_key(i);
        const char *scheme = strstr(server, "://");
        struct str path = str_of(scheme ? scheme + 3 : server);
        struct str name = str_cut(&path, '/');
        auto_free char *host = xstrndup(name.ptr, name.len);
        const char *helper = credentials_helper_for(f->doc, host, "");
        if (helper)
            TRY(erase_with_helper(f, helper, server, count, err));
    }
    return 0;
}

int credentials_erase(const struct credential_places *places, const char *host, size_t *out_count,
                      struct error *err)
{
    auto_(config_file) struct config_file f = { 0 };
    size_t by_helper = 0;
    size_t in_file = 0;

    TRY(load(places, &f, err));
    const char *helper = host ? credentials_helper_for(f.doc, host, "") : NULL;
    if (helper)
        TRY(erase_with_helper(&f, helper, credentials_server_of(host), &by_helper, err));
    else if (!host)
        TRY(erase_all_with_helpers(&f, &by_helper, err));
    js_set_take(f.doc, "auths", auths_without(f.doc, host, &in_file));
    *out_count = in_file > by_helper ? in_file : by_helper;
    return in_file ? save(&f, err) : 0;
}
