/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared_dir: a directory's descriptor for jobs that come to its files after a walk has left it:
 * open until the last of them is done with it.
 */
#ifndef LIB_FS_SHARED_DIR_H
#define LIB_FS_SHARED_DIR_H

#include <stdatomic.h>

#include "lib/fs/walk.h"

struct shared_dir {
    int fd;
    atomic_uint users;
    char *path;
};

/* The directory that `item` is in. *last is that of the item before, NULL at first, and is kept for
 * the next one; the caller drops it after the walk, and *out when that is used no more. Errors:
 * SYSTEM. */
int shared_dir_of(const struct walk_item *item, struct shared_dir **last, struct shared_dir **out,
                  struct error *err) MUST_CHECK;
/* The same for the directory of an entry `path` below `root_fd`, no links on the way. */
int shared_dir_below(int root_fd, const char *path, struct shared_dir **last,
                     struct shared_dir **out, struct error *err) MUST_CHECK;
/* From any thread; NULL is allowed. */
void shared_dir_drop(struct shared_dir *dir);

#endif
