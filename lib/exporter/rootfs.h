/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs: the merged file system of an image leaves as plain files: `type=tar` keeps owners as the
 * container sees them, `type=local` gives everything to the caller. `root_fd` is a snapshot's view;
 * `cancel` is asked before each file and within large ones.
 */
#ifndef LIB_EXPORTER_ROOTFS_H
#define LIB_EXPORTER_ROOTFS_H

#include "lib/base/cancel.h"
#include "lib/layer/snapshotter.h"

int rootfs_write_tar(int root_fd, const struct diff_options *options, const struct cancel *cancel,
                     struct writer *out, struct error *err) MUST_CHECK;
/* Files that are in `dest_fd` already stay, or are overwritten; devices are left out. */
int rootfs_write_dir(int root_fd, const struct diff_options *options, const struct cancel *cancel,
                     int dest_fd, struct error *err) MUST_CHECK;

/* One entry of a tree, with all that is below it, under another name. */
struct rootfs_entry {
    int dir_fd;
    const char *name; /* in dir_fd; no link is followed */
    const char *as;   /* what it is called where it goes; "": the content of a directory alone */
};

int rootfs_entry_write_tar(const struct rootfs_entry *entry, const struct cancel *cancel,
                           struct writer *out, struct error *err) MUST_CHECK;
/* What is at its place is replaced; directories merge. */
int rootfs_entry_write_dir(const struct rootfs_entry *entry, const struct cancel *cancel,
                           int dest_fd, struct error *err) MUST_CHECK;

#endif
