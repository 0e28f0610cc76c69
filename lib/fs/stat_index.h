/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat_index: remembers the content digests of files by their stat data, so that the next build
 * walks instead of reading. One flat file, sorted as a walk goes (names by byte value, a directory
 * before its content), read and, from where it differs, rewritten in step with the walk: memory
 * does not grow with the number of files.
 *
 *     stat_index_open -> for each regular file, in walk order: stat_index_find, else hash;
 * stat_index_add
 *                     -> stat_index_commit
 *
 * A file counts as unchanged if device, inode, size, mtime and ctime are equal. One whose mtime or
 * ctime is not older than the walk's start (by the coarse clock that stamps files, less a margin)
 * is not remembered: it may change again within the same tick. Losing the index costs a read, no
 * more.
 */
#ifndef LIB_FS_STAT_INDEX_H
#define LIB_FS_STAT_INDEX_H

#include <sys/stat.h>

#include "lib/codec/digest.h"

struct stat_index;

/* `name` is the index's file in `dir_fd`, a directory that the index keeps open for itself. An
 * index that is missing or damaged is empty. */
struct stat_index *stat_index_open(int dir_fd, const char *name);
bool stat_index_find(struct stat_index *x, const char *path, const struct stat *st,
                     struct digest *out);
/* Of each file in the order in which they were asked for, found or not. */
void stat_index_add(struct stat_index *x, const char *path, const struct stat *st,
                    const struct digest *digest);
/* Nobody asks it: all that is added is what it has now. Before the first stat_index_add. */
void stat_index_renew(struct stat_index *x);
/* Replaces the file if anything changed; else it is marked as used. Failure is harmless and not
 * reported. */
void stat_index_commit(struct stat_index *x);
void stat_index_free(struct stat_index *x);
DEFINE_AUTO(stat_index, struct stat_index *, stat_index_free(*value))

#endif
