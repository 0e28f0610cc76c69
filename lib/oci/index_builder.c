/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/index_builder.h"

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/oci/document_internal.h"

void index_builder_release(struct index_builder *b)
{
    for (size_t i = 0; i < b->count; i++)
        js_free(b->entries[i]);
    free(b->entries);
    map_release(&b->annotations);
    *b = (struct index_builder){ 0 };
}

void index_builder_begin_new(struct index_builder *b)
{
    b->old_count = b->count;
}

static const char *digest_text(const js *entry)
{
    return js_text(js_member(entry, "digest"));
}

/* The platform of an image, as text to compare, all of its fields; NULL: it names none that is one,
 * as attestations do. The caller frees it. */
static char *platform_text(const js *entry)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    const js *platform = js_member(entry, "platform");
    const char *os = js_text(js_member(platform, "os"));

    if (!os || strcmp(os, "unknown") == 0)
        return NULL;
    js_print(platform, 0, &text);
    return strbuf_detach(&text);
}

static void remove_entry(struct index_builder *b, size_t at)
{
    js_free(b->entries[at]);
    b->count--;
    b->old_count -= at < b->old_count;
    memmove(&b->entries[at], &b->entries[at + 1], (b->count - at) * sizeof(js *));
}

/* An old entry, and what attests to it. */
static void remove_old(struct index_builder *b, size_t at)
{
    auto_free char *digest = xstrdup(digest_text(b->entries[at]));

    remove_entry(b, at);
    for (size_t i = b->old_count; i-- > 0;) {
        const js *annotations = js_member(b->entries[i], "annotations");
        const char *subject = js_text(js_member(annotations, document_subject_key));
        if (subject && strcmp(subject, digest) == 0)
            remove_entry(b, i);
    }
}

/* Makes room for `entry`; *out_known: it is listed already. */
static int settle(struct index_builder *b, const js *entry, bool *out_known, struct error *err)
{
    auto_free char *platform = platform_text(entry);

    *out_known = false;
    for (size_t i = 0; i < b->count; i++) {
        if (strcmp(digest_text(b->entries[i]), digest_text(entry)) == 0) {
            *out_known = true;
            return 0;
        }
        auto_free char *other = platform_text(b->entries[i]);
        if (!platform || !other || strcmp(platform, other) != 0)
            continue;
        if (i < b->old_count) {
            remove_old(b, i);
            return 0;
        }
        error_set(err, ERROR_USER, 0, "%s and %s are both for platform %s",
                  digest_text(b->entries[i]), digest_text(entry), platform);
        return error_hint(err, "an index has one image for each platform");
    }
    return 0;
}

static int add_take(struct index_builder *b, js *entry, struct error *err)
{
    bool is_known = false;

    if (settle(b, entry, &is_known, err) < 0 || is_known) {
        js_free(entry);
        return is_known ? 0 : -1;
    }
    if (b->count == OCI_INDEX_MAX) {
        js_free(entry);
        return error_set(err, ERROR_USER, 0, "an index of more than %d entries", OCI_INDEX_MAX);
    }
    GROW(b->entries, b->count, b->cap);
    b->entries[b->count++] = entry;
    return 0;
}

int index_builder_add_manifest(struct index_builder *b, const struct descriptor *manifest,
                               const struct platform *platform, struct error *err)
{
    js *entry = descriptor_print(manifest);

    js_set_take(entry, "platform", document_print_platform(platform));
    return add_take(b, entry, err);
}

int index_builder_add_index(struct index_builder *b, const char *text, size_t len,
                            enum media_type type, struct error *err)
{
    auto_(index) struct index checked = { 0 };
    auto_(js) js *doc = NULL;

    TRY(index_parse(text, len, type, &checked, err));
    TRY(js_parse(text, len, "index", &doc, err));
    const js *list = js_member(doc, "manifests");
    for (size_t i = 0; i < checked.count; i++)
        TRY(add_take(b, js_copy(js_item(list, i)), err));
    return 0;
}

void index_builder_annotate(struct index_builder *b, const char *key, const char *value)
{
    b->annotations.free_value = free;
    map_set(&b->annotations, key, xstrdup(value));
}

static bool is_for(const js *entry, const struct platform *wanted)
{
    auto_(error) struct error checked_before = { 0 };
    struct platform is = { 0 };
    char wanted_text[PLATFORM_TEXT_SIZE];
    char text[PLATFORM_TEXT_SIZE];

    (void)!document_parse_platform(entry, &is, &checked_before);
    if (!is.os[0] || strcmp(is.os, "unknown") == 0)
        return false;
    if (!wanted)
        return true;
    platform_print(&is, text);
    platform_print(wanted, wanted_text);
    return strcmp(text, wanted_text) == 0;
}

size_t index_builder_annotate_entries(struct index_builder *b, const struct platform *platform,
                                      const char *key, const char *value)
{
    size_t count = 0;

    for (size_t i = 0; i < b->count; i++) {
        js *entry = b->entries[i];
        const js *had = js_member(entry, "annotations");
        if (!is_for(entry, platform))
            continue;
        js *annotations = had ? js_copy(had) : js_new_object();
        js_set_text(annotations, key, value);
        js_set_take(entry, "annotations", annotations);
        count++;
    }
    return count;
}

void index_builder_print(const struct index_builder *b, struct strbuf *out)
{
    auto_(js) js *doc = js_new_object();
    js *list = js_new_array();

    js_set_take(doc, "schemaVersion", js_new_int(2));
    js_set_text(doc, "mediaType", media_type_print(MEDIA_INDEX));
    for (size_t i = 0; i < b->count; i++)
        js_push_take(list, js_copy(b->entries[i]));
    js_set_take(doc, "manifests", list);
    if (b->annotations.count)
        js_set_take(doc, "annotations", document_print_annotations(&b->annotations));
    js_print_in_order(doc, 2, out);
}
