/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/packed_layer.h"

#include "lib/store/blob.h"
#include "lib/store/record.h"

static void key_of(const char *id, struct digest *out)
{
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add_text(h, "packed layer");
    hasher_add_text(h, id);
    hasher_finish(h, out);
}

static bool parse(const js *body, struct packed_layer *out)
{
    auto_(error) struct error ignored = { 0 };
    const char *layout = js_text(js_member(body, "layout"));
    *out = (struct packed_layer){ 0 };
    if (!layout)
        return false;
    snprintf(out->layout, sizeof out->layout, "%s", layout);
    return js_get_digest(body, "blob", &out->blob, &ignored) == 0 &&
           js_get_u64(body, "size", true, &out->blob_size, &ignored) == 0 &&
           js_get_u64(body, "tar_size", true, &out->tar_size, &ignored) == 0;
}

bool packed_layer_find(const struct store *store, const char *id, struct packed_layer *out)
{
    struct digest key;
    if (strlen(id) != DIGEST_HEX_SIZE - 1)
        return false; /* a tree's own name */
    key_of(id, &key);
    auto_(js) js *body = record_find(store, &key);
    return body && parse(body, out) && blob_exists(store, &out->blob, out->blob_size);
}

/* What is known already is not stamped anew: after a reboot the images of before would miss it. */
static bool is_known(const struct store *store, const char *id, const struct packed_layer *layer)
{
    struct packed_layer old;
    return packed_layer_find(store, id, &old) && digest_equal(&old.blob, &layer->blob) &&
           old.tar_size == layer->tar_size && strcmp(old.layout, layer->layout) == 0;
}

int packed_layer_put(const struct store *store, const char *id, const struct packed_layer *layer,
                     struct error *err)
{
    struct digest key;
    if (is_known(store, id, layer))
        return 0;
    js *body = js_new_object();
    key_of(id, &key);
    js_set_text(body, "layer", id);
    js_set_digest(body, "blob", &layer->blob);
    js_set_take(body, "size", js_new_int((int64_t)layer->blob_size));
    js_set_text(body, "layout", layer->layout);
    js_set_take(body, "tar_size", js_new_int((int64_t)layer->tar_size));
    return record_put_take(store, &key, body, err);
}
