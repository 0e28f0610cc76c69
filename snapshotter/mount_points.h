/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_points: what must exist in a root for a step's mounts, and must not show in its layer.
 *
 * Where a path leads is decided inside the root (`/etc/resolv.conf` is often a link). What is
 * missing is given by a stub layer below the image (overlay), or made in the root and removed again
 * (native, and where a whiteout or opaque directory hides the stub).
 */
#ifndef SNAPSHOTTER_MOUNT_POINTS_H
#define SNAPSHOTTER_MOUNT_POINTS_H

#include <sys/stat.h>

#include "lib/layer/snapshotter.h"

struct missing_point {
    char *path; /* resolved, relative to the root */
    bool is_dir;
    size_t existing; /* length of the leading part that exists */
};
struct missing_points {
    struct missing_point *items;
    size_t count;
};

/* Which of `points` lead nowhere in `root_fd`. A path that runs through a non-directory is left
 * out: the step's own error will name it. */
void missing_points_find(int root_fd, const struct mount_point *points, size_t count,
                         struct missing_points *out);
void missing_points_release(struct missing_points *m);
DEFINE_AUTO(missing_points, struct missing_points, missing_points_release(value))

/* Makes them as the only content of the empty directory `dir_fd`. */
int missing_points_make_stub(const struct missing_points *m, int dir_fd,
                             struct error *err) MUST_CHECK;

/* What was made in a root, deepest last. */
struct made_point {
    char *path;
    dev_t dev;
    ino_t ino;
    bool is_dir;
};
/* A directory on the way to one, as it was before. */
struct passed_dir {
    char *path; /* "" is the root */
    struct stat st;
};
struct made_points {
    struct made_point *items;
    size_t count, cap;
    struct passed_dir *dirs; /* parents before children */
    size_t dir_count, dir_cap;
};
int made_points_create(int root_fd, const struct missing_points *missing, struct made_points *out,
                       struct error *err) MUST_CHECK;
/* Removes what is still as it was made (same inode, empty), and gives the parents their times back.
 */
void made_points_remove(int root_fd, const struct made_points *made);
/* Removes from `upper_fd`, the changes of a step, directories that are there only because a point
 * was made below them: empty ones that are as they were before. */
void made_points_trim(int upper_fd, const struct made_points *made);
void made_points_release(struct made_points *made);

#endif
