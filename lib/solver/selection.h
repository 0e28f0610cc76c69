/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selection: the files that a COPY takes from one of its inputs: its sources there, with links and
 * patterns resolved inside the input's root.
 *
 *     selection_find -> selection_digest.h, ... -> selection_release
 */
#ifndef LIB_SOLVER_SELECTION_H
#define LIB_SOLVER_SELECTION_H

#include <sys/stat.h>

#include "lib/fs/walk.h"
#include "lib/graph/graph.h"

/* Where files are taken from. */
struct file_source {
    const char *name; /* "the build context", "stage builder": for messages */
    int root_fd;
    bool is_context; /* owners count as 0:0, `exclude` applies, digests are remembered by stat */
    const struct pattern_list *exclude; /* NULL: none */
    const char *path;                   /* of a context on the host: names its stat index */
};

struct selected {
    char *path; /* from the root, resolved; "" is the root itself */
    /* Its place at the destination: the last component as it was written or matched; with --parents
     * the path below the pivot ("" is the destination itself). */
    char *name;
    bool is_dir;
    size_t source;                   /* which of the operation's */
    const struct pattern_list *only; /* of a directory: what is taken; NULL: all. In `onlys` */
};

struct selection {
    struct selected *items; /* by source, those of one pattern sorted */
    size_t count, cap;
    bool with_parents;
    struct pattern_list exclude; /* --exclude, against paths below each source */
    struct pattern_list **onlys; /* owned */
    size_t only_count, only_cap;
};

/* Finds those sources of `op` that are in input `input`. A pattern that matches nothing is fine, as
 * is excluding all by --exclude; a plain path that is missing is NOT_FOUND, one that the context's
 * ignore file excludes is USER and says by which pattern. */
int selection_find(const struct file_source *from, const struct op_copy *op, size_t input,
                   struct selection *out, struct error *err) MUST_CHECK;
void selection_release(struct selection *s);
DEFINE_AUTO(selection, struct selection, selection_release(value))

/* What leaves entries out of a directory that was selected. */
enum { SELECTION_FILTERS = 3 };
void selection_filters(const struct file_source *from, const struct selection *s,
                       const struct selected *item, struct walk_filter out[SELECTION_FILTERS]);
/* With --parents: the path of the directory that `item->name` counts from; the caller frees it. */
char *selection_pivot(const struct selected *item);

#endif
