/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/graph/graph.h"

#include "lib/base/mem.h"

/* Part of every operation's digest: raised when the same operation would give other files. */
#define OP_VERSION "mlbuild-op-1"

static void hash_list(struct hasher *h, const char *const *list)
{
    for (; list && *list; list++)
        hasher_add_text(h, *list);
    hasher_add_text(h, NULL);
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
    case OP_EXEC:
        hash_list(h, v->exec.args);
        hash_list(h, v->exec.env);
        hasher_add_text(h, v->exec.cwd);
        hasher_add_text(h, v->exec.user);
        hasher_add_u64(h, (uint64_t)v->exec.network);
        break;
    case OP_COPY:
        hash_list(h, v->copy.sources);
        hasher_add_text(h, v->copy.dest);
        hasher_add_text(h, v->copy.chown);
        hasher_add_u64(h, (uint64_t)v->copy.mode);
        hasher_add_u64(h, v->copy.unpack);
        break;
    case OP_MKDIR:
        hasher_add_text(h, v->mkdir.path);
        hasher_add_text(h, v->mkdir.owner);
        break;
    }
    hasher_finish(h, &v->digest);
}

static bool same(const struct vertex *a, const struct vertex *b)
{
    return a->kind == b->kind && digest_equal(&a->digest, &b->digest) &&
           a->input_count == b->input_count && a->inputs[0] == b->inputs[0] &&
           a->inputs[1] == b->inputs[1];
}

struct vertex *graph_add(struct graph *graph, const struct vertex *v)
{
    struct vertex *added = ARENA_NEW(&graph->arena, struct vertex);
    *added = *v;
    op_digest(added);
    for (size_t i = 0; i < graph->count; i++) {
        if (same(graph->vertices[i], added))
            return graph->vertices[i];
    }
    added->index = (unsigned)graph->count;
    GROW(graph->vertices, graph->count, graph->cap);
    graph->vertices[graph->count++] = added;
    return added;
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
