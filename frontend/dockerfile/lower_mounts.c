/* SPDX-License-Identifier: Apache-2.0 */
/* From the words of --mount to what an executor mounts. It sees stacks of layers only: what a bind
 * takes from a directory of the caller's is copied to an empty root first. */
#include "frontend/dockerfile/lower_internal.h"
#include "frontend/dockerfile/mounts.h"
#include "frontend/dockerfile/stages.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"

/* Where the copy of a local directory or file stands. */
#define LOCAL_COPY "/mount"

enum { CACHE_MODE = 0755, SECRET_MODE = 0400, SSH_MODE = 0600 };

/* A mount on its way. */
struct pending {
    struct mount mount;
    const struct flag *flag; /* NULL: not of the instruction's flags */
    struct exec_mount result;
    size_t order;
};

struct expansion {
    struct lowering *l;
    struct stage_state *s;
};

static int expand_value(void *arg, const char *value, const char **out, struct error *err)
{
    struct expansion *x = arg;
    struct expander e = stage_expander(x->l, x->s);
    TRY(expand_word(&e, value, out, err));
    x->l->expansion_left = e.left;
    return 0;
}

static const char *absolute(struct lowering *l, const char *dir, const char *path)
{
    auto_free char *whole = path_absolute(dir, path);
    return arena_strdup(l->arena, whole);
}

/* What `path` ends in, whatever slashes it has. */
static const char *last_component(struct lowering *l, const char *path)
{
    return path_base(absolute(l, "/", path));
}

static void set_cache(struct lowering *l, const struct mount *m, struct exec_mount *out)
{
    const char *prefix =
        l->options->build_args ? map_find(l->options->build_args, "BUILDKIT_CACHE_MOUNT_NS") : NULL;
    auto_free char *target = path_clean(m->target ? m->target : "");
    const char *id = m->id ? m->id : target;
    out->id = prefix && *prefix ? arena_printf(l->arena, "%s/%s", prefix, id)
                                : arena_strdup(l->arena, id);
    out->sharing = m->sharing;
}

static void set_secret(struct lowering *l, const struct mount *m, struct exec_mount *out)
{
    out->id = m->source ? m->source : m->id;
    if (!out->id)
        out->id = last_component(l, m->target);
    out->env = m->env;
    if (!m->target)
        out->target =
            m->env ? NULL : arena_printf(l->arena, "/run/secrets/%s", last_component(l, out->id));
}

static void set_ssh(struct lowering *l, const struct mount *m, struct mount_list *list,
                    size_t ssh_index, struct exec_mount *out)
{
    out->id = m->id ? m->id : "default";
    if (!m->target)
        out->target = arena_printf(l->arena, "/run/buildkit/ssh_agent.%zu", ssh_index);
    if (!list->ssh_socket)
        list->ssh_socket = out->target;
}

static int set_result(struct lowering *l, struct stage_state *s, struct pending *p,
                      struct mount_list *list, size_t *ssh_count, struct error *err)
{
    const struct mount *m = &p->mount;
    bool scratch = m->type == EXEC_MOUNT_CACHE || m->type == EXEC_MOUNT_TMPFS;
    unsigned mode = m->type == EXEC_MOUNT_CACHE    ? CACHE_MODE
                    : m->type == EXEC_MOUNT_SECRET ? SECRET_MODE
                    : m->type == EXEC_MOUNT_SSH    ? SSH_MODE
                                                   : 0;
    p->result = (struct exec_mount){
        .type = m->type,
        .target = absolute(l, stage_working_dir(s), m->target ? m->target : ""),
        .writable = m->access == MOUNT_ACCESS_DEFAULT ? scratch : m->access == MOUNT_READ_WRITE,
        .required = m->required,
        .mode = m->has_mode ? m->mode : mode,
        .uid = m->uid,
        .gid = m->gid,
        .size = m->size,
    };
    if (m->type == EXEC_MOUNT_CACHE)
        set_cache(l, m, &p->result);
    else if (m->type == EXEC_MOUNT_SECRET)
        set_secret(l, m, &p->result);
    else if (m->type == EXEC_MOUNT_SSH)
        set_ssh(l, m, list, (*ssh_count)++, &p->result);
    if (p->result.target && strcmp(p->result.target, "/") == 0) {
        error_set(err, ERROR_USER, 0, "invalid mount target \"/\"");
        return error_hint(err, "say where to mount it: target=DIRECTORY");
    }
    if (p->result.env)
        map_set(&list->secrets, p->result.env, (char *)"****");
    return 0;
}

