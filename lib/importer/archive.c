/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/importer/archive.h"

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/codec/decompress.h"
#include "lib/codec/tar.h"
#include "lib/importer/archive_internal.h"
#include "lib/importer/put_image.h"
#include "lib/oci/reference.h"
#include "lib/store/blob.h"

enum { CHUNK = 256 * 1024, NAMES_MAX = 16 * 1024 * 1024, LINKS_MAX = 8 };

#define BLOB_FOLDER "blobs/sha256/"

static void member_free(void *value)
{
    struct archive_member *m = value;
    free(m->target);
    free(m);
}

static void archive_release(struct archive *a)
{
    map_release(&a->members);
    strbuf_release(&a->index);
    strbuf_release(&a->docker);
}
DEFINE_AUTO(archive, struct archive, archive_release(value))

int archive_find(const struct archive *a, const char *path, const struct archive_member **out,
                 struct error *err)
{
    auto_free char *cleaned = path_clean(path);
    const char *at = cleaned;
    for (int links = 0; links < LINKS_MAX; links++) {
        const struct archive_member *m = map_find(&a->members, at);
        if (!m)
            break;
        if (!m->target) {
            *out = m;
            return 0;
        }
        at = m->target;
    }
    error_set(err, ERROR_CORRUPT, 0, "%.300s is not in the archive", path);
    return error_hint(err, "it was cut short, perhaps, or never complete: save the image again");
}

/* The content of the current member goes to `out`. */
static int copy_content(const struct archive *a, struct tar_reader *tar, struct writer *out,
                        struct error *err)
{
    auto_free char *buf = xmalloc(CHUNK);
    for (;;) {
        TRY(cancel_check(a->options->cancel, err));
        ssize_t n = tar_reader_content(tar, buf, CHUNK, err);
        if (n <= 0)
            return (int)n;
        TRY(writer_write(out, buf, (size_t)n, err));
    }
}

static int read_document(struct tar_reader *tar, const struct tar_entry *e, struct strbuf *out,
                         struct error *err)
{
    if (e->size > OCI_DOCUMENT_MAX)
        return error_set(err, ERROR_CORRUPT, 0, "%s: more than %d bytes", e->path,
                         OCI_DOCUMENT_MAX);
    strbuf_clear(out);
    for (ssize_t n = 1; n > 0; out->len += (size_t)n) {
        n = tar_reader_content(tar, strbuf_reserve(out, CHUNK), CHUNK, err);
        if (n < 0)
            return -1;
    }
    out->buf[out->len] = '\0';
    return 0;
}

/* What is called by a digest must have it, and is passed over if the store has it already. */
static int store_blob(const struct archive *a, struct tar_reader *tar, const struct tar_entry *e,
                      struct archive_member *m, struct error *err)
{
    const struct store *store = a->options->store;
    const char *hex = str_starts_with(e->path, BLOB_FOLDER) ? e->path + strlen(BLOB_FOLDER) : "";
    struct digest named;
    bool is_named = digest_parse_hex(hex, &named);
    auto_(blob_writer) struct blob_writer w = { .fd = -1 };
    auto_free char *path = xstrdup(e->path);
    m->size = e->size;
    m->digest = named;
    if (is_named && blob_exists(store, &named, e->size))
        return 0;
    TRY(blob_writer_open(store, &w, err));
    TRY(copy_content(a, tar, &w.base, err));
    if (blob_writer_commit(&w, is_named ? &named : NULL, &m->digest, err) < 0)
        return error_wrap(err, "%s", path);
    return 0;
}

/* Where a link of the archive leads, as a path of the archive; the caller frees it. */
static char *link_target(const struct tar_entry *e)
{
    if (e->type == TAR_HARDLINK)
        return xstrdup(e->link);
    auto_free char *folder = xstrndup(e->path, path_dir_len(e->path));
    return path_join(folder, e->link);
}

