/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/layer/packed_writer.h"

#include <stdint.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/fs/file_digest.h"
#include "lib/fs/walk.h"
#include "lib/layer/layer_index.h"
#include "lib/layer/packer.h"

static const struct packing plain_tar = PACKING_NONE;

struct packed_writer {
    struct layer_writer base;
    const struct face_options *options;
    const struct packing *packing;
    struct packer *packer;
    struct tar_writer tar;
    struct layer_index_writer *index;
    struct tar_entry held; /* a directory that may be restated; its path is last_path */
    bool is_holding;
    char *last_path; /* NULL: none yet */
    bool is_disordered;
    struct layer_times times;
};

static struct packed_writer *packed_of(struct layer_writer *w)
{
    return (struct packed_writer *)w;
}

static void forget_held(struct packed_writer *w)
{
    for (size_t i = 0; i < w->held.xattr_count; i++) {
        free((void *)w->held.xattrs[i].name);
        free((void *)w->held.xattrs[i].value);
    }
    free((void *)w->held.xattrs);
    w->held = (struct tar_entry){ 0 };
    w->is_holding = false;
}

static void packed_free(struct packed_writer *w)
{
    forget_held(w);
    free(w->last_path);
    packer_free(w->packer);
    layer_index_writer_free(w->index);
    free(w);
}

static void hold(struct packed_writer *w, const struct tar_entry *e)
{
    struct tar_xattr *xattrs = xcalloc(e->xattr_count, sizeof *xattrs);
    for (size_t i = 0; i < e->xattr_count; i++) {
        xattrs[i] =
            (struct tar_xattr){ xstrdup(e->xattrs[i].name),
                                xmemdup(e->xattrs[i].value, e->xattrs[i].len), e->xattrs[i].len };
    }
    w->held = *e;
    w->held.path = w->last_path;
    w->held.xattrs = xattrs;
    w->is_holding = true;
}

/* What the tar says of times, and whether another epoch would say something else. */
static void set_time(struct packed_writer *w, struct tar_entry *e)
{
    const struct diff_options *times = &w->options->diff;
    int64_t was = e->mtime_s;
    w->times.has_our_times |= diff_is_ours(e);
    diff_clamp(times, e);
    w->times.is_clamped |= e->mtime_s != was;
    if (e->type != TAR_HARDLINK && e->mtime_s > w->times.newest_s)
        w->times.newest_s = e->mtime_s;
}

static int write_header(struct packed_writer *w, const struct tar_entry *from, const void *kept,
                        struct error *err)
{
    struct tar_entry e = *from;
    auto_free struct tar_xattr *xattrs = xcalloc(from->xattr_count, sizeof *xattrs);
    e.xattrs = xattrs;
    e.xattr_count = 0;
    for (size_t i = 0; i < from->xattr_count; i++) {
        if (xattr_travels(from->xattrs[i].name))
            xattrs[e.xattr_count++] = from->xattrs[i];
    }
    set_time(w, &e);
    e.mtime_ns = 0; /* the index says what the tar says */
    TRY(layer_index_writer_add(w->index, &e, kept, err));
    return tar_writer_entry(&w->tar, &e, err);
}

static int flush_held(struct packed_writer *w, struct error *err)
{
    if (!w->is_holding)
        return 0;
    int rc = write_header(w, &w->held, NULL, err);
    forget_held(w);
    return rc;
}

/* The order in which a tree would be walked. */
static int check_order(struct packed_writer *w, const struct tar_entry *e, struct error *err)
{
    int order = w->last_path ? walk_compare(e->path, w->last_path) : 1;
    bool is_restated = order == 0 && w->is_holding && e->type == TAR_DIR;
    if (is_restated)
        forget_held(w);
    if (order > 0 || is_restated)
        return 0;
    w->is_disordered = true;
    return error_set(err, ERROR_UNSUPPORTED, 0, "/%s comes out of order", e->path);
}

static int read_kept(const struct tar_entry *e, int fd, char **out, struct error *err)
{
    auto_free char *text = xmalloc((size_t)e->size + 1);
    if (pread(fd, text, (size_t)e->size, 0) != (ssize_t)e->size)
        return error_set(err, ERROR_SYSTEM, errno, "read %s", e->path);
    *out = take_ptr(text);
    return 0;
}

