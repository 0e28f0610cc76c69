/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshotter: INTERFACE to layers as directory trees. The solver asks, snapshotter/ answers
 * (overlay, or plain copies where overlayfs cannot be had); a fake one makes the solver testable
 * without mounts.
 *
 * A snapshot is an ordered list of layer ids (bottom first). The store keeps each layer's tree by
 * itself; what they look like together exists only while somebody has it mounted:
 *
 *     prepare -> run something on root_fd -> commit | discard       a new layer by changing a root
 *     view    -> read below root_fd       -> discard                read, change nothing
 *     lower   -> look                     -> lower_close            facts, without a mount
 *     layer_write -> entries              -> commit | discard       a new layer by naming its
 * entries apply                                                         a new layer from a tar
 * stream diff                                                          a layer as a tar stream
 *
 * Thread-safe. Everything runs as root of the build's user namespace.
 */
#ifndef LIB_LAYER_SNAPSHOTTER_H
#define LIB_LAYER_SNAPSHOTTER_H

#include <string.h>

#include "lib/base/meter.h"
#include "lib/base/thread_pool.h"
#include "lib/cache/layer_times.h"
#include "lib/codec/digest.h"
#include "lib/codec/tar.h"
#include "lib/graph/image_resolver.h"
#include "lib/layer/lower.h"

struct layer_list {
    char (*ids)[LAYER_ID_SIZE]; /* bottom first; may name a layer twice */
    size_t count;
};

/* Is the layer named again above `index`? Only the topmost occurrence is mounted or looked into: a
 * diff that is applied again restates all that it said below. */
static inline bool layer_list_occurs_above(const struct layer_list *layers, size_t index)
{
    for (size_t i = index + 1; i < layers->count; i++) {
        if (strcmp(layers->ids[i], layers->ids[index]) == 0)
            return true;
    }
    return false;
}

/* A path in the image that something will be mounted on while a step runs. */
struct mount_point {
    const char *path; /* absolute, as the image sees it; may lead through links */
    bool is_dir;
};

struct snapshotter;

/* A root under construction or under view. */
struct snapshot {
    struct snapshotter *snapshotter;
    int root_fd; /* its root directory; owned */
};

/* A layer under construction, entry by entry: parents before children, in any order else. An entry
 * replaces an earlier one of the same path, except that directories merge. */
struct layer_writer {
    const struct layer_writer_ops *ops;
    /* The user's: a directory and something else do not replace each other; it is an error (USER).
     */
    bool keeps_types;
    /* The user's: counts the bytes of files; may be NULL. */
    struct meter *meter;
    /* The writer's: entries have to come in the order of a walk (lib/fs/walk.h). */
    bool in_order;
};

/* What a writer has made. */
struct written_layer {
    char id[LAYER_ID_SIZE];
    struct layer_times times;
};

/* A regular file on its way into a layer. */
struct layer_file {
    const struct fs_entry *e; /* open for reading, at its beginning, until it `is_ahead` */
    bool wants_digest;
    struct thread_pool *pool; /* may help with that; NULL: nobody does */
    void *room;               /* for `file_ahead`: room_size bytes; or NULL; borrowed */
    size_t room_size;
    /* The writer's: */
    bool is_ahead;        /* the descriptor is not needed any more, but the room is */
    struct digest digest; /* what a cache key knows the file by (lib/fs/file_digest.h) */
};

/* What a layer under construction has at a path. */
enum layer_look {
    LAYER_LOOK_NOTHING,
    LAYER_LOOK_DIR,
    LAYER_LOOK_OPAQUE, /* a directory that hides those of lower layers */
    LAYER_LOOK_LINK,
    LAYER_LOOK_OTHER,
};

