/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packed_writer: a layer_writer that writes the blob and no tree (design.md 3): for what COPY takes
 * straight from its source and nothing mounts. The bytes are those that the tree would have given:
 * entries come in the order of a walk (lib/fs/walk.h), each path once, but that a directory may be
 * restated at once.
 *
 * Entries and files alone: `look`, `whiteout` and `entry_stream` are not for such a layer.
 *
 *     packed_writer_open -> ops->entry ... -> ops->commit | ops->discard
 */
#ifndef LIB_LAYER_PACKED_WRITER_H
#define LIB_LAYER_PACKED_WRITER_H

#include "lib/layer/face.h"

/* With o->pack the blob is packed as an export wants it, else it is a plain tar. `o` is borrowed.
 */
int packed_writer_open(const struct face_options *o, struct layer_writer **out,
                       struct error *err) MUST_CHECK;
/* Did `entry` fail because it came out of order? Then the layer is for a tree. */
bool packed_writer_is_disordered(const struct layer_writer *w);

#endif
