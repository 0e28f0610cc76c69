/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/image_source.h"

#include "lib/base/clock.h"
#include "lib/base/mem.h"

void image_source_init(struct image_source *source)
{
    *source = (struct image_source){ .manifest_text = STRBUF_INIT, .config_text = STRBUF_INIT };
    image_config_init(&source->config);
}

void image_source_release(struct image_source *source)
{
    free(source->name);
    manifest_release(&source->manifest);
    strbuf_release(&source->manifest_text);
    image_config_release(&source->config);
    strbuf_release(&source->config_text);
    if (source->provider && source->free_provider)
        source->free_provider(source->provider);
    image_source_init(source);
}

void image_source_record(const struct image_source *source, const struct digest *config,
                         const char *name, struct image_record *out)
{
    const struct manifest *m = &source->manifest;
    char now[CLOCK_TEXT_SIZE];
    clock_print(clock_now(), now);
    *out = (struct image_record){ .name = xstrdup(name),
                                  .created = xstrdup(now),
                                  .config = *config,
                                  .has_manifest = source->descriptor.size > 0,
                                  .manifest = source->descriptor.digest,
                                  .manifest_size = source->descriptor.size,
                                  .layer_count = m->layer_count };
    out->manifest_type = xstrdup(media_type_print(source->descriptor.media_type));
    out->layers = xcalloc(m->layer_count, sizeof *out->layers);
    for (size_t i = 0; i < m->layer_count; i++) {
        struct image_record_layer *layer = &out->layers[i];
        layer->diff_id = source->config.diff_ids[i];
        digest_hex(&layer->diff_id, layer->id);
        layer->has_blob = true;
        layer->blob = m->layers[i].digest;
        layer->blob_size = m->layers[i].size;
        snprintf(layer->media_type, sizeof layer->media_type, "%s",
                 media_type_print(m->layers[i].media_type));
    }
}

/* A document by its descriptor, and nothing else than that. */
static int fetch_checked(struct document_fetcher *fetcher, const struct descriptor *d,
                         uint64_t limit, struct strbuf *out, struct error *err)
{
    struct digest actual;
    char text[DIGEST_TEXT_SIZE];

    digest_print(&d->digest, text);
    if (d->size > limit)
        return error_set(err, ERROR_CORRUPT, 0, "%s is to be %llu bytes long, more than %llu", text,
                         (unsigned long long)d->size, (unsigned long long)limit);
    strbuf_clear(out);
    TRY(fetcher->fetch(fetcher, d, d->size, out, err));
    digest_of(out->buf, out->len, &actual);
    if (out->len != d->size || !digest_equal(&actual, &d->digest))
        return error_set(err, ERROR_CORRUPT, 0, "%s: content does not match size and digest", text);
    return 0;
}

int document_settle_type(const struct strbuf *text, enum media_type *type, struct error *err)
{
    auto_(js) js *doc = NULL;

    if (*type != MEDIA_UNKNOWN)
        return 0;
    TRY(js_parse(text->buf, text->len, "manifest", &doc, err));
    const char *stated = js_text(js_member(doc, "mediaType"));
    *type = stated ? media_type_parse(stated) : MEDIA_UNKNOWN;
    if (*type == MEDIA_UNKNOWN)
        *type = js_member(doc, "manifests") ? MEDIA_INDEX : MEDIA_MANIFEST;
    return 0;
}

static int no_platform(const struct index *index, const struct platform *wanted, struct error *err)
{
    char text[PLATFORM_TEXT_SIZE];
    auto_(strbuf) struct strbuf offered = STRBUF_INIT;

    platform_print(wanted, text);
    error_set(err, ERROR_REMOTE, 0, "image has no manifest for platform %s", text);
    for (size_t i = 0; i < index->count; i++) {
        const struct index_entry *entry = &index->entries[i];
        if (entry->is_attestation || !entry->platform.os[0] ||
            strcmp(entry->platform.os, "unknown") == 0)
            continue;
        platform_print(&entry->platform, text);
        strbuf_addf(&offered, "%s%s", offered.len ? ", " : "", text);
    }
    return offered.len ? error_hint(err, "it has: %s", offered.buf) : -1;
}

static int descend(struct document_fetcher *fetcher, const struct platform *platform,
                   struct descriptor *at, struct strbuf *text, struct error *err)
{
    for (unsigned depth = 0;; depth++) {
        auto_(index) struct index index = { 0 };
        TRY(document_settle_type(text, &at->media_type, err));
        if (!media_type_is_index(at->media_type))
            return 0;
        if (depth == IMAGE_INDEX_DEPTH_MAX)
            return error_set(err, ERROR_CORRUPT, 0, "indexes are nested more than %d deep",
                             IMAGE_INDEX_DEPTH_MAX);
        TRY(index_parse(text->buf, text->len, at->media_type, &index, err));
        const struct index_entry *entry = index_choose(&index, platform);
        if (!entry)
            return no_platform(&index, platform, err);
        *at = entry->descriptor;
        TRY(fetch_checked(fetcher, at, OCI_DOCUMENT_MAX, text, err));
    }
}

static int load_config(struct document_fetcher *fetcher, struct image_source *out,
                       struct error *err)
{
    const struct manifest *m = &out->manifest;

    TRY(fetch_checked(fetcher, &m->config, OCI_CONFIG_MAX, &out->config_text, err));
    TRY(image_config_parse(out->config_text.buf, out->config_text.len, &out->config, err));
    if (out->config.diff_id_count != m->layer_count) {
        return error_set(err, ERROR_CORRUPT, 0,
                         "manifest has %zu layers, but the configuration %zu", m->layer_count,
                         out->config.diff_id_count);
    }
    return 0;
}

int image_source_load(struct document_fetcher *fetcher, const struct descriptor *root,
                      const struct strbuf *root_text, const struct platform *platform,
                      struct image_source *out, struct error *err)
{
    out->descriptor = *root;
    strbuf_clear(&out->manifest_text);
    strbuf_add(&out->manifest_text, root_text->buf, root_text->len);
    TRY(descend(fetcher, platform, &out->descriptor, &out->manifest_text, err));
    TRY(manifest_parse(out->manifest_text.buf, out->manifest_text.len, out->descriptor.media_type,
                       &out->manifest, err));
    out->descriptor.media_type = out->manifest.media_type;
    return load_config(fetcher, out, err);
}
