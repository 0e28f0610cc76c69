/* SPDX-License-Identifier: Apache-2.0 */
/* copy_internal: one pass over the sources of a COPY: checks against the root, takes its facts, and
 * writes if there is a writer. */
#ifndef LIB_SOLVER_COPY_INTERNAL_H
#define LIB_SOLVER_COPY_INTERNAL_H

#include "lib/fs/entry.h"
#include "lib/fs/hard_links.h"
#include "lib/solver/copy.h"
#include "lib/solver/directories.h"

struct pass {
    struct copy *copy;
    struct hasher *facts;
    struct layer_writer *to;        /* NULL: nothing is written */
    enum copy_dest dest;            /* what the destination is before the next source */
    bool way_written, dest_written; /* the directories above the destination; itself */
    bool facts_missing;             /* they need the archive to be read */
    const struct file_source *from; /* of the source at hand; NULL: an inline file */
    const struct selection *selection;
    struct digest_scribe *scribe; /* of that input, while it writes; NULL: nobody asks */
    struct hard_links links;      /* by path at the destination, of the source at hand */
};

/* Writes the directories above the destination, and itself if `with_dest`, unless done before; new
 * ones get `mode`. */
int pass_write_way(struct pass *p, bool with_dest, unsigned mode, struct error *err) MUST_CHECK;
/* The mode of a directory that the copy makes. */
unsigned copy_new_mode(const struct copy *c);
/* Owner and mode as the flags want them; `from` is NULL for what has no source. */
void copy_adjust(const struct copy *c, const struct file_source *from, struct tar_entry *e);
/* Is `path` (relative to the root) there as something that cannot be replaced? */
int copy_check_lower(const struct copy *c, const char *path, bool is_dir,
                     struct error *err) MUST_CHECK;
int copy_conflict(const char *path, bool new_is_dir, struct error *err);

/* The kinds of sources. */
int copy_file(struct pass *p, const struct selected *item, struct error *err) MUST_CHECK;
int copy_inline(struct pass *p, const struct copy_source *source, struct error *err) MUST_CHECK;
int copy_directory(struct pass *p, const struct selected *item, struct error *err) MUST_CHECK;
/* Anything selected, with its parents up to the pivot. */
int copy_with_parents(struct pass *p, const struct selected *item, struct error *err) MUST_CHECK;
/* *out_is_archive false: nothing was done. */
int copy_archive(struct pass *p, const struct selected *item, bool *out_is_archive,
                 struct error *err) MUST_CHECK;

/* Writes `name` in `dir_fd` as `path` of the layer. `below` is its path from the selected item. */
int copy_entry(struct pass *p, int dir_fd, const char *name, const char *below, const char *path,
               struct error *err) MUST_CHECK;
int copy_check_name(const char *path, struct error *err) MUST_CHECK;

#endif
