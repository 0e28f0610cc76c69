/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack: the writer of packed layers. The input, a tar, is cut into blocks of PACK_BLOCK bytes at
 * most; each becomes a stream of its own (a gzip member, a zstd frame), made side by side on all
 * cores and written in order. Both formats allow a row of them (RFC 1952 2.2, RFC 8878 3), every
 * reader takes it for one, and the bytes are the same for any number of threads.
 *
 * Where a block may end the names in the tar decide: so most blocks of a layer stay what they are
 * when a file in it changes, and who remembers them need not pack them again.
 *
 * The layout names all that the bytes depend on: format, block, level, and the version of the
 * library. It belongs into the key of whatever remembers a packed layer.
 *
 *     pack_writer_open -> writer_write(pack_writer_base(w), ...) ... -> pack_writer_finish ->
 *     pack_writer_free
 */
#ifndef LIB_CODEC_PACK_H
#define LIB_CODEC_PACK_H

#include "lib/base/stream.h"
#include "lib/base/thread_pool.h"
#include "lib/codec/digest.h"

enum {
    PACK_BLOCK = 1024 * 1024,
    PACK_LEVEL_DEFAULT = -1,
    PACK_LEVEL_MAX = 22,
    PACK_LAYOUT_SIZE = 64
};

/* One format. A state is used by one thread at a time. */
struct pack_encoder {
    int level_max;
    void *(*open)(int level); /* never fails */
    size_t (*bound)(void);    /* room that a block takes at most */
    /* Encodes up to PACK_BLOCK bytes; an empty input gives an empty stream. *out_slow: to do it
     * again would take much longer than to read the result. */
    size_t (*encode)(void *state, const unsigned char *in, size_t len, unsigned char *out,
                     size_t cap, bool *out_slow);
    void (*close)(void *state);
    /* Can it be told at a glance that `encode` will not be slow? NULL: never. */
    bool (*is_quick)(int level, const unsigned char *in, size_t len);
    void (*layout)(int level, char out[static PACK_LAYOUT_SIZE]);
};

/* gzip: by default each block is encoded as suits it: a probe tells text and code, which deflate
 * shrinks, from weights, which repeat nothing but prefer some bytes (Huffman codes alone), and from
 * noise, which is stored. So packing costs time only where it saves space. A level (0 to 9) is kept
 * to for all blocks. */
extern const struct pack_encoder pack_gzip;
/* zstd: level 3 by default, 1 to 22. */
extern const struct pack_encoder pack_zstd;

/* A block that was slow to pack. */
struct pack_block {
    struct digest plain, packed;
    uint64_t offset; /* of the packed bytes, from the first that was written */
    uint32_t packed_len;
};

/* pack_memory: INTERFACE to blocks that were packed before, with the same layout. */
struct pack_memory {
    bool has_any; /* recall may know something */
    /* Reads the packed bytes of the block `plain` to `out`; 0 if it is not known. Any thread. */
    size_t (*recall)(struct pack_memory *m, const struct digest *plain, unsigned char *out,
                     size_t cap);
    /* Told of each block, in order; by one thread at a time. */
    void (*learn)(struct pack_memory *m, const struct pack_block *block);
};

struct pack_writer;
/* `out`, `pool` and `memory` are borrowed. `pool` NULL encodes in the caller's thread; `memory` may
 * be NULL. */
struct pack_writer *pack_writer_open(const struct pack_encoder *encoder, int level,
                                     struct writer *out, struct thread_pool *pool,
                                     struct pack_memory *memory);
struct writer *pack_writer_base(struct pack_writer *w);
/* Writes all that is held back. An empty input gives one empty stream. */
int pack_writer_finish(struct pack_writer *w, struct error *err) MUST_CHECK;
void pack_writer_free(struct pack_writer *w);
DEFINE_AUTO(pack_writer, struct pack_writer *, pack_writer_free(*value))

#endif
