/* SPDX-License-Identifier: Apache-2.0 */
/* merge: what a directory of several layers holds together, by overlayfs's rules, without a mount.
 */
#ifndef SNAPSHOTTER_MERGE_H
#define SNAPSHOTTER_MERGE_H

#include <sys/stat.h>

#include "lib/base/error.h"

/* The same directory in each layer that has it, top first. */
struct merge_dir {
    int *fds;
    size_t count;
};
void merge_dir_close(struct merge_dir *d);
DEFINE_AUTO(merge_dir, struct merge_dir, merge_dir_close(value))

struct merge_name {
    char *name;
    size_t from;    /* which of the fds shows it */
    struct stat st; /* there */
};
struct merge_list {
    struct merge_name *items; /* sorted */
    size_t count, cap;
};
/* Names that a whiteout or an opaque directory hides are not in the list. */
int merge_list(const struct merge_dir *dir, struct merge_list *out, struct error *err) MUST_CHECK;
void merge_list_release(struct merge_list *list);
DEFINE_AUTO(merge_list, struct merge_list, merge_list_release(value))
const struct merge_name *merge_find(const struct merge_list *list, const char *name);

/* The child directory `item` in each layer where it is a directory and shows through. */
int merge_open(const struct merge_dir *dir, const struct merge_name *item, struct merge_dir *out,
               struct error *err) MUST_CHECK;

#endif
