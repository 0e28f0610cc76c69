/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden cases: tests/golden/parse/CASE/{Dockerfile, ast | error} and
 * tests/golden/lower/CASE/{Dockerfile, options, graph | error}; all exact. UPDATE_GOLDEN=1 rewrites
 * them.
 */
#include "tests/support/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "frontend/dockerfile/ast_print.h"
#include "frontend/dockerfile/lower.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/oci/reference.h"

#define GOLDEN_DIR "../../../golden"

enum { FILE_MAX = 1 << 20 };

struct fake_resolver {
    struct image_resolver base;
    struct resolved_image *images[64];
    size_t count;
    const char *local;   /* the one named context that is a directory */
    const char *context; /* the one named context that is an image */
};

static void free_image(struct resolved_image *image)
{
    image_config_release(&image->config);
    free((char *)image->name);
    free(image->layers);
    free(image);
}

/* Any name is an image of one layer, but "missing..." and "alpne" are not there and "onbuild..."
 * has triggers. */
static int fake_resolve(struct image_resolver *r, const char *reference,
                        const struct platform *platform, const struct resolved_image **out,
                        struct error *err)
{
    struct fake_resolver *fake = (struct fake_resolver *)r;
    auto_(reference) struct reference ref = { 0 };
    TRY(reference_parse(reference, &ref, err));
    if (str_starts_with(reference, "missing") || strcmp(reference, "alpne") == 0)
        return error_set(err, ERROR_REMOTE, 0, "%s: not found", reference);
    assert_true(fake->count < COUNT(fake->images));
    struct resolved_image *image = xcalloc(1, sizeof *image);
    fake->images[fake->count++] = image;
    image->name = reference_print(&ref);
    auto_free char *identity = xasprintf("%s %s", image->name, platform->arch);
    digest_of(identity, strlen(identity), &image->digest);
    image->layer_count = strcmp(reference, "empty") == 0 ? 0 : 1;
    image->layers = xcalloc(1, sizeof *image->layers);
    image_config_init(&image->config);
    image->config.platform = *platform;
    env_set(&image->config.env, "BASE", "yes");
    image->config.working_dir = xstrdup("srv/");
    image->config.created = xstrdup("2020-01-01T00:00:00Z");
    image->config.has_cmd = true;
    strvec_push(&image->config.cmd, "base-cmd");
    if (strcmp(reference, "onbuild-heredoc") == 0) {
        strvec_push(&image->config.on_build, "RUN <<EOF\necho 1\nEOF");
        strvec_push(&image->config.on_build, "COPY <<-A /x\n\ta $BASE\nA");
    }
    if (strcmp(reference, "onbuild-bad") == 0)
        strvec_push(&image->config.on_build, "RUN <<EOF\necho 1\n");
    if (strcmp(reference, "onbuild") == 0) {
        strvec_push(&image->config.on_build, "ENV triggered=$BASE");
        strvec_push(&image->config.on_build, "COPY --from=helper /a /b");
    }
    *out = image;
    return 0;
}

static const char *fake_local(struct image_resolver *r, const char *name)
{
    struct fake_resolver *fake = (struct fake_resolver *)r;
    return fake->local && strcmp(fake->local, name) == 0 ? fake->local : NULL;
}

static bool fake_has(struct image_resolver *r, const char *name)
{
    struct fake_resolver *fake = (struct fake_resolver *)r;
    return fake_local(r, name) || (fake->context && strcmp(fake->context, name) == 0);
}

/* A git repository is all of a context, a URL one file of it. */
static int fake_fetch(struct source_fetcher *fetcher, const struct remote_source *source,
                      const char **out_context, const char **out_path, struct error *err)
{
    (void)fetcher;
    if (strstr(source->url, "missing"))
        return error_set(err, ERROR_REMOTE, 0, "%s: 404", source->url);
    *out_context = source->checksum                                   ? "fetched, checked"
                   : source->has_keep_git_dir && source->keep_git_dir ? "fetched, with .git"
                                                                      : "fetched";
    *out_path = source->kind == REMOTE_GIT ? "." : path_base(source->url);
    return 0;
}

