/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/descriptor.h"

#include "lib/base/mem.h"
#include "lib/oci/document_internal.h"

static const char ref_name_key[] = "org.opencontainers.image.ref.name";
static const char image_name_key[] = "io.containerd.image.name";
static const char created_key[] = "org.opencontainers.image.created";
static const char attestation_key[] = "vnd.docker.reference.type";
const char document_subject_key[] = "vnd.docker.reference.digest";

static int parse_platform_field(const js *platform, const char *key,
                                char field[static PLATFORM_FIELD], struct error *err)
{
    const char *value = "";

    TRY(js_get_text(platform, key, false, &value, err));
    if (strlen(value) >= PLATFORM_FIELD)
        return error_set(err, ERROR_CORRUPT, 0, "\"%s\" of a platform is too long", key);
    snprintf(field, PLATFORM_FIELD, "%s", value);
    return 0;
}

static int parse_text(const js *object, const char *key, char **out, struct error *err)
{
    const char *value = NULL;

    TRY(js_get_text(object, key, false, &value, err));
    *out = value ? xstrdup(value) : NULL;
    return 0;
}

int document_parse_platform(const js *entry, struct platform *out, struct error *err)
{
    const js *platform = js_member(entry, "platform");

    if (!platform)
        return 0;
    if (!js_is_object(platform))
        return error_set(err, ERROR_CORRUPT, 0, "\"platform\" is not an object");
    TRY(parse_platform_field(platform, "os", out->os, err));
    TRY(parse_platform_field(platform, "architecture", out->arch, err));
    TRY(parse_platform_field(platform, "variant", out->variant, err));
    platform_normalize(out);
    return 0;
}

static int parse_entry(const js *object, struct index_entry *entry, struct error *err)
{
    TRY(descriptor_parse(object, &entry->descriptor, err));
    TRY(document_parse_platform(object, &entry->platform, err));
    const js *annotations = js_member(object, "annotations");
    if (!annotations)
        return 0;
    if (!js_is_object(annotations))
        return error_set(err, ERROR_CORRUPT, 0, "\"annotations\" is not an object");
    entry->is_attestation = js_member(annotations, attestation_key) != NULL;
    TRY(parse_text(annotations, ref_name_key, &entry->ref_name, err));
    TRY(parse_text(annotations, image_name_key, &entry->image_name, err));
    return parse_text(annotations, created_key, &entry->created, err);
}

int index_parse(const char *text, size_t len, enum media_type expected, struct index *out,
                struct error *err)
{
    auto_(index) struct index index = { 0 };
    auto_(js) js *doc = NULL;
    const struct document_kind kind = {
        .name = "index",
        .expected = expected,
        .otherwise = MEDIA_INDEX,
        .accepts = media_type_is_index,
        .out_type = &index.media_type,
    };

    TRY(document_parse(text, len, &kind, &doc, err));
    const js *list = js_member(doc, "manifests");
    size_t count = js_count(list);
    /* Go writes a list without entries as null */
    if (list && !js_is_array(list))
        return error_set(err, ERROR_CORRUPT, 0, "index has no list of manifests");
    if (!list && (js_member(doc, "layers") || js_member(doc, "config")))
        return error_set(err, ERROR_CORRUPT, 0, "index is a manifest");
    if (count > OCI_INDEX_MAX)
        return error_set(err, ERROR_CORRUPT, 0, "index has %zu entries, more than %d", count,
                         OCI_INDEX_MAX);
    index.entries = xcalloc(count ? count : 1, sizeof *index.entries);
    for (size_t i = 0; i < count; i++) {
        index.count++;
        if (parse_entry(js_item(list, i), &index.entries[i], err) < 0)
            return error_wrap(err, "entry %zu of the index", i + 1);
    }
    *out = index;
    index = (struct index){ 0 };
    return 0;
}

js *document_print_platform(const struct platform *p)
{
    js *object = js_new_object();

    js_set_text(object, "architecture", p->arch);
    js_set_text(object, "os", p->os);
    if (p->variant[0])
        js_set_text(object, "variant", p->variant);
    return object;
}

void index_print(const struct index *index, struct strbuf *out)
{
    auto_(js) js *doc = js_new_object();
    js *list = js_new_array();

    js_set_take(doc, "schemaVersion", js_new_int(2));
    js_set_text(doc, "mediaType",
                media_type_print(index->media_type ? index->media_type : MEDIA_INDEX));
    for (size_t i = 0; i < index->count; i++) {
        const struct index_entry *entry = &index->entries[i];
        js *object = descriptor_print(&entry->descriptor);
        js *annotations = js_new_object();
        if (entry->image_name)
            js_set_text(annotations, image_name_key, entry->image_name);
        if (entry->created)
            js_set_text(annotations, created_key, entry->created);
        if (entry->ref_name)
            js_set_text(annotations, ref_name_key, entry->ref_name);
        if (js_count(annotations) > 0)
            js_set_take(object, "annotations", annotations);
        else
            js_free(annotations);
        if (entry->platform.os[0])
            js_set_take(object, "platform", document_print_platform(&entry->platform));
        js_push_take(list, object);
    }
    js_set_take(doc, "manifests", list);
    js_print_in_order(doc, 2, out);
}

void index_release(struct index *index)
{
    for (size_t i = 0; i < index->count; i++) {
        free(index->entries[i].ref_name);
        free(index->entries[i].image_name);
        free(index->entries[i].created);
    }
    free(index->entries);
    *index = (struct index){ 0 };
}

const struct index_entry *index_choose(const struct index *index, const struct platform *wanted)
{
    const struct index_entry *best = NULL;
    int best_score = 0;

    for (size_t i = 0; i < index->count; i++) {
        const struct index_entry *entry = &index->entries[i];
        enum media_type type = entry->descriptor.media_type;
        if (entry->is_attestation || !(media_type_is_manifest(type) || media_type_is_index(type)))
            continue;
        /* an entry that names no platform may be any: the config will tell */
        int score = entry->platform.os[0] ? platform_match(wanted, &entry->platform) : 1;
        if (score > best_score) {
            best = entry;
            best_score = score;
        }
    }
    return best;
}
