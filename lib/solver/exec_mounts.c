/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/solver/exec_mounts.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/fs/dir.h"
#include "lib/fs/resolve.h"

/* Input 0 is the step's own root: a mount that names it means an empty directory. */
static struct layer_list layers_of(const struct exec_mounts *m, const struct exec_mount *mount)
{
    return mount->input ? input_layers(m->solver, m->vertex, mount->input)
                        : (struct layer_list){ NULL, 0 };
}

/* Another mount before `index` that shows the same input read-only has its view open. */
static struct snapshot *find_view(const struct exec_mounts *m, size_t index)
{
    const struct exec_mount *mounts = m->vertex->exec.mounts;
    for (size_t i = 0; i < m->vertex->exec.mount_count; i++) {
        bool is_view = mounts[i].type == EXEC_MOUNT_CACHE || !mounts[i].writable;
        if (i != index && m->states[i].root && mounts[i].input == mounts[index].input && is_view)
            return m->states[i].root;
    }
    return NULL;
}

static int missing(const struct exec_mount *mount, int root_fd, struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_(error) struct error ignored = { 0 };
    auto_free char *dir = xstrndup(mount->source, path_dir_len(mount->source));
    error_set(err, ERROR_NOT_FOUND, 0, "--mount=type=%s,source=%s,target=%s: \"%s\": not found",
              mount->type == EXEC_MOUNT_BIND ? "bind" : "cache", mount->source, mount->target,
              mount->source);
    auto_close int fd = root_open(root_fd, dir, O_RDONLY | O_DIRECTORY);
    if (fd < 0 || dir_list(fd, dir, &names, &ignored) < 0)
        return -1;
    const char *near =
        str_nearest(path_base(mount->source), (const char *const *)names.items, names.count);
    /* A link of that name may be there, and lead nowhere. */
    return near && strcmp(near, path_base(mount->source)) != 0
               ? error_hint(err, "did you mean %s/%s?", dir, near)
               : -1;
}

/* Finds the source in the root, once: from here on it is a path without links. */
static int resolve_source(struct exec_mounts *m, size_t index, int root_fd, struct stat *out,
                          struct error *err)
{
    const struct exec_mount *mount = &m->vertex->exec.mounts[index];
    const char *source = mount->source ? mount->source : "/";
    auto_(resolved) struct resolved r = { 0 };
    auto_(error) struct error unresolved = { 0 };
    if (root_resolve(root_fd, source, true, &r, &unresolved) < 0 && unresolved.sys != ENOTDIR) {
        error_move(err, &unresolved);
        return error_wrap(err, "mount on %s", mount->target);
    }
    if (!r.exists)
        return missing(mount, root_fd, err);
    free(m->states[index].path);
    m->states[index].path = take_ptr(r.path);
    *out = r.st;
    return 0;
}

static int open_bind(struct exec_mounts *m, size_t index, struct error *err)
{
    const struct exec_mount *mount = &m->vertex->exec.mounts[index];
    struct exec_mount_state *state = &m->states[index];
    struct layer_list layers = layers_of(m, mount);
    bool scratch = mount->writable && mount->type == EXEC_MOUNT_BIND;
    struct snapshot *shared = scratch ? NULL : find_view(m, index);
    struct stat st;
    if (!state->root && scratch)
        TRY(prepare_layers(m->solver, &layers, NULL, 0, &state->root, err));
    if (!state->root && !shared)
        TRY(view_layers(m->solver, &layers, &state->root, err));
    int root_fd = shared && !state->root ? shared->root_fd : state->root->root_fd;
    TRY(resolve_source(m, index, root_fd, &st, err));
    m->sources[index].fd = root_fd;
    m->sources[index].path = state->path;
    m->sources[index].is_dir = S_ISDIR(st.st_mode);
    return 0;
}

/* The layers of an image, and of a copy from a context, are what is in them: hashing their files
 * would say no more. */
static bool layers_say_all(const struct vertex *input)
{
    return !input || input->kind == OP_IMAGE || (input->kind == OP_COPY && !input->inputs[0]);
}

