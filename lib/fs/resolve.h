/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve: paths inside a root that somebody else filled. Symbolic links, ".." and absolute targets
 * stay inside the root, as for a process that was chrooted there; magic links are refused. By
 * openat2 (Linux 5.6), and by a walk of single components where that call is missing or forbidden.
 *
 * Nothing here follows a path again after it was opened: use the descriptor.
 */
#ifndef LIB_FS_RESOLVE_H
#define LIB_FS_RESOLVE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "lib/base/error.h"

/* open(2) of `path` inside `root_fd`; O_CLOEXEC is implied. -1 with errno set on failure: this is a
 * system call in all but name (ENOENT, ENOTDIR, ELOOP as open would). O_CREAT is not for here. */
int root_open(int root_fd, const char *path, int flags);

/* Follows `path` as far as it exists. */
struct resolved {
    char *path;  /* where it leads: relative to the root, no links, no ".."; "" is the root */
    bool exists; /* the whole path exists; `st` describes it */
    struct stat st;
    size_t existing; /* length of the leading part of `path` that exists */
};
/* A missing tail is no error, and is kept as it is written; a non-directory on the way is (USER),
 * as are too many links. With `follow_last` false a link as last component is the result itself. */
int root_resolve(int root_fd, const char *path, bool follow_last, struct resolved *out,
                 struct error *err) MUST_CHECK;
void resolved_release(struct resolved *r);
DEFINE_AUTO(resolved, struct resolved, resolved_release(value))

/* Opens the directory that `path` is in as beneath_open does, O_PATH; *out_name is what is left,
 * "." if that is nothing. */
int beneath_open_parent(int dir_fd, const char *path, const char **out_name);
/* Opens `path` (no links allowed anywhere, not above `dir_fd`): for trees of our own making. */
int beneath_open(int dir_fd, const char *path, int flags, mode_t mode);

#endif
