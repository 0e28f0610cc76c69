/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/layer/face.h"

#include "lib/base/mem.h"
#include "lib/cache/cache.h"
#include "lib/codec/decompress.h"
#include "lib/layer/packer.h"
#include "lib/store/blob.h"
#include "lib/store/record.h"

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
    packing_layout(&o->packing, layout);
    face_key(o, id, layout, &key);
    auto_(js) js *body = record_find(o->store, &key);
    const char *digest = body ? js_text(js_member(body, "blob")) : NULL;
    if (!digest || !digest_parse(digest, &out->blob.digest) ||
        js_get_u64(body, "size", true, &out->blob.size, &ignored) < 0)
        return false;
    out->blob.media_type = packing_media_type(&o->packing);
    out->has_blob = blob_exists(o->store, &out->blob.digest, out->blob.size);
    return out->has_blob;
}

static int remember_blob(const struct face_options *o, const struct packing *packing,
                         const char *id, const struct layer_face *face, struct error *err)
{
    struct digest key;
    char layout[PACK_LAYOUT_SIZE];
    js *body = js_new_object();
    packing_layout(packing, layout);
    face_key(o, id, layout, &key);
    js_set_text(body, "layer", id);
    js_set_digest(body, "blob", &face->blob.digest);
    js_set_take(body, "size", js_new_int((int64_t)face->blob.size));
    return record_put_take(o->store, &key, body, err);
}

int layer_face_put(const struct face_options *o, const struct packing *packing, const char *id,
                   const struct layer_face *face, struct error *err)
{
    if (face->has_blob)
        TRY(remember_blob(o, packing, id, face, err));
    return remember_diff_id(o, id, face, err);
}

/* A packed layer is its own diff_id, and its blob may be of the layout that is asked for. */
static bool find_packed(const struct face_options *o, const char *id,
                        const struct packed_layer *packed, struct layer_face *out)
{
    char layout[PACK_LAYOUT_SIZE];
    if (!digest_parse_hex(id, &out->diff_id))
        return false;
    packing_layout(&o->packing, layout);
    out->tar_size = packed->tar_size;
    out->has_blob = o->pack && strcmp(layout, packed->layout) == 0;
    if (out->has_blob)
        out->blob =
            (struct descriptor){ packing_media_type(&o->packing), packed->blob, packed->blob_size };
    return !o->pack || out->has_blob;
}

static int copy_stream(struct reader *in, struct writer *out, struct error *err)
{
    enum { CHUNK = 256 * 1024 };
    auto_free char *buf = xmalloc(CHUNK);
    for (;;) {
        ssize_t n = in->read(in, buf, CHUNK, err);
        if (n <= 0)
            return (int)n;
        TRY(writer_write(out, buf, (size_t)n, err));
    }
}

static int write_from_blob(const struct face_options *o, const struct digest *blob,
                           struct writer *out, struct error *err)
{
    auto_close int fd = -1;
    TRY(blob_open(o->store, blob, &fd, NULL, err));
    struct fd_reader file = fd_reader_init(fd, "a packed layer");
    auto_(decompressor) struct decompressor *plain =
        decompressor_open(&file.base, "a packed layer");
    return copy_stream(decompressor_base(plain), out, err);
}

static int write_from_tree(const struct face_options *o, const char *id, struct writer *out,
                           struct error *err)
{
    struct tar_writer tar = tar_writer_init(out);
    TRY(o->snapshotter->ops->diff(o->snapshotter, id, &o->diff, &tar, err));
    return tar_writer_finish(&tar, err);
}

/* A packed layer is called by its diff_id. */
static int check_diff_id(const char *id, const struct layer_face *face, struct error *err)
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(&face->diff_id, hex);
    if (strcmp(hex, id) == 0)
        return 0;
    return error_set(err, ERROR_CORRUPT, 0, "the blob of layer %s unpacks to %s", id, hex);
}

/* `blob` NULL: the layer has a tree. */
static int make(const struct face_options *o, const char *id, const struct digest *blob,
                struct layer_face *out, struct error *err)
{
    auto_(packer) struct packer *p = NULL;
    TRY(packer_open(o, &o->packing, o->pack, &p, err));
    packer_count(p, o->meter);
    TRY(blob ? write_from_blob(o, blob, packer_base(p), err)
             : write_from_tree(o, id, packer_base(p), err));
    TRY(packer_finish(p, out, err));
    TRY(blob ? check_diff_id(id, out, err) : 0);
    return layer_face_put(o, &o->packing, id, out, err);
}

static bool find(const struct face_options *o, const char *id, struct layer_face *out)
{
    struct packed_layer packed;
    *out = (struct layer_face){ 0 };
    return (find_diff_id(o, id, out) && (!o->pack || find_blob(o, id, out))) ||
           (packed_layer_find(o->store, id, &packed) && find_packed(o, id, &packed, out));
}

static int find_or_make(const struct face_options *o, const char *id, struct layer_face *out,
                        struct error *err)
{
    struct packed_layer packed;
    if (find(o, id, out))
        return 0;
    bool is_packed = packed_layer_find(o->store, id, &packed);
    return make(o, id, is_packed ? &packed.blob : NULL, out, err);
}

int layer_face_get(const struct face_options *o, const char *id, struct layer_face *out,
                   bool *out_found, struct error *err)
{
    *out_found = find(o, id, out);
    if (*out_found || !o->snapshotter)
        return 0;
    *out_found = true;
    if (!o->claims)
        return find_or_make(o, id, out, err);
    claims_take(o->claims, id);
    int rc = find_or_make(o, id, out, err);
    claims_drop(o->claims, id);
    return rc;
}

int layer_face_repack(const struct face_options *o, const char *id, const struct descriptor *blob,
                      struct layer_face *out, bool *out_found, struct error *err)
{
    struct face_options plain = *o;
    plain.diff = (struct diff_options){ 0 }; /* times of a base are left alone */
    *out = (struct layer_face){ 0 };
    *out_found = find_diff_id(&plain, id, out) && find_blob(&plain, id, out);
    if (*out_found || !o->snapshotter)
        return 0;
    *out_found = true;
    return make(&plain, id, &blob->digest, out, err);
}