struct options {
    struct lower_options lower;
    struct map args, labels;
    struct strvec unused;
    struct fake_resolver resolver;
    struct source_fetcher fetcher;
    char *text;
};

static void set_pair(struct map *map, struct str pair)
{
    auto_free char *key = NULL;
    struct str name = str_cut(&pair, '=');
    key = xstrndup(name.ptr, name.len);
    map_set(map, key, xstrndup(pair.ptr, pair.len));
}

static const char *const entitlement_names[] = { "network.host", "security.insecure", "device" };

static unsigned parse_entitlement(const char *name)
{
    for (size_t i = 0; i < COUNT(entitlement_names); i++)
        if (strcmp(entitlement_names[i], name) == 0)
            return 1U << i;
    fail_msg("unknown entitlement %s", name);
    return 0;
}

/* Lines of "arg N=V", "label N=V", "target X", "context X" (a directory), "image-context X",
 * "platform X", "network none", "allow X", "settings X". */
static void parse_options(struct options *o, const char *text)
{
    struct error err = { 0 };
    *o = (struct options){
        .args = { .free_value = free },
        .labels = { .free_value = free },
        .resolver = { .base = { .resolve = fake_resolve,
                                .local_context = fake_local,
                                .has_context = fake_has } },
        .fetcher = { fake_fetch },
        .text = xstrdup(text),
    };
    o->lower = (struct lower_options){ .build_args = &o->args,
                                       .labels = &o->labels,
                                       .unused_build_args = &o->unused };
    assert_ok(platform_parse("linux/amd64", &o->lower.platform, &err), &err);
    for (char *line = o->text; line && *line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        char *value = strchr(line, ' ');
        assert_non_null(value);
        *value++ = '\0';
        if (strcmp(line, "arg") == 0)
            set_pair(&o->args, str_of(value));
        else if (strcmp(line, "label") == 0)
            set_pair(&o->labels, str_of(value));
        else if (strcmp(line, "target") == 0)
            o->lower.target = value;
        else if (strcmp(line, "context") == 0)
            o->resolver.local = value;
        else if (strcmp(line, "image-context") == 0)
            o->resolver.context = value;
        else if (strcmp(line, "allow") == 0)
            o->lower.allow |= parse_entitlement(value);
        else if (strcmp(line, "settings") == 0)
            o->lower.settings = value;
        else if (strcmp(line, "network") == 0)
            o->lower.network = strcmp(value, "none") == 0 ? NETWORK_NONE : NETWORK_HOST;
        else if (strcmp(line, "platform") == 0)
            assert_ok(platform_parse(value, &o->lower.platform, &err), &err);
        else
            fail_msg("unknown option %s", line);
        line = end;
    }
}

static void release_options(struct options *o)
{
    for (size_t i = 0; i < o->resolver.count; i++)
        free_image(o->resolver.images[i]);
    map_release(&o->args);
    map_release(&o->labels);
    strvec_release(&o->unused);
    free(o->text);
}

static void describe_error(const struct error *err, struct strbuf *out)
{
    static const char *const kinds[] = {
        [ERROR_USER] = "user", [ERROR_REMOTE] = "remote", [ERROR_UNSUPPORTED] = "unsupported"
    };
    strbuf_addf(out, "%d-%d:%d %s\n%s\n", err->where.line, err->where.end_line, err->where.column,
                err->kind < COUNT(kinds) && kinds[err->kind] ? kinds[err->kind] : "?",
                err->message);
    if (err->hint)
        strbuf_addf(out, "hint: %s\n", err->hint);
}

static void print_list(struct strbuf *out, const char *title, const char *const *list)
{
    strbuf_addf(out, "  %s", title);
    for (; list && *list; list++)
        strbuf_addf(out, " <%s>", *list);
    strbuf_addch(out, '\n');
}

