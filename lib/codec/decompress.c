/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/decompress.h"

#include <bzlib.h>
#include <lzma.h>
#include <zstd.h>

#include "lib/base/mem.h"
#include "lib/codec/inflate_internal.h"

enum { CHUNK = 128 * 1024, ZSTD_WINDOW_LOG_MAX = 27, XZ_MEMORY_MAX = 128 * 1024 * 1024 };

enum format { FORMAT_UNKNOWN, FORMAT_PLAIN, FORMAT_GZIP, FORMAT_ZSTD, FORMAT_BZIP2, FORMAT_XZ };

static const struct magic {
    enum format format;
    const char *name, *bytes;
    size_t len;
    bool for_archives; /* no layer is packed so */
} magics[] = {
    { FORMAT_GZIP, "gzip", "\x1f\x8b\x08", 3, false },
    { FORMAT_ZSTD, "zstd", "\x28\xb5\x2f\xfd", 4, false },
    { FORMAT_BZIP2, "bzip2", "BZh", 3, true },
    { FORMAT_XZ, "xz", "\xfd\x37\x7a\x58\x5a\x00", 6, true },
};
enum { MAGIC_MAX = 6 };

struct decompressor {
    struct reader base;
    struct reader *in;
    char *name;
    enum format format;
    bool for_archives;
    bool in_ended;   /* `in` has nothing more */
    bool unit_ended; /* a member, frame or stream ended and none has begun since */
    void *inflater;  /* of INFLATE_FASTEST */
    ZSTD_DStream *zstd;
    bz_stream bz;
    lzma_stream xz;
    size_t pos, len; /* what of `buf` is not used yet */
    unsigned char buf[CHUNK];
};

static int fill(struct decompressor *d, struct error *err)
{
    if (d->pos < d->len || d->in_ended)
        return 0;
    ssize_t n = d->in->read(d->in, d->buf, sizeof d->buf, err);
    if (n < 0)
        return -1;
    d->pos = 0;
    d->len = (size_t)n;
    d->in_ended = n == 0;
    return 0;
}

static void start(struct decompressor *d)
{
    static const lzma_stream no_xz = LZMA_STREAM_INIT;
    switch (d->format) {
    case FORMAT_GZIP: d->inflater = INFLATE_FASTEST.open(); break;
    case FORMAT_ZSTD:
        d->zstd = ZSTD_createDStream();
        if (!d->zstd)
            abort();
        ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
        break;
    case FORMAT_BZIP2:
        if (BZ2_bzDecompressInit(&d->bz, 0, 0) != BZ_OK)
            abort();
        break;
    case FORMAT_XZ:
        d->xz = no_xz;
        if (lzma_stream_decoder(&d->xz, XZ_MEMORY_MAX, LZMA_CONCATENATED) != LZMA_OK)
            abort();
        break;
    case FORMAT_PLAIN:
    case FORMAT_UNKNOWN: break;
    }
}

/* Reads until enough bytes are there or the input ends. */
static int sniff(struct decompressor *d, struct error *err)
{
    while (d->len < MAGIC_MAX && !d->in_ended) {
        ssize_t n = d->in->read(d->in, d->buf + d->len, sizeof d->buf - d->len, err);
        if (n < 0)
            return -1;
        d->len += (size_t)n;
        d->in_ended = n == 0;
    }
    d->format = FORMAT_PLAIN;
    for (size_t i = 0; i < COUNT(magics); i++) {
        const struct magic *m = &magics[i];
        if ((d->for_archives || !m->for_archives) && d->len >= m->len &&
            memcmp(d->buf, m->bytes, m->len) == 0)
            d->format = m->format;
    }
    start(d);
    return 0;
}

static ssize_t damaged(const struct decompressor *d, const char *why, struct error *err)
{
    const char *format = "";
    for (size_t i = 0; i < COUNT(magics); i++) {
        if (magics[i].format == d->format)
            format = magics[i].name;
    }
    return error_set(err, ERROR_CORRUPT, 0, "%s: damaged %s data: %s", d->name, format,
                     why ? why : "unknown");
}

/* A file of a user's may have something behind its last member, which gzip and bzip2 ignore. */
static bool is_over(const struct decompressor *d, char begins_with)
{
    return d->unit_ended &&
           (d->pos == d->len || (d->for_archives && d->buf[d->pos] != (unsigned char)begins_with));
}

static ssize_t read_gzip(struct decompressor *d, void *out, size_t cap, struct error *err)
{
    struct inflate_io io = { .out = out, .out_len = cap };
    while (io.out_len == cap) {
        const char *why = NULL;
        if (d->unit_ended) {
            TRY(fill(d, err));
            if (is_over(d, '\x1f'))
                return 0;
        }
        io.in = d->buf + d->pos;
        io.in_len = d->len - d->pos;
        enum inflate_status status = INFLATE_FASTEST.run(d->inflater, &io, &why);
        bool stands_still = io.out_len == cap && io.in_len == d->len - d->pos;
        d->pos = d->len - io.in_len;
        d->unit_ended = status == INFLATE_MEMBER_ENDED;
        if (status == INFLATE_DAMAGED)
            return damaged(d, why, err);
        if (status == INFLATE_MEMBER_ENDED || !stands_still)
            continue;
        if (d->pos < d->len)
            return damaged(d, "it leads nowhere", err);
        TRY(fill(d, err));
        if (d->pos == d->len)
            return damaged(d, "it ends early", err);
    }
    return (ssize_t)(cap - io.out_len);
}

