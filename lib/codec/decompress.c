/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/decompress.h"

#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "lib/base/mem.h"

enum { CHUNK = 128 * 1024, ZSTD_WINDOW_LOG_MAX = 27 };

enum format { FORMAT_UNKNOWN, FORMAT_PLAIN, FORMAT_GZIP, FORMAT_ZSTD };

struct decompressor {
    struct reader base;
    struct reader *in;
    char *name;
    enum format format;
    bool in_ended;   /* `in` has nothing more */
    bool unit_ended; /* a member or frame ended and none has begun since */
    z_stream z;
    ZSTD_DStream *zstd;
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

/* Reads until four bytes are there or the input ends. */
static int sniff(struct decompressor *d, struct error *err)
{
    while (d->len < 4 && !d->in_ended) {
        ssize_t n = d->in->read(d->in, d->buf + d->len, sizeof d->buf - d->len, err);
        if (n < 0)
            return -1;
        d->len += (size_t)n;
        d->in_ended = n == 0;
    }
    d->format = FORMAT_PLAIN;
    if (d->len >= 3 && memcmp(d->buf, "\x1f\x8b\x08", 3) == 0) {
        d->format = FORMAT_GZIP;
        if (inflateInit2(&d->z, 15 + 16) != Z_OK)
            abort();
    } else if (d->len >= 4 && memcmp(d->buf, "\x28\xb5\x2f\xfd", 4) == 0) {
        d->format = FORMAT_ZSTD;
        d->zstd = ZSTD_createDStream();
        if (!d->zstd)
            abort();
        ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    }
    return 0;
}

static ssize_t damaged(const struct decompressor *d, const char *why, struct error *err)
{
    return error_set(err, ERROR_CORRUPT, 0, "%s: damaged %s data: %s", d->name,
                     d->format == FORMAT_GZIP ? "gzip" : "zstd", why ? why : "unknown");
}

static ssize_t read_gzip(struct decompressor *d, void *out, size_t cap, struct error *err)
{
    d->z.next_out = out;
    d->z.avail_out = cap > CHUNK ? CHUNK : (uInt)cap;
    uInt wanted = d->z.avail_out;
    while (d->z.avail_out == wanted) {
        if (fill(d, err) < 0)
            return -1;
        if (d->pos == d->len)
            return d->unit_ended ? 0 : damaged(d, "it ends early", err);
        if (d->unit_ended) {
            /* zlib stops behind each member; what follows is the next one. */
            inflateReset(&d->z);
            d->unit_ended = false;
        }
        d->z.next_in = d->buf + d->pos;
        d->z.avail_in = (uInt)(d->len - d->pos);
        int rc = inflate(&d->z, Z_NO_FLUSH);
        d->pos = d->len - d->z.avail_in;
        if (rc == Z_STREAM_END)
            d->unit_ended = true;
        else if (rc != Z_OK && rc != Z_BUF_ERROR)
            return damaged(d, d->z.msg, err);
    }
    return (ssize_t)(wanted - d->z.avail_out);
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

struct reader *decompressor_base(struct decompressor *d)
{
    return &d->base;
}

void decompressor_free(struct decompressor *d)
{
    if (!d)
        return;
    if (d->format == FORMAT_GZIP)
        inflateEnd(&d->z);
    ZSTD_freeDStream(d->zstd);
    free(d->name);
    free(d);
}