/* Names are all that is kept in memory, and a few bytes of an archive may say megabytes of them. */
static int count_names(struct archive *a, const char *path, const struct archive_member *m,
                       struct error *err)
{
    a->names_size += sizeof *m + strlen(path) + (m->target ? strlen(m->target) : 0);
    return a->names_size <= NAMES_MAX
               ? 0
               : error_set(err, ERROR_CORRUPT, 0, "more names of files than an image archive has");
}

static int take_file(struct archive *a, struct tar_reader *tar, const struct tar_entry *e,
                     struct error *err)
{
    struct archive_member *m = xcalloc(1, sizeof *m);
    auto_free char *path = xstrdup(e->path);
    m->target = e->type == TAR_FILE ? NULL : link_target(e);
    int rc = count_names(a, path, m, err);
    if (rc == 0 && !m->target)
        rc = store_blob(a, tar, e, m, err);
    if (rc == 0)
        map_set(&a->members, path, m);
    else
        member_free(m);
    return rc;
}

static int take_member(struct archive *a, struct tar_reader *tar, const struct tar_entry *e,
                       struct error *err)
{
    bool is_link = e->type == TAR_SYMLINK || e->type == TAR_HARDLINK;
    if (e->type != TAR_FILE && !is_link)
        return 0;
    if (e->type == TAR_FILE && strcmp(e->path, "index.json") == 0)
        return read_document(tar, e, &a->index, err);
    if (e->type == TAR_FILE && strcmp(e->path, "manifest.json") == 0)
        return read_document(tar, e, &a->docker, err);
    return take_file(a, tar, e, err);
}

static int read_members(struct archive *a, struct reader *in, struct error *err)
{
    auto_(decompressor) struct decompressor *plain = decompressor_open_any(in, "the archive");
    auto_(tar_reader) struct tar_reader *tar = NULL;
    const struct tar_entry *e = NULL;
    TRY(tar_reader_open(decompressor_base(plain), "the archive", &tar, err));
    do {
        TRY(cancel_check(a->options->cancel, err));
        TRY(tar_reader_next(tar, &e, err));
        TRY(e ? take_member(a, tar, e, err) : 0);
    } while (e);
    /* Whoever writes into a pipe wants to be read to the end. */
    return reader_drain(decompressor_base(plain), err);
}

/* A name with a digest is a promise that others build on without asking anybody again. */
static int keep_promise(const struct reference *ref, const struct digest *manifest,
                        struct error *err)
{
    struct digest promised;
    if (!ref->digest)
        return 0;
    if (manifest && digest_parse(ref->digest, &promised) && digest_equal(&promised, manifest))
        return 0;
    return error_set(err, ERROR_CORRUPT, 0, "the archive has no image %s, but another of that name",
                     ref->digest);
}

int archive_read_name(const char *text, const struct digest *manifest, char **out,
                      struct error *err)
{
    auto_(reference) struct reference ref = { 0 };
    TRY(reference_parse(text, &ref, err));
    TRY(keep_promise(&ref, manifest, err));
    *out = reference_print(&ref);
    return 0;
}

int archive_put_image(const struct archive *a, const struct image_source *source, const char *name,
                      struct error *err)
{
    auto_(image_record) struct image_record image = { 0 };
    TRY(put_image(a->options->store, source, name, &image, err));
    strvec_push(a->names, image.name);
    return 0;
}

static int no_image(struct error *err)
{
    error_set(err, ERROR_USER, 0,
              "there is no image in the archive: neither index.json nor "
              "manifest.json");
    return error_hint(err,
                      "the files of a container, as docker export writes them: mlbuild import");
}

int archive_load(const struct archive_options *options, struct reader *in, struct strvec *out_names,
                 struct error *err)
{
    auto_(archive) struct archive a = { .options = options,
                                        .members.free_value = member_free,
                                        .index = STRBUF_INIT,
                                        .docker = STRBUF_INIT,
                                        .names = out_names };
    TRY(read_members(&a, in, err));
    if (a.index.len)
        return archive_load_oci(&a, err);
    return a.docker.len ? archive_load_docker(&a, err) : no_image(err);
}
