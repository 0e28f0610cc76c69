/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/cdi.h"

#include <fcntl.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/codec/yaml.h"
#include "lib/fs/dir.h"

#define DEFAULT_PATH     "/etc/cdi:/var/run/cdi"
#define CLASS_ANNOTATION "org.mobyproject.buildkit.device.class"

enum { SPEC_MAX = 8 * 1024 * 1024 };

struct cdi {
    char *path;
    js **specs; /* later ones come first: what a later directory says wins */
    size_t count, cap;
    struct strvec warnings; /* about files */
};

static void warn_once(struct strvec *warnings, char *text)
{
    for (size_t i = 0; i < warnings->count; i++) {
        if (strcmp(warnings->items[i], text) == 0) {
            free(text);
            return;
        }
    }
    strvec_push_take(warnings, text);
}

static int parse_spec(const struct strbuf *text, const char *name, js **out, struct error *err)
{
    auto_(js) js *spec = NULL;
    const char *kind = NULL;
    TRY(str_ends_with(name, ".json") ? js_parse(text->buf, text->len, name, &spec, err)
                                     : yaml_parse(text->buf, text->len, name, &spec, err));
    TRY(js_get_text(spec, "kind", true, &kind, err));
    if (!strchr(kind, '/') || !js_is_array(js_member(spec, "devices")))
        return error_set(err, ERROR_CORRUPT, 0, "%s: not a CDI specification", name);
    *out = take_ptr(spec);
    return 0;
}

static void load_file(struct cdi *cdi, int dir, const char *name)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(error) struct error err = { 0 };
    js *spec = NULL;
    if (fd_read_file(dir, name, SPEC_MAX, &text, &err) < 0 ||
        parse_spec(&text, name, &spec, &err) < 0) {
        warn_once(&cdi->warnings, xasprintf("CDI: %s", err.message));
        return;
    }
    GROW(cdi->specs, cdi->count, cdi->cap);
    memmove(cdi->specs + 1, cdi->specs, cdi->count * sizeof *cdi->specs);
    cdi->specs[0] = spec;
    cdi->count++;
}

static void load_dir(struct cdi *cdi, const char *path)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_(error) struct error ignored = { 0 };
    auto_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || dir_list(dir, path, &names, &ignored) < 0)
        return;
    for (size_t i = names.count; i-- > 0;) {
        if (str_ends_with(names.items[i], ".json") || str_ends_with(names.items[i], ".yaml") ||
            str_ends_with(names.items[i], ".yml"))
            load_file(cdi, dir, names.items[i]);
    }
}

struct cdi *cdi_load(void)
{
    struct cdi *cdi = xcalloc(1, sizeof *cdi);
    const char *chosen = getenv("MLBUILD_CDI_PATH");
    cdi->path = xstrdup(chosen && *chosen ? chosen : DEFAULT_PATH);
    struct str rest = str_of(cdi->path);
    while (rest.len) {
        struct str one = str_cut(&rest, ':');
        auto_free char *path = xstrndup(one.ptr, one.len);
        load_dir(cdi, path);
    }
    for (char *p = cdi->path; *p; p++)
        *p = *p == ':' ? ' ' : *p;
    return cdi;
}

void cdi_free(struct cdi *cdi)
{
    if (!cdi)
        return;
    for (size_t i = 0; i < cdi->count; i++)
        js_free(cdi->specs[i]);
    strvec_release(&cdi->warnings);
    free(cdi->specs);
    free(cdi->path);
    free(cdi);
}

const char *cdi_path(const struct cdi *cdi)
{
    return cdi->path;
}

static bool has_text(const js *list, const char *text)
{
    for (size_t i = 0; i < js_count(list); i++) {
        const char *item = js_text(js_item(list, i));
        if (item && strcmp(item, text) == 0)
            return true;
    }
    return false;
}

static void add_bind(struct cdi_edits *e, const char *source, const char *target, bool writable,
                     bool is_device)
{
    for (size_t i = 0; i < e->bind_count; i++) {
        if (strcmp(e->binds[i].target, target) == 0)
            return;
    }
    GROW(e->binds, e->bind_count, e->bind_cap);
    e->binds[e->bind_count++] =
        (struct cdi_bind){ xstrdup(source), xstrdup(target), writable, is_device };
}

static void add_nodes(const js *nodes, struct cdi_edits *e)
{
    for (size_t i = 0; i < js_count(nodes); i++) {
        const char *path = js_text(js_member(js_item(nodes, i), "path"));
        const char *host = js_text(js_member(js_item(nodes, i), "hostPath"));
        if (path && path[0] == '/')
            add_bind(e, host && *host ? host : path, path, true, true);
    }
}

