/* SPDX-License-Identifier: Apache-2.0 */
/* Packed layers on their way to what a step needs of them, a tree or an index: fetched, and read,
 * only then; side by side. */
#include "lib/base/mem.h"
#include "lib/layer/layer_index.h"
#include "lib/solver/layer_blob.h"
#include "lib/solver/owner.h"
#include "lib/solver/solver_internal.h"

/* Layers under way at once: some wait for the network while others unpack. */
enum { WIDTH = 6 };

struct layer_job {
    struct solver *solver;
    const struct layer_list *layers;
    size_t index;
    enum root_use use;
    unsigned progress;
    int rc;
    bool needs_below;
    struct error err;
};

static int use_blob(struct layer_job *job, bool over, struct reader *in, bool *out_made,
                    struct error *err)
{
    struct solver *s = job->solver;
    struct snapshotter *snapshotter = s->workers.snapshotter;
    if (job->use == ROOT_LOOKED_INTO)
        return layer_index_make(s->options.store, job->layers->ids[job->index], in, out_made, err);
    *out_made = true;
    return snapshotter->ops->apply(snapshotter, job->layers, job->index, over, in,
                                   &job->needs_below, err);
}

static int read_from(struct layer_job *job, bool over, enum layer_blob_source source,
                     bool *out_is_live, struct error *err)
{
    struct solver *s = job->solver;
    const char *id = job->layers->ids[job->index];
    auto_(layer_blob) struct layer_blob *blob = NULL;
    struct meter meter;
    char what[32];
    bool made = false;
    TRY(layer_blob_open(s, id, source, job->progress, &blob, err));
    *out_is_live = layer_blob_is_live(blob);
    snprintf(what, sizeof what, "extracting %.12s", id);
    meter_start(&meter, s->options.progress, job->progress, what, 0);
    struct metered_reader in = metered_reader_init(layer_blob_base(blob), &meter);
    TRY(use_blob(job, over, &in.base, &made, err));
    meter_end(&meter);
    if (made)
        return 0;
    /* A layer of which no index can be made is unpacked. */
    job->use = ROOT_MOUNTED;
    return read_from(job, over, source, out_is_live, err);
}

static int read_blob(struct layer_job *job, bool over, struct error *err)
{
    struct error why = { 0 };
    bool is_live = false;
    if (read_from(job, over, LAYER_BLOB_ANY, &is_live, &why) == 0)
        return 0;
    if (is_live && why.kind == ERROR_CORRUPT) {
        error_clear(&why);
        return read_from(job, over, LAYER_BLOB_FETCHED, &is_live, err);
    }
    error_move(err, &why);
    return -1;
}

/* A tree answers whatever an index does. */
static int is_provided(const struct layer_job *job, bool *out, struct error *err)
{
    const struct solver *s = job->solver;
    struct snapshotter *snapshotter = s->workers.snapshotter;
    TRY(snapshotter->ops->is_unpacked(snapshotter, job->layers, job->index, out, err));
    if (*out || job->use == ROOT_MOUNTED)
        return 0;
    auto_(layer_index) struct layer_index *index =
        layer_index_open(s->options.store, job->layers->ids[job->index]);
    *out = index != NULL;
    return 0;
}

static int provide_layer(struct layer_job *job, bool over, struct error *err)
{
    const struct resolved_image *image = NULL;
    bool present = false;
    TRY(is_provided(job, &present, err));
    if (present || read_blob(job, over, err) == 0)
        return 0;
    solver_find_layer(job->solver, job->layers->ids[job->index], &image);
    if (!image && err->kind == ERROR_CORRUPT)
        return error_hint(err, "with --no-cache the step that made the layer runs again");
    if (image && image->advice)
        error_hint(err, "%s", image->advice);
    return image ? error_wrap(err, "unpack %s", image->name) : -1;
}

static void run_layer_job(void *arg, size_t index)
{
    struct layer_job *job = (struct layer_job *)arg + index;
    const char *id = job->layers->ids[job->index];
    /* One thread unpacks a layer; others that want the same wait for it. */
    claims_take(&job->solver->unpacking, id);
    job->rc = provide_layer(job, false, &job->err);
    claims_drop(&job->solver->unpacking, id);
}

