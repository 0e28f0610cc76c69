/* SPDX-License-Identifier: Apache-2.0 */
/* marks: how overlayfs (userxattr) writes deletions into a tree: kernel Documentation,
 * filesystems/overlayfs.rst, "whiteouts and opaque directories". */
#ifndef SNAPSHOTTER_MARKS_H
#define SNAPSHOTTER_MARKS_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define MARK_OPAQUE "user.overlay.opaque"
/* On a directory that holds a whiteout, or it shows as a broken device where it is not merged. */
#define MARK_ORIGIN "user.overlay.origin"

static inline bool is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* `fd` is a directory, open for reading. */
static inline bool directory_is_opaque(int fd)
{
    char value[8];
    return fgetxattr(fd, MARK_OPAQUE, value, sizeof value) == 1 && value[0] == 'y';
}

#endif
