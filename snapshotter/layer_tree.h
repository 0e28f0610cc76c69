/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer_tree: what all snapshotters share, because a layer looks the same whoever made it: where
 * its tree is, unpacking it, writing it entry by entry, packing it.
 *
 * A layer that relies on what lies below it (see apply) has a tree for each stack it stands on,
 * named by the hash of that stack; everybody else just says the layer's id.
 */
#ifndef SNAPSHOTTER_LAYER_TREE_H
#define SNAPSHOTTER_LAYER_TREE_H

#include <pthread.h>

#include "lib/base/cancel.h"
#include "lib/base/map.h"
#include "lib/layer/snapshotter.h"
#include "lib/store/layer.h"

/* The name of the tree of layer `index`, and what is known of it; *out_present says if it is there.
 */
int layer_tree_find(const struct store *store, const struct layer_list *layers, size_t index,
                    char name[static LAYER_ID_SIZE], bool *out_present, struct layer_info *out,
                    struct error *err) MUST_CHECK;

/* Opens the trees of a stack, top first, each layer once (its topmost occurrence: a diff applied
 * again restates all it said below; overlayfs refuses a tree named twice). The caller closes them.
 */
struct tree_stack {
    int *fds;
    size_t count;
    bool is_closed; /* the last one's root is opaque: nothing below shows through */
    bool has_root;  /* attributes of the root directory, from the topmost layer that says so: */
    unsigned root_mode, root_uid, root_gid;
};
/* What was read of layers before: every step names all those below it, and none ever changes. */
struct known_trees {
    pthread_mutex_t lock;
    struct map by_id; /* under `lock` */
};
void known_trees_init(struct known_trees *known);
void known_trees_release(struct known_trees *known);
/* Thread-safe, also with the same `known`, which may be NULL. */
int tree_stack_open(const struct store *store, struct known_trees *known,
                    const struct layer_list *layers, struct tree_stack *out,
                    struct error *err) MUST_CHECK;
void tree_stack_close(struct tree_stack *stack);
DEFINE_AUTO(tree_stack, struct tree_stack, tree_stack_close(value))

/* What every snapshotter of a store is first; below, the operations that need no more than that. */
struct store_snapshotter {
    struct snapshotter base;
    const struct store *store;   /* borrowed; has a lease */
    const struct cancel *cancel; /* borrowed; may be NULL */
};
static inline const struct cancel *cancel_of(const struct snapshotter *s)
{
    return ((const struct store_snapshotter *)s)->cancel;
}
static inline const struct store *store_of(const struct snapshotter *s)
{
    return ((const struct store_snapshotter *)s)->store;
}
int layer_tree_is_unpacked(struct snapshotter *s, const struct layer_list *layers, size_t index,
                           bool *out, struct error *err) MUST_CHECK;
int layer_tree_apply(struct snapshotter *s, const struct layer_list *layers, size_t index,
                     bool over, struct reader *in, bool *out_needs_below,
                     struct error *err) MUST_CHECK;
int layer_tree_write(struct snapshotter *s, struct layer_writer **out,
                     struct error *err) MUST_CHECK;
int layer_tree_diff(struct snapshotter *s, const char *id, const struct diff_options *options,
                    struct tar_writer *out, struct error *err) MUST_CHECK;

#endif
