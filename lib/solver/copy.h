/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy: what COPY, ADD and WORKDIR write, as entries of a layer. Of the root they land on only
 * facts are used (where the destination leads, the directories on the way, that no entry meets one
 * of another type), and the facts have a digest, so the step above need not be repeated because the
 * root is another.
 *
 *     copy_open -> copy_facts -> copy_write -> copy_release
 */
#ifndef LIB_SOLVER_COPY_H
#define LIB_SOLVER_COPY_H

#include "lib/solver/owner.h"
#include "lib/solver/selection.h"
#include "lib/solver/snapshotter.h"

struct copy {
    const struct op_copy *op;
    const struct file_source *from;
    const struct selection *selection;
    int root_fd; /* the root it lands on; borrowed */
    bool has_owner;
    struct owner owner;  /* of everything, if has_owner */
    char *unknown_owner; /* a name in --chown that the root does not know, or NULL */
    char *dest;          /* resolved, relative to the root */
    bool dest_is_dir;    /* is a directory there already, or is asked for by a slash */
    bool dest_exists;
};

/* Resolves the destination. Errors: USER. */
int copy_open(struct copy *c, struct error *err) MUST_CHECK;
/* The digest of what the layer takes from the root. Errors: USER where an entry would replace a
 * directory by something else or the other way round. */
int copy_facts(struct copy *c, struct digest *out, struct error *err) MUST_CHECK;
int copy_write(struct copy *c, struct layer_writer *to, struct error *err) MUST_CHECK;
void copy_release(struct copy *c);
DEFINE_AUTO(copy, struct copy, copy_release(value))

/* Writes the directories that lead to `path` and `path` itself, as they are in the root, or new
 * ones: `mode`, `owner`, the epoch. Digest of the same through `facts`, if not NULL; `to` may be
 * NULL. */
int write_directories(int root_fd, const char *path, unsigned mode, struct owner owner,
                      struct hasher *facts, struct layer_writer *to, struct error *err) MUST_CHECK;

#endif
