/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decompress: the plain bytes of a packed stream, told by its first bytes: gzip (any number of
 * members), zstd (any number of frames, window at most 128 MiB), or neither; for archives of users
 * also bzip2 and xz (at most 128 MiB of memory). In this process; no other format is known and no
 * program is started.
 */
#ifndef LIB_CODEC_DECOMPRESS_H
#define LIB_CODEC_DECOMPRESS_H

#include "lib/base/stream.h"

struct decompressor;

/* `in` is borrowed. `name` is for messages. */
struct decompressor *decompressor_open(struct reader *in, const char *name);
/* Knows bzip2 and xz too. */
struct decompressor *decompressor_open_any(struct reader *in, const char *name);
struct reader *decompressor_base(struct decompressor *d);
void decompressor_free(struct decompressor *d);
DEFINE_AUTO(decompressor, struct decompressor *, decompressor_free(*value))

#endif
