/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/image_ahead.h"

#include "lib/base/mem.h"
#include "lib/store/blob.h"

/* One layer of the image to be. */
struct place {
    const struct vertex *maker;     /* NULL: of the base, which is */
    const struct image_layer *base; /* this one */
    char id[LAYER_ID_SIZE];         /* under the lock, as what follows */
    bool is_known;                  /* it has an id */
    bool is_taken;                  /* it is being packed */
    bool is_told;
};

struct image_ahead {
    const struct image_request *request;
    struct job_group group;
    unsigned progress;    /* of the base's blobs; 0: none is missing */
    struct place *places; /* the lowest layer first */
    size_t place_count;
    pthread_mutex_t lock;
    size_t packers; /* jobs that pack one layer after the other; under the lock */
};

/* A blob of the base that is to be fetched. */
struct fetch_job {
    struct image_ahead *ahead;
    const struct image_layer *layer;
    struct blob_provider *provider;
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

static bool is_told(struct image_ahead *a, size_t index)
{
    pthread_mutex_lock(&a->lock);
    bool told = a->places[index].is_told;
    pthread_mutex_unlock(&a->lock);
    return told;
}

/* Blobs of the base come with a fetch, or when a step needs them. */
static void tell_base(struct image_ahead *a)
{
    const struct face_options *faces = &a->request->faces;
    bool leave_as_they_are = faces->pack && !faces->packing.force;
    for (size_t i = 0; leave_as_they_are && i < a->place_count; i++) {
        const struct image_layer *base = a->places[i].base;
        if (base && base->blob.size && !is_told(a, i) &&
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

/* The lowest layer that is to be packed: outputs want it first. False: there is none. */
static bool next_place(struct image_ahead *a, size_t *out)
{
    bool found = false;
    for (size_t i = 0; i < a->place_count && !found; i++) {
        struct place *p = &a->places[i];
        found = p->is_known && !p->is_taken;
        p->is_taken |= found;
        *out = i;
    }
    return found;
}

static void pack_known(void *arg)
{
    struct image_ahead *a = arg;
    size_t index = 0;
    pthread_mutex_lock(&a->lock);
    while (!cancel_is_raised(a->request->faces.cancel) && next_place(a, &index)) {
        pthread_mutex_unlock(&a->lock);
        pack_layer(a, index);
        tell_base(a);
        pthread_mutex_lock(&a->lock);
    }
    a->packers--;
    pthread_mutex_unlock(&a->lock);
}

/* Each packs on all cores, and has memory for that: as many as there are cores hide the ends. */
static void start_packer(struct image_ahead *a)
{
    pthread_mutex_lock(&a->lock);
    bool is_wanted = a->packers < thread_pool_cores();
    a->packers += is_wanted;
    pthread_mutex_unlock(&a->lock);
    if (is_wanted)
        job_group_submit(&a->group, pack_known, a);
}

static void fetch_blob(void *arg)
{
    auto_free struct fetch_job *job = arg;
    struct image_ahead *a = job->ahead;
    auto_(error) struct error ignored = { 0 };
    if (cancel_is_raised(a->request->faces.cancel))
        return;
    (void)!job->provider->fetch(job->provider, &job->layer->blob, a->progress, &ignored);
    tell_base(a);
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
        const struct fetch_job job = { a, layer, image->provider };
        job_group_submit(&a->group, fetch_blob, xmemdup(&job, sizeof job));
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

/* `top` is the place of the highest layer; those below it are known with it. */
static void know_stack(struct image_ahead *a, size_t top, const struct layer_list *layers)
{
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < layers->count; i++) {
        struct place *p = &a->places[top + 1 - layers->count + i];
        if (p->base || p->is_known)
            continue;
        snprintf(p->id, sizeof p->id, "%s", layers->ids[i]);
        p->is_known = true;
    }
    pthread_mutex_unlock(&a->lock);
    start_packer(a);
}

void image_ahead_result(struct image_ahead *a, const struct vertex *v)
{
    /* One operation may be in several places. */
    for (size_t i = 0; i < a->place_count; i++) {
        if (a->places[i].maker == v)
            know_stack(a, i, &solver_result(a->request->solver, v)->layers);
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