/* Layers that rely on those below them follow one by one, bottom first. */
static int finish_jobs(struct layer_job *jobs, size_t count, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        if (rc == 0 && jobs[i].rc < 0) {
            error_move(err, &jobs[i].err);
            rc = -1;
        }
        if (rc == 0 && jobs[i].needs_below)
            rc = provide_layer(&jobs[i], true, err);
        error_clear(&jobs[i].err);
    }
    return rc;
}

/* A layer that had to be unpacked after all, and relies on those below it, wants their trees. */
static bool take_need_of_trees(struct layer_job *jobs, size_t count)
{
    bool needed = false;
    for (size_t i = 0; i < count; i++) {
        needed = needed || jobs[i].needs_below;
        jobs[i].needs_below = false;
    }
    return needed;
}

/* Sees to it that all trees of `layers` are there; for ROOT_LOOKED_INTO, trees or indexes. */
static int provide(struct solver *s, const struct layer_list *layers, enum root_use use,
                   unsigned progress, struct error *err)
{
    auto_free struct layer_job *jobs = xcalloc(layers->count, sizeof *jobs);
    for (size_t i = 0; i < layers->count; i++) {
        jobs[i] = (struct layer_job){
            .solver = s, .layers = layers, .index = i, .use = use, .progress = progress
        };
    }
    parallel_for(s->workers.pool, layers->count, WIDTH, run_layer_job, jobs);
    bool want_trees = use != ROOT_MOUNTED && take_need_of_trees(jobs, layers->count);
    TRY(finish_jobs(jobs, layers->count, err));
    return want_trees ? provide(s, layers, ROOT_MOUNTED, progress, err) : 0;
}

/* The snapshotter has said what is missing, if that is it: a step need not ask for every layer. */
static int provide_missing(struct solver *s, const struct layer_list *layers, enum root_use use,
                           struct error *err)
{
    if (err->kind != ERROR_NOT_FOUND)
        return -1;
    error_clear(err);
    return provide(s, layers, use, 0, err);
}

int prepare_layers(struct solver *s, const struct layer_list *layers,
                   const struct mount_point *points, size_t point_count, struct snapshot **out,
                   struct error *err)
{
    struct snapshotter *snapshotter = s->workers.snapshotter;
    if (snapshotter->ops->prepare(snapshotter, layers, points, point_count, out, err) == 0)
        return 0;
    TRY(provide_missing(s, layers, ROOT_MOUNTED, err));
    return snapshotter->ops->prepare(snapshotter, layers, points, point_count, out, err);
}

int view_layers(struct solver *s, const struct layer_list *layers, struct snapshot **out,
                struct error *err)
{
    struct snapshotter *snapshotter = s->workers.snapshotter;
    if (snapshotter->ops->view(snapshotter, layers, out, err) == 0)
        return 0;
    TRY(provide_missing(s, layers, ROOT_MOUNTED, err));
    return snapshotter->ops->view(snapshotter, layers, out, err);
}

int look_into_layers(struct solver *s, const struct layer_list *layers, const char *owner,
                     struct lower **out, struct error *err)
{
    struct snapshotter *snapshotter = s->workers.snapshotter;
    auto_(lower) struct lower *lower = NULL;
    if (snapshotter->ops->lower(snapshotter, layers, &lower, err) < 0) {
        TRY(provide_missing(s, layers, ROOT_LOOKED_INTO, err));
        TRY(snapshotter->ops->lower(snapshotter, layers, &lower, err));
    }
    /* Accounts may be in a file that no index keeps: behind a link, or too large. */
    if (owner && *owner && !owner_is_at_hand(lower)) {
        lower_close(take_ptr(lower));
        TRY(provide(s, layers, ROOT_MOUNTED, 0, err));
        TRY(snapshotter->ops->lower(snapshotter, layers, &lower, err));
    }
    *out = take_ptr(lower);
    return 0;
}

int image_run(struct solver *s, const struct vertex *v, unsigned progress, struct error *err)
{
    const struct vertex_state *state = state_of(s, v);
    return provide(s, &state->result.layers, state->use, progress, err);
}

int solver_unpack(struct solver *s, const struct layer_list *layers,
                  const struct solver_workers *workers, struct error *err)
{
    s->workers = *workers;
    unsigned progress = progress_start(s->options.progress, "[internal] unpack layers");
    int rc = provide(s, layers, ROOT_MOUNTED, progress, err);
    if (rc < 0)
        cancel_raise(s->options.cancel); /* what is still being fetched */
    return progress_end_with(s->options.progress, progress, rc, err);
}
