/* SPDX-License-Identifier: Apache-2.0 */
/* Base images: layers are fetched and unpacked only when a step mounts them, side by side. */
#include "lib/base/mem.h"
#include "lib/codec/decompress.h"
#include "lib/solver/solver_internal.h"
#include "lib/store/blob.h"

/* Layers under way at once: some wait for the network while others unpack. */
enum { UNPACK_WIDTH = 6 };

struct unpack_job {
    struct solver *solver;
    const struct layer_list *layers;
    size_t index;
    unsigned progress;
    int rc;
    bool needs_below;
    struct error err;
};

/* The image that has a layer of this id, and the layer. */
static const struct image_layer *find_layer(const struct solver *s, const char *id,
                                            const struct resolved_image **out_image)
{
    for (size_t i = 0; i < s->options.graph->count; i++) {
        const struct vertex *v = s->options.graph->vertices[i];
        if (v->kind != OP_IMAGE)
            continue;
        for (size_t k = 0; k < v->image.image->layer_count; k++) {
            if (strcmp(v->image.image->layers[k].id, id) == 0) {
                *out_image = v->image.image;
                return &v->image.image->layers[k];
            }
        }
    }
    return NULL;
}

/* What passes from the decompressor to the unpacker; at its end it must be what the image promised.
 */
struct verifying_reader {
    struct reader base;
    struct reader *in;
    struct hasher *hasher;
    const struct digest *expected;
    const struct cancel *cancel;
};

static int check_diff_id(struct verifying_reader *r, struct error *err)
{
    struct digest actual;
    char want[DIGEST_TEXT_SIZE];
    char got[DIGEST_TEXT_SIZE];
    hasher_finish(r->hasher, &actual);
    if (digest_equal(&actual, r->expected))
        return 0;
    digest_print(r->expected, want);
    digest_print(&actual, got);
    return error_set(err, ERROR_CORRUPT, 0,
                     "a layer unpacks to %s, but the image's configuration says %s", got, want);
}

static ssize_t verifying_read(struct reader *base, void *buf, size_t cap, struct error *err)
{
    struct verifying_reader *r = (struct verifying_reader *)base;
    TRY(cancel_check(r->cancel, err));
    ssize_t n = r->in->read(r->in, buf, cap, err);
    if (n > 0)
        hasher_add(r->hasher, buf, (size_t)n);
    return n == 0 ? check_diff_id(r, err) : n;
}

static int apply_blob(struct unpack_job *job, const struct image_layer *layer, bool over,
                      struct error *err)
{
    struct solver *s = job->solver;
    struct snapshotter *snapshotter = s->workers.snapshotter;
    auto_close int fd = -1;
    TRY(blob_open(s->options.store, &layer->blob.digest, &fd, NULL, err));
    struct fd_reader file = fd_reader_init(fd, "a layer");
    auto_(decompressor) struct decompressor *plain = decompressor_open(&file.base, "layer");
    auto_(hasher) struct hasher *hasher = hasher_new();
    struct verifying_reader in = {
        { verifying_read }, decompressor_base(plain), hasher, &layer->diff_id, s->options.cancel
    };
    return snapshotter->ops->apply(snapshotter, job->layers, job->index, over, &in.base,
                                   &job->needs_below, err);
}

/* One thread unpacks a layer; others that want the same wait for it. */
static void claim(struct solver *s, const char *id)
{
    pthread_mutex_lock(&s->unpack_lock);
    for (size_t i = 0; i < s->unpacking.count;) {
        if (strcmp(s->unpacking.items[i], id) == 0) {
            pthread_cond_wait(&s->unpacked, &s->unpack_lock);
            i = 0;
        } else {
            i++;
        }
    }
    strvec_push(&s->unpacking, id);
    pthread_mutex_unlock(&s->unpack_lock);
}

static void disclaim(struct solver *s, const char *id)
{
    pthread_mutex_lock(&s->unpack_lock);
    for (size_t i = 0; i < s->unpacking.count; i++) {
        if (strcmp(s->unpacking.items[i], id) == 0) {
            free(s->unpacking.items[i]);
            s->unpacking.items[i] = s->unpacking.items[--s->unpacking.count];
            break;
        }
    }
    pthread_cond_broadcast(&s->unpacked);
    pthread_mutex_unlock(&s->unpack_lock);
}

static int unpack_layer(struct unpack_job *job, bool over, struct error *err)
{
    struct solver *s = job->solver;
    struct snapshotter *snapshotter = s->workers.snapshotter;
    const struct resolved_image *image = NULL;
    bool present = false;
    TRY(snapshotter->ops->is_unpacked(snapshotter, job->layers, job->index, &present, err));
    if (present)
        return 0;
    const struct image_layer *layer = find_layer(s, job->layers->ids[job->index], &image);
    if (!layer || layer->blob.size == 0)
        return error_set(err, ERROR_NOT_FOUND, 0, "layer %s is not in the store",
                         job->layers->ids[job->index]);
    if (image->provider && !blob_exists(s->options.store, &layer->blob.digest, layer->blob.size))
        TRY(image->provider->fetch(image->provider, &layer->blob, job->progress, err));
    if (apply_blob(job, layer, over, err) < 0)
        return error_wrap(err, "unpack %s", image->name);
    return 0;
}

static void unpack_job_run(void *arg, size_t index)
{
    struct unpack_job *job = (struct unpack_job *)arg + index;
    const char *id = job->layers->ids[job->index];
    claim(job->solver, id);
    job->rc = unpack_layer(job, false, &job->err);
    disclaim(job->solver, id);
}

/* Layers that rely on those below them follow one by one, bottom first. */
static int finish_jobs(struct unpack_job *jobs, size_t count, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        if (rc == 0 && jobs[i].rc < 0) {
            error_move(err, &jobs[i].err);
            rc = -1;
        }
        if (rc == 0 && jobs[i].needs_below)
            rc = unpack_layer(&jobs[i], true, err);
        error_clear(&jobs[i].err);
    }
    return rc;
}

int unpack_layers(struct solver *s, const struct layer_list *layers, unsigned progress,
                  struct error *err)
{
    auto_free struct unpack_job *jobs = xcalloc(layers->count, sizeof *jobs);
    for (size_t i = 0; i < layers->count; i++)
        jobs[i] =
            (struct unpack_job){ .solver = s, .layers = layers, .index = i, .progress = progress };
    parallel_for(s->workers.pool, layers->count, UNPACK_WIDTH, unpack_job_run, jobs);
    return finish_jobs(jobs, layers->count, err);
}

int image_run(struct solver *s, const struct vertex *v, unsigned progress, struct error *err)
{
    return unpack_layers(s, &state_of(s, v)->result.layers, progress, err);
}

int solver_unpack(struct solver *s, const struct layer_list *layers,
                  const struct solver_workers *workers, struct error *err)
{
    s->workers = *workers;
    unsigned progress = progress_start(s->options.progress, "[internal] unpack layers");
    int rc = unpack_layers(s, layers, progress, err);
    progress_end(s->options.progress, progress, rc < 0 ? PROGRESS_FAILED : PROGRESS_DONE,
                 rc < 0 ? err->message : NULL);
    return rc;
}