struct layer_writer_ops {
    /* `content_fd` is where a TAR_FILE's entry->size bytes are read from its current offset; else
     * -1. */
    int (*entry)(struct layer_writer *w, const struct tar_entry *entry, int content_fd,
                 struct error *err);
    /* The same for a TAR_FILE whose bytes are a stream. */
    int (*entry_stream)(struct layer_writer *w, const struct tar_entry *entry,
                        struct reader *content, struct error *err);
    /* The same for a regular file that is described already, in one read if it is to be digested
     * too. */
    int (*file)(struct layer_writer *w, struct layer_file *f, struct error *err);
    /* What of that needs no order: reads the file, if it has room, or writes it to its place. In
     * any thread, for many files at once, while the other operations go on; what came before it has
     * been written, but for other files, and no other entry has its path. False: it cannot be done,
     * or failed; `file` of the file opened again does it all, or tells why. */
    bool (*file_ahead)(struct layer_writer *w, struct layer_file *f);
    /* What was written at `path` (no link above it is followed). *out_target is a link's; the
     * caller frees it. */
    int (*look)(struct layer_writer *w, const char *path, enum layer_look *out, char **out_target,
                struct error *err);
    /* Hides what lower layers have at `path`. */
    int (*whiteout)(struct layer_writer *w, const char *path, struct error *err);
    /* Both end the writer, commit even when it fails. `created` (RFC 3339) is kept with the layer.
     */
    int (*commit)(struct layer_writer *w, const char *created, struct written_layer *out,
                  struct error *err);
    void (*discard)(struct layer_writer *w);
};

struct diff_options {
    bool has_epoch; /* clamp times that are newer than: */
    int64_t epoch_s;
};

/* The nanoseconds of a file that is part of the Dockerfile: a file of the user's may well have the
 * time 0, and keeps it. */
enum { OUR_FILE_NS = 1 };

/* What we made ourselves has the time 0 (and OUR_FILE_NS, if a file), which stands for the epoch.
 */
static inline bool diff_is_ours(const struct tar_entry *e)
{
    return e->mtime_s == 0 && ((e->type == TAR_DIR && e->mtime_ns == 0) ||
                               (e->type == TAR_FILE && e->mtime_ns == OUR_FILE_NS));
}

/* The time that an entry of one of our layers gets. */
static inline void diff_clamp(const struct diff_options *options, struct tar_entry *e)
{
    if (!options->has_epoch || (e->mtime_s <= options->epoch_s && !diff_is_ours(e)))
        return;
    e->mtime_s = options->epoch_s;
    e->mtime_ns = 0;
}

struct snapshotter_ops {
    const char *name;
    /* A writable root over `layers`. What `points` names exists in it for the time being and leaves
     * no trace in the layer. */
    int (*prepare)(struct snapshotter *s, const struct layer_list *layers,
                   const struct mount_point *points, size_t point_count, struct snapshot **out,
                   struct error *err);
    /* The changes become layer `id`; ends the snapshot even when it fails. */
    int (*commit)(struct snapshot *active, const char *id, const char *created, struct error *err);
    int (*view)(struct snapshotter *s, const struct layer_list *layers, struct snapshot **out,
                struct error *err);
    /* What `layers` hold, for those who need to know and not to mount. */
    int (*lower)(struct snapshotter *s, const struct layer_list *layers, struct lower **out,
                 struct error *err);
    /* Ends a snapshot and drops its changes. */
    void (*discard)(struct snapshot *snapshot);
    int (*layer_write)(struct snapshotter *s, struct layer_writer **out, struct error *err);
    /* Is the tree of layer `index` of `layers` there? */
    int (*is_unpacked)(struct snapshotter *s, const struct layer_list *layers, size_t index,
                       bool *out, struct error *err);
    /* Unpacks the plain tar stream `in`, read to its end, as layer `index` of `layers`. With `over`
     * the layers below are there and are asked for what the stream relies on (a directory it
     * implies, a hard link to a path it lacks); without it such a stream ends with *out_needs_below
     * true and no layer. */
    int (*apply)(struct snapshotter *s, const struct layer_list *layers, size_t index, bool over,
                 struct reader *in, bool *out_needs_below, struct error *err);
    /* Have both layers, which have trees, the same files? Times do not count. */
    int (*same)(struct snapshotter *s, const char *id, const char *other, bool *out,
                struct error *err);
    /* Writes layer `id` as entries and whiteouts, sorted, without the end of the archive. */
    int (*diff)(struct snapshotter *s, const char *id, const struct diff_options *options,
                struct tar_writer *out, struct error *err);
    void (*free)(struct snapshotter *s);
};

struct snapshotter {
    const struct snapshotter_ops *ops;
};

#endif
