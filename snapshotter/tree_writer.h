/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree_writer: writes the tree of one layer, `layers/<id>/fs`, in overlayfs form. Entries come from
 * tar streams and COPY; both are hostile: every path is opened beneath the tree without following a
 * link, what stands in the way is replaced, as containerd does.
 *
 * Whiteouts are char devices 0:0, opaque directories carry user.overlay.opaque. A directory that
 * receives a whiteout is marked with an empty user.overlay.origin, else a whiteout in a directory
 * that no lower layer has shows as a broken device. Whiteouts hide lower layers only, never an
 * entry of the same layer, whatever their order.
 *
 * Device nodes are left out where the builder may not make them: no image of ours can use one, and
 * a base must not fail for its /dev/console.
 *
 * A parent that has no entry of its own is taken from `below` (a root descriptor) if given, else
 * made 0755 root; tree_writer_lacked tells that one was needed.
 */
#ifndef SNAPSHOTTER_TREE_WRITER_H
#define SNAPSHOTTER_TREE_WRITER_H

#include "lib/base/cancel.h"
#include "lib/codec/tar.h"
#include "lib/layer/snapshotter.h"
#include "lib/store/layer.h"

struct tree_writer;

/* Where a file's bytes are read from: a descriptor at its current offset, or (fd -1) a stream. */
struct tree_content {
    int fd;
    struct reader *stream;
    struct layer_file *digested; /* the same file, if its digest is wanted; or NULL */
};

/* `tree_fd` is the empty `fs` directory; `below_fd` the merged lower root or -1; `cancel`
 * (may be NULL) stops the copying of a large file; all borrowed. */
struct tree_writer *tree_writer_open(int tree_fd, int below_fd, const struct cancel *cancel);
/* Writes one entry. A TAR_FILE's entry->size bytes come from `content`. */
int tree_writer_entry(struct tree_writer *w, const struct tar_entry *entry,
                      const struct tree_content *content, struct error *err) MUST_CHECK;
/* Writes a regular file whose directory is there already, if nothing has its path. In any thread,
 * side by side with all else. False: that failed, maybe half-way; tree_writer_entry replaces what
 * is there, or tells why. */
bool tree_writer_file_ahead(const struct tree_writer *w, struct layer_file *f) MUST_CHECK;
int tree_writer_whiteout(struct tree_writer *w, const char *path, struct error *err) MUST_CHECK;
int tree_writer_opaque(struct tree_writer *w, const char *path, struct error *err) MUST_CHECK;
/* From now on a directory and something else do not replace each other: that is an error (USER). */
void tree_writer_keep_types(struct tree_writer *w, bool keep);
/* What was written at `path`; *out_target is a link's, the caller frees it. */
int tree_writer_look(const struct tree_writer *w, const char *path, enum layer_look *out,
                     char **out_target, struct error *err) MUST_CHECK;
/* Sets what had to wait (times of directories) and fills in info's root attributes. */
int tree_writer_finish(struct tree_writer *w, struct layer_info *info,
                       struct error *err) MUST_CHECK;
/* Did the stream rely on what lies below, with no `below` to ask? */
bool tree_writer_lacked(const struct tree_writer *w);
void tree_writer_free(struct tree_writer *w);
DEFINE_AUTO(tree_writer, struct tree_writer *, tree_writer_free(*value))

#endif
