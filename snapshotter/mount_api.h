/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_api: Linux's descriptor-based mount calls, which Debian 12's C library does not all wrap,
 * and an overlay mount made with them. Nothing here names a path of the host after it was opened.
 */
#ifndef SNAPSHOTTER_MOUNT_API_H
#define SNAPSHOTTER_MOUNT_API_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"

/* How a list of lower directories is handed to overlayfs; the first that works here is used. */
enum overlay_form {
    OVERLAY_BY_FD,    /* FSCONFIG_SET_FD (Linux 6.13) */
    OVERLAY_BY_PATH,  /* lowerdir+=/proc/self/fd/N (Linux 6.7) */
    OVERLAY_BY_MOUNT, /* mount(2), all names in one option string of at most 4,095 bytes */
};

struct overlay_mount {
    const int *lower_fds; /* top first, at least one */
    size_t lower_count;
    int upper_fd, work_fd; /* -1: a read-only mount */
    int scratch_fd; /* its empty directory "mnt" is what OVERLAY_BY_MOUNT mounts on for a moment */
};

/* Makes a detached overlay mount; *out_fd is its root, and the mount lives as long as it is open or
 * moved somewhere. Errors: HOST (with what the kernel said), SYSTEM. */
int overlay_mount(const struct overlay_mount *m, enum overlay_form form, int *out_fd,
                  struct error *err) MUST_CHECK;

/* A detached private copy of the mount below `fd`, not recursive. -1 with errno set. */
int mount_clone(int fd);

#endif
