/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/inflate_internal.h"

#ifdef __x86_64__

#include <isa-l/igzip_lib.h>
#include <stdbool.h>

#include "lib/base/mem.h"

enum { RESERVED_FLAGS = 0xe0, PIECE_MAX = 1 << 30 };

struct isal {
    struct inflate_state z;
    struct isal_gzip_header header; /* asks for none of its texts */
    bool is_in_body;
};

static void begin_member(struct isal *s)
{
    isal_inflate_reset(&s->z);
    isal_gzip_header_init(&s->header);
    s->z.crc_flag = ISAL_GZIP_NO_HDR_VER;
    s->is_in_body = false;
}

static void *open_state(void)
{
    struct isal *s = xcalloc(1, sizeof *s);
    isal_inflate_init(&s->z);
    begin_member(s);
    return s;
}

static const char *reason(int rc)
{
    switch (rc) {
    case ISAL_INVALID_BLOCK: return "invalid block";
    case ISAL_INVALID_SYMBOL: return "invalid code";
    case ISAL_INVALID_LOOKBACK: return "invalid distance too far back";
    case ISAL_INVALID_WRAPPER: return "incorrect header";
    case ISAL_UNSUPPORTED_METHOD: return "unknown compression method";
    case ISAL_INCORRECT_CHECKSUM: return "incorrect check";
    default: return "unknown";
    }
}

/* By itself rather than with the body, since ISA-L lets the reserved flags pass. */
static int read_header(struct isal *s)
{
    int rc = isal_read_gzip_header(&s->z, &s->header);
    if (rc != ISAL_DECOMP_OK)
        return rc;
    s->is_in_body = true;
    return s->header.flags & RESERVED_FLAGS ? ISAL_INVALID_WRAPPER : ISAL_DECOMP_OK;
}

static enum inflate_status run(void *state, struct inflate_io *io, const char **out_why)
{
    struct isal *s = state;
    uint32_t in_len = io->in_len < PIECE_MAX ? (uint32_t)io->in_len : PIECE_MAX;
    uint32_t out_len = io->out_len < PIECE_MAX ? (uint32_t)io->out_len : PIECE_MAX;
    s->z.next_in = (uint8_t *)(uintptr_t)io->in;
    s->z.avail_in = in_len;
    s->z.next_out = io->out;
    s->z.avail_out = out_len;
    int rc = s->is_in_body ? ISAL_DECOMP_OK : read_header(s);
    if (rc == ISAL_DECOMP_OK)
        rc = isal_inflate(&s->z);
    io->in += in_len - s->z.avail_in;
    io->in_len -= in_len - s->z.avail_in;
    io->out += out_len - s->z.avail_out;
    io->out_len -= out_len - s->z.avail_out;
    if (rc != ISAL_DECOMP_OK && rc != ISAL_END_INPUT) {
        *out_why = reason(rc);
        return INFLATE_DAMAGED;
    }
    if (s->z.block_state != ISAL_BLOCK_FINISH)
        return INFLATE_GOES_ON;
    begin_member(s);
    return INFLATE_MEMBER_ENDED;
}

static void close_state(void *state)
{
    free(state);
}

const struct inflate_method inflate_isal = { "ISA-L", open_state, run, close_state };

#endif
