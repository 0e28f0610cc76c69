/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/image_view.h"

#include "cmd/base_image.h"
#include "cmd/builder.h"

struct view {
    struct solver *solver;
    const struct layer_list *layers;
    image_view_fn *fn;
    void *arg;
};

static int look(struct session *s, const struct solver_workers *workers, void *arg,
                struct error *err)
{
    const struct view *v = arg;
    TRY(solver_unpack(v->solver, v->layers, workers, err));
    return v->fn(s, workers->snapshotter, v->layers, v->arg, err);
}

/* A graph of the image alone: a plan for it is complete, and knows where its blobs come from. */
static int view_graph(struct session *s, const struct graph *graph, const struct vertex *target,
                      struct view *v, struct error *err)
{
    bool complete = false;
    struct solver_options options = { .graph = graph,
                                      .store = &s->store,
                                      .target_is_mounted = true,
                                      .progress = s->progress,
                                      .cancel = &s->cancel };
    auto_(solver) struct solver *solver = solver_new(&options);
    TRY(solver_plan(solver, target, &complete, err));
    v->solver = solver;
    v->layers = &solver_result(solver, target)->layers;
    return builder_run(s, look, v, NULL, err);
}

int image_view(struct session *s, const struct image_record *image, image_view_fn *fn, void *arg,
               struct error *err)
{
    const struct strvec none = { 0 };
    struct vertex source = { .kind = OP_IMAGE, .name = image->name };
    struct view view = { .fn = fn, .arg = arg };
    struct graph graph = { 0 };
    auto_(base_images) struct base_images *bases = NULL;
    TRY(base_images_open(s, &none, PULL_MISSING, &bases, err));
    TRY(base_images_recorded(bases, image, &source.image.image, err));
    int rc = view_graph(s, &graph, graph_add(&graph, &source), &view, err);
    graph_release(&graph);
    return rc;
}
