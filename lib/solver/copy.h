/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy: what COPY and ADD write, as entries of a layer: the sources one after the other, as they
 * are written, from as many inputs as there are. Of the root they land on only facts are used
 * (where the destination leads, the directories on the way, that no entry meets one of another
 * type), and the facts have a digest, so the step above need not be repeated because the root is
 * another.
 *
 *     copy_open -> copy_facts -> copy_write -> copy_release
 *
 * An archive that is unpacked onto something has more facts than can be told before it is read:
 * copy_write gives those.
 */
#ifndef LIB_SOLVER_COPY_H
#define LIB_SOLVER_COPY_H

#include "lib/base/cancel.h"
#include "lib/base/progress.h"
#include "lib/fs/mode_change.h"
#include "lib/layer/snapshotter.h"
#include "lib/solver/owner.h"
#include "lib/solver/selection_digest.h"

struct copy_input {
    struct file_source from;
    const struct selection *selection;
    struct digest_scribe *scribe; /* told of all that copy_write reads; NULL: nobody asks */
};

enum copy_dest {
    COPY_DEST_MISSING,
    COPY_DEST_DIR, /* is one, or is asked for by a slash */
    COPY_DEST_OTHER,
};

struct copy {
    /* the caller's, borrowed */
    const struct op_copy *op;
    const struct copy_input *inputs; /* by input of the vertex; the first is not used */
    struct lower *lower;             /* the root it lands on */
    struct progress *progress;       /* for warnings; may be NULL */
    const struct cancel *cancel;
    struct thread_pool *pool; /* NULL: all in the caller's thread */
    /* copy_open's */
    bool has_owner;
    struct owner owner;  /* of everything, if has_owner */
    char *unknown_owner; /* a name in --chown that the root does not know, or NULL */
    bool has_chmod;
    struct mode_change chmod;
    char *dest; /* resolved, relative to the root */
    enum copy_dest kind;
    bool dest_exists;
};

/* Resolves the destination. Errors: USER. */
int copy_open(struct copy *c, struct error *err) MUST_CHECK;
/* The digest of what the layer takes from the root; *out_known false: only copy_write can tell.
 * Errors: USER where an entry would replace a directory by something else or the other way round.
 */
int copy_facts(struct copy *c, bool *out_known, struct digest *out, struct error *err) MUST_CHECK;
/* *out_facts: all facts, those of archives too. */
int copy_write(struct copy *c, struct layer_writer *to, struct digest *out_facts,
               struct error *err) MUST_CHECK;
void copy_release(struct copy *c);
DEFINE_AUTO(copy, struct copy, copy_release(value))

#endif
