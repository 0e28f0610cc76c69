/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry: one file as a tar_entry: what is needed to copy, hash or pack it. Extended attributes are
 * those that travel in images: security.capability and user.* (never user.overlay.*, which would
 * steer overlayfs, nor names with '='; a name that overlayfs has escaped for a user is given back
 * its own).
 */
#ifndef LIB_FS_ENTRY_H
#define LIB_FS_ENTRY_H

#include <sys/stat.h>

#include "lib/codec/tar.h"
#include "lib/fs/walk.h"

struct fs_entry {
    struct tar_entry tar; /* borrows from what follows and from the caller's path */
    struct stat st;
    int fd; /* O_PATH for anything but a regular file, which is open for reading */
    char *link;
    struct tar_xattr *xattrs; /* what tar.xattrs shows of it may be less */
    size_t xattr_count;
};

enum fs_entry_kind {
    FS_ENTRY_ORDINARY,
    FS_ENTRY_SOCKET,   /* never part of a layer */
    FS_ENTRY_WHITEOUT, /* overlayfs's char device 0:0 */
};

/* Opens `name` in `dir_fd` without following links or blocking on a FIFO, and describes it as
 * `path` (kept, not copied). Errors: SYSTEM; NOT_FOUND if it is gone. On success the caller
 * releases it. */
int fs_entry_open(int dir_fd, const char *name, const char *path, struct fs_entry *out,
                  enum fs_entry_kind *out_kind, struct error *err) MUST_CHECK;
/* The same for what a walk has just seen (item->dir_fd, ->name and ->st): a regular file then costs
 * one open. */
int fs_entry_of_item(const struct walk_item *item, const char *path, struct fs_entry *out,
                     enum fs_entry_kind *out_kind, struct error *err) MUST_CHECK;
/* The same for a directory that is open already: describes the directory itself. `fd` is borrowed.
 */
int fs_entry_of_dir(int fd, const char *path, struct fs_entry *out, struct error *err) MUST_CHECK;
void fs_entry_release(struct fs_entry *e);
DEFINE_AUTO(fs_entry, struct fs_entry, fs_entry_release(value))

/* May this attribute be stored in a layer's tree or tar? */
bool xattr_travels(const char *name);

#endif
