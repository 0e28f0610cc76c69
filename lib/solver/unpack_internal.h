/* SPDX-License-Identifier: Apache-2.0 */
/* unpack_internal: an archive on its way into a layer. */
#ifndef LIB_SOLVER_UNPACK_INTERNAL_H
#define LIB_SOLVER_UNPACK_INTERNAL_H

#include "lib/solver/copy_internal.h"

struct unpack {
    struct reader content; /* first: of the current entry */
    struct pass *pass;
    const char *name; /* of the archive, for messages */
    struct tar_reader *tar;
    /* Where the parent of the last entry leads, as the next one often has the same. */
    char *parent, *parent_at;
    uint64_t entries, bytes;
    unsigned devices; /* that were left out */
};

/* Where the entry `path` (cleaned) lands, relative to the root: the directories on its way are made
 * or taken over, its own place is not looked at. The caller frees *out. Errors: USER. */
int unpack_place(struct unpack *u, const char *path, char **out, struct error *err) MUST_CHECK;
/* Something on the way may have changed. */
void unpack_forget_parent(struct unpack *u);

#endif