/* The files and, since it is what the target will look like, the source's own owner and mode. */
static int digest_source(struct exec_mounts *m, size_t index, struct digest *out, struct error *err)
{
    struct solver *s = m->solver;
    struct stat st;
    struct digest files;
    char base[] = "";
    TRY(open_bind(m, index, err));
    int root_fd = m->sources[index].fd;
    const struct file_source from = { .name = "the source of a mount", .root_fd = root_fd };
    struct selected one = { .path = m->states[index].path,
                            .name = base,
                            .is_dir = m->sources[index].is_dir };
    const struct selection selection = { .items = &one, .count = 1 };
    struct selection_digesting digesting = digesting_of(s, &from, &selection);
    TRY(selection_digest(&digesting, &files, err));
    auto_close int fd = beneath_open(root_fd, one.path, O_PATH, 0);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", one.path);
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add(h, files.bytes, sizeof files.bytes);
    hasher_add_u64(h, st.st_mode);
    hasher_add_u64(h, st.st_uid);
    hasher_add_u64(h, st.st_gid);
    hasher_finish(h, out);
    return 0;
}

/* What a stack holds at a path never changes, so it is remembered under both. */
static int identify_files(struct exec_mounts *m, size_t index, struct cache_key *key,
                          struct error *err)
{
    const struct store *store = m->solver->options.store;
    const struct exec_mount *mount = &m->vertex->exec.mounts[index];
    const struct vertex *input = mount->input ? m->vertex->inputs[mount->input] : NULL;
    struct layer_list layers = layers_of(m, mount);
    struct digest memo;
    struct digest content;
    auto_(cache_key) struct cache_key remembered = cache_key_begin("mounted");
    /* Where the layers of one mount end and those of the next begin. */
    cache_key_add_text(key, "mount on", mount->target);
    for (size_t i = 0; i < layers.count; i++) {
        cache_key_add_text(&remembered, "layer", layers.ids[i]);
        if (layers_say_all(input))
            cache_key_add_text(key, "mounted layer", layers.ids[i]);
    }
    if (layers_say_all(input))
        return 0;
    cache_key_add_text(&remembered, "source", mount->source ? mount->source : "/");
    cache_key_finish(&remembered, &memo);
    if (!cache_find_digest(store, &memo, &content)) {
        TRY(digest_source(m, index, &content, err));
        TRY(cache_put_digest(store, &memo, &content, err));
    }
    cache_key_add_digest(key, mount->target, &content);
    return 0;
}

int exec_mounts_identify(struct exec_mounts *m, struct solver *s, const struct vertex *v,
                         struct cache_key *key, struct error *err)
{
    size_t count = v->exec.mount_count;
    *m = (struct exec_mounts){ .solver = s,
                               .vertex = v,
                               .sources = xcalloc(count, sizeof *m->sources),
                               .states = xcalloc(count, sizeof *m->states) };
    for (size_t i = 0; i < count; i++) {
        m->sources[i].fd = -1;
        m->states[i].cache = (struct cache_mount)CACHE_MOUNT_INIT;
    }
    for (size_t i = 0; i < count; i++) {
        const struct exec_mount *mount = &v->exec.mounts[i];
        /* Of a cache it is what it begins with that counts, never what became of it. */
        if (mount->type == EXEC_MOUNT_BIND || (mount->type == EXEC_MOUNT_CACHE && mount->input))
            TRY(identify_files(m, i, key, err));
    }
    return 0;
}

static int open_secret(struct exec_mounts *m, size_t index, struct error *err)
{
    const struct exec_mount *mount = &m->vertex->exec.mounts[index];
    const struct lent *lent = m->solver->options.lent;
    struct exec_source *to = &m->sources[index];
    for (size_t i = 0; lent && i < lent->secret_count; i++) {
        if (strcmp(lent->secrets[i].id, mount->id) != 0)
            continue;
        to->data = lent->secrets[i].data;
        to->size = lent->secrets[i].size;
        return 0;
    }
    to->absent = true;
    if (!mount->required)
        return 0;
    error_set(err, ERROR_NOT_FOUND, 0, "secret %s: not found", mount->id);
    return error_hint(err, "give it with --secret id=%s,src=FILE or --secret id=%s,env=VARIABLE",
                      mount->id, mount->id);
}

