/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/credentials_internal.h"

#include <fcntl.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/process.h"
#include "lib/base/str.h"
#include "lib/base/strvec.h"
#include "lib/codec/base64.h"
#include "lib/codec/json.h"

struct lookup {
    const char *host, *repository;
    const char *place; /* for people */
    struct credential *out;
};

struct credential_places credential_places_from_environment(void)
{
    return (struct credential_places){
        .docker_auth_config = getenv("DOCKER_AUTH_CONFIG"),
        .docker_config = getenv("DOCKER_CONFIG"),
        .home = getenv("HOME"),
        .registry_auth_file = getenv("REGISTRY_AUTH_FILE"),
        .xdg_runtime_dir = getenv("XDG_RUNTIME_DIR"),
        .xdg_config_home = getenv("XDG_CONFIG_HOME"),
    };
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void credential_release(struct credential *c)
{
    free(c->username);
    wipe(c->secret);
    wipe(c->identity_token);
    free(c->source);
    free(c->note);
    *c = (struct credential){ 0 };
}

static bool is_docker_hub(struct str host)
{
    return str_equal(host, STR("docker.io")) || str_equal(host, STR("index.docker.io")) ||
           str_equal(host, STR("registry-1.docker.io"));
}

const char *credentials_server_of(const char *host)
{
    return is_docker_hub(str_of(host)) ? "https://index.docker.io/v1/" : host;
}

size_t credentials_key_matches(const char *key, const char *wanted_host, const char *repository)
{
    const char *scheme = strstr(key, "://");
    struct str path = str_of(scheme ? scheme + 3 : key);
    struct str host = str_cut(&path, '/');
    struct str wanted = str_of(wanted_host);
    bool same = str_equal(host, wanted) || (is_docker_hub(host) && is_docker_hub(wanted));

    path = str_trim(path, "/");
    if (!same)
        return 0;
    if (path.len == 0 || str_equal(path, STR("v1")) || str_equal(path, STR("v2")))
        return host.len;
    if (strncmp(repository, path.ptr, path.len) != 0)
        return 0;
    char next = repository[path.len];
    return next == '/' || next == '\0' ? host.len + path.len : 0;
}

/* The member of `object` whose key suits best, or NULL. */
static const js *best_member(const struct lookup *look, const js *object)
{
    const js *best = NULL;
    size_t best_score = 0;

    if (!js_is_object(object))
        return NULL;
    for (void *i = js_iter(object); i; i = js_next(object, i)) {
        size_t score = credentials_key_matches(js_iter_key(i), look->host, look->repository);
        if (score > best_score) {
            best = js_iter_value(i);
            best_score = score;
        }
    }
    return best;
}

static char *copy_member(const js *object, const char *key)
{
    const char *text = js_text(js_member(object, key));
    return text && *text ? xstrdup(text) : NULL;
}

int credentials_run_helper(const char *name, const char *verb, const char *input, const char *place,
                           struct process_result *result, struct error *err)
{
    auto_free char *program = xasprintf("docker-credential-%s", name);
    const char *const argv[] = { program, verb, NULL };

    *result = (struct process_result){ .out = STRBUF_INIT, .err = STRBUF_INIT };
    if (!*name || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        return error_set(err, ERROR_USER, 0, "%s: \"%.60s\" is not the name of a credential helper",
                         place, name);
    return process_run(argv, input, result, err);
}

const char *credentials_helper_for(const js *doc, const char *host, const char *repository)
{
    const struct lookup look = { .host = host, .repository = repository };
    const char *helper = js_text(best_member(&look, js_member(doc, "credHelpers")));

    if (!helper)
        helper = js_text(js_member(doc, "credsStore"));
    return helper && *helper ? helper : NULL;
}

/* The helper's answer: {"ServerURL": ..., "Username": ..., "Secret": ...}. */
static int read_answer(struct lookup *look, const struct strbuf *answer, const char *program,
                       struct error *err)
{
    struct credential *out = look->out;
    auto_(js) js *doc = NULL;

