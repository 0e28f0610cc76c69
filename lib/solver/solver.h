/* SPDX-License-Identifier: Apache-2.0 */
/*
 * solver: runs a graph. What is cached is looked up; the rest runs, independent vertices at the
 * same time, the first error stops all. Only what the target needs is touched.
 *
 *     solver_new -> solver_plan            looks up, hashes contexts; starts nothing, needs no
 * privileges
 *                -> solver_run             (in the build's namespace) runs what the plan left open
 *                -> solver_result          the layers of a vertex
 *
 * The plan survives a fork: what it found need not be found again by the process that runs.
 */
#ifndef LIB_SOLVER_SOLVER_H
#define LIB_SOLVER_SOLVER_H

#include "lib/base/cancel.h"
#include "lib/base/progress.h"
#include "lib/base/thread_pool.h"
#include "lib/cache/shared_cache.h"
#include "lib/fs/pattern.h"
#include "lib/graph/graph.h"
#include "lib/layer/face.h"
#include "lib/layer/snapshotter.h"
#include "lib/solver/executor.h"
#include "lib/store/store.h"

/* A local directory that OP_LOCAL vertices name. */
struct local_context {
    const char *name;
    const char *path; /* absolute, for messages and the stat index */
    int fd;
    const struct pattern_list *exclude; /* NULL: nothing */
};

/* What the caller lends to steps that ask for it by id. It is in no key, no layer and no record. */
struct lent_secret {
    char *id;
    char *data;
    size_t size;
};
struct lent_agent {
    char *id;
    char *socket; /* path of the socket of an ssh agent */
};
struct lent {
    struct lent_secret *secrets;
    size_t secret_count;
    struct lent_agent *agents;
    size_t agent_count;
};

struct solver_options {
    const struct graph *graph;
    const struct store *store;
    const struct local_context *contexts;
    size_t context_count;
    const struct lent *lent; /* NULL: nothing */
    /* How layers are packed; a layer of files that nothing mounts is written as its blob alone.
     * NULL: every layer is a tree. Borrowed, and complete (snapshotter and pool) when solver_run
     * begins. */
    const struct face_options *faces;
    struct shared_cache *shared; /* asked for steps that are not cached here; NULL: nobody is */
    bool shares_mounts;     /* asked, too, for what directories of EXEC_MOUNT_CACHE begin with */
    bool target_is_mounted; /* its tree is wanted, too */
    size_t jobs;            /* EXEC vertices at a time; 0: all that are ready */
    struct progress *progress;
    struct cancel *cancel;
};

/* What runs things; needed by solver_run alone. */
struct solver_workers {
    struct snapshotter *snapshotter;
    struct executor *executor;
    struct thread_pool *pool;
};

struct result {
    struct layer_list layers;
    char **created; /* per layer: RFC 3339, NULL for layers of a base image */
};

struct solver;

struct solver *solver_new(const struct solver_options *options);
void solver_free(struct solver *s);
DEFINE_AUTO(solver, struct solver *, solver_free(*value))

/* Finds what is cached of all that `target` needs. *out_complete: nothing is left to run. Errors: a
 * missing source of a COPY is found here, before anything runs. */
int solver_plan(struct solver *s, const struct vertex *target, bool *out_complete,
                struct error *err) MUST_CHECK;
/* Has the plan left the vertex open? */
bool solver_will_run(const struct solver *s, const struct vertex *v);
int solver_run(struct solver *s, const struct vertex *target, const struct solver_workers *workers,
               struct error *err) MUST_CHECK;
/* From now on `done` is told of each vertex that has made a layer, as soon as its result is there
 * and while others still run; from any thread. `is_of_target`: it is a layer of the target's. */
typedef void solver_result_fn(void *arg, const struct vertex *v, bool is_of_target);
void solver_on_result(struct solver *s, solver_result_fn *done, void *arg);
/* What can be told to other builders of a step whose result is there. */
struct shared_step {
    struct digest key;           /* the same for all builders */
    const struct strvec *recipe; /* borrowed, as what follows */
    const struct result *result;
    size_t base_count; /* so many of its layers, the lowest, are of the image that it rests on */
    const struct cache_location
        *location; /* that told us of it; NULL: it was made or cached here */
};
/* False for vertices that make no layer, and for those without a result. */
bool solver_shared_step(const struct solver *s, const struct vertex *v, struct shared_step *out);
/* A directory that a step of this run has kept (EXEC_MOUNT_CACHE), if all builders can tell which.
 */
struct shared_mount {
    struct digest store_key; /* lib/store/cache_mount.h */
    struct digest key;       /* the same for all builders */
    const char *title;       /* for people; borrowed */
};
typedef void shared_mount_fn(void *arg, const struct shared_mount *mount);
/* Calls `fn` for each, once. */
void solver_each_used_mount(const struct solver *s, shared_mount_fn *fn, void *arg);
/* What others have told, and is in the store now with all layers, is remembered like steps of our
 * own: the next build need not ask. */
int solver_remember_shared(struct solver *s, struct error *err) MUST_CHECK;
/* The layer `id` if others made it (a base image, a shared cache), with the image that it is of;
 * its provider brings the blob. NULL: it is our own. */
const struct image_layer *solver_find_layer(const struct solver *s, const char *id,
                                            const struct resolved_image **out_image);
/* Borrowed, until solver_free. The vertex was the target of a complete plan or a successful run. */
const struct result *solver_result(const struct solver *s, const struct vertex *v);

/* Unpacks what is missing of a stack's trees, in parallel; blobs are fetched as needed. Callable
 * after a complete plan as well (an export that needs trees). */
int solver_unpack(struct solver *s, const struct layer_list *layers,
                  const struct solver_workers *workers, struct error *err) MUST_CHECK;

#endif
