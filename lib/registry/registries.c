/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/registries.h"

#include <dirent.h>
#include <fcntl.h>
#include <strings.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/codec/toml.h"

enum { FILE_MAX = 1024 * 1024 };

struct registry_places registry_places_from_environment(void)
{
    return (struct registry_places){
        .registries_conf = getenv("CONTAINERS_REGISTRIES_CONF"),
        .home = getenv("HOME"),
        .xdg_config_home = getenv("XDG_CONFIG_HOME"),
        .etc = "/etc",
    };
}

char *registry_places_config_home(const struct registry_places *places)
{
    if (places->xdg_config_home && *places->xdg_config_home)
        return xstrdup(places->xdg_config_home);
    return places->home && *places->home ? xasprintf("%s/.config", places->home) : NULL;
}

static void rule_release(struct registries_rule *rule)
{
    for (size_t i = 0; i < rule->mirror_count; i++)
        free(rule->mirrors[i].location);
    free(rule->mirrors);
    free(rule->prefix);
    free(rule->location);
    free(rule->file);
}

void registries_release(struct registries *r)
{
    for (size_t i = 0; i < r->count; i++)
        rule_release(&r->rules[i]);
    free(r->rules);
    *r = (struct registries){ 0 };
}

static int wrong(const char *file, const char *what, struct error *err)
{
    return error_set(err, ERROR_USER, 0, "%s: %s", file, what);
}

/* "https://host/path/" is not what belongs there, and "host/path/" means "host/path". */
static int read_location(const js *table, const char *key, const char *file, char **out,
                         struct error *err)
{
    const char *text = NULL;

    if (js_get_text(table, key, false, &text, err) < 0) {
        err->kind = ERROR_USER;
        return error_wrap(err, "%s", file);
    }
    if (!text || !*text)
        return 0;
    if (strstr(text, "://")) {
        error_set(err, ERROR_USER, 0, "%s: %s = \"%s\": a location has no scheme", file, key, text);
        return error_hint(err, "write HOST[:PORT][/PATH], and insecure = true if it speaks http");
    }
    *out = xstrndup(text, strlen(text) - (str_ends_with(text, "/") ? 1 : 0));
    return 0;
}

static int read_mirror(const js *table, bool digest_only, const char *file,
                       struct registries_mirror *out, struct error *err)
{
    const char *from = NULL;

    TRY(read_location(table, "location", file, &out->location, err));
    if (!out->location)
        return wrong(file, "a mirror without location", err);
    TRY(js_get_text(table, "pull-from-mirror", false, &from, err));
    if (from && strcmp(from, "all") != 0 && strcmp(from, "digest-only") != 0 &&
        strcmp(from, "tag-only") != 0)
        return wrong(file, "pull-from-mirror takes all, digest-only or tag-only", err);
    out->insecure = js_is_true(js_member(table, "insecure"));
    out->for_digests = !from || strcmp(from, "tag-only") != 0;
    out->for_tags = from ? strcmp(from, "digest-only") != 0 : !digest_only;
    return 0;
}

static int read_rule(const js *table, const char *file, struct registries_rule *out,
                     struct error *err)
{
    const js *mirrors = js_member(table, "mirror");
    bool digest_only = js_is_true(js_member(table, "mirror-by-digest-only"));

    TRY(read_location(table, "prefix", file, &out->prefix, err));
    TRY(read_location(table, "location", file, &out->location, err));
    if (!out->prefix && !out->location)
        return wrong(file, "a registry with neither prefix nor location", err);
    if (!out->prefix)
        out->prefix = xstrdup(out->location);
    bool is_pattern = str_starts_with(out->prefix, "*.");
    if (!out->location && !is_pattern)
        out->location = xstrdup(out->prefix);
    if (strchr(out->prefix + (is_pattern ? 1 : 0), '*'))
        return wrong(file, "a prefix has its * at the front: *.example.com", err);
    out->file = xstrdup(file);
    out->insecure = js_is_true(js_member(table, "insecure"));
    out->blocked = js_is_true(js_member(table, "blocked"));
    out->mirrors = xcalloc(js_count(mirrors) + 1, sizeof *out->mirrors);
    out->mirror_count = js_count(mirrors);
    for (size_t i = 0; i < out->mirror_count; i++)
        TRY(read_mirror(js_item(mirrors, i), digest_only, file, &out->mirrors[i], err));
    return 0;
}

static void add_rule(struct registries *r, const struct registries_rule *rule)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->rules[i].prefix, rule->prefix) != 0)
            continue;
        rule_release(&r->rules[i]);
        r->rules[i] = *rule;
        return;
    }
    GROW(r->rules, r->count, r->cap);
    r->rules[r->count++] = *rule;
}

static int read_document(const js *doc, const char *file, struct registries *r, struct error *err)
{
    const js *list = js_member(doc, "registry");

    if (js_member(doc, "registries")) {
        wrong(file, "[registries] is version 1 of this file's format", err);
        return error_hint(err, "write [[registry]] tables");
    }
    if (list && !js_is_array(list))
        return wrong(file, "registry is a list of tables: [[registry]]", err);
    for (size_t i = 0; i < js_count(list); i++) {
        struct registries_rule rule = { 0 };
        if (read_rule(js_item(list, i), file, &rule, err) < 0) {
            rule_release(&rule);
            return -1;
        }
        add_rule(r, &rule);
    }
    return 0;
}

