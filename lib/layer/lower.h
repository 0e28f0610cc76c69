/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lower: INTERFACE to what lies below a layer under construction: what a stack of layers holds at a
 * path, as overlayfs would show it, without a mount. COPY and WORKDIR ask it for facts; nothing is
 * written through it.
 *
 *     snapshotter->ops->lower(...) -> lower_resolve, lower_look, lower_read -> lower_close
 *
 * One thread at a time. Paths are relative to the root and clean; "" is the root itself. The stack
 * is hostile: links are followed by lower_resolve alone, and stay inside.
 */
#ifndef LIB_LAYER_LOWER_H
#define LIB_LAYER_LOWER_H

#include "lib/base/strbuf.h"
#include "lib/fs/entry.h"

struct lower {
    const struct lower_ops *ops;
};

struct lower_ops {
    /* What is at `path`; *out_exists false if nothing is, or something above it is no directory. A
     * regular file is open for reading if its bytes are at hand, else out->fd is -1. On success the
     * caller releases *out, whose path is the argument. */
    int (*look)(struct lower *l, const char *path, bool *out_exists, struct fs_entry *out,
                struct error *err);
    /* May there be anything in the directory `path`? False only if it is certain. */
    int (*may_hold)(struct lower *l, const char *path, bool *out, struct error *err);
    void (*close)(struct lower *l);
};

static inline int lower_look(struct lower *l, const char *path, bool *out_exists,
                             struct fs_entry *out, struct error *err)
{
    return l->ops->look(l, path, out_exists, out, err);
}
static inline int lower_may_hold(struct lower *l, const char *path, bool *out, struct error *err)
{
    return l->ops->may_hold(l, path, out, err);
}
/* NULL is allowed. */
static inline void lower_close(struct lower *l)
{
    if (l)
        l->ops->close(l);
}
DEFINE_AUTO(lower, struct lower *, lower_close(*value))

/* Where a path leads, all links followed. */
struct lower_place {
    char *path; /* no links, no ".."; "" is the root */
    bool exists;
    bool is_dir;
};
/* A missing tail is no error, and is kept as it is written; a non-directory on the way is (USER),
 * as are too many links. The caller releases *out. */
int lower_resolve(struct lower *l, const char *path, struct lower_place *out,
                  struct error *err) MUST_CHECK;
void lower_place_release(struct lower_place *p);
DEFINE_AUTO(lower_place, struct lower_place, lower_place_release(value))

/* The text of a regular file, links followed; *out NULL if there is none. The caller frees it.
 * Errors: USER (another type, more than `limit` bytes), NOT_FOUND: its bytes are not at hand. */
int lower_read(struct lower *l, const char *path, size_t limit, char **out,
               struct error *err) MUST_CHECK;

/* A plain directory as a stack; `root_fd` is taken. */
struct lower *lower_of_directory_take(int root_fd);

#endif