static int parse_mounts(struct lowering *l, struct stage_state *s, const struct instruction *in,
                        struct pending *out, struct mount_list *list, size_t *out_count,
                        struct error *err)
{
    struct expansion x = { l, s };
    size_t ssh_count = 0;
    for (size_t i = 0; i < in->flag_count; i++) {
        const struct flag *flag = &in->flags[i];
        struct pending *p = &out[*out_count];
        if (flag->spec->kind != FLAG_MOUNT)
            continue;
        *p = (struct pending){ .flag = flag, .order = i };
        if (mount_parse(flag, expand_value, &x, &p->mount, err) < 0 ||
            set_result(l, s, p, list, &ssh_count, err) < 0)
            return error_word(in, flag->offset, err);
        ++*out_count;
    }
    return 0;
}

/* By target, so that parents come first; what has none comes last. */
static int by_target(const void *a, const void *b)
{
    const struct pending *p = a;
    const struct pending *q = b;
    if (!p->result.target || !q->result.target)
        return p->result.target ? -1 : q->result.target ? 1 : p->order < q->order ? -1 : 1;
    int order = strcmp(p->result.target, q->result.target);
    return order ? order : p->order < q->order ? -1 : 1;
}

/* Of equal targets the last one stays. Returns how many are left. */
static size_t drop_hidden(struct pending *list, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const char *target = list[i].result.target;
        const char *next = i + 1 < count ? list[i + 1].result.target : NULL;
        if (!target || !next || strcmp(target, next) != 0)
            list[kept++] = list[i];
    }
    return kept;
}

/* A path that COPY reads as a pattern, so that it means itself. */
static const char *literal_pattern(struct lowering *l, const char *path)
{
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    if (!strpbrk(path, "*?["))
        return path;
    for (; *path; path++) {
        if (strchr("*?[", *path))
            strbuf_addf(&out, "[%c]", *path);
        else
            strbuf_addf(&out, *path == '\\' ? "\\%c" : "%c", *path);
    }
    return arena_strdup(l->arena, out.buf);
}

static struct vertex *copy_local(struct lowering *l, const struct instruction *in,
                                 struct vertex *local, const char *source)
{
    struct copy_source *sources = arena_alloc(l->arena, 1, sizeof *sources);
    const char *path = source[1] ? literal_pattern(l, source + 1) : ".";
    sources[0] = (struct copy_source){ .input = 1, .path = path };
    return graph_add(
        &l->out->graph,
        &(struct vertex){ .kind = OP_COPY,
                          .name = arena_printf(l->arena, "[internal] mount %s from %s", source,
                                               strcmp(local->local.name, "context") == 0
                                                   ? "the build context"
                                                   : local->local.name),
                          .where = in->line.where,
                          .inputs = VERTICES(NULL, local),
                          .input_count = 2,
                          .copy = { .sources = sources, .source_count = 1, .dest = LOCAL_COPY } });
}

static size_t add_input(struct mount_list *list, struct vertex *v)
{
    for (size_t i = 1; i < list->input_count; i++)
        if (list->inputs[i] == v)
            return i;
    list->inputs[list->input_count] = v;
    return list->input_count++;
}

/* Only binds and caches show files of a vertex; a cache without `from` begins empty. */
static int set_input(struct lowering *l, struct stage_state *s, const struct instruction *in,
                     struct pending *p, struct mount_list *list, struct error *err)
{
    const struct mount *m = &p->mount;
    struct vertex *from = NULL;
    bool shows = m->type == EXEC_MOUNT_BIND || (m->type == EXEC_MOUNT_CACHE && m->from);
    if (!p->flag || !shows)
        return 0;
    struct stage_use use = { .name = m->from, .offset = p->flag->offset, .mount = true };
    TRY(from_source(l, s, in, m->from ? &use : NULL, &from, err));
    p->result.source = absolute(l, "/", m->source ? m->source : "");
    if (from && from->kind == OP_LOCAL) {
        from = copy_local(l, in, from, p->result.source);
        p->result.source = LOCAL_COPY;
    }
    p->result.input = add_input(list, from);
    return 0;
}

int mounts_lower(struct lowering *l, struct stage_state *s, const struct instruction *in,
                 const struct exec_mount *more, struct mount_list *out, struct error *err)
{
    auto_free struct pending *list = xcalloc(in->flag_count + 1, sizeof *list);
    size_t count = 0;
    out->inputs = arena_alloc(l->arena, in->flag_count + 1, sizeof *out->inputs);
    out->input_count = 1;
    TRY(parse_mounts(l, s, in, list, out, &count, err));
    if (more)
        list[count++] = (struct pending){ .result = *more, .order = in->flag_count };
    qsort(list, count, sizeof *list, by_target);
    count = drop_hidden(list, count);
    out->items = arena_alloc(l->arena, count, sizeof *out->items);
    for (size_t i = 0; i < count; i++) {
        TRY(set_input(l, s, in, &list[i], out, err));
        out->items[out->count++] = list[i].result;
    }
    return 0;
}

void mount_list_release(struct mount_list *list)
{
    map_release(&list->secrets);
}