/* *out_found may be NULL. */
static int read_file(const char *file, struct registries *r, bool *out_found, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(error) struct error why = { 0 };
    auto_(js) js *doc = NULL;

    int rc = fd_read_file(AT_FDCWD, file, FILE_MAX, &text, &why);
    if (out_found)
        *out_found = rc == 0 || why.kind != ERROR_NOT_FOUND;
    if (rc < 0 && why.kind == ERROR_NOT_FOUND)
        return 0;
    if (rc < 0) {
        error_move(err, &why);
        err->kind = ERROR_USER;
        return -1;
    }
    if (toml_parse(text.buf, text.len, file, &doc, err) < 0) {
        err->kind = ERROR_USER;
        return -1;
    }
    return read_document(doc, file, r, err);
}

static int read_directory(const char *path, struct registries *r, struct error *err)
{
    auto_(strvec) struct strvec files = { 0 };
    DIR *dir = opendir(path);

    if (!dir)
        return 0;
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (str_ends_with(entry->d_name, ".conf"))
            strvec_pushf(&files, "%s/%s", path, entry->d_name);
    }
    closedir(dir);
    strvec_sort(&files);
    for (size_t i = 0; i < files.count; i++)
        TRY(read_file(files.items[i], r, NULL, err));
    return 0;
}

static int load(const struct registry_places *places, struct registries *r, struct error *err)
{
    auto_free char *config = registry_places_config_home(places);
    bool has_own = false;

    if (places->registries_conf && *places->registries_conf) {
        TRY(read_file(places->registries_conf, r, &has_own, err));
        return has_own ? 0 : wrong(places->registries_conf, "there is no such file", err);
    }
    if (config) {
        auto_free char *file = xasprintf("%s/containers/registries.conf", config);
        TRY(read_file(file, r, &has_own, err));
    }
    if (!has_own && places->etc) {
        auto_free char *file = xasprintf("%s/containers/registries.conf", places->etc);
        auto_free char *directory = xasprintf("%s.d", file);
        TRY(read_file(file, r, NULL, err));
        TRY(read_directory(directory, r, err));
    }
    if (!config)
        return 0;
    auto_free char *directory = xasprintf("%s/containers/registries.conf.d", config);
    return read_directory(directory, r, err);
}

int registries_load(const struct registry_places *places, struct registries *out, struct error *err)
{
    auto_(registries) struct registries r = { 0 };

    TRY(load(places, &r, err));
    *out = r;
    r = (struct registries){ 0 };
    return 0;
}

/* How much of "host/repository" the prefix covers; 0 if it does not suit. "*.domain" covers the
 * host. */
static size_t covers(const char *prefix, const char *name)
{
    size_t len = strlen(prefix);

    if (str_starts_with(prefix, "*.")) {
        size_t host = strcspn(name, "/");
        bool is_below =
            host > len - 1 && strncmp(name + host - (len - 1), prefix + 1, len - 1) == 0;
        return is_below ? host : 0;
    }
    bool suits = strncmp(name, prefix, len) == 0 && (name[len] == '\0' || name[len] == '/');
    return suits ? len : 0;
}

const struct registries_rule *registries_find(const struct registries *r,
                                              const struct reference *ref)
{
    auto_free char *name = xasprintf("%s/%s", ref->host, ref->repository);
    const struct registries_rule *best = NULL;

    for (size_t i = 0; i < r->count; i++) {
        if (covers(r->rules[i].prefix, name) &&
            (!best || strlen(r->rules[i].prefix) > strlen(best->prefix)))
            best = &r->rules[i];
    }
    return best;
}

/* `location` in place of the prefix. */
static int add_source(struct registries_sources *out, const struct registries_rule *rule,
                      const char *name, const char *location, struct error *err)
{
    struct registries_source *source = &out->items[out->count];
    auto_free char *moved =
        location ? xasprintf("%s%s", location, name + covers(rule->prefix, name)) : xstrdup(name);
    struct str path = str_of(moved);
    struct str host = str_cut(&path, '/');
    auto_free char *local = xasprintf("localhost/%.*s", (int)path.len, path.ptr);
    auto_(reference) struct reference ref = { 0 };

    /* a location begins with a host, whether or not it looks like one */
    if (host.len == 0 || reference_parse(local, &ref, err) < 0)
        return host.len ? error_wrap(err, "%s: location \"%s\"", rule->file, location)
                        : wrong(rule->file, "a location without host", err);
    source->host = xstrndup(host.ptr, host.len);
    source->repository = take_ptr(ref.repository);
    out->count++;
    return 0;
}

int registries_sources(const struct registries *r, const struct reference *ref,
                       struct registries_sources *out, struct error *err)
{
    const struct registries_rule *rule = registries_find(r, ref);
    auto_free char *name = xasprintf("%s/%s", ref->host, ref->repository);

    *out = (struct registries_sources){ 0 };
    if (rule && rule->blocked)
        return error_set(err, ERROR_USER, 0, "%s blocks %s", rule->file, rule->prefix);
    out->items = xcalloc((rule ? rule->mirror_count : 0) + 1, sizeof *out->items);
    for (size_t i = 0; rule && i < rule->mirror_count; i++) {
        const struct registries_mirror *mirror = &rule->mirrors[i];
        if (!(ref->digest ? mirror->for_digests : mirror->for_tags))
            continue;
        TRY(add_source(out, rule, name, mirror->location, err));
        out->items[out->count - 1].insecure = mirror->insecure;
        out->items[out->count - 1].is_mirror = true;
    }
    if (rule) {
        TRY(add_source(out, rule, name, rule->location, err));
        out->items[out->count - 1].insecure = rule->insecure;
        return 0;
    }
    out->items[out->count++] = (struct registries_source){ .host = xstrdup(ref->host),
                                                           .repository = xstrdup(ref->repository) };
    return 0;
}

void registries_sources_release(struct registries_sources *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->items[i].host);
        free(s->items[i].repository);
    }
    free(s->items);
    *s = (struct registries_sources){ 0 };
}
