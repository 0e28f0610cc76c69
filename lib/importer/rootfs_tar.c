/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/importer/rootfs_tar.h"

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/codec/decompress.h"
#include "lib/codec/tar.h"
#include "lib/importer/put_image.h"
#include "lib/store/blob.h"

/* Stores what passes. */
struct storing_reader {
    struct reader base;
    struct reader *in;
    struct blob_writer *out;
};

static ssize_t store_and_read(struct reader *base, void *buf, size_t cap, struct error *err)
{
    struct storing_reader *r = (struct storing_reader *)base;
    ssize_t n = r->in->read(r->in, buf, cap, err);
    if (n > 0 && writer_write(&r->out->base, buf, (size_t)n, err) < 0)
        return -1;
    return n;
}

static int check_entries(const struct rootfs_import *r, struct reader *in, struct error *err)
{
    auto_(tar_reader) struct tar_reader *tar = NULL;
    const struct tar_entry *e = NULL;
    bool is_empty = true;
    TRY(tar_reader_open(in, "the archive", &tar, err));
    for (;;) {
        TRY(cancel_check(r->cancel, err));
        TRY(tar_reader_next(tar, &e, err));
        if (!e)
            break;
        is_empty = false;
    }
    if (is_empty)
        return error_set(err, ERROR_CORRUPT, 0, "there is no file in the archive");
    return reader_drain(in, err);
}

static int store_layer(const struct rootfs_import *r, struct reader *in, struct descriptor *out,
                       struct error *err)
{
    auto_(decompressor) struct decompressor *plain = decompressor_open_any(in, "the archive");
    auto_(blob_writer) struct blob_writer w = { .fd = -1 };
    TRY(blob_writer_open(r->store, &w, err));
    struct storing_reader storing = { { store_and_read }, decompressor_base(plain), &w };
    TRY(check_entries(r, &storing.base, err));
    out->media_type = MEDIA_LAYER;
    out->size = w.size;
    return blob_writer_commit(&w, NULL, &out->digest, err);
}

static void describe(const struct rootfs_import *r, const struct digest *layer,
                     struct image_source *out)
{
    char now[CLOCK_TEXT_SIZE];
    clock_print(clock_now(), now);
    struct history entry = { .created = now, .comment = (char *)r->comment };
    struct image_config bare = *r->config;
    bare.diff_id_count = bare.history_count = 0;
    image_config_copy(&out->config, &bare);
    free(take_ptr(out->config.created));
    image_config_add_diff_id(&out->config, layer);
    image_config_add_history(&out->config, &entry);
    out->config.created = xstrdup(now);
    image_config_print(&out->config, &out->config_text);
}

int rootfs_import(const struct rootfs_import *r, struct reader *in, struct image_record *out,
                  struct error *err)
{
    auto_(image_source) struct image_source source;
    image_source_init(&source);
    source.manifest.layers = xcalloc(1, sizeof *source.manifest.layers);
    source.manifest.layer_count = 1;
    TRY(store_layer(r, in, &source.manifest.layers[0], err));
    describe(r, &source.manifest.layers[0].digest, &source);
    return put_image(r->store, &source, r->name, out, err);
}
