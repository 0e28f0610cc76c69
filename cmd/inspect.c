/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild inspect: an image's configuration and layers as JSON. */
#include "cmd/command.h"
#include "cmd/export.h"
#include "cmd/history.h"
#include "lib/base/mem.h"
#include "lib/codec/json.h"
#include "lib/store/blob.h"

static js *print_layer(const struct history_line *line)
{
    const struct image_record_layer *layer = line->layer;
    js *object = js_new_object();
    js_set_digest(object, "diff_id", &layer->diff_id);
    if (layer->tar_size)
        js_set_take(object, "size", js_new_int((int64_t)layer->tar_size));
    if (layer->has_blob) {
        js_set_digest(object, "blob", &layer->blob);
        js_set_take(object, "blob_size", js_new_int((int64_t)layer->blob_size));
        js_set_text(object, "media_type", layer->media_type);
    }
    if (line->entry && line->entry->created_by)
        js_set_text(object, "created_by", line->entry->created_by);
    if (line->entry && line->entry->created)
        js_set_text(object, "created", line->entry->created);
    return object;
}

/* Each with what made it. */
static js *print_layers(const struct image_record *image, const struct image_config *config)
{
    js *layers = js_new_array();
    size_t count = 0;
    auto_free struct history_line *lines = history_match(config, image, &count);
    for (size_t i = 0; i < count; i++) {
        if (lines[i].layer)
            js_push_take(layers, print_layer(&lines[i]));
    }
    return layers;
}

static int inspect_run(struct session *s, void *values, const struct strvec *args,
                       struct error *err)
{
    auto_(image_record) struct image_record image = { 0 };
    auto_(strbuf) struct strbuf config_text = STRBUF_INIT;
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    auto_(js) js *body = js_new_object();
    auto_(image_config) struct image_config parsed;
    js *config = NULL;
    image_config_init(&parsed);
    (void)values;
    if (args->count != 1)
        return error_set(err, ERROR_USAGE, 0, "mlbuild inspect IMAGE");
    TRY(session_open_store(s, err));
    TRY(export_find(s, args->items[0], &image, err));
    TRY(blob_read(&s->store, &image.config, OCI_CONFIG_MAX, &config_text, err));
    TRY(image_config_parse(config_text.buf, config_text.len, &parsed, err));
    TRY(js_parse(config_text.buf, config_text.len, "the configuration", &config, err));
    js_set_text(body, "name", image.name);
    js_set_digest(body, "id", &image.config);
    if (image.has_manifest)
        js_set_digest(body, "manifest", &image.manifest);
    js_set_take(body, "layers", print_layers(&image, &parsed));
    js_set_take(body, "config", config);
    js_print(body, 2, &out);
    printf("%s\n", out.buf);
    return 0;
}

const struct command command_inspect = {
    .name = "inspect",
    .usage = "IMAGE",
    .summary = "show an image's configuration, history and layers as JSON",
    .values_size = 1,
    .run = inspect_run,
};
