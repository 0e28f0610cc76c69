/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a build that runs in the builder, and what goes on beside it. */
#include "cmd/archive_ahead.h"
#include "cmd/build_internal.h"
#include "cmd/builder.h"
#include "cmd/export.h"
#include "cmd/keeper.h"
#include "cmd/push_ahead.h"
#include "lib/base/mem.h"
#include "lib/exporter/image_ahead.h"

enum { SYNC_AFTER_MS = 20 };

static int export_trees(struct build *b, const struct solver_workers *workers, struct error *err)
{
    struct layer_list none = { 0 };
    const struct layer_list *layers = b->request.result ? &b->request.result->layers : &none;
    TRY(solver_unpack(b->solver, layers, workers, err));
    for (size_t i = 0; i < b->output_count; i++) {
        if (output_needs_trees(&b->outputs[i]))
            TRY(export_rootfs(b->session, workers, layers, &b->outputs[i], &b->request.faces.diff,
                              err));
    }
    return 0;
}

/* Who hears of a step that has ended. */
struct listeners {
    struct image_ahead *ahead;  /* NULL: no image is wanted */
    struct cache_export *cache; /* NULL: none is written */
};

/* From any thread of the builder. */
static void take_result(void *arg, const struct vertex *v, bool is_of_target)
{
    const struct listeners *l = arg;
    if (is_of_target && l->ahead)
        image_ahead_result(l->ahead, v);
    if (l->cache)
        cache_export_step(l->cache, v, is_of_target);
}

/* What the target needs runs, what has run is shared. */
static int run_steps(struct build *b, const struct solver_workers *workers,
                     struct image_ahead *ahead, struct error *err)
{
    struct image_request shared = b->request;
    const struct cache_export_options options = { &shared, b->caches.to,
                                                  b->caches.destination_count };
    shared.faces.cancel = &b->session->interrupt;
    struct listeners listeners = { ahead, NULL };
    if (options.destination_count)
        listeners.cache = cache_export_start(&options);
    solver_on_result(b->solver, take_result, &listeners);
    int rc = solver_run(b->solver, b->definition.target, workers, err);
    if (!listeners.cache)
        return rc;
    struct error of_cache = { 0 };
    if (cache_export_finish(listeners.cache, rc == 0, &of_cache) < 0)
        rc = error_first(err, &of_cache);
    return rc;
}

struct assembly {
    struct build *build;
    int rc;
    struct error *err;
};

static void run_assembly(void *arg)
{
    struct assembly *x = arg;
    bool found = false;
    x->rc = image_assemble(&x->build->request, &x->build->image, &found, x->err);
}

/* While layers are hashed and packed the disk has time for what the steps have left. */
static int assemble(struct build *b, const struct solver_workers *workers, struct error *err)
{
    struct assembly x = { b, 0, err };
    struct job_group group;
    auto_(error) struct error met_again = { 0 };
    job_group_init(&group, workers->pool);
    job_group_submit(&group, run_assembly, &x);
    if (!job_group_wait_for(&group, SYNC_AFTER_MS) && b->names.count)
        (void)!store_sync(&b->session->store, &met_again);
    job_group_wait(&group);
    return x.rc;
}

static int make_image(struct build *b, const struct solver_workers *workers, struct error *err)
{
    const struct store *store = &b->session->store;
    TRY(assemble(b, workers, err));
    b->image.name = xstrdup("");
    return image_record_save(store, store->scratch_fd, "built", &b->image, err);
}

/* What is not cached runs, and the image's record is left for the planner. */
static int make(struct build *b, const struct solver_workers *workers, struct error *err)
{
    bool wants_image = build_wants_image(b);
    b->request.faces.snapshotter = workers->snapshotter;
    b->request.faces.pool = workers->pool;
    /* What is still being made ahead is waited for where it is wanted. */
    auto_(image_ahead) struct image_ahead *ahead =
        wants_image ? image_ahead_start(&b->request) : NULL;
    if (b->definition.target)
        TRY(run_steps(b, workers, ahead, err));
    if (wants_image)
        TRY(make_image(b, workers, err));
    TRY(solver_remember_shared(b->solver, err));
    return build_any_output(b, output_needs_trees) ? export_trees(b, workers, err) : 0;
}

/* In the builder. */
static int run(struct session *s, const struct solver_workers *workers, void *arg,
               struct error *err)
{
    struct build *b = arg;
    struct keeper *keeper = keeper_start(s, &b->storage);
    int rc = make(b, workers, err);
    keeper_stop(keeper);
    return rc;
}

static bool is_push(const struct output *o)
{
    return o->type == OUTPUT_REGISTRY;
}

/* Outputs that take layers while later steps run. */
static int open_ahead(struct build *b, struct error *err)
{
    struct session *s = b->session;
    for (size_t i = 0; i < b->output_count; i++) {
        struct output *o = &b->outputs[i];
        if (o->type == OUTPUT_OCI)
            TRY(archive_ahead_open(s, o->dest, &o->ahead, err));
    }
    return build_any_output(b, is_push) ? push_ahead_open(s, &b->names, &b->push_ahead, err) : 0;
}

static void begin_ahead(void *arg)
{
    const struct build *b = arg;
    if (b->push_ahead)
        push_ahead_begin(b->push_ahead);
    for (size_t i = 0; i < b->output_count; i++) {
        if (b->outputs[i].ahead)
            archive_ahead_begin(b->outputs[i].ahead);
    }
}

/* In the builder, any thread. */
static void tell_blob(void *arg, const struct image_blob *blob)
{
    const struct build *b = arg;
    if (b->push_ahead)
        push_ahead_blob(b->push_ahead, blob);
    for (size_t i = 0; i < b->output_count; i++) {
        if (b->outputs[i].ahead)
            archive_ahead_blob(b->outputs[i].ahead, blob);
    }
}

int build_steps(struct build *b, struct error *err)
{
    struct session *s = b->session;
    TRY(open_ahead(b, err));
    b->request.on_blob = tell_blob;
    b->request.on_blob_arg = b;
    cache_options_prepare(&b->caches);
    int rc = builder_run_beside(s, run, begin_ahead, b, &b->report, err);
    push_ahead_end(b->push_ahead, rc == 0);
    return rc;
}
