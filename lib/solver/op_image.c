/* SPDX-License-Identifier: Apache-2.0 */
/* Base images: layers are fetched and unpacked only when a step mounts them, side by side. */
#include "lib/base/mem.h"
#include "lib/solver/layer_blob.h"
#include "lib/solver/solver_internal.h"

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

static int apply_from(struct unpack_job *job, bool over, enum layer_blob_source source,
                      bool *out_is_live, struct error *err)
{
    struct solver *s = job->solver;
    struct snapshotter *snapshotter = s->workers.snapshotter;
    auto_(layer_blob) struct layer_blob *blob = NULL;
    TRY(layer_blob_open(s, job->layers->ids[job->index], source, job->progress, &blob, err));
    *out_is_live = layer_blob_is_live(blob);
    return snapshotter->ops->apply(snapshotter, job->layers, job->index, over,
                                   layer_blob_base(blob), &job->needs_below, err);
}

static int apply_blob(struct unpack_job *job, bool over, struct error *err)
{
    struct error why = { 0 };
    bool is_live = false;
    if (apply_from(job, over, LAYER_BLOB_ANY, &is_live, &why) == 0)
        return 0;
    if (is_live && why.kind == ERROR_CORRUPT) {
        error_clear(&why);
        return apply_from(job, over, LAYER_BLOB_FETCHED, &is_live, err);
    }
    error_move(err, &why);
    return -1;
}

static int unpack_layer(struct unpack_job *job, bool over, struct error *err)
{
    struct solver *s = job->solver;
    struct snapshotter *snapshotter = s->workers.snapshotter;
    const struct resolved_image *image = NULL;
    bool present = false;
    TRY(snapshotter->ops->is_unpacked(snapshotter, job->layers, job->index, &present, err));
    if (present || apply_blob(job, over, err) == 0)
        return 0;
    graph_find_layer(s->options.graph, job->layers->ids[job->index], &image);
    return image ? error_wrap(err, "unpack %s", image->name) : -1;
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
    if (rc < 0)
        cancel_raise(s->options.cancel); /* what is still being fetched */
    progress_end(s->options.progress, progress, rc < 0 ? PROGRESS_FAILED : PROGRESS_DONE,
                 rc < 0 ? err->message : NULL);
    return rc;
}
