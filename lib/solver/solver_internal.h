/* SPDX-License-Identifier: Apache-2.0 */
/* solver_internal: what the solver's files share. A vertex's state is touched by one thread at a
 * time: the planner, then the job that runs it; others read it only after it is done (the
 * scheduler's lock). */
#ifndef LIB_SOLVER_SOLVER_INTERNAL_H
#define LIB_SOLVER_SOLVER_INTERNAL_H

#include <pthread.h>

#include "lib/base/claims.h"
#include "lib/base/map.h"
#include "lib/cache/cache.h"
#include "lib/solver/selection_digest.h"
#include "lib/solver/solver.h"

enum vertex_status {
    VERTEX_UNKNOWN, /* nothing that runs needs it */
    VERTEX_CACHED,
    VERTEX_PENDING,
    VERTEX_DONE,
};

/* What is done with a root in this build. */
enum root_use {
    ROOT_UNUSED,
    ROOT_LOOKED_INTO, /* facts are wanted: an index of a packed layer will do */
    ROOT_MOUNTED,     /* trees are */
};

/* What an OP_COPY takes from one of its inputs, a local context. */
struct local_files {
    struct selection selection;
    bool is_found;
    bool is_unread; /* nothing is known of its files: `digest` comes when they are copied */
    struct digest digest;
};

struct vertex_state {
    enum vertex_status status;
    bool is_missed; /* the plan has found that it is not cached */
    bool has_key;   /* false as well while something that it rests on is unread */
    enum root_use use;
    bool anew;         /* it, or something that it rests on or takes from, is to run anew */
    struct digest key; /* definition key */
    struct strvec recipe;
    struct local_files *local; /* of an OP_COPY, by input; NULL: not looked for yet */
    struct result result;
    const struct shared_stack *shared; /* others told of the result; NULL: it is our own */
    unsigned progress;  /* of an OP_LOCAL that is being looked through; 0: not begun */
    struct meter meter; /* of what is read of it */
    /* scheduling */
    bool is_of_target; /* the target's layers include its own */
    unsigned height;   /* how much has to follow it */
    bool submitted;    /* under the scheduler's lock */
};

struct solver {
    struct solver_options options;
    struct solver_workers workers;
    solver_result_fn *result_done; /* NULL: nobody wants to know */
    void *result_done_arg;
    struct vertex_state *states;  /* by vertex index */
    struct claims unpacking;      /* ids of layers */
    struct shared_stack **stacks; /* made by the plan */
    size_t stack_count, stack_cap;
    pthread_mutex_t caches_lock;
    struct map renewed_caches; /* keys of those that this build began anew; under caches_lock */
};

static inline struct vertex_state *state_of(const struct solver *s, const struct vertex *v)
{
    return &s->states[v->index];
}

/* The layers of input `index`; an empty list for a NULL input (scratch). */
struct layer_list input_layers(const struct solver *s, const struct vertex *v, size_t index);
const struct local_context *find_context(const struct solver *s, const struct vertex *local,
                                         struct error *err);
struct file_source context_source(const struct local_context *context);
struct selection_digesting digesting_of(const struct solver *s, const struct file_source *from,
                                        const struct selection *selection);

/* Input `i` is a stage or an image that files are taken from; any of them is. */
bool is_stage(const struct vertex *v, size_t i);
bool takes_from_stages(const struct vertex *v);

void set_image_result(struct solver *s, const struct vertex *v);
/* Makes `v`'s result: the layers of its root, and `layer` on top. */
void set_result(struct solver *s, const struct vertex *v, const struct cache_record *layer);
/* Makes the result of an OP_MERGE, whose inputs have theirs. */
void set_merge_result(struct solver *s, const struct vertex *v);
/* True if `key` is known: the result is set, and *out is what the key leads to. Never for
 * a vertex that is to run anew. */
bool reuse(struct solver *s, const struct vertex *v, const struct digest *key,
           struct cache_record *out);
/* A layer may only return to the root it was made on, and beside the stages it took files from:
 * with several builders, or after --no-cache, the same definition has led to more than one of each.
 * A stage that is gone counts as no layers. */
