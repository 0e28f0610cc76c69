/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block_index: where the blocks of packed layers are, `blocks/<hex of the blob>`, so that a layer
 * that has most of its files in common with one of before is packed from that: the pack_memory of
 * the store (lib/codec/pack.h). Those of the newest few blobs are remembered.
 *
 * A file of them is a hint: what it leads to is used only if it has the digest that it was told.
 *
 *     block_index_open -> pack_writer_open(... block_index_base(i)) ... -> block_index_put -> close
 */
#ifndef LIB_STORE_BLOCK_INDEX_H
#define LIB_STORE_BLOCK_INDEX_H

#include "lib/codec/pack.h"
#include "lib/store/store.h"

struct block_index;

/* Never fails: in the worst case nothing is known. `layout` is that of pack.h. */
struct block_index *block_index_open(const struct store *store, const char *layout);
struct pack_memory *block_index_base(struct block_index *index);
/* The blob that was written is in the store: what was learnt is kept for the next. */
void block_index_put(struct block_index *index, const struct digest *blob);
void block_index_close(struct block_index *index);
DEFINE_AUTO(block_index, struct block_index *, block_index_close(*value))

#endif