    if (js_parse(answer->buf, answer->len, program, &doc, err) < 0) {
        err->kind = ERROR_USER;
        return -1;
    }
    out->username = copy_member(doc, "Username");
    out->secret = copy_member(doc, "Secret");
    if (out->username && strcmp(out->username, CREDENTIALS_TOKEN_USER) == 0) {
        out->identity_token = take_ptr(out->secret);
        free(take_ptr(out->username));
    }
    if (out->username || out->identity_token)
        out->source = xasprintf("%s (named in %s)", program, look->place);
    return 0;
}

static int ask_helper(struct lookup *look, const char *name, struct error *err)
{
    struct process_result result;
    auto_(error) struct error why = { 0 };
    auto_free char *program = xasprintf("docker-credential-%s", name);
    int rc = 0;

    /* a helper that is missing or broken must not stand in the way of public images */
    if (credentials_run_helper(name, "get", credentials_server_of(look->host), look->place, &result,
                               &why) < 0) {
        if (why.kind == ERROR_USER) {
            error_move(err, &why);
            return -1;
        }
        look->out->note =
            xasprintf("%s, named in %s, did not run: %s", program, look->place, why.message);
    } else if (result.status == 0) {
        rc = read_answer(look, &result.out, program, err);
    } else if (!strstr(result.out.buf, "credentials not found")) {
        look->out->note = xasprintf("%s, named in %s, failed with status %d", program, look->place,
                                    result.status);
    }
    explicit_bzero(result.out.buf, result.out.len);
    process_result_release(&result);
    return rc;
}

static int read_entry(struct lookup *look, const js *entry, struct error *err)
{
    struct credential *out = look->out;
    const char *auth = js_text(js_member(entry, "auth"));
    auto_(strbuf) struct strbuf plain = STRBUF_INIT;

    out->identity_token = copy_member(entry, "identitytoken");
    out->username = copy_member(entry, "username");
    out->secret = copy_member(entry, "password");
    if (auth && *auth) {
        char *colon = base64_decode(auth, &plain) ? strchr(plain.buf, ':') : NULL;
        if (!colon || strlen(plain.buf) != plain.len) {
            return error_set(err, ERROR_USER, 0,
                             "%s: \"auth\" of %s is not base64 of user:password", look->place,
                             look->host);
        }
        free(out->username);
        wipe(out->secret);
        out->username = xstrndup(plain.buf, (size_t)(colon - plain.buf));
        out->secret = xstrdup(colon + 1);
        explicit_bzero(plain.buf, plain.len);
    }
    if (out->username || out->identity_token)
        out->source = xstrdup(look->place);
    return 0;
}

/* One config.json: its helpers, then its own entries. */
static int search(struct lookup *look, const char *text, size_t len, struct error *err)
{
    auto_(js) js *doc = NULL;

    if (js_parse(text, len, look->place, &doc, err) < 0) {
        err->kind = ERROR_USER;
        return -1;
    }
    const char *helper = credentials_helper_for(doc, look->host, look->repository);
    if (helper)
        TRY(ask_helper(look, helper, err));
    const js *entry = look->out->source ? NULL : best_member(look, js_member(doc, "auths"));
    return entry ? read_entry(look, entry, err) : 0;
}

static int search_file(struct lookup *look, const char *path, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(error) struct error why = { 0 };

    if (fd_read_file(AT_FDCWD, path, CREDENTIALS_FILE_MAX, &text, &why) < 0) {
        if (why.kind == ERROR_NOT_FOUND)
            return 0;
        error_move(err, &why);
        return -1;
    }
    look->place = path;
    int rc = search(look, text.buf, text.len, err);
    explicit_bzero(text.buf, text.len);
    return rc;
}

static bool is_given(const char *text)
{
    return text && *text;
}

char *credentials_docker_file(const struct credential_places *places)
{
    if (is_given(places->docker_config))
        return xasprintf("%s/config.json", places->docker_config);
    return is_given(places->home) ? xasprintf("%s/.docker/config.json", places->home) : NULL;
}

static void list_files(const struct credential_places *places, struct strvec *out)
{
    char *docker = credentials_docker_file(places);

    if (docker)
        strvec_push_take(out, docker);
    if (is_given(places->registry_auth_file))
        strvec_push(out, places->registry_auth_file);
    if (is_given(places->xdg_runtime_dir))
        strvec_pushf(out, "%s/containers/auth.json", places->xdg_runtime_dir);
    if (is_given(places->xdg_config_home))
        strvec_pushf(out, "%s/containers/auth.json", places->xdg_config_home);
    else if (is_given(places->home))
        strvec_pushf(out, "%s/.config/containers/auth.json", places->home);
}

int credentials_find(const struct credential_places *places, const char *host,
                     const char *repository, struct credential *out, struct error *err)
{
    auto_(credential) struct credential found = { 0 };
    auto_(strvec) struct strvec files = { 0 };
    struct lookup look = { .host = host, .repository = repository, .out = &found };

    if (is_given(places->docker_auth_config)) {
        look.place = "$DOCKER_AUTH_CONFIG";
        TRY(search(&look, places->docker_auth_config, strlen(places->docker_auth_config), err));
    }
    list_files(places, &files);
    for (size_t i = 0; i < files.count && !found.source; i++)
        TRY(search_file(&look, files.items[i], err));
    *out = found;
    found = (struct credential){ 0 };
    return 0;
}