void record_key(const struct solver *s, const struct vertex *v, bool with_stages,
                struct digest *out);
/* Records that `v`, on what its inputs turned out to be, has led to `layer`. */
int remember(struct solver *s, const struct vertex *v, const struct cache_record *layer,
             struct error *err) MUST_CHECK;
/* The same, said by the caller: `v` on `root` has led to `layer`. */
int remember_on(const struct solver *s, const struct vertex *v, struct layer_list root,
                const struct cache_record *layer, struct error *err) MUST_CHECK;
/* Has this very operation made a layer before, on whatever it stood? */
bool has_run_before(const struct solver *s, const struct vertex *v);
/* The present time, as a record has it; the caller frees it. */
char *time_of_layer(void);

/* The operations: run `v`, whose inputs are done, and set its result. *out_cached: another key was
 * hit after all. `progress` is the vertex's number. */
int exec_run(struct solver *s, const struct vertex *v, unsigned progress, bool *out_cached,
             struct error *err) MUST_CHECK;
int copy_run(struct solver *s, const struct vertex *v, unsigned progress, bool *out_cached,
             struct error *err) MUST_CHECK;
int mkdir_run(struct solver *s, const struct vertex *v, bool *out_cached,
              struct error *err) MUST_CHECK;
int image_run(struct solver *s, const struct vertex *v, unsigned progress,
              struct error *err) MUST_CHECK;

/* Layers that others have told of: the result of `vertex`, and what is below of those it rests on;
 * NULL: the content of a directory that steps keep. */
struct shared_stack {
    const struct vertex *vertex;
    struct shared_answer answer;
    struct resolved_image image;
};
void shared_stack_free(struct shared_stack *stack);
/* Asks the shared cache for all of `missed` at once, so that the next question is answered. */
void ask_shared(const struct solver *s, const struct vertex *const *missed, size_t count);
/* Has another builder run `v`? Sets its result if so. */
bool find_shared(struct solver *s, const struct vertex *v);
/* The stack that `answer` means, of `count` layers; it is the solver's. NULL: it does not fit. */
struct shared_stack *add_stack(struct solver *s, const struct vertex *v, size_t count,
                               const struct shared_answer *answer);
/* Which kept directory mount `index` of `v` is. */
void kept_mount_key(const struct solver *s, const struct vertex *v, size_t index,
                    struct digest *out);
/* Asks others for those that steps of the plan will make. */
void find_shared_mounts(struct solver *s);
/* What others have told of the directory `store_key`, or NULL. */
const struct shared_stack *shared_mount_stack(const struct solver *s,
                                              const struct digest *store_key);
/* Appends a layer to a result; `created` (may be NULL) is copied. */
void result_add(struct result *r, const char *id, const char *created);

/* Computes the definition key and, for a COPY from contexts, the selections and their digests. No
 * key, and no error: files that it depends on are unread. */
int key_of(struct solver *s, const struct vertex *v, struct error *err) MUST_CHECK;

/* Runs everything that is pending. */
int schedule(struct solver *s, const struct vertex *target, struct error *err) MUST_CHECK;

/* As the snapshotter's operations of these names; layers that are packed are unpacked first. */
int prepare_layers(struct solver *s, const struct layer_list *layers,
                   const struct mount_point *points, size_t point_count, struct snapshot **out,
                   struct error *err) MUST_CHECK;
int view_layers(struct solver *s, const struct layer_list *layers, struct snapshot **out,
                struct error *err) MUST_CHECK;
/* What `layers` hold; packed ones get an index. `owner` (may be NULL) is one that will be resolved.
 */
int look_into_layers(struct solver *s, const struct layer_list *layers, const char *owner,
                     struct lower **out, struct error *err) MUST_CHECK;

/* How `v` writes its layer: as a blob if nothing mounts it, else as a tree. */
bool is_written_packed(const struct solver *s, const struct vertex *v);
/* Ends the writer; *out is the record of its layer. */
int commit_layer(struct layer_writer *writer, struct cache_record *out,
                 struct error *err) MUST_CHECK;
int open_layer_writer(struct solver *s, bool packed, struct layer_writer **out,
                      struct error *err) MUST_CHECK;

#endif
