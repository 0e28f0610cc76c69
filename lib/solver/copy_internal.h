/* SPDX-License-Identifier: Apache-2.0 */
/* copy_internal: one pass over the sources of a COPY: checks against the root, takes its facts, and
 * writes if there is a writer. */
#ifndef LIB_SOLVER_COPY_INTERNAL_H
#define LIB_SOLVER_COPY_INTERNAL_H

#include "lib/base/job_row.h"
#include "lib/fs/entry.h"
#include "lib/fs/hard_links.h"
#include "lib/fs/shared_dir.h"
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
    struct job_row *row;          /* entries that wait for their turn; NULL: nothing is written */
    struct shared_dir *dir;       /* the source directory of the last of them */
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

/* An entry of a source; all is borrowed. */
struct copied {
    struct walk_item item; /* its path is that from the selected item */
    const char *path;      /* in the layer */
    const struct file_source *from;
    struct digest_scribe *scribe; /* NULL: nobody asks */
    bool is_item;                 /* a selected item by itself: */
    size_t index;                 /* this one of its selection */
};
struct job_row *copy_row_new(struct pass *p);
/* Writes it when its turn comes, at the latest in copy_flush. No two between flushes have the same
 * path, and what is in a directory follows it. */
int copy_entry(struct pass *p, const struct copied *c, struct error *err) MUST_CHECK;
/* The same for `source`, which is the selected item `index` and no directory, as `path`. */
int copy_single(struct pass *p, const char *source, const char *path, size_t index,
                struct error *err) MUST_CHECK;
/* All entries are written, and the next ones may replace them. `rc` and *err are how the caller
 * fared after the last one: what is wrong with an entry comes first. */
int copy_flush(struct pass *p, int rc, struct error *err) MUST_CHECK;
int copy_check_name(const char *path, struct error *err) MUST_CHECK;

#endif
