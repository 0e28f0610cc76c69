/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/cache_entry.h"

#include "lib/base/mem.h"
#include "lib/store/blob.h"

struct cache_entry cache_entry_begin(const struct platform *platform)
{
    struct cache_entry e = { .manifest.media_type = MEDIA_MANIFEST };
    image_config_init(&e.config);
    e.config.platform = *platform;
    return e;
}

void cache_entry_add_layer(struct cache_entry *e, const struct digest *diff_id,
                           const struct descriptor *blob)
{
    GROW(e->manifest.layers, e->manifest.layer_count, e->layer_cap);
    e->manifest.layers[e->manifest.layer_count++] = *blob;
    image_config_add_diff_id(&e->config, diff_id);
}

int cache_entry_put(struct cache_entry *e, const struct store *store, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(js) js *document = NULL;
    image_config_print(&e->config, &text);
    TRY(js_parse(text.buf, text.len, "a configuration", &document, err));
    shared_table_print(&e->table, document);
    strbuf_clear(&text);
    js_print_in_order(document, 0, &text);
    e->manifest.config = (struct descriptor){ .media_type = MEDIA_CONFIG, .size = text.len };
    return blob_put(store, text.buf, text.len, &e->manifest.config.digest, err);
}

void cache_entry_release(struct cache_entry *e)
{
    image_config_release(&e->config);
    shared_table_release(&e->table);
    manifest_release(&e->manifest);
}
