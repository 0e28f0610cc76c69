/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs: the merged file system of an image leaves as plain files: `type=tar` keeps owners as the
 * container sees them, `type=local` gives everything to the caller. `root_fd` is a snapshot's view.
 */
#ifndef LIB_EXPORTER_ROOTFS_H
#define LIB_EXPORTER_ROOTFS_H

#include "lib/base/cancel.h"
#include "lib/base/meter.h"
#include "lib/base/thread_pool.h"
#include "lib/layer/snapshotter.h"

/* All are borrowed. */
struct rootfs_options {
    const struct diff_options *diff;
    const struct cancel *cancel; /* asked before each file and within large ones */
    /* For directories: */
    struct thread_pool *pool; /* writes files side by side; NULL: one after the other */
    struct meter *meter;      /* counts what was written of files; may be NULL */
};

int rootfs_write_tar(int root_fd, const struct rootfs_options *options, struct writer *out,
                     struct error *err) MUST_CHECK;
/* Files that are in `dest_fd` already stay, or are overwritten; devices are left out. */
int rootfs_write_dir(int root_fd, const struct rootfs_options *options, int dest_fd,
                     struct error *err) MUST_CHECK;

/* One entry of a tree, with all that is below it, under another name. */
struct rootfs_entry {
    int dir_fd;
    const char *name; /* in dir_fd; no link is followed */
    const char *as;   /* what it is called where it goes; "": the content of a directory alone */
};

int rootfs_entry_write_tar(const struct rootfs_entry *entry, const struct rootfs_options *options,
                           struct writer *out, struct error *err) MUST_CHECK;
/* What is at its place is replaced; directories merge. */
int rootfs_entry_write_dir(const struct rootfs_entry *entry, const struct rootfs_options *options,
                           int dest_fd, struct error *err) MUST_CHECK;

#endif
