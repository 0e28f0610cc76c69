/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/descriptor.h"

#include "lib/base/mem.h"
#include "lib/oci/document_internal.h"

int document_parse(const char *text, size_t len, const struct document_kind *kind, js **out,
                   struct error *err)
{
    uint64_t version = 0;
    const char *type = NULL;
    auto_(js) js *doc = NULL;

    if (len > OCI_DOCUMENT_MAX)
        return error_set(err, ERROR_CORRUPT, 0, "%s is larger than %d bytes", kind->name,
                         OCI_DOCUMENT_MAX);
    TRY(js_parse(text, len, kind->name, &doc, err));
    TRY(js_get_u64(doc, "schemaVersion", true, &version, err));
    if (version == 1 || js_member(doc, "fsLayers")) {
        error_set(err, ERROR_UNSUPPORTED, 0,
                  "image has a manifest of schema 1, obsolete since 2017");
        return error_hint(err, "pull and push it again with a current docker to convert it");
    }
    if (version != 2)
        return error_set(err, ERROR_CORRUPT, 0, "%s has schemaVersion %llu, not 2", kind->name,
                         (unsigned long long)version);
    /* A body that reads as two kinds could show one image to a checker and another to us. */
    if (js_member(doc, "manifests") && (js_member(doc, "layers") || js_member(doc, "config")))
        return error_set(err, ERROR_CORRUPT, 0, "%s is both a manifest and an index", kind->name);
    TRY(js_get_text(doc, "mediaType", false, &type, err));
    enum media_type stated = type ? media_type_parse(type) : kind->expected;
    if (type && kind->expected != MEDIA_UNKNOWN && stated != kind->expected)
        return error_set(err, ERROR_CORRUPT, 0, "%s says it is %.100s but came as %s", kind->name,
                         type, media_type_print(kind->expected));
    if (type && !kind->accepts(stated))
        return error_set(err, ERROR_CORRUPT, 0, "%.100s is not the type of a %s", type, kind->name);
    *kind->out_type = stated == MEDIA_UNKNOWN ? kind->otherwise : stated;
    *out = take_ptr(doc);
    return 0;
}

static int check_layer(const js *object, const struct descriptor *layer, size_t number,
                       struct error *err)
{
    const char *type = "";

    TRY(js_get_text(object, "mediaType", false, &type, err));
    if (media_type_is_layer(layer->media_type, NULL))
        return 0;
    return error_set(err, ERROR_UNSUPPORTED, 0,
                     "layer %zu is of type \"%.100s\", which is not a layer mlbuild reads", number,
                     type);
}

static int parse_layers(const js *list, bool is_image, struct manifest *m, struct error *err)
{
    size_t count = js_count(list);

    if (!js_is_array(list))
        return error_set(err, ERROR_CORRUPT, 0, "manifest has no list of layers");
    if (count > OCI_LAYERS_MAX)
        return error_set(err, ERROR_CORRUPT, 0, "manifest has %zu layers, more than %d", count,
                         OCI_LAYERS_MAX);
    m->layers = xcalloc(count ? count : 1, sizeof *m->layers);
    for (size_t i = 0; i < count; i++) {
        struct descriptor *layer = &m->layers[i];
        if (descriptor_parse(js_item(list, i), layer, err) < 0)
            return error_wrap(err, "layer %zu", i + 1);
        if (is_image)
            TRY(check_layer(js_item(list, i), layer, i + 1, err));
        m->layer_count++;
    }
    return 0;
}

static int parse(const char *text, size_t len, enum media_type expected, bool is_image,
                 struct manifest *out, struct error *err)
{
    auto_(manifest) struct manifest m = { 0 };
    auto_(js) js *doc = NULL;
    const struct document_kind kind = {
        .name = "manifest",
        .expected = expected,
        .otherwise = MEDIA_MANIFEST,
        .accepts = media_type_is_manifest,
        .out_type = &m.media_type,
    };

    TRY(document_parse(text, len, &kind, &doc, err));
    if (descriptor_parse(js_member(doc, "config"), &m.config, err) < 0)
        return error_wrap(err, "config of the manifest");
    if (is_image && m.config.media_type != MEDIA_CONFIG &&
        m.config.media_type != MEDIA_DOCKER_CONFIG)
        return error_set(err, ERROR_UNSUPPORTED, 0, "not a container image but another artifact");
    TRY(parse_layers(js_member(doc, "layers"), is_image, &m, err));
    *out = m;
    m = (struct manifest){ 0 };
    return 0;
}

int manifest_parse(const char *text, size_t len, enum media_type expected, struct manifest *out,
                   struct error *err)
{
    return parse(text, len, expected, true, out, err);
}

int manifest_parse_any(const char *text, size_t len, enum media_type expected, struct manifest *out,
                       struct error *err)
{
    return parse(text, len, expected, false, out, err);
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const struct map_entry *const *)a)->key,
                  (*(const struct map_entry *const *)b)->key);
}

js *document_print_annotations(const struct map *annotations)
{
    js *out = js_new_object();
    auto_free const struct map_entry **sorted = xcalloc(annotations->count, sizeof *sorted);
    for (size_t i = 0; i < annotations->count; i++)
        sorted[i] = &annotations->entries[i];
    qsort(sorted, annotations->count, sizeof *sorted, by_key);
    for (size_t i = 0; i < annotations->count; i++)
        js_set_text(out, sorted[i]->key, sorted[i]->value);
    return out;
}

void manifest_print(const struct manifest *m, struct strbuf *out)
{
    auto_(js) js *doc = js_new_object();
    js *layers = js_new_array();

    js_set_take(doc, "schemaVersion", js_new_int(2));
    js_set_text(doc, "mediaType", media_type_print(m->media_type));
    js_set_take(doc, "config", descriptor_print(&m->config));
    for (size_t i = 0; i < m->layer_count; i++)
        js_push_take(layers, descriptor_print(&m->layers[i]));
    js_set_take(doc, "layers", layers);
    if (m->annotations && m->annotations->count)
        js_set_take(doc, "annotations", document_print_annotations(m->annotations));
    js_print_in_order(doc, 2, out);
}

void manifest_release(struct manifest *m)
{
    free(m->layers);
    *m = (struct manifest){ 0 };
}
