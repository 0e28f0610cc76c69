/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX.1-2001 pax interchange format; extended records only where ustar cannot hold the value. */
#include "lib/codec/tar.h"

#include <assert.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/strbuf.h"

enum { BLOCK = 512, NAME_FIELD = 100, COPY_CHUNK = 128 * 1024 };

struct ustar {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
    char magic[6], version[2], uname[32], gname[32], dev_major[8], dev_minor[8], prefix[155];
    char rest[12];
};
_Static_assert(sizeof(struct ustar) == BLOCK, "a tar header is one block");

static const char type_flags[] = {
    [TAR_FILE] = '0', [TAR_DIR] = '5',   [TAR_SYMLINK] = '2', [TAR_HARDLINK] = '1',
    [TAR_CHAR] = '3', [TAR_BLOCK] = '4', [TAR_FIFO] = '6'
};
static const char zeros[2 * BLOCK];

struct tar_writer tar_writer_init(struct writer *out)
{
    return (struct tar_writer){ .out = out };
}

/* Octal digits, zero-padded, terminated. A value that does not fit is left to a pax record. */
static void put_octal(char *field, size_t size, uint64_t value)
{
    uint64_t limit = 1ULL << (3 * (size - 1));
    if (value >= limit)
        value = 0;
    field[size - 1] = '\0';
    for (size_t i = size - 1; i-- > 0; value >>= 3)
        field[i] = (char)('0' + (value & 7));
}

/* "LEN key=value\n", where LEN counts itself. */
static void pax_record(struct strbuf *out, const char *key, const void *value, size_t len)
{
    size_t body = 1 + strlen(key) + 1 + len + 1;
    size_t total = body + 1;
    for (size_t digits = 1, bound = 10; total >= bound; bound *= 10) {
        digits++;
        total = body + digits;
    }
    strbuf_addf(out, "%zu %s=", total, key);
    strbuf_add(out, value, len);
    strbuf_addch(out, '\n');
}

static void pax_number(struct strbuf *out, const char *key, int64_t value)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)value);
    pax_record(out, key, text, (size_t)len);
}

static bool is_ascii(const char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s >= 0x80)
            return false;
    }
    return true;
}

/* Where a path can be split for ustar's prefix field, or NULL. */
static const char *prefix_split(const char *path, size_t len)
{
    if (len <= NAME_FIELD || len > NAME_FIELD + 1 + 155)
        return NULL;
    const char *slash = memchr(path + len - NAME_FIELD - 1, '/', NAME_FIELD);
    return slash && slash != path && slash - path <= 155 && slash[1] ? slash : NULL;
}

/* Records in a fixed order: path, linkpath, size, ids, mtime, then xattrs by name. */
static void pax_records(const struct tar_entry *e, const char *path, struct strbuf *out)
{
    size_t len = strlen(path);
    if (!is_ascii(path) || (len > NAME_FIELD && !prefix_split(path, len)))
        pax_record(out, "path", path, len);
    if (e->link && (strlen(e->link) > NAME_FIELD || !is_ascii(e->link)))
        pax_record(out, "linkpath", e->link, strlen(e->link));
    if (e->size >= 1ULL << 33)
        pax_number(out, "size", (int64_t)e->size);
    if (e->uid >= 1U << 21)
        pax_number(out, "uid", e->uid);
    if (e->gid >= 1U << 21)
        pax_number(out, "gid", e->gid);
    if (e->mtime_s < 0 || e->mtime_s >= 1LL << 33)
        pax_number(out, "mtime", e->mtime_s);
    for (size_t i = 0; i < e->xattr_count; i++) {
        auto_free char *key = xasprintf("SCHILY.xattr.%s", e->xattrs[i].name);
        pax_record(out, key, e->xattrs[i].value, e->xattrs[i].len);
    }
}

/* Bytes over 0x7f become '_' in the header that old readers use; the pax record has the truth. */
static void put_text(char *field, size_t size, const char *text, size_t len)
{
    for (size_t i = 0; i < len && i < size; i++)
        field[i] = (unsigned char)text[i] < 0x80 ? text[i] : '_';
}

static void finish_header(struct ustar *h)
{
    unsigned sum = 0;
    memcpy(h->magic, "ustar", 6);
    memcpy(h->version, "00", 2);
    memset(h->checksum, ' ', sizeof h->checksum);
    for (size_t i = 0; i < sizeof *h; i++)
        sum += ((const unsigned char *)h)[i];
    put_octal(h->checksum, 7, sum);
    h->checksum[7] = ' ';
}

