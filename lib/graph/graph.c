/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/graph/graph.h"

#include "lib/base/mem.h"

/* Part of every operation's digest: raised when the same operation would give other files. */
#define OP_VERSION "mlbuild-op-2"

static void hash_list(struct hasher *h, const char *const *list)
{
    for (; list && *list; list++)
        hasher_add_text(h, *list);
    hasher_add_text(h, NULL);
}

static void hash_mount(struct hasher *h, const struct exec_mount *m)
{
    hasher_add_u64(h, (uint64_t)m->type);
    hasher_add_text(h, m->target);
    hasher_add_u64(h, m->input);
    hasher_add_text(h, m->source);
    hasher_add_u64(h, m->writable);
    hasher_add_u64(h, m->required);
    hasher_add_text(h, m->env);
    hasher_add_u64(h, m->mode);
    hasher_add_u64(h, m->uid);
    hasher_add_u64(h, m->gid);
    hasher_add_u64(h, m->size);
    /* A cache directory's name and sharing change nothing that a step may rely on. */
    if (m->type != EXEC_MOUNT_CACHE)
        hasher_add_text(h, m->id);
    if (m->data)
        hasher_add(h, m->data, m->size);
}

static void hash_exec(struct hasher *h, const struct op_exec *op)
{
    hash_list(h, op->args);
    hash_list(h, op->env);
    hasher_add_text(h, op->cwd);
    hasher_add_text(h, op->user);
    hasher_add_text(h, op->platform.os);
    hasher_add_text(h, op->platform.arch);
    hasher_add_text(h, op->platform.variant);
    hasher_add_u64(h, (uint64_t)op->network);
    hasher_add_u64(h, op->insecure);
    hasher_add_text(h, op->settings);
    hasher_add_u64(h, op->mount_count);
    for (size_t i = 0; i < op->mount_count; i++)
        hash_mount(h, &op->mounts[i]);
    for (size_t i = 0; i < op->device_count; i++) {
        hasher_add_text(h, op->devices[i].name);
        hasher_add_u64(h, op->devices[i].required);
    }
}

static void hash_copy(struct hasher *h, const struct op_copy *op)
{
    hasher_add_u64(h, op->source_count);
    for (size_t i = 0; i < op->source_count; i++) {
        const struct copy_source *s = &op->sources[i];
        hasher_add_u64(h, s->input);
        hasher_add_text(h, s->path);
        hasher_add_u64(h, s->unpack);
        hasher_add_u64(h, s->size);
        if (s->data)
            hasher_add(h, s->data, s->size);
    }
    hasher_add_text(h, op->dest);
    hasher_add_text(h, op->chown);
    hasher_add_text(h, op->chmod);
    hasher_add_u64(h, op->parents);
    hash_list(h, op->exclude);
}

static void op_digest(struct vertex *v)
{
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add_text(h, OP_VERSION);
    hasher_add_u64(h, (uint64_t)v->kind);
    switch (v->kind) {
    case OP_IMAGE:
        hasher_add(h, v->image.image->digest.bytes, sizeof v->image.image->digest.bytes);
        break;
    case OP_LOCAL: hasher_add_text(h, v->local.name); break;
    case OP_EXEC: hash_exec(h, &v->exec); break;
    case OP_COPY: hash_copy(h, &v->copy); break;
    case OP_MKDIR:
        hasher_add_text(h, v->mkdir.path);
        hasher_add_text(h, v->mkdir.owner);
        break;
    case OP_MERGE: break;
    }
    hasher_finish(h, &v->digest);
}

/* What makes two vertices one: more than the digest, in which the name of a cache directory is not.
 */
static void identity(const struct vertex *v, char out[static DIGEST_TEXT_SIZE])
{
    struct digest d;
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add(h, v->digest.bytes, sizeof v->digest.bytes);
    hasher_add_u64(h, v->no_cache);
    for (size_t i = 0; i < v->input_count; i++)
        hasher_add_u64(h, v->inputs[i] ? v->inputs[i]->index : UINT64_MAX);
    for (size_t i = 0; v->kind == OP_EXEC && i < v->exec.mount_count; i++) {
        hasher_add_text(h, v->exec.mounts[i].id);
        hasher_add_u64(h, (uint64_t)v->exec.mounts[i].sharing);
    }
    hasher_finish(h, &d);
    digest_print(&d, out);
}

struct vertex *graph_add(struct graph *graph, const struct vertex *v)
{
    char key[DIGEST_TEXT_SIZE];
    struct vertex *added = ARENA_NEW(&graph->arena, struct vertex);
    *added = *v;
    op_digest(added);
    identity(added, key);
    struct vertex *equal = map_find(&graph->by_identity, key);
    if (equal)
        return equal;
    struct vertex **inputs = arena_alloc(&graph->arena, v->input_count + 1, sizeof *inputs);
    if (v->input_count)
        memcpy(inputs, v->inputs, v->input_count * sizeof *inputs);
    added->inputs = inputs;
    added->index = (unsigned)graph->count;
    GROW(graph->vertices, graph->count, graph->cap);
    graph->vertices[graph->count++] = added;
    map_set(&graph->by_identity, key, added);
    return added;
}

bool vertex_makes_layer(const struct vertex *v)
{
    return v->kind == OP_EXEC || v->kind == OP_COPY || v->kind == OP_MKDIR;
}

size_t vertex_layer_count(const struct vertex *v)
{
    size_t count = 0;
    for (; v; v = v->inputs[0]) {
        if (v->kind == OP_IMAGE)
            count += v->image.image->layer_count;
        else if (v->kind == OP_MERGE)
            count += vertex_layer_count(v->inputs[1]);
        else
            count++;
    }
    return count;
}

const struct image_layer *graph_find_layer(const struct graph *graph, const char *id,
                                           const struct resolved_image **out_image)
{
    for (size_t i = 0; i < graph->count; i++) {
        const struct vertex *v = graph->vertices[i];
        for (size_t k = 0; v->kind == OP_IMAGE && k < v->image.image->layer_count; k++) {
            if (strcmp(v->image.image->layers[k].id, id) != 0)
                continue;
            *out_image = v->image.image;
            return &v->image.image->layers[k];
        }
    }
    return NULL;
}

void graph_release(struct graph *graph)
{
    arena_release(&graph->arena);
    map_release(&graph->by_identity);
    free(graph->vertices);
    *graph = (struct graph){ 0 };
}

void definition_release(struct definition *d)
{
    graph_release(&d->graph);
    image_config_release(&d->config);
    free(d->history_vertices);
    *d = (struct definition){ 0 };
}
