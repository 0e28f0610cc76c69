/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/image_ahead.h"

#include "lib/base/mem.h"
#include "lib/store/blob.h"

/* One layer of the image to be. */
struct place {
    const struct vertex *maker;     /* NULL: of the base, which is */
    const struct image_layer *base; /* this one */
    char id[LAYER_ID_SIZE];         /* of an own one; under the lock, as what follows */
    bool is_known;                  /* it has an id, and is being packed */
    bool is_told;
};

struct image_ahead {
    const struct image_request *request;
    struct job_group group;
    unsigned progress;    /* of the base's blobs; 0: none is missing */
    struct place *places; /* the lowest layer first */
    size_t place_count;
    pthread_mutex_t lock;
};

struct ahead_job {
    struct image_ahead *ahead;
    const struct image_layer *base; /* to be fetched, or NULL: */
    struct blob_provider *provider;
    size_t place; /* of the layer to be packed */
};

/* The layers of `v`, the highest of which is the one before `end`. */
static void find_places(struct image_ahead *a, const struct vertex *v, size_t end)
{
    for (; v; v = v->inputs[0]) {
        if (v->kind == OP_IMAGE) {
            const struct resolved_image *image = v->image.image;
            for (size_t i = image->layer_count; i-- > 0;)
                a->places[--end].base = &image->layers[i];
        } else if (v->kind == OP_MERGE) {
            find_places(a, v->inputs[1], end);
            end -= vertex_layer_count(v->inputs[1]);
        } else {
            a->places[--end].maker = v;
        }
    }
}

static void tell(struct image_ahead *a, size_t index, const struct descriptor *blob, bool is_own)
{
    const struct image_request *r = a->request;
    const struct image_blob told = { *blob, (uint32_t)index, is_own };
    pthread_mutex_lock(&a->lock);
    bool is_known = a->places[index].is_told;
    a->places[index].is_told = true;
    pthread_mutex_unlock(&a->lock);
    if (!is_known && r->on_blob)
        r->on_blob(r->on_blob_arg, &told);
}

/* Blobs of the base come with a fetch, or when a step needs them. */
static void tell_base(struct image_ahead *a)
{
    const struct face_options *faces = &a->request->faces;
    bool leave_as_they_are = faces->pack && !faces->packing.force;
    for (size_t i = 0; leave_as_they_are && i < a->place_count; i++) {
        const struct image_layer *base = a->places[i].base;
        if (base && base->blob.size &&
            blob_exists(faces->store, &base->blob.digest, base->blob.size))
            tell(a, i, &base->blob, false);
    }
}

/* Packs a layer, and tells of it. */
static void pack_layer(struct image_ahead *a, size_t index)
{
    const struct image_request *r = a->request;
    const char *id = a->places[index].id;
    const struct resolved_image *origin = NULL;
    auto_(error) struct error ignored = { 0 };
    struct layer_face face = { 0 };
    bool found = false;
    /* What others have made is theirs to send. */
    if (!solver_find_layer(r->solver, id, &origin) &&
        layer_face_get(&r->faces, id, &face, &found, &ignored) == 0 && found && face.has_blob)
        tell(a, index, &face.blob, true);
}

static void run_job(void *arg)
{
    auto_free struct ahead_job *job = arg;
    struct image_ahead *a = job->ahead;
    auto_(error) struct error ignored = { 0 };
    if (cancel_is_raised(a->request->faces.cancel))
        return;
    if (job->base)
        (void)!job->provider->fetch(job->provider, &job->base->blob, a->progress, &ignored);
    else
        pack_layer(a, job->place);
    tell_base(a);
}

static void submit(const struct ahead_job *job)
{
    job_group_submit(&job->ahead->group, run_job, xmemdup(job, sizeof *job));
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
        submit(&(struct ahead_job){ .ahead = a, .base = layer, .provider = image->provider });
    }
}

struct image_ahead *image_ahead_start(const struct image_request *request)
{
    struct image_ahead *a = xcalloc(1, sizeof *a);
    const struct vertex *v = request->definition->target;
    a->request = request;
    job_group_init(&a->group, request->faces.pool);
    pthread_mutex_init(&a->lock, NULL);
    a->place_count = vertex_layer_count(v);
    a->places = xcalloc(a->place_count, sizeof *a->places);
    find_places(a, v, a->place_count);
    tell_base(a);
    for (size_t i = 0; i < a->place_count; i++) {
        const struct vertex *maker = a->places[i].maker;
        if (maker && !solver_will_run(request->solver, maker))
            image_ahead_result(a, maker);
    }
    while (v && v->kind != OP_IMAGE)
        v = v->inputs[0];
    if (v && !solver_will_run(request->solver, v) && v->image.image->provider &&
        request->faces.fetch)
        fetch_base(a, v->image.image);
    return a;
}

static bool take_place(struct image_ahead *a, size_t index, const char *id)
{
    struct place *p = &a->places[index];
    pthread_mutex_lock(&a->lock);
    bool is_new = !p->base && !p->is_known;
    if (is_new)
        snprintf(p->id, sizeof p->id, "%s", id);
    p->is_known = true;
    pthread_mutex_unlock(&a->lock);
    return is_new;
}

/* `top` is the place of the highest layer; those below it are known with it. */
static void pack_stack(struct image_ahead *a, size_t top, const struct layer_list *layers)
{
    for (size_t i = 0; i < layers->count; i++) {
        size_t index = top + 1 - layers->count + i;
        if (take_place(a, index, layers->ids[i]))
            submit(&(struct ahead_job){ .ahead = a, .place = index });
    }
}

void image_ahead_result(struct image_ahead *a, const struct vertex *v)
{
    /* One operation may be in several places. */
    for (size_t i = 0; i < a->place_count; i++) {
        if (a->places[i].maker == v)
            pack_stack(a, i, &solver_result(a->request->solver, v)->layers);
    }
}

void image_ahead_wait(struct image_ahead *a)
{
    if (!a)
        return;
    job_group_wait(&a->group);
    if (a->progress)
        progress_end(a->request->progress, a->progress, PROGRESS_DONE, NULL);
    pthread_mutex_destroy(&a->lock);
    free(a->places);
    free(a);
}
