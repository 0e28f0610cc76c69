/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/file_digest.h"

#include <assert.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"

enum { PIECE = 128 * 1024, SLOTS_MAX = 8 };

/* A chunk of a large file; slots are used round-robin. */
struct chunk {
    unsigned char *data;
    size_t len;
    struct digest digest;
    bool is_busy, has_job;
    struct job_group group; /* only while there is a job */
};

void hash_xattrs(struct hasher *h, const struct tar_entry *e)
{
    hasher_add_u64(h, e->xattr_count);
    for (size_t i = 0; i < e->xattr_count; i++) {
        hasher_add_text(h, e->xattrs[i].name);
        hasher_add_u64(h, e->xattrs[i].len);
        hasher_add(h, e->xattrs[i].value, e->xattrs[i].len);
    }
}

/* Reads the next piece, at most `cap`; *out_len 0 at the end. */
static int read_piece(const struct file_digesting *o, const struct fs_entry *e, void *buf,
                      size_t cap, size_t *out_len, struct error *err)
{
    TRY(cancel_check(o->cancel, err));
    ssize_t n = fd_read_full(e->fd, buf, cap);
    if (n < 0)
        return error_set(err, ERROR_SYSTEM, errno, "read %s", e->tar.path);
    *out_len = (size_t)n;
    meter_add(o->meter, (uint64_t)n);
    return n && o->use ? o->use(o->use_arg, buf, (size_t)n, err) : 0;
}

/* A file that is shared has the size that was promised. */
static size_t wanted(const struct file_digesting *o, uint64_t left, size_t cap)
{
    return o->use && left < cap ? (size_t)left : cap;
}

static int check_size(const struct file_digesting *o, const struct fs_entry *e, uint64_t done,
                      struct error *err)
{
    return !o->use || done == e->tar.size
               ? 0
               : error_set(err, ERROR_USER, 0, "%s changed while it was read", e->tar.path);
}

static int digest_small(const struct file_digesting *o, const struct fs_entry *e, struct hasher *h,
                        struct error *err)
{
    char buf[PIECE];
    size_t n = 1;
    uint64_t done = 0;
    hasher_add_text(h, "bytes");
    while (n) {
        TRY(read_piece(o, e, buf, wanted(o, e->tar.size - done, sizeof buf), &n, err));
        hasher_add(h, buf, n);
        done += n;
        if (o->use && done >= e->tar.size)
            break;
    }
    return check_size(o, e, done, err);
}

static void hash_chunk(void *arg)
{
    struct chunk *c = arg;
    digest_of(c->data, c->len, &c->digest);
}

static void start_chunk(const struct file_digesting *o, struct chunk *c)
{
    c->is_busy = true;
    c->has_job = o->pool != NULL;
    if (!c->has_job) {
        hash_chunk(c);
        return;
    }
    job_group_init(&c->group, o->pool);
    job_group_submit(&c->group, hash_chunk, c);
}

static void take_digest(struct chunk *c, struct hasher *h)
{
    if (!c->is_busy)
        return;
    if (c->has_job)
        job_group_wait(&c->group);
    c->is_busy = c->has_job = false;
    hasher_add(h, c->digest.bytes, sizeof c->digest.bytes);
}

static int digest_chunks(const struct file_digesting *o, const struct fs_entry *e,
                         struct chunk *chunks, size_t count, struct hasher *h, struct error *err)
{
    uint64_t done = 0;
    size_t at = 0;
    int rc = 0;
    for (;; at = (at + 1) % count) {
        struct chunk *c = &chunks[at];
        take_digest(c, h);
        if (!c->data)
            c->data = xmalloc(FILE_DIGEST_CHUNK);
        rc = read_piece(o, e, c->data, wanted(o, e->tar.size - done, FILE_DIGEST_CHUNK), &c->len,
                        err);
        if (rc < 0 || c->len == 0)
            break;
        done += c->len;
        start_chunk(o, c);
    }
    for (size_t i = 0; i < count; i++)
        take_digest(&chunks[(at + i) % count], h);
    return rc < 0 ? rc : check_size(o, e, done, err);
}

static int digest_large(const struct file_digesting *o, const struct fs_entry *e, struct hasher *h,
                        struct error *err)
{
    struct chunk chunks[SLOTS_MAX] = { 0 };
    size_t count = thread_pool_cores() + 1;
    hasher_add_text(h, "chunks");
    int rc = digest_chunks(o, e, chunks, count < SLOTS_MAX ? count : SLOTS_MAX, h, err);
    for (size_t i = 0; i < SLOTS_MAX; i++)
        free(chunks[i].data);
    return rc;
}

static int digest_into(const struct file_digesting *o, const struct fs_entry *e, struct hasher *h,
                       struct error *err)
{
    hash_xattrs(h, &e->tar);
    return e->tar.size <= FILE_DIGEST_CHUNK ? digest_small(o, e, h, err)
                                            : digest_large(o, e, h, err);
}

int file_digest(const struct file_digesting *o, const struct fs_entry *e, struct digest *out,
                struct error *err)
{
    auto_(hasher) struct hasher *h = hasher_new();
    TRY(digest_into(o, e, h, err));
    hasher_finish(h, out);
    return 0;
}

void file_digest_bytes(const struct fs_entry *e, const void *bytes, struct digest *out)
{
    auto_(hasher) struct hasher *h = hasher_new();
    assert(e->tar.size <= FILE_DIGEST_CHUNK);
    hash_xattrs(h, &e->tar);
    hasher_add_text(h, "bytes");
    hasher_add(h, bytes, (size_t)e->tar.size);
    hasher_finish(h, out);
}
