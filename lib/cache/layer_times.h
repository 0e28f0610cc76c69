/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer_times: the times in a packed layer are final, so it stands for the files that it was made
 * of only under some epochs (design.md 7). Which ones depends on those files, not on the bytes:
 * this is known with the step that made the layer.
 */
#ifndef LIB_CACHE_LAYER_TIMES_H
#define LIB_CACHE_LAYER_TIMES_H

#include <stdbool.h>

#include "lib/codec/json.h"

struct layer_times {
    bool are_final;     /* false: a tree, which keeps the files' own times; it fits any epoch */
    int64_t newest_s;   /* the latest time in it */
    bool has_our_times; /* of directories and files that we made ourselves: they follow the epoch */
    bool is_clamped;    /* times were set back to `epoch_s` */
    int64_t epoch_s;
};

/* Are they those that a build with this epoch (or none) gives to the same files? */
bool layer_times_fit(const struct layer_times *t, bool has_epoch, int64_t epoch_s);

/* As members of an object. A tree has none. */
void layer_times_print(const struct layer_times *t, js *object);
int layer_times_parse(const js *object, struct layer_times *out, struct error *err) MUST_CHECK;

#endif
