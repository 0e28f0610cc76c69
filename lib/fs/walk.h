/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk: a tree in order (names by byte value, a directory before its content), by descriptors,
 * links never followed. Patterns may exclude; an excluded directory that holds a re-included entry
 * is shown before that entry, and only then.
 */
#ifndef LIB_FS_WALK_H
#define LIB_FS_WALK_H

#include <sys/stat.h>

#include "lib/base/error.h"
#include "lib/fs/pattern.h"

struct walk_item {
    int dir_fd;       /* the directory it is in, */
    const char *name; /* its name there */
    const char *path; /* and relative to the walk's start; "" is the start itself */
    struct stat st;
    void *parent; /* what the callback stored for the parent directory, NULL at the start */
    void **keep;  /* for a directory: where to store something for its children */
};

/* The order of a walk: less than, equal to or greater than 0. '/' counts as below every other byte.
 */
int walk_compare(const char *a, const char *b);

struct walk_visitor {
    int (*visit)(void *arg, const struct walk_item *item, struct error *err);
    /* The children of a directory that was visited are done; `kept` is what it stored. May be NULL.
     */
    void (*leave)(void *arg, void *kept);
    void *arg;
};

/* Patterns that exclude, and where the walk starts ("" or a path without slash at the end) in the
 * tree that they speak of. */
struct walk_filter {
    const struct pattern_list *exclude; /* NULL: nothing */
    const char *prefix;
};

/* Walks the directory `start_fd`; what any of the filters excludes is left out. The start itself is
 * not visited. */
int walk_filtered(int start_fd, const struct walk_filter *filters, size_t count,
                  const struct walk_visitor *visitor, struct error *err) MUST_CHECK;
/* The same with one filter. */
int walk_tree(int start_fd, const char *prefix, const struct pattern_list *exclude,
              const struct walk_visitor *visitor, struct error *err) MUST_CHECK;

#endif
