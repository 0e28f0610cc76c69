/* SPDX-License-Identifier: Apache-2.0 */
/* tree_usage: what a directory takes on disk, with all that is below it. */
#ifndef LIB_FS_TREE_USAGE_H
#define LIB_FS_TREE_USAGE_H

#include <stdint.h>
#include <sys/stat.h>

#include "lib/base/error.h"

struct tree_usage {
    uint64_t bytes;  /* of allocated blocks; a file of several names counts once */
    uint64_t inodes; /* likewise, if all names are in the tree */
};

/* `dir_fd` is open for reading. */
int tree_usage(int dir_fd, struct tree_usage *out, struct error *err) MUST_CHECK;

/* What one file's blocks take. */
static inline uint64_t stat_disk_bytes(const struct stat *st)
{
    enum { STAT_BLOCK = 512 };
    return (uint64_t)st->st_blocks * STAT_BLOCK;
}

#endif