static int write_pax(struct tar_writer *w, const struct strbuf *records, struct error *err)
{
    struct ustar h = { .type = 'x' };
    put_text(h.name, sizeof h.name, "PaxHeaders/entry", 16);
    put_octal(h.mode, sizeof h.mode, 0644);
    put_octal(h.uid, sizeof h.uid, 0);
    put_octal(h.gid, sizeof h.gid, 0);
    put_octal(h.size, sizeof h.size, records->len);
    put_octal(h.mtime, sizeof h.mtime, 0);
    put_octal(h.dev_major, sizeof h.dev_major, 0);
    put_octal(h.dev_minor, sizeof h.dev_minor, 0);
    finish_header(&h);
    TRY(writer_write(w->out, &h, sizeof h, err));
    TRY(writer_write(w->out, records->buf, records->len, err));
    size_t padding = (BLOCK - records->len % BLOCK) % BLOCK;
    return padding ? writer_write(w->out, zeros, padding, err) : 0;
}

static void put_path(struct ustar *h, const char *path)
{
    size_t len = strlen(path);
    const char *split = is_ascii(path) ? prefix_split(path, len) : NULL;
    if (split) {
        put_text(h->prefix, sizeof h->prefix, path, (size_t)(split - path));
        put_text(h->name, sizeof h->name, split + 1, len - (size_t)(split + 1 - path));
    } else {
        put_text(h->name, sizeof h->name, path, len);
    }
}

int tar_writer_entry(struct tar_writer *w, const struct tar_entry *e, struct error *err)
{
    assert(w->content_left == 0);
    auto_(strbuf) struct strbuf records = STRBUF_INIT;
    auto_free char *path =
        xasprintf("%s%s", *e->path ? e->path : ".", e->type == TAR_DIR ? "/" : "");
    pax_records(e, path, &records);
    if (records.len)
        TRY(write_pax(w, &records, err));

    struct ustar h = { .type = type_flags[e->type] };
    uint64_t size = e->type == TAR_FILE ? e->size : 0;
    put_path(&h, path);
    put_octal(h.mode, sizeof h.mode, e->mode & 07777);
    put_octal(h.uid, sizeof h.uid, e->uid);
    put_octal(h.gid, sizeof h.gid, e->gid);
    put_octal(h.size, sizeof h.size, size);
    put_octal(h.mtime, sizeof h.mtime, e->mtime_s > 0 ? (uint64_t)e->mtime_s : 0);
    put_octal(h.dev_major, sizeof h.dev_major, e->dev_major);
    put_octal(h.dev_minor, sizeof h.dev_minor, e->dev_minor);
    if (e->link)
        put_text(h.link, sizeof h.link, e->link, strlen(e->link));
    finish_header(&h);
    w->content_left = size;
    w->padding = (unsigned)((BLOCK - size % BLOCK) % BLOCK);
    return writer_write(w->out, &h, sizeof h, err);
}

int tar_writer_content(struct tar_writer *w, const void *data, size_t len, struct error *err)
{
    assert(len <= w->content_left);
    TRY(writer_write(w->out, data, len, err));
    w->content_left -= len;
    if (w->content_left == 0 && w->padding)
        return writer_write(w->out, zeros, w->padding, err);
    return 0;
}

int tar_writer_content_fd(struct tar_writer *w, int fd, const char *name, struct error *err)
{
    char buffer[COPY_CHUNK];
    if (w->out->copy && w->content_left) {
        if (w->out->copy(w->out, fd, w->content_left, err) < 0)
            return error_wrap(err, "%s", name);
        w->content_left = 0;
        return w->padding ? writer_write(w->out, zeros, w->padding, err) : 0;
    }
    while (w->content_left) {
        size_t want = w->content_left < sizeof buffer ? (size_t)w->content_left : sizeof buffer;
        ssize_t n = fd_read_full(fd, buffer, want);
        if (n < 0)
            return error_set(err, ERROR_SYSTEM, errno, "read %s", name);
        if ((size_t)n < want)
            return error_set(err, ERROR_CORRUPT, 0, "%s became shorter while it was read", name);
        TRY(tar_writer_content(w, buffer, want, err));
    }
    return 0;
}

int tar_writer_finish(struct tar_writer *w, struct error *err)
{
    assert(w->content_left == 0);
    return writer_write(w->out, zeros, sizeof zeros, err);
}
