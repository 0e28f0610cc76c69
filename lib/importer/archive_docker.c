/* SPDX-License-Identifier: Apache-2.0 */
/* What docker save wrote before it wrote image layouts, and skopeo and podman write to this day:
 * manifest.json names files. There is no manifest, so a layer is known by its diff_id alone. */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/codec/decompress.h"
#include "lib/importer/archive_internal.h"
#include "lib/store/blob.h"

/* The type of a layer that is not its own diff_id; MEDIA_LAYER: not packed as layers are. */
static enum media_type type_of(const unsigned char magic[static 4])
{
    static const unsigned char gzip[] = { 0x1f, 0x8b };
    static const unsigned char zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
    if (memcmp(magic, gzip, sizeof gzip) == 0)
        return MEDIA_LAYER_GZIP;
    return memcmp(magic, zstd, sizeof zstd) == 0 ? MEDIA_LAYER_ZSTD : MEDIA_LAYER;
}

static int digest_plain(const struct archive *a, struct reader *in, struct digest *out,
                        struct error *err)
{
    enum { CHUNK = 256 * 1024 };
    auto_free char *buf = xmalloc(CHUNK);
    auto_(hasher) struct hasher *hasher = hasher_new();
    for (ssize_t n = 1; n > 0;) {
        TRY(cancel_check(a->options->cancel, err));
        n = in->read(in, buf, CHUNK, err);
        if (n < 0)
            return -1;
        hasher_add(hasher, buf, (size_t)n);
    }
    hasher_finish(hasher, out);
    return 0;
}

static int check_layer(const struct archive *a, const char *path, const struct digest *diff_id,
                       struct descriptor *blob, struct error *err)
{
    unsigned char magic[4] = { 0 };
    struct digest actual;
    auto_close int fd = -1;
    blob->media_type = MEDIA_LAYER;
    if (digest_equal(&blob->digest, diff_id))
        return 0;
    TRY(blob_open(a->options->store, &blob->digest, &fd, NULL, err));
    if (pread(fd, magic, sizeof magic, 0) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "read %s", path);
    struct fd_reader file = fd_reader_init(fd, path);
    auto_(decompressor) struct decompressor *plain = decompressor_open(&file.base, path);
    blob->media_type = type_of(magic);
    TRY(digest_plain(a, decompressor_base(plain), &actual, err));
    if (digest_equal(&actual, diff_id))
        return 0;
    return error_set(err, ERROR_CORRUPT, 0, "%.300s is not the layer that the configuration says",
                     path);
}

static int read_config(const struct archive *a, const js *image, struct image_source *out,
                       struct error *err)
{
    const char *path = NULL;
    const struct archive_member *m = NULL;
    TRY(js_get_text(image, "Config", true, &path, err));
    TRY(archive_find(a, path, &m, err));
    TRY(blob_read(a->options->store, &m->digest, OCI_CONFIG_MAX, &out->config_text, err));
    return image_config_parse(out->config_text.buf, out->config_text.len, &out->config, err);
}

static int read_layers(const struct archive *a, const js *paths, struct image_source *out,
                       struct error *err)
{
    size_t count = js_count(paths);
    if (count != out->config.diff_id_count || count > OCI_LAYERS_MAX) {
        return error_set(err, ERROR_CORRUPT, 0,
                         "manifest.json names %zu layers, but the configuration %zu", count,
                         out->config.diff_id_count);
    }
    out->manifest.layer_count = count;
    out->manifest.layers = xcalloc(count, sizeof *out->manifest.layers);
    for (size_t i = 0; i < count; i++) {
        const char *path = js_text(js_item(paths, i));
        const struct archive_member *m = NULL;
        if (!path)
            return error_set(err, ERROR_CORRUPT, 0, "manifest.json: a layer is no path");
        TRY(archive_find(a, path, &m, err));
        out->manifest.layers[i] = (struct descriptor){ .digest = m->digest, .size = m->size };
        TRY(check_layer(a, path, &out->config.diff_ids[i], &out->manifest.layers[i], err));
    }
    return 0;
}

static int put_names(const struct archive *a, const js *tags, const struct image_source *source,
                     struct error *err)
{
    for (size_t i = 0; i < js_count(tags); i++) {
        auto_free char *name = NULL;
        const char *tag = js_text(js_item(tags, i));
        TRY(archive_read_name(tag ? tag : "", NULL, &name, err));
        TRY(archive_put_image(a, source, name, err));
    }
    return js_count(tags) ? 0 : archive_put_image(a, source, NULL, err);
}

static int load_image(const struct archive *a, const js *image, struct error *err)
{
    auto_(image_source) struct image_source source;
    image_source_init(&source);
    TRY(read_config(a, image, &source, err));
    TRY(read_layers(a, js_member(image, "Layers"), &source, err));
    return put_names(a, js_member(image, "RepoTags"), &source, err);
}

int archive_load_docker(const struct archive *a, struct error *err)
{
    auto_(js) js *list = NULL;
    TRY(js_parse_list(a->docker.buf, a->docker.len, "manifest.json", &list, err));
    if (js_count(list) == 0)
        return error_set(err, ERROR_USER, 0, "manifest.json names no image");
    for (size_t i = 0; i < js_count(list); i++)
        TRY(load_image(a, js_item(list, i), err));
    return 0;
}
