/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree: mounts as descriptors. A tree is made detached, then attached to a descriptor of its
 * target, so no path is looked up twice. All return -1 with errno set on failure; descriptors are
 * the caller's and close-on-exec.
 */
#ifndef SNAPSHOTTER_SANDBOX_TREE_H
#define SNAPSHOTTER_SANDBOX_TREE_H

#include <stdbool.h>
#include <stdint.h>

/* A copy of the mount at `path` (with `recursive` also of those below), detached. */
int tree_clone(int dir_fd, const char *path, bool recursive);
/* A new file system of `type`, detached; `options` is key, value, key, value ..., NULL. `attrs` are
 * MOUNT_ATTR_ flags. */
int tree_new(const char *type, const char *const *options, unsigned attrs);
/* Attaches a detached tree on top of `target_fd`. */
int tree_attach(int tree_fd, int target_fd);
/* Attaches with the MOUNT_ATTR_ flags RDONLY, NOSUID, NODEV and NOEXEC that `attrs` has, in
 * addition to those the tree has. A recursive one needs mount_setattr (ENOSYS); one mount alone
 * also works without, as long as the host's /proc can be seen. */
int tree_attach_restricted(int tree_fd, int target_fd, uint64_t attrs, bool recursive);

#endif
