/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selection: the files that a COPY names: its sources, with links and patterns resolved inside the
 * source's root, and their digest (design.md 4: path, type, mode, ids, extended attributes, bytes,
 * hard-link groups; never times).
 */
#ifndef LIB_SOLVER_SELECTION_H
#define LIB_SOLVER_SELECTION_H

#include <sys/stat.h>

#include "lib/base/cancel.h"
#include "lib/codec/digest.h"
#include "lib/fs/pattern.h"
#include "lib/graph/graph.h"
#include "lib/store/store.h"

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
    char *base; /* the last component as it was written or matched: the name at the destination */
    bool is_dir;
};
struct selection {
    struct selected *items;
    size_t count, cap;
};

/* Finds those sources of `op` that are in input `input`. A pattern that matches nothing is fine; a
 * plain path that is missing is NOT_FOUND, one that is excluded is USER and says by which pattern.
 */
int selection_find(const struct file_source *from, const struct op_copy *op, size_t input,
                   struct selection *out, struct error *err) MUST_CHECK;
void selection_release(struct selection *s);
DEFINE_AUTO(selection, struct selection, selection_release(value))

/* `store` keeps the stat index of a context. */
int selection_digest(const struct file_source *from, const struct selection *s,
                     const struct store *store, const struct cancel *cancel, struct digest *out,
                     struct error *err) MUST_CHECK;

#endif
