/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/layer/face.h"

#include "lib/cache/cache.h"
#include "lib/store/blob.h"
#include "lib/store/record.h"

static const struct {
    enum media_type media_type;
    const struct pack_encoder *encoder;
} formats[] = { [COMPRESSION_NONE] = { MEDIA_LAYER, NULL },
                [COMPRESSION_GZIP] = { MEDIA_LAYER_GZIP, &pack_gzip },
                [COMPRESSION_ZSTD] = { MEDIA_LAYER_ZSTD, &pack_zstd } };

const struct pack_encoder *layer_encoder(enum compression compression)
{
    return formats[compression].encoder;
}

static void layout_of(const struct face_options *o, char out[static PACK_LAYOUT_SIZE])
{
    const struct pack_encoder *encoder = formats[o->packing.compression].encoder;
    snprintf(out, PACK_LAYOUT_SIZE, "tar-1");
    if (encoder)
        encoder->layout(o->packing.level, out);
}

static enum media_type media_type_of(const struct face_options *o)
{
    return formats[o->packing.compression].media_type;
}

/* `layout` NULL: the key of the diff_id alone. */
static void face_key(const struct face_options *o, const char *id, const char *layout,
                     struct digest *out)
{
    char epoch[32] = "none";
    auto_(cache_key) struct cache_key key = cache_key_begin("face");
    if (o->diff.has_epoch)
        snprintf(epoch, sizeof epoch, "%lld", (long long)o->diff.epoch_s);
    cache_key_add_text(&key, "layer", id);
    cache_key_add_text(&key, "epoch", epoch);
    cache_key_add_text(&key, "layout", layout ? layout : "diff_id");
    cache_key_finish(&key, out);
}

static bool find_diff_id(const struct face_options *o, const char *id, struct layer_face *out)
{
    struct digest key;
    auto_(error) struct error ignored = { 0 };
    face_key(o, id, NULL, &key);
    auto_(js) js *body = record_find(o->store, &key);
    const char *digest = body ? js_text(js_member(body, "diff_id")) : NULL;
    return digest && digest_parse(digest, &out->diff_id) &&
           js_get_u64(body, "size", true, &out->tar_size, &ignored) == 0;
}

static int remember_diff_id(const struct face_options *o, const char *id,
                            const struct layer_face *face, struct error *err)
{
    struct digest key;
    js *body = js_new_object();
    face_key(o, id, NULL, &key);
    js_set_text(body, "layer", id);
    js_set_digest(body, "diff_id", &face->diff_id);
    js_set_take(body, "size", js_new_int((int64_t)face->tar_size));
    return record_put_take(o->store, &key, body, err);
}

static bool find_blob(const struct face_options *o, const char *id, struct layer_face *out)
{
    struct digest key;
    char layout[PACK_LAYOUT_SIZE];
    auto_(error) struct error ignored = { 0 };
    layout_of(o, layout);
    face_key(o, id, layout, &key);
    auto_(js) js *body = record_find(o->store, &key);
    const char *digest = body ? js_text(js_member(body, "blob")) : NULL;
    if (!digest || !digest_parse(digest, &out->blob.digest) ||
        js_get_u64(body, "size", true, &out->blob.size, &ignored) < 0)
        return false;
    out->blob.media_type = media_type_of(o);
    out->has_blob = blob_exists(o->store, &out->blob.digest, out->blob.size);
    return out->has_blob;
}

static int remember_blob(const struct face_options *o, const char *id,
                         const struct layer_face *face, struct error *err)
{
    struct digest key;
    char layout[PACK_LAYOUT_SIZE];
    js *body = js_new_object();
    layout_of(o, layout);
    face_key(o, id, layout, &key);
    js_set_text(body, "layer", id);
    js_set_digest(body, "blob", &face->blob.digest);
    js_set_take(body, "size", js_new_int((int64_t)face->blob.size));
    return record_put_take(o->store, &key, body, err);
}

/* Stops the stream when the build is interrupted. */
struct cancel_writer {
    struct writer base;
    struct writer *next;
    const struct cancel *cancel;
};

static int cancel_write(struct writer *w, const void *data, size_t len, struct error *err)
{
    struct cancel_writer *c = (struct cancel_writer *)w;
    TRY(cancel_check(c->cancel, err));
    return writer_write(c->next, data, len, err);
}

/* tar -> digest (diff_id) -> `next` */
static int write_tar(const struct face_options *o, const char *id, struct writer *next,
                     struct layer_face *out, struct error *err)
{
    struct digest_writer plain = digest_writer_init(next);
    struct cancel_writer first = { { cancel_write }, &plain.base, o->cancel };
    struct tar_writer tar = tar_writer_init(&first.base);
    int rc = o->snapshotter->ops->diff(o->snapshotter, id, &o->diff, &tar, err);
    if (rc == 0)
        rc = tar_writer_finish(&tar, err);
    if (rc == 0)
        digest_writer_finish(&plain, &out->diff_id);
    out->tar_size = plain.size;
    digest_writer_release(&plain);
    return rc;
}

static int pack(const struct face_options *o, const char *id, struct layer_face *out,
                struct error *err)
{
    auto_(blob_writer) struct blob_writer blob = { .fd = -1 };
    auto_(pack_writer) struct pack_writer *packed = NULL;
    const struct pack_encoder *encoder = formats[o->packing.compression].encoder;
    struct writer *next = &blob.base;
    TRY(blob_writer_open(o->store, &blob, err));
    if (encoder) {
        packed = pack_writer_open(encoder, o->packing.level, &blob.base, o->pool);
        next = pack_writer_base(packed);
    }
    TRY(write_tar(o, id, next, out, err));
    if (packed)
        TRY(pack_writer_finish(packed, err));
    out->blob.media_type = media_type_of(o);
    out->blob.size = blob.size;
    out->has_blob = true;
    TRY(blob_writer_commit(&blob, NULL, &out->blob.digest, err));
    return remember_blob(o, id, out, err);
}

int layer_face_get(const struct face_options *o, const char *id, struct layer_face *out,
                   bool *out_found, struct error *err)
{
    *out = (struct layer_face){ 0 };
    *out_found = find_diff_id(o, id, out) && (!o->pack || find_blob(o, id, out));
    if (*out_found || !o->snapshotter)
        return 0;
    *out_found = true;
    TRY(o->pack ? pack(o, id, out, err) : write_tar(o, id, NULL, out, err));
    return remember_diff_id(o, id, out, err);
}