static void print_copy(const struct op_copy *op, struct strbuf *out)
{
    strbuf_addstr(out, "  copy");
    for (size_t i = 0; i < op->source_count; i++) {
        const struct copy_source *s = &op->sources[i];
        strbuf_addf(out, " <%s>", s->path);
        if (s->input != 1)
            strbuf_addf(out, " of input %zu", s->input);
        if (s->unpack)
            strbuf_addstr(out, " unpack");
        if (s->data)
            strbuf_addf(out, " = \"%.*s\"", (int)s->size, s->data);
    }
    strbuf_addf(out, "\n  to %s chown <%s> chmod <%s>%s\n", op->dest, op->chown ? op->chown : "",
                op->chmod ? op->chmod : "", op->parents ? " parents" : "");
    if (op->exclude)
        print_list(out, "exclude", op->exclude);
    if (op->missing_hint)
        strbuf_addf(out, "  hint %s\n", op->missing_hint);
}

static void print_mount(const struct exec_mount *m, struct strbuf *out)
{
    static const char *const types[] = { "bind", "cache", "tmpfs", "secret", "ssh", "inline" };
    static const char *const sharing[] = { "shared", "private", "locked" };
    strbuf_addf(out, "  mount %s %s", types[m->type], m->target ? m->target : "-");
    if (m->source)
        strbuf_addf(out, " of input %zu %s", m->input, m->source);
    if (m->id)
        strbuf_addf(out, " id <%s>", m->id);
    if (m->type == EXEC_MOUNT_CACHE)
        strbuf_addf(out, " %s", sharing[m->sharing]);
    if (m->env)
        strbuf_addf(out, " env %s", m->env);
    if (m->type == EXEC_MOUNT_TMPFS)
        strbuf_addf(out, " size %llu", (unsigned long long)m->size);
    if (m->mode)
        strbuf_addf(out, " %04o %u:%u", m->mode, m->uid, m->gid);
    strbuf_addf(out, "%s%s\n", m->writable ? " writable" : "", m->required ? " required" : "");
    if (m->data)
        strbuf_addf(out, "%.*s\n", (int)m->size, m->data);
}

static void print_exec(const struct op_exec *op, struct strbuf *out)
{
    print_list(out, "args", op->args);
    print_list(out, "env", op->env);
    if (op->private_env)
        print_list(out, "private", op->private_env);
    strbuf_addf(out, "  cwd %s user <%s> network %s%s\n", op->cwd, op->user,
                op->network == NETWORK_NONE ? "none" : "host", op->insecure ? " insecure" : "");
    if (strcmp(op->platform.arch, "amd64") != 0)
        strbuf_addf(out, "  platform %s/%s%s\n", op->platform.os, op->platform.arch,
                    op->platform.variant);
    for (size_t i = 0; i < op->mount_count; i++)
        print_mount(&op->mounts[i], out);
    for (size_t i = 0; i < op->device_count; i++)
        strbuf_addf(out, "  device %s%s\n", op->devices[i].name,
                    op->devices[i].required ? " required" : "");
    if (op->settings)
        strbuf_addf(out, "  settings %s\n", op->settings);
}

static void print_vertex(const struct vertex *v, struct strbuf *out)
{
    strbuf_addf(out, "%u %s (line %d)\n  inputs", v->index, v->name, v->where.line);
    for (size_t i = 0; i < v->input_count; i++)
        strbuf_addf(out, v->inputs[i] ? " %u" : " -", v->inputs[i] ? v->inputs[i]->index : 0);
    strbuf_addch(out, '\n');
    switch (v->kind) {
    case OP_IMAGE: strbuf_addf(out, "  image %s\n", v->image.image->name); break;
    case OP_LOCAL: strbuf_addf(out, "  local %s\n", v->local.name); break;
    case OP_EXEC: print_exec(&v->exec, out); break;
    case OP_COPY: print_copy(&v->copy, out); break;
    case OP_MERGE: strbuf_addstr(out, "  merge\n"); break;
    case OP_MKDIR: strbuf_addf(out, "  mkdir %s owner %s\n", v->mkdir.path, v->mkdir.owner); break;
    }
}

