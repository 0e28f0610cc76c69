/* SPDX-License-Identifier: Apache-2.0 */
#define ZLIB_CONST
#include <zlib.h>

#include "lib/base/mem.h"
#include "lib/codec/inflate_internal.h"

enum { GZIP_WINDOW = 15 + 16, PIECE_MAX = 1 << 30 };

static void *open_state(void)
{
    z_stream *z = xcalloc(1, sizeof *z);
    if (inflateInit2(z, GZIP_WINDOW) != Z_OK)
        abort();
    return z;
}

static enum inflate_status run(void *state, struct inflate_io *io, const char **out_why)
{
    z_stream *z = state;
    uInt in_len = io->in_len < PIECE_MAX ? (uInt)io->in_len : PIECE_MAX;
    uInt out_len = io->out_len < PIECE_MAX ? (uInt)io->out_len : PIECE_MAX;
    z->next_in = io->in;
    z->avail_in = in_len;
    z->next_out = io->out;
    z->avail_out = out_len;
    int rc = inflate(z, Z_NO_FLUSH);
    io->in = z->next_in;
    io->in_len -= in_len - z->avail_in;
    io->out = z->next_out;
    io->out_len -= out_len - z->avail_out;
    if (rc == Z_STREAM_END) {
        inflateReset(z);
        return INFLATE_MEMBER_ENDED;
    }
    *out_why = z->msg;
    return rc == Z_OK || rc == Z_BUF_ERROR ? INFLATE_GOES_ON : INFLATE_DAMAGED;
}

static void close_state(void *state)
{
    inflateEnd(state);
    free(state);
}

const struct inflate_method inflate_zlib = { "zlib", open_state, run, close_state };