static ssize_t read_zstd(struct decompressor *d, void *out, size_t cap, struct error *err)
{
    ZSTD_outBuffer to = { out, cap, 0 };
    while (to.pos == 0) {
        if (fill(d, err) < 0)
            return -1;
        if (d->pos == d->len)
            return d->unit_ended ? 0 : damaged(d, "it ends early", err);
        ZSTD_inBuffer from = { d->buf, d->len, d->pos };
        size_t rc = ZSTD_decompressStream(d->zstd, &to, &from);
        d->pos = from.pos;
        if (ZSTD_isError(rc))
            return damaged(d, ZSTD_getErrorName(rc), err);
        d->unit_ended = rc == 0;
    }
    return (ssize_t)to.pos;
}

static ssize_t read_bzip2(struct decompressor *d, void *out, size_t cap, struct error *err)
{
    d->bz.next_out = out;
    d->bz.avail_out = cap > CHUNK ? CHUNK : (unsigned)cap;
    unsigned wanted = d->bz.avail_out;
    while (d->bz.avail_out == wanted) {
        if (fill(d, err) < 0)
            return -1;
        if (is_over(d, 'B'))
            return 0;
        if (d->pos == d->len)
            return damaged(d, "it ends early", err);
        if (d->unit_ended) {
            BZ2_bzDecompressEnd(&d->bz);
            if (BZ2_bzDecompressInit(&d->bz, 0, 0) != BZ_OK)
                abort();
            d->bz.next_out = out;
            d->bz.avail_out = wanted;
            d->unit_ended = false;
        }
        d->bz.next_in = (char *)d->buf + d->pos;
        d->bz.avail_in = (unsigned)(d->len - d->pos);
        int rc = BZ2_bzDecompress(&d->bz);
        d->pos = d->len - d->bz.avail_in;
        if (rc == BZ_STREAM_END)
            d->unit_ended = true;
        else if (rc != BZ_OK)
            return damaged(d, "it is no bzip2 block", err);
    }
    return (ssize_t)(wanted - d->bz.avail_out);
}

static const char *xz_reason(lzma_ret rc)
{
    return rc == LZMA_MEMLIMIT_ERROR  ? "it asks for more than 128 MiB of memory"
           : rc == LZMA_BUF_ERROR     ? "it ends early"
           : rc == LZMA_OPTIONS_ERROR ? "it uses a filter that is not known"
                                      : "its checks fail";
}

static ssize_t read_xz(struct decompressor *d, void *out, size_t cap, struct error *err)
{
    d->xz.next_out = out;
    d->xz.avail_out = cap;
    while (d->xz.avail_out == cap && !d->unit_ended) {
        if (fill(d, err) < 0)
            return -1;
        d->xz.next_in = d->buf + d->pos;
        d->xz.avail_in = d->len - d->pos;
        lzma_ret rc = lzma_code(&d->xz, d->in_ended ? LZMA_FINISH : LZMA_RUN);
        d->pos = d->len - d->xz.avail_in;
        d->unit_ended = rc == LZMA_STREAM_END;
        if (rc != LZMA_OK && rc != LZMA_STREAM_END)
            return damaged(d, xz_reason(rc), err);
    }
    return (ssize_t)(cap - d->xz.avail_out);
}

static ssize_t read_plain(struct decompressor *d, void *out, size_t cap, struct error *err)
{
    if (fill(d, err) < 0)
        return -1;
    size_t n = d->len - d->pos < cap ? d->len - d->pos : cap;
    memcpy(out, d->buf + d->pos, n);
    d->pos += n;
    return (ssize_t)n;
}

static ssize_t decompressor_read(struct reader *r, void *out, size_t cap, struct error *err)
{
    struct decompressor *d = (struct decompressor *)r;
    if (d->format == FORMAT_UNKNOWN && sniff(d, err) < 0)
        return -1;
    switch (d->format) {
    case FORMAT_GZIP: return read_gzip(d, out, cap, err);
    case FORMAT_ZSTD: return read_zstd(d, out, cap, err);
    case FORMAT_BZIP2: return read_bzip2(d, out, cap, err);
    case FORMAT_XZ: return read_xz(d, out, cap, err);
    case FORMAT_PLAIN:
    case FORMAT_UNKNOWN: break;
    }
    return read_plain(d, out, cap, err);
}

struct decompressor *decompressor_open(struct reader *in, const char *name)
{
    struct decompressor *d = xcalloc(1, sizeof *d);
    d->base.read = decompressor_read;
    d->in = in;
    d->name = xstrdup(name);
    return d;
}

struct decompressor *decompressor_open_any(struct reader *in, const char *name)
{
    struct decompressor *d = decompressor_open(in, name);
    d->for_archives = true;
    return d;
}

struct reader *decompressor_base(struct decompressor *d)
{
    return &d->base;
}

void decompressor_free(struct decompressor *d)
{
    if (!d)
        return;
    if (d->inflater)
        INFLATE_FASTEST.close(d->inflater);
    if (d->format == FORMAT_BZIP2)
        BZ2_bzDecompressEnd(&d->bz);
    if (d->format == FORMAT_XZ)
        lzma_end(&d->xz);
    ZSTD_freeDStream(d->zstd);
    free(d->name);
    free(d);
}