static void add_mounts(const js *mounts, struct cdi_edits *e)
{
    for (size_t i = 0; i < js_count(mounts); i++) {
        const js *mount = js_item(mounts, i);
        const js *options = js_member(mount, "options");
        const char *source = js_text(js_member(mount, "hostPath"));
        const char *target = js_text(js_member(mount, "containerPath"));
        const char *type = js_text(js_member(mount, "type"));
        bool is_bind = !type || !*type || strcmp(type, "bind") == 0;
        if (!is_bind)
            warn_once(&e->warnings, xasprintf("CDI: a mount of type %s is left out", type));
        if (is_bind && source && target && source[0] == '/' && target[0] == '/')
            add_bind(e, source, target, has_text(options, "rw"), false);
    }
}

static void warn_hooks(const js *hooks, struct cdi_edits *e)
{
    for (size_t i = 0; i < js_count(hooks); i++) {
        const js *args = js_member(js_item(hooks, i), "args");
        const char *path = js_text(js_member(js_item(hooks, i), "path"));
        const char *what = js_text(js_item(args, js_count(args) > 1 ? 1 : 0));
        const char *more = js_text(js_item(args, 2));
        warn_once(&e->warnings, xasprintf("CDI: hooks are not run: %s %s%s%s", path ? path : "?",
                                          what ? what : "", more ? " " : "", more ? more : ""));
    }
}

static void add_gids(const js *gids, struct cdi_edits *e)
{
    for (size_t i = 0; i < js_count(gids); i++) {
        auto_(strbuf) struct strbuf text = STRBUF_INIT;
        uint64_t gid = 0;
        js_print(js_item(gids, i), 0, &text);
        if (!str_to_u64(str_of(text.buf), 10, UINT32_MAX - 1, &gid) || gid == 0)
            continue;
        e->gids = xreallocarray(e->gids, e->gid_count + 1, sizeof *e->gids);
        e->gids[e->gid_count++] = (gid_t)gid;
    }
}

static void add_edits(const js *edits, struct cdi_edits *e)
{
    const js *env = js_member(edits, "env");
    for (size_t i = 0; i < js_count(env); i++) {
        const char *variable = js_text(js_item(env, i));
        if (variable && strchr(variable, '='))
            strvec_push(&e->env, variable);
    }
    add_nodes(js_member(edits, "deviceNodes"), e);
    add_mounts(js_member(edits, "mounts"), e);
    add_gids(js_member(edits, "additionalGids"), e);
    warn_hooks(js_member(edits, "hooks"), e);
}

/* What is said of the whole specification holds for each of its devices. */
static void add_device(const js *spec, const js *device, struct cdi_edits *e)
{
    strvec_push_take(&e->names, xasprintf("%s=%s", js_text(js_member(spec, "kind")),
                                          js_text(js_member(device, "name"))));
    add_edits(js_member(spec, "containerEdits"), e);
    add_edits(js_member(device, "containerEdits"), e);
}

enum match { BY_NAME, BY_CLASS };

static bool matches(const js *spec, const js *device, const char *wanted, enum match how)
{
    const char *kind = js_text(js_member(spec, "kind"));
    const char *name = js_text(js_member(device, "name"));
    const char *class = js_text(js_member(js_member(device, "annotations"), CLASS_ANNOTATION));
    size_t len = strlen(kind);
    if (!name)
        return false;
    if (how == BY_CLASS)
        return class && strcmp(class, wanted) == 0;
    if (strncmp(wanted, kind, len) != 0 || (wanted[len] && wanted[len] != '='))
        return false;
    const char *wanted_name = wanted[len] ? wanted + len + 1 : "";
    return !*wanted_name || strcmp(wanted_name, "*") == 0 || strcmp(wanted_name, name) == 0;
}

static bool find_by(const struct cdi *cdi, const char *wanted, enum match how, struct cdi_edits *e)
{
    const char *equals = strchr(wanted, '=');
    bool all = how == BY_CLASS || (equals && strcmp(equals, "=*") == 0);
    bool found = false;
    for (size_t i = 0; i < cdi->count; i++) {
        const js *devices = js_member(cdi->specs[i], "devices");
        for (size_t k = 0; k < js_count(devices); k++) {
            const js *device = js_item(devices, k);
            if (!matches(cdi->specs[i], device, wanted, how))
                continue;
            add_device(cdi->specs[i], device, e);
            found = true;
            if (!all)
                return true;
        }
    }
    return found;
}

bool cdi_find(const struct cdi *cdi, const char *name, struct cdi_edits *edits)
{
    for (size_t i = 0; i < cdi->warnings.count; i++)
        warn_once(&edits->warnings, xstrdup(cdi->warnings.items[i]));
    return find_by(cdi, name, BY_NAME, edits) || find_by(cdi, name, BY_CLASS, edits);
}

void cdi_edits_release(struct cdi_edits *e)
{
    strvec_release(&e->env);
    strvec_release(&e->names);
    strvec_release(&e->warnings);
    for (size_t i = 0; i < e->bind_count; i++) {
        free(e->binds[i].source);
        free(e->binds[i].target);
    }
    free(e->binds);
    free(e->gids);
    *e = (struct cdi_edits){ 0 };
}
