/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip: the writer of packed layers. A layer is a row of gzip members of GZIP_BLOCK bytes of input
 * each, compressed side by side on all cores and written in order, so the bytes are the same for
 * any number of threads. (A gzip file may have many members, RFC 1952 2.2; gzip, Go, Python and
 * libarchive read them as one stream.) Headers carry no name and no time.
 *
 * Each member is encoded as suits it: a probe of its bytes tells text and code, which deflate
 * shrinks, from weights, which repeat nothing but prefer some bytes (Huffman codes alone), and from
 * noise, which is stored. So packing costs time only where it saves space.
 *
 * The byte layout is GZIP_LAYOUT: block size, probe, level, and the version of libdeflate. It
 * belongs into the key of whatever remembers a packed layer.
 *
 *     gzip_writer_open -> writer_write(gzip_writer_base(w), ...) ... -> gzip_writer_finish ->
 * gzip_writer_free
 */
#ifndef LIB_CODEC_GZIP_H
#define LIB_CODEC_GZIP_H

#include "lib/base/stream.h"
#include "lib/base/thread_pool.h"

enum { GZIP_BLOCK = 1024 * 1024, GZIP_LEVEL = 6 };

/* "gzip-2:1048576:6:<libdeflate version>" */
const char *gzip_layout(void);

struct gzip_writer;
/* `out` and `pool` are borrowed. `pool` NULL compresses in the caller's thread. */
struct gzip_writer *gzip_writer_open(struct writer *out, struct thread_pool *pool);
struct writer *gzip_writer_base(struct gzip_writer *w);
/* Writes all that is held back. An empty input gives one empty member. */
int gzip_writer_finish(struct gzip_writer *w, struct error *err) MUST_CHECK;
void gzip_writer_free(struct gzip_writer *w);
DEFINE_AUTO(gzip_writer, struct gzip_writer *, gzip_writer_free(*value))

#endif
