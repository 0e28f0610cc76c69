/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <zstd.h>

#include "lib/base/mem.h"
#include "lib/codec/pack.h"

enum { LEVEL_AUTO = 3 };

struct zstd {
    ZSTD_CCtx *context;
    int level;
};

static int level_of(int level)
{
    return level <= 0 ? LEVEL_AUTO : level;
}

static void *open_state(int level)
{
    struct zstd *z = xcalloc(1, sizeof *z);
    z->context = ZSTD_createCCtx();
    z->level = level_of(level);
    if (!z->context)
        abort();
    return z;
}

static size_t bound(void)
{
    return ZSTD_compressBound(PACK_BLOCK);
}

static size_t encode(void *state, const unsigned char *in, size_t len, unsigned char *out,
                     size_t cap, bool *out_slow)
{
    struct zstd *z = state;
    size_t n = ZSTD_compressCCtx(z->context, out, cap, in, len, z->level);
    /* Only a lack of room or of memory could be in the way, and there is room. */
    if (ZSTD_isError(n))
        abort();
    *out_slow = true;
    return n;
}

static void close_state(void *state)
{
    struct zstd *z = state;
    ZSTD_freeCCtx(z->context);
    free(z);
}

static void layout(int level, char out[static PACK_LAYOUT_SIZE])
{
    snprintf(out, PACK_LAYOUT_SIZE, "zstd-2:%d:%d:libzstd-%s", PACK_BLOCK, level_of(level),
             ZSTD_VERSION_STRING);
}

const struct pack_encoder pack_zstd = { PACK_LEVEL_MAX, open_state, bound, encode,
                                        close_state,    NULL,       layout };
