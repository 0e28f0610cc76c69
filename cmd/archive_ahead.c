/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/archive_ahead.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "cmd/blob_feed.h"
#include "cmd/out_file.h"
#include "cmd/write_out.h"
#include "lib/base/mem.h"

enum { ROOM_PART = 4 };

struct archive_ahead {
    struct session *session;
    struct blob_feed feed;
    struct out_file *file;
    bool has_failed; /* then there is nothing in it */
    uint64_t room;   /* bytes that it may take while steps may want them, too */
    struct layout_tar tar;
    struct image_blob *told; /* by index; those of size 0 were not */
    size_t told_cap;
    size_t next; /* the layer that is to be written */
};

int archive_ahead_open(struct session *s, const char *dest, struct archive_ahead **out,
                       struct error *err)
{
    struct statvfs fs;
    auto_(archive_ahead) struct archive_ahead *a = xcalloc(1, sizeof *a);
    a->session = s;
    a->feed = (struct blob_feed)BLOB_FEED_INIT;
    *out = NULL;
    if (!write_out_is_new_file(dest))
        return 0;
    TRY(blob_feed_open(&a->feed, err));
    mode_t ours = umask(s->umask);
    int rc = out_file_open(dest, &a->feed.cancel, &a->file, err);
    umask(ours);
    TRY(rc);
    if (!a->file->file.is_unnamed)
        return 0;
    a->room = fstatvfs(a->file->file.fd, &fs) == 0 ? fs.f_bavail * fs.f_frsize / ROOM_PART : 0;
    TRY(layout_tar_begin(&a->tar, &s->store, out_file_base(a->file), err));
    *out = take_ptr(a);
    return 0;
}

static void keep(struct archive_ahead *a, const struct image_blob *blob)
{
    size_t old = a->told_cap;
    if (blob->index >= old) {
        a->told_cap = blob->index + 1;
        a->told = xreallocarray(a->told, a->told_cap, sizeof *a->told);
        memset(a->told + old, 0, (a->told_cap - old) * sizeof *a->told);
    }
    a->told[blob->index] = *blob;
}

/* What comes next, if it is there and has room. */
static const struct image_blob *next_blob(const struct archive_ahead *a)
{
    const struct image_blob *next = a->next < a->told_cap ? &a->told[a->next] : NULL;
    return next && next->blob.size && next->blob.size <= a->room ? next : NULL;
}

static int write_known(struct archive_ahead *a, struct error *err)
{
    const struct image_blob *next;
    for (; (next = next_blob(a)); a->next++) {
        TRY(layout_tar_add(&a->tar, &next->blob.digest, err));
        a->room -= next->blob.size;
    }
    return 0;
}

static void write_blobs(void *arg)
{
    struct archive_ahead *a = arg;
    struct image_blob blob;
    auto_(error) struct error met_again = { 0 };
    while (blob_feed_next(&a->feed, &blob)) {
        keep(a, &blob);
        if (!a->has_failed && write_known(a, &met_again) < 0) {
            a->has_failed = true;
            (void)!out_file_restart(a->file, &met_again);
        }
    }
}

void archive_ahead_begin(void *arg)
{
    struct archive_ahead *a = arg;
    blob_feed_begin(&a->feed, 1, write_blobs, a);
}

void archive_ahead_blob(void *arg, const struct image_blob *blob)
{
    const struct archive_ahead *a = arg;
    blob_feed_tell(&a->feed, blob);
}

uint64_t archive_ahead_size(const struct archive_ahead *a)
{
    struct stat st;
    return fstat(a->file->file.fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static int begin_anew(struct archive_ahead *a, struct error *err)
{
    layout_tar_release(&a->tar);
    TRY(out_file_restart(a->file, err));
    return layout_tar_begin(&a->tar, &a->session->store, out_file_base(a->file), err);
}

int archive_ahead_finish(struct archive_ahead *a, const struct layout_export *e, struct error *err)
{
    const struct cancel *asked = &a->session->cancel;
    out_file_count(a->file, e->meter);
    blob_feed_finish(&a->feed, asked);
    TRY(cancel_check(asked, err));
    a->file->writer.cancel = asked;
    if (a->has_failed || !layout_tar_begins(&a->tar, e))
        TRY(begin_anew(a, err));
    TRY(layout_tar_finish(&a->tar, e, err));
    return out_file_commit(a->file, err);
}

void archive_ahead_free(struct archive_ahead *a)
{
    if (!a)
        return;
    blob_feed_close(&a->feed);
    out_file_free(a->file);
    layout_tar_release(&a->tar);
    free(a->told);
    free(a);
}
