/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir_writer: a tree as plain files of the caller's, below an open directory and never through
 * links in it. Directories, links and whatever else is small are made as they come; files are
 * copied by jobs, which share the descriptors of the directories that they are in.
 *
 *     struct dir_writer *w = dir_writer_new(options, dest_fd);
 *     TRY(dir_writer_entry(w, item, err)); ...           in the order of a walk
 *     rc = dir_writer_end(w, rc, err);                   all is there
 *     dir_writer_free(w);
 */
#ifndef LIB_EXPORTER_DIR_WRITER_INTERNAL_H
#define LIB_EXPORTER_DIR_WRITER_INTERNAL_H

#include "lib/exporter/rootfs.h"
#include "lib/fs/walk.h"

struct dir_writer;

/* Both are borrowed. */
struct dir_writer *dir_writer_new(const struct rootfs_options *options, int dest_fd);
/* item->path is where it goes, and tells one directory of the source from another. Errors: also
 * those of earlier entries. */
int dir_writer_entry(struct dir_writer *w, const struct walk_item *item,
                     struct error *err) MUST_CHECK;
/* `rc` is how the caller fared after the last entry, see job_row_end. */
int dir_writer_end(struct dir_writer *w, int rc, struct error *err) MUST_CHECK;
void dir_writer_free(struct dir_writer *w);
DEFINE_AUTO(dir_writer, struct dir_writer *, dir_writer_free(*value))

#endif
