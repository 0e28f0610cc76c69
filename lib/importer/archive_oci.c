/* SPDX-License-Identifier: Apache-2.0 */
/* An OCI image layout: index.json names images, blobs are called by their digests. */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/importer/archive_internal.h"
#include "lib/store/blob.h"

struct layout {
    struct document_fetcher fetcher; /* first: a layout is a fetcher */
    const struct archive *archive;
};

/* What the archive has not is not taken from elsewhere: an image is made of what came with it. */
static int check_present(const struct archive *a, const struct descriptor *d, struct error *err)
{
    char hex[DIGEST_HEX_SIZE];
    const struct archive_member *m = NULL;
    digest_hex(&d->digest, hex);
    auto_free char *path = xasprintf("blobs/sha256/%s", hex);
    TRY(archive_find(a, path, &m, err));
    if (!digest_equal(&m->digest, &d->digest))
        return error_set(err, ERROR_CORRUPT, 0, "%s leads to something else", path);
    if (m->size != d->size)
        return error_set(err, ERROR_CORRUPT, 0, "%s has %llu bytes, not %llu as promised", path,
                         (unsigned long long)m->size, (unsigned long long)d->size);
    return 0;
}

static int read_blob(struct document_fetcher *fetcher, const struct descriptor *d, uint64_t limit,
                     struct strbuf *out, struct error *err)
{
    const struct archive *a = ((const struct layout *)fetcher)->archive;
    TRY(check_present(a, d, err));
    return blob_read(a->options->store, &d->digest, limit, out, err);
}

/* A tag alone ("1", "latest") does not say of what: *out NULL. The caller frees it. */
static int entry_name(const struct index_entry *entry, char **out, struct error *err)
{
    const char *text = entry->image_name;
    if (!text && entry->ref_name && strpbrk(entry->ref_name, "/:"))
        text = entry->ref_name;
    return text ? archive_read_name(text, &entry->descriptor.digest, out, err) : 0;
}

static int load_entry(struct layout *layout, const struct index_entry *entry, struct error *err)
{
    const struct archive *a = layout->archive;
    auto_(image_source) struct image_source source;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_free char *name = NULL;
    image_source_init(&source);
    TRY(entry_name(entry, &name, err));
    TRY(read_blob(&layout->fetcher, &entry->descriptor, OCI_DOCUMENT_MAX, &text, err));
    TRY(image_source_load(&layout->fetcher, &entry->descriptor, &text, a->options->platform,
                          &source, err));
    for (size_t i = 0; i < source.manifest.layer_count; i++)
        TRY(check_present(a, &source.manifest.layers[i], err));
    struct digest manifest;
    TRY(blob_put(a->options->store, source.manifest_text.buf, source.manifest_text.len, &manifest,
                 err));
    return archive_put_image(a, &source, name, err);
}

int archive_load_oci(const struct archive *a, struct error *err)
{
    auto_(index) struct index index = { 0 };
    struct layout layout = { { read_blob }, a };
    TRY(index_parse(a->index.buf, a->index.len, MEDIA_UNKNOWN, &index, err));
    for (size_t i = 0; i < index.count; i++) {
        char digest[DIGEST_TEXT_SIZE];
        if (index.entries[i].is_attestation)
            continue;
        digest_print(&index.entries[i].descriptor.digest, digest);
        if (load_entry(&layout, &index.entries[i], err) < 0)
            return error_wrap(err, "image %s", digest);
    }
    return a->names->count ? 0 : error_set(err, ERROR_USER, 0, "index.json names no image");
}
