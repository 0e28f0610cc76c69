/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/cache_table.h"

static const struct image_record_layer *find_layer(const struct image_record *image, const char *id)
{
    for (size_t i = 0; i < image->layer_count; i++) {
        if (strcmp(image->layers[i].id, id) == 0)
            return &image->layers[i];
    }
    return NULL;
}

static size_t add_layer(struct shared_table *t, const struct image_request *request,
                        const struct image_record_layer *layer, const char *created)
{
    const struct resolved_image *image = NULL;
    const struct image_layer *told = solver_find_layer(request->solver, layer->id, &image);
    struct shared_layer shared = { .diff_id = layer->diff_id,
                                   .tar_size = layer->tar_size,
                                   .created = (char *)created };
    if (told && digest_equal(&told->blob.digest, &layer->blob))
        snprintf(shared.layout, sizeof shared.layout, "%s", told->layout);
    else
        packing_layout(&request->faces.packing, shared.layout);
    return shared_table_add_layer(t, &shared);
}

void cache_table_add(struct shared_table *t, const struct image_request *request,
                     const struct shared_step *step, const struct image_record *image)
{
    const struct result *result = step->result;
    struct shared_entry *e = shared_table_add_entry(t, &step->key);
    strvec_push_all(&e->recipe, step->recipe);
    for (size_t i = 0; i < result->layers.count; i++) {
        const struct image_record_layer *layer = find_layer(image, result->layers.ids[i]);
        shared_entry_push(e, add_layer(t, request, layer, result->created[i]));
    }
}

static void add_chain(struct shared_table *t, const struct image_request *request,
                      const struct vertex *v, const struct image_record *image)
{
    for (; v; v = v->inputs[0]) {
        struct shared_step step;
        if (v->kind == OP_MERGE)
            add_chain(t, request, v->inputs[1], image);
        else if (solver_shared_step(request->solver, v, &step))
            cache_table_add(t, request, &step, image);
    }
}

void cache_table_add_all(struct shared_table *t, const struct image_request *request,
                         const struct image_record *image)
{
    add_chain(t, request, request->definition->target, image);
}
