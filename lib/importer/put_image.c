/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/importer/put_image.h"

#include "lib/layer/packing.h"
#include "lib/store/blob.h"
#include "lib/store/packed_layer.h"

static int put_plain_layer(const struct store *store, struct image_record_layer *layer,
                           struct error *err)
{
    struct packing plain = PACKING_NONE;
    struct packed_layer packed = { .blob = layer->blob,
                                   .blob_size = layer->blob_size,
                                   .tar_size = layer->blob_size };
    if (!digest_equal(&layer->blob, &layer->diff_id))
        return error_set(err, ERROR_CORRUPT, 0, "layer %.12s is not what the configuration says",
                         layer->id);
    packing_layout(&plain, packed.layout);
    layer->has_blob = false;
    layer->tar_size = layer->blob_size;
    return packed_layer_put(store, layer->id, &packed, err);
}

int put_image(const struct store *store, const struct image_source *source, const char *name,
              struct image_record *out, struct error *err)
{
    char id[DIGEST_TEXT_SIZE];
    struct digest config;
    TRY(blob_put(store, source->config_text.buf, source->config_text.len, &config, err));
    digest_print(&config, id);
    image_source_record(source, &config, name ? name : id, out);
    for (size_t i = 0; i < out->layer_count; i++) {
        enum compression packed = COMPRESSION_NONE;
        if (!media_type_is_layer(source->manifest.layers[i].media_type, &packed) ||
            packed != COMPRESSION_NONE)
            continue;
        out->has_manifest = false;
        TRY(put_plain_layer(store, &out->layers[i], err));
    }
    return image_store_put(store, out, err);
}