static void print_definition(const struct definition *def, const struct strvec *unused,
                             struct strbuf *out)
{
    for (size_t i = 0; i < def->graph.count; i++)
        print_vertex(def->graph.vertices[i], out);
    strbuf_addf(out, "target %d\n", def->target ? (int)def->target->index : -1);
    for (size_t i = 0; i < def->config.history_count; i++) {
        const struct vertex *v = def->history_vertices[i];
        strbuf_addf(out, "history %d %s%s\n", v ? (int)v->index : -1,
                    def->config.history[i].created_by,
                    def->config.history[i].empty_layer ? " (empty)" : "");
    }
    for (size_t i = 0; i < unused->count; i++)
        strbuf_addf(out, "unused build arg %s\n", unused->items[i]);
    image_config_print(&def->config, out);
    strbuf_addch(out, '\n');
}

struct golden {
    char *dir;
    bool lower;
};

static bool read_golden(const char *dir, const char *name, struct strbuf *out)
{
    struct error err = { 0 };
    auto_free char *path = xasprintf("%s/%s", dir, name);
    int rc = fd_read_file(AT_FDCWD, path, FILE_MAX, out, &err);
    error_clear(&err);
    return rc == 0;
}

static void write_golden(const char *dir, const char *name, const char *text)
{
    auto_free char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int run_lower(const struct golden *g, const struct dockerfile *df, struct strbuf *out,
                     struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(definition) struct definition def = { 0 };
    struct options options;
    read_golden(g->dir, "options", &text);
    parse_options(&options, text.buf);
    options.lower.resolver = &options.resolver.base;
    options.lower.fetcher = &options.fetcher;
    int rc = dockerfile_lower(df, &options.lower, &def, err);
    if (rc == 0)
        print_definition(&def, &options.unused, out);
    release_options(&options);
    return rc;
}

static void golden_case(void **state)
{
    const struct golden *g = *state;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(strbuf) struct strbuf actual = STRBUF_INIT;
    auto_(strbuf) struct strbuf expected = STRBUF_INIT;
    auto_(dockerfile) struct dockerfile *df = NULL;
    auto_(error) struct error err = { 0 };
    assert_true(read_golden(g->dir, "Dockerfile", &text));
    int rc = dockerfile_parse(text.buf, text.len, "Dockerfile", &df, &err);
    if (rc == 0 && g->lower)
        rc = run_lower(g, df, &actual, &err);
    else if (rc == 0)
        dockerfile_print(df, &actual);
    const char *name = rc < 0 ? "error" : g->lower ? "graph" : "ast";
    if (rc < 0)
        describe_error(&err, &actual);
    if (getenv("UPDATE_GOLDEN"))
        write_golden(g->dir, name, actual.buf);
    if (!read_golden(g->dir, name, &expected))
        fail_msg("%s has no file \"%s\"; it would be:\n%s", g->dir, name, actual.buf);
    assert_string_equal(actual.buf, expected.buf);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

struct suite {
    struct CMUnitTest *tests;
    size_t count, cap;
};

static void add_cases(struct suite *suite, const char *kind)
{
    auto_free char *here = xstrndup(__FILE__, (size_t)(path_base(__FILE__) - __FILE__));
    auto_free char *root = xasprintf("%s" GOLDEN_DIR "/%s", here, kind);
    DIR *dir = opendir(root);
    if (!dir)
        return;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (e->d_name[0] == '.')
            continue;
        struct golden *g = xcalloc(1, sizeof *g);
        *g = (struct golden){ xasprintf("%s/%s", root, e->d_name), strcmp(kind, "lower") == 0 };
        GROW(suite->tests, suite->count, suite->cap);
        suite->tests[suite->count++] =
            (struct CMUnitTest){ xasprintf("%s/%s", kind, e->d_name), golden_case, NULL, NULL, g };
    }
    closedir(dir);
}

int main(void)
{
    struct suite suite = { 0 };
    add_cases(&suite, "parse");
    add_cases(&suite, "lower");
    if (suite.count == 0)
        return 1;
    qsort(suite.tests, suite.count, sizeof *suite.tests, by_name);
    int failed = _cmocka_run_group_tests("golden", suite.tests, suite.count, NULL, NULL);
    for (size_t i = 0; i < suite.count; i++) {
        struct golden *g = suite.tests[i].initial_state;
        free(g->dir);
        free(g);
        free((char *)suite.tests[i].name);
    }
    free(suite.tests);
    return failed;
}