static int open_ssh(struct exec_mounts *m, size_t index, struct error *err)
{
    const struct exec_mount *mount = &m->vertex->exec.mounts[index];
    const struct lent *lent = m->solver->options.lent;
    struct exec_mount_state *state = &m->states[index];
    for (size_t i = 0; lent && i < lent->agent_count; i++) {
        if (strcmp(lent->agents[i].id, mount->id) != 0)
            continue;
        TRY(ssh_proxy_start(m->solver->options.store->scratch_fd, lent->agents[i].socket,
                            mount->mode, mount->uid, mount->gid, &state->proxy, err));
        m->sources[index].fd = ssh_proxy_fd(state->proxy);
        return 0;
    }
    m->sources[index].absent = true;
    if (!mount->required)
        return 0;
    error_set(err, ERROR_NOT_FOUND, 0, "no SSH key \"%s\" forwarded from the client", mount->id);
    return error_hint(err, "forward your agent with --ssh %s", mount->id);
}

static int open_one(struct exec_mounts *m, size_t index, struct error *err)
{
    switch (m->vertex->exec.mounts[index].type) {
    case EXEC_MOUNT_BIND: return open_bind(m, index, err);
    case EXEC_MOUNT_SECRET: return open_secret(m, index, err);
    case EXEC_MOUNT_SSH: return open_ssh(m, index, err);
    case EXEC_MOUNT_CACHE: /* all at once, see exec_caches_open */
    case EXEC_MOUNT_TMPFS: m->sources[index].is_dir = true; return 0;
    case EXEC_MOUNT_INLINE: return 0;
    }
    __builtin_unreachable();
}

/* What lies in another mount, or in our own /dev, is made there, not in the root. */
static bool is_inside_another(const struct exec_mounts *m, const char *target)
{
    const struct op_exec *op = &m->vertex->exec;
    if (path_is_below(target, "/dev"))
        return true;
    for (size_t i = 0; i < op->mount_count; i++) {
        const char *outer = op->mounts[i].target;
        if (outer && m->sources[i].is_dir && strcmp(outer, target) != 0 &&
            path_is_below(target, outer))
            return true;
    }
    return false;
}

static void add_points(struct exec_mounts *m, const struct mount_point *points, size_t count)
{
    m->points = xreallocarray(m->points, m->point_count + count + 1, sizeof *m->points);
    for (size_t i = 0; i < count; i++)
        m->points[m->point_count++] = points[i];
}

static int collect_points(struct exec_mounts *m, struct error *err)
{
    struct executor *executor = m->solver->workers.executor;
    const struct op_exec *op = &m->vertex->exec;
    const struct mount_point *more = NULL;
    size_t count = 0;
    add_points(m, executor->mount_points, executor->mount_point_count);
    if (executor->device_points) {
        TRY(executor->device_points(executor, op, &more, &count, err));
        add_points(m, more, count);
    }
    for (size_t i = 0; i < op->mount_count; i++) {
        const struct mount_point point = { op->mounts[i].target, m->sources[i].is_dir };
        if (point.path && !m->sources[i].absent && !is_inside_another(m, point.path))
            add_points(m, &point, 1);
    }
    return 0;
}

int exec_mounts_open(struct exec_mounts *m, unsigned progress, struct error *err)
{
    m->progress = progress;
    for (size_t i = 0; i < m->vertex->exec.mount_count; i++)
        TRY(open_one(m, i, err));
    TRY(collect_points(m, err));
    return exec_caches_open(m, err);
}

void exec_mounts_close(struct exec_mounts *m)
{
    for (size_t i = 0; m->states && i < m->vertex->exec.mount_count; i++) {
        struct exec_mount_state *state = &m->states[i];
        if (state->root)
            state->root->snapshotter->ops->discard(take_ptr(state->root));
        cache_mount_close(&state->cache);
        ssh_proxy_stop(take_ptr(state->proxy));
        free(state->path);
    }
    free(take_ptr(m->states));
    free(take_ptr(m->sources));
    free(take_ptr(m->points));
}
