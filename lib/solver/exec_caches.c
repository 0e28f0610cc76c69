/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/fs/copy_tree.h"
#include "lib/fs/resolve.h"
#include "lib/solver/exec_mounts.h"

/* One CACHE mount of the step on its way. */
struct wanted_cache {
    struct exec_mounts *mounts;
    size_t index;
    struct digest key;
    enum cache_mount_use use;
};

static const struct exec_mount *mount_of(const struct wanted_cache *w)
{
    return &w->mounts->vertex->exec.mounts[w->index];
}

static bool has_subdirectory(const struct exec_mount *mount)
{
    return mount->source && strcmp(mount->source, "/") != 0;
}

/* Which cache it is: its name and, if it begins with somebody's files, whose. */
void kept_mount_key(const struct solver *s, const struct vertex *v, size_t index,
                    struct digest *out)
{
    const struct exec_mount *mount = &v->exec.mounts[index];
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add_text(h, "cache mount 1");
    hasher_add_text(h, mount->id);
    if (mount->input) {
        struct layer_list layers = input_layers(s, v, mount->input);
        hasher_add_text(h, mount->source);
        for (size_t i = 0; i < layers.count; i++)
            hasher_add_text(h, layers.ids[i]);
    }
    hasher_finish(h, out);
}

static int copy_initial(const struct wanted_cache *w, int root_fd, int dir_fd, struct error *err)
{
    const struct exec_mount *mount = mount_of(w);
    auto_close int from =
        root_open(root_fd, mount->source ? mount->source : "/", O_RDONLY | O_DIRECTORY);
    if (from < 0) {
        return error_set(err, ERROR_NOT_FOUND, errno,
                         "--mount=type=cache,source=%s,target=%s: the initial content",
                         mount->source, mount->target);
    }
    TRY(copy_tree(from, dir_fd, w->mounts->solver->options.cancel, err));
    if (has_subdirectory(mount))
        return 0;
    if (fchown(dir_fd, mount->uid, mount->gid) < 0 || fchmod(dir_fd, mount->mode & 07777) < 0)
        return error_set(err, ERROR_USER, errno, "give the cache %s to %u:%u", mount->id,
                         mount->uid, mount->gid);
    return 0;
}

static int fill_from(const struct wanted_cache *w, const struct layer_list *layers, int dir_fd,
                     struct error *err)
{
    struct solver *s = w->mounts->solver;
    struct snapshot *view = NULL;
    TRY(view_layers(s, layers, &view, err));
    int rc = copy_initial(w, view->root_fd, dir_fd, err);
    s->workers.snapshotter->ops->discard(view);
    return rc;
}

static int fill(void *arg, int dir_fd, struct error *err)
{
    const struct wanted_cache *w = arg;
    struct layer_list layers =
        input_layers(w->mounts->solver, w->mounts->vertex, mount_of(w)->input);
    return fill_from(w, &layers, dir_fd, err);
}

/* Others have told of its content. */
static int fill_shared(void *arg, int dir_fd, struct error *err)
{
    const struct wanted_cache *w = arg;
    char id[1][LAYER_ID_SIZE];
    struct layer_list layers = { id, 1 };
    const struct shared_stack *stack = shared_mount_stack(w->mounts->solver, &w->key);
    snprintf(id[0], LAYER_ID_SIZE, "%s", stack->image.layers[0].id);
    return fill_from(w, &layers, dir_fd, err);
}

static void tell_wait(void *arg)
{
    const struct wanted_cache *w = arg;
    const struct exec_mount *mount = mount_of(w);
    auto_free char *text =
        xasprintf("waiting for the cache mount %s (id=%s), which another step uses", mount->target,
                  mount->id);
    progress_note(w->mounts->solver->options.progress, w->mounts->progress, text);
}

/* A step that is to run anew begins with an empty cache; those after it in the same build go on
 * with that. */
static int renew(const struct wanted_cache *w, struct error *err)
{
    struct solver *s = w->mounts->solver;
    char hex[DIGEST_HEX_SIZE];
    int rc = 0;
    digest_hex(&w->key, hex);
    pthread_mutex_lock(&s->caches_lock);
    if (!map_find(&s->renewed_caches, hex)) {
        rc = cache_mount_renew(s->options.store, &w->key, err);
        map_set(&s->renewed_caches, hex, s);
    }
    pthread_mutex_unlock(&s->caches_lock);
    return rc;
}

/* A build does not fail for a cache. */
static void tell_lost(const struct wanted_cache *w, const struct error *why)
{
    auto_free char *text = xasprintf("the cache mount %s begins empty: %s", mount_of(w)->id,
                                     why->message ? why->message : "it cannot be had");
    progress_warning(w->mounts->solver->options.progress, text);
}

static int open_cache(struct wanted_cache *w, struct error *err)
{
    const struct exec_mount *mount = mount_of(w);
    struct solver *s = w->mounts->solver;
    struct cache_mount *cache = &w->mounts->states[w->index].cache;
    struct cache_mount_request request = { .key = w->key,
                                           .title = mount->id,
                                           .use = w->use,
                                           .mode = mount->mode,
                                           .uid = mount->uid,
                                           .gid = mount->gid,
                                           .fill = mount->input ? fill : NULL,
                                           .fill_arg = w,
                                           .waiting = tell_wait,
                                           .waiting_arg = w };
    if (w->mounts->vertex->no_cache)
        TRY(renew(w, err));
    if (!mount->input && shared_mount_stack(s, &w->key)) {
        auto_(error) struct error why = { 0 };
        request.fill = fill_shared;
        if (cache_mount_open(s->options.store, &request, s->options.cancel, cache, &why) < 0)
            tell_lost(w, &why);
        request.fill = NULL;
    }
    if (cache->data_fd < 0)
        TRY(cache_mount_open(s->options.store, &request, s->options.cancel, cache, err));
    w->mounts->sources[w->index].fd = cache->data_fd;
    return 0;
}

/* By key, so that two steps take their locks in the same order; of one cache that is mounted twice
 * the strictest use comes first and counts. */
static int by_key(const void *a, const void *b)
{
    const struct wanted_cache *one = a;
    const struct wanted_cache *two = b;
    int order = memcmp(one->key.bytes, two->key.bytes, sizeof one->key.bytes);
    return order ? order : (int)two->use - (int)one->use;
}

static enum cache_mount_use use_of(enum cache_sharing sharing)
{
    switch (sharing) {
    case CACHE_SHARED: return CACHE_MOUNT_SHARED;
    case CACHE_PRIVATE: return CACHE_MOUNT_PRIVATE;
    case CACHE_LOCKED: return CACHE_MOUNT_LOCKED;
    }
    __builtin_unreachable();
}

int exec_caches_open(struct exec_mounts *m, struct error *err)
{
    const struct op_exec *op = &m->vertex->exec;
    auto_free struct wanted_cache *wanted = xcalloc(op->mount_count, sizeof *wanted);
    size_t count = 0;
    for (size_t i = 0; i < op->mount_count; i++) {
        if (op->mounts[i].type != EXEC_MOUNT_CACHE)
            continue;
        wanted[count] = (struct wanted_cache){ .mounts = m, .index = i };
        wanted[count].use = use_of(op->mounts[i].sharing);
        kept_mount_key(m->solver, m->vertex, i, &wanted[count++].key);
    }
    if (count)
        qsort(wanted, count, sizeof *wanted, by_key);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && digest_equal(&wanted[i].key, &wanted[i - 1].key))
            m->sources[wanted[i].index].fd = m->sources[wanted[i - 1].index].fd;
        else
            TRY(open_cache(&wanted[i], err));
    }
    return 0;
}
