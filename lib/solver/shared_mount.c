/* SPDX-License-Identifier: Apache-2.0 */
/* Directories that steps keep, as other builders have told of them: what a new one begins with. */
#include "lib/base/mem.h"
#include "lib/solver/solver_internal.h"
#include "lib/store/cache_mount.h"

/* One that begins with a stage's files is called by layers that have other names elsewhere. */
static bool is_shared_mount(const struct exec_mount *mount)
{
    return mount->type == EXEC_MOUNT_CACHE && mount->input == 0;
}

static void shared_mount_key(const struct digest *store_key, struct digest *out)
{
    auto_(cache_key) struct cache_key key = cache_key_begin("shared mount");
    cache_key_add_digest(&key, "mount", store_key);
    cache_key_finish(&key, out);
}

static bool is_here(const struct solver *s, const struct digest *store_key)
{
    auto_(error) struct error ignored = { 0 };
    auto_(cache_mount) struct cache_mount mount = CACHE_MOUNT_INIT;
    bool found = false;
    return cache_mount_find(s->options.store, store_key, &mount, &found, &ignored) == 0 && found;
}

static void find_shared_mount(struct solver *s, const struct vertex *v, size_t index)
{
    struct digest store_key;
    struct digest key;
    struct shared_answer answer;
    if (!is_shared_mount(&v->exec.mounts[index]))
        return;
    kept_mount_key(s, v, index, &store_key);
    shared_mount_key(&store_key, &key);
    if (shared_mount_stack(s, &store_key) || is_here(s, &store_key) ||
        !shared_cache_find(s->options.shared, &key, &answer))
        return;
    (void)add_stack(s, NULL, 1, &answer);
}

void find_shared_mounts(struct solver *s)
{
    for (size_t i = 0; s->options.shared && i < s->options.graph->count; i++) {
        const struct vertex *v = s->options.graph->vertices[i];
        bool runs = s->states[i].status == VERTEX_PENDING && v->kind == OP_EXEC && !v->no_cache;
        for (size_t k = 0; runs && k < v->exec.mount_count; k++)
            find_shared_mount(s, v, k);
    }
}

const struct shared_stack *shared_mount_stack(const struct solver *s,
                                              const struct digest *store_key)
{
    struct digest key;
    shared_mount_key(store_key, &key);
    for (size_t i = 0; i < s->stack_count; i++) {
        const struct shared_stack *stack = s->stacks[i];
        if (!stack->vertex && digest_equal(&stack->answer.entry->key, &key))
            return stack;
    }
    return NULL;
}

static void tell_mount(const struct solver *s, const struct vertex *v, size_t index,
                       struct map *told, shared_mount_fn *fn, void *arg)
{
    char name[DIGEST_HEX_SIZE];
    struct shared_mount mount = { .title = v->exec.mounts[index].id };
    if (!is_shared_mount(&v->exec.mounts[index]))
        return;
    kept_mount_key(s, v, index, &mount.store_key);
    shared_mount_key(&mount.store_key, &mount.key);
    digest_hex(&mount.key, name);
    if (map_find(told, name))
        return;
    map_set(told, name, told);
    fn(arg, &mount);
}

void solver_each_used_mount(const struct solver *s, shared_mount_fn *fn, void *arg)
{
    auto_(map) struct map told = { 0 };
    for (size_t i = 0; i < s->options.graph->count; i++) {
        const struct vertex *v = s->options.graph->vertices[i];
        bool has_run = s->states[i].status == VERTEX_DONE && v->kind == OP_EXEC;
        for (size_t k = 0; has_run && k < v->exec.mount_count; k++)
            tell_mount(s, v, k, &told, fn, arg);
    }
}