/* What comes before an entry's content, which is in `bytes` if that is not NULL. */
static int begin_entry(struct packed_writer *w, const struct tar_entry *e, const void *bytes,
                       int content_fd, struct error *err)
{
    auto_free char *kept = NULL;
    packer_count(w->packer, w->base.meter);
    TRY(check_order(w, e, err));
    TRY(flush_held(w, err));
    free(w->last_path);
    w->last_path = xstrdup(e->path);
    if (e->type == TAR_DIR) {
        hold(w, e);
        return 0;
    }
    if (!layer_index_keeps(e))
        return write_header(w, e, NULL, err);
    if (!bytes)
        TRY(read_kept(e, content_fd, &kept, err));
    return write_header(w, e, bytes ? bytes : kept, err);
}

static int packed_entry(struct layer_writer *base, const struct tar_entry *e, int content_fd,
                        struct error *err)
{
    struct packed_writer *w = packed_of(base);
    TRY(begin_entry(w, e, NULL, content_fd, err));
    return e->type == TAR_FILE ? tar_writer_content_fd(&w->tar, content_fd, e->path, err) : 0;
}

static int take_bytes(void *arg, const void *data, size_t len, struct error *err)
{
    return tar_writer_content(arg, data, len, err);
}

static int packed_file(struct layer_writer *base, struct layer_file *f, struct error *err)
{
    struct packed_writer *w = packed_of(base);
    const struct tar_entry *e = &f->e->tar;
    const struct file_digesting reading = {
        .pool = f->pool, .cancel = w->options->cancel, .use = take_bytes, .use_arg = &w->tar
    };
    if (!f->is_ahead && !f->wants_digest)
        return packed_entry(base, e, f->e->fd, err);
    TRY(begin_entry(w, e, f->is_ahead ? f->room : NULL, f->e->fd, err));
    if (!f->is_ahead)
        return file_digest(&reading, f->e, &f->digest, err);
    return e->size ? tar_writer_content(&w->tar, f->room, (size_t)e->size, err) : 0;
}

static bool packed_file_ahead(struct layer_writer *base, struct layer_file *f)
{
    const struct tar_entry *e = &f->e->tar;
    (void)base;
    f->is_ahead = f->room && e->size <= f->room_size &&
                  fd_read_full(f->e->fd, f->room, (size_t)e->size) == (ssize_t)e->size;
    if (f->is_ahead && f->wants_digest)
        file_digest_bytes(f->e, f->room, &f->digest);
    return f->is_ahead;
}

static int finish(struct packed_writer *w, struct written_layer *out, struct error *err)
{
    struct layer_face face;
    bool has_index = false; /* always: each path comes once */
    TRY(flush_held(w, err));
    TRY(tar_writer_finish(&w->tar, err));
    TRY(packer_finish(w->packer, &face, err));
    w->times.epoch_s = w->options->diff.epoch_s;
    *out = (struct written_layer){ .times = w->times };
    digest_hex(&face.diff_id, out->id);
    struct packed_layer about = { .blob = face.blob.digest,
                                  .blob_size = face.blob.size,
                                  .tar_size = face.tar_size };
    packing_layout(w->packing, about.layout);
    TRY(layer_index_writer_commit(w->index, out->id, &has_index, err));
    TRY(layer_face_put(w->options, w->packing, out->id, &face, err));
    return packed_layer_put(w->options->store, out->id, &about, err);
}

static int packed_commit(struct layer_writer *base, const char *created, struct written_layer *out,
                         struct error *err)
{
    struct packed_writer *w = packed_of(base);
    (void)created; /* whoever made the layer remembers that */
    int rc = finish(w, out, err);
    packed_free(w);
    return rc;
}

static void packed_discard(struct layer_writer *base)
{
    packed_free(packed_of(base));
}

int packed_writer_open(const struct face_options *o, struct layer_writer **out, struct error *err)
{
    static const struct layer_writer_ops ops = { .entry = packed_entry,
                                                 .file = packed_file,
                                                 .file_ahead = packed_file_ahead,
                                                 .commit = packed_commit,
                                                 .discard = packed_discard };
    struct packed_writer *w = xcalloc(1, sizeof *w);
    *w = (struct packed_writer){ .base = { .ops = &ops, .in_order = true },
                                 .options = o,
                                 .packing = o->pack ? &o->packing : &plain_tar,
                                 .times = { .are_final = true, .newest_s = INT64_MIN } };
    if (packer_open(o, w->packing, true, &w->packer, err) < 0 ||
        layer_index_writer_open(o->store, &w->index, err) < 0) {
        packed_free(w);
        return -1;
    }
    w->tar = tar_writer_init(packer_base(w->packer));
    *out = &w->base;
    return 0;
}

bool packed_writer_is_disordered(const struct layer_writer *w)
{
    return ((const struct packed_writer *)w)->is_disordered;
}
