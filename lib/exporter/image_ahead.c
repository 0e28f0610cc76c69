/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/image_ahead.h"

#include "lib/base/mem.h"
#include "lib/store/blob.h"

struct image_ahead {
    const struct image_request *request;
    struct job_group group;
    unsigned progress; /* of the base's blobs; 0: none is missing */
};

struct ahead_job {
    struct image_ahead *ahead;
    const struct image_layer *base; /* to be fetched, or NULL: */
    struct blob_provider *provider;
    char id[LAYER_ID_SIZE]; /* to be packed */
};

/* Packs a layer, and tells of it. */
static void pack_layer(const struct image_request *request, const char *id)
{
    auto_(error) struct error ignored = { 0 };
    struct layer_face face = { 0 };
    bool found = false;
    if (layer_face_get(&request->faces, id, &face, &found, &ignored) == 0 && found &&
        face.has_blob && request->on_blob)
        request->on_blob(request->on_blob_arg, &face.blob);
}

static void run_job(void *arg)
{
    auto_free struct ahead_job *job = arg;
    const struct face_options *faces = &job->ahead->request->faces;
    auto_(error) struct error ignored = { 0 };
    if (cancel_is_raised(faces->cancel))
        return;
    if (job->base) {
        (void)!job->provider->fetch(job->provider, &job->base->blob, job->ahead->progress,
                                    &ignored);
    } else {
        pack_layer(job->ahead->request, job->id);
    }
}

static void fetch_base(struct image_ahead *a, const struct resolved_image *image)
{
    const struct face_options *faces = &a->request->faces;
    for (size_t i = 0; i < image->layer_count; i++) {
        const struct image_layer *layer = &image->layers[i];
        if (layer->blob.size == 0 ||
            blob_exists(faces->store, &layer->blob.digest, layer->blob.size))
            continue;
        if (!a->progress) {
            auto_free char *name = xasprintf("fetching layers of %s", image->name);
            a->progress = progress_start(a->request->progress, name);
        }
        struct ahead_job *job = xcalloc(1, sizeof *job);
        *job = (struct ahead_job){ .ahead = a, .base = layer, .provider = image->provider };
        job_group_submit(&a->group, run_job, job);
    }
}

struct image_ahead *image_ahead_start(const struct image_request *request)
{
    struct image_ahead *a = xcalloc(1, sizeof *a);
    const struct vertex *v = request->definition->target;
    a->request = request;
    job_group_init(&a->group, request->faces.pool);
    while (v && v->kind != OP_IMAGE)
        v = v->inputs[0];
    if (v && !solver_will_run(request->solver, v) && v->image.image->provider &&
        request->faces.fetch)
        fetch_base(a, v->image.image);
    return a;
}

void image_ahead_result(struct image_ahead *a, const struct vertex *v)
{
    const struct layer_list *layers = &solver_result(a->request->solver, v)->layers;
    struct ahead_job *job = xcalloc(1, sizeof *job);
    *job = (struct ahead_job){ .ahead = a };
    snprintf(job->id, sizeof job->id, "%s", layers->ids[layers->count - 1]);
    job_group_submit(&a->group, run_job, job);
}

void image_ahead_wait(struct image_ahead *a)
{
    if (!a)
        return;
    job_group_wait(&a->group);
    if (a->progress)
        progress_end(a->request->progress, a->progress, PROGRESS_DONE, NULL);
    free(a);
}
