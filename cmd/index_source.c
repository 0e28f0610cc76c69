/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/index_source.h"

#include "cmd/export.h"
#include "cmd/push.h"
#include "lib/base/mem.h"
#include "lib/exporter/image.h"
#include "lib/oci/image_config.h"
#include "lib/store/blob.h"

void index_source_release(struct index_source *source)
{
    image_record_release(&source->image);
    reference_release(&source->ref);
    registry_document_release(&source->document);
}

int index_source_ask(struct session *s, const char *name, struct index_source *out,
                     struct error *err)
{
    out->document = (struct registry_document)REGISTRY_DOCUMENT_INIT;
    TRY(reference_parse(name, &out->ref, err));
    return registry_get_document(session_registry(s), &out->ref, &out->document, err);
}

/* What has a manifest but not its blobs was looked up for a FROM. */
static bool is_only_known(struct session *s, const char *name)
{
    auto_(error) struct error missing = { 0 };
    auto_(image_record) struct image_record image = { 0 };
    return export_find(s, name, &image, &missing) < 0 ||
           (image.has_manifest && !image_is_packed(&image, &s->store));
}

int index_source_find(struct session *s, const char *name, struct index_source *out,
                      struct error *err)
{
    if (is_only_known(s, name))
        return index_source_ask(s, name, out, err);
    out->is_stored = true;
    return export_find_packed(s, name, &out->image, err);
}

static int add_stored(struct session *s, const struct image_record *image, struct index_builder *b,
                      struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(image_config) struct image_config config = { 0 };
    const struct descriptor manifest = { media_type_parse(image->manifest_type), image->manifest,
                                         image->manifest_size };
    TRY(blob_read(&s->store, &image->config, OCI_CONFIG_MAX, &text, err));
    TRY(image_config_parse(text.buf, text.len, &config, err));
    return index_builder_add_manifest(b, &manifest, &config.platform, err);
}

/* `from` pinned to one manifest; borrows all of it but `digest`. */
static struct reference pinned(const struct reference *from, char *digest)
{
    return (
        struct reference){ .host = from->host, .repository = from->repository, .digest = digest };
}

/* Which platform an image is for, its configuration says. */
static int add_remote_image(struct session *s, const struct index_source *source,
                            struct index_builder *b, struct error *err)
{
    auto_(image_source) struct image_source image;
    const struct descriptor *manifest = &source->document.descriptor;
    struct platform host = platform_host();
    char digest[DIGEST_TEXT_SIZE];
    image_source_init(&image);
    digest_print(&manifest->digest, digest);
    const struct reference ref = pinned(&source->ref, digest);
    TRY(registry_resolve(session_registry(s), &ref, &host, &image, err));
    return index_builder_add_manifest(b, manifest, &image.config.platform, err);
}

int index_source_add(struct session *s, const struct index_source *source, struct index_builder *b,
                     struct error *err)
{
    const struct registry_document *d = &source->document;
    if (source->is_stored)
        return add_stored(s, &source->image, b, err);
    if (media_type_is_index(d->descriptor.media_type))
        return index_builder_add_index(b, d->text.buf, d->text.len, d->descriptor.media_type, err);
    return add_remote_image(s, source, b, err);
}

/* The manifests that a source has in a registry and `index` lists. */
typedef int manifest_fn(void *arg, const struct reference *ref, struct error *err);

static int each_manifest(const struct index_source *source, const char *index, manifest_fn *fn,
                         void *arg, struct error *err)
{
    const struct registry_document *d = &source->document;
    auto_(index) struct index list = { 0 };
    struct index_entry self = { .descriptor = d->descriptor };
    bool is_index = media_type_is_index(d->descriptor.media_type);
    if (is_index)
        TRY(index_parse(d->text.buf, d->text.len, d->descriptor.media_type, &list, err));
    const struct index_entry *entries = is_index ? list.entries : &self;
    for (size_t i = 0; i < (is_index ? list.count : 1); i++) {
        char digest[DIGEST_TEXT_SIZE];
        digest_print(&entries[i].descriptor.digest, digest);
        const struct reference ref = pinned(&source->ref, digest);
        if (strstr(index, digest))
            TRY(fn(arg, &ref, err));
    }
    return 0;
}

struct push_job {
    struct registry_client *client;
    const struct reference *target;
    struct thread_pool *pool;
    unsigned vertex;
};

static int push_manifest(void *arg, const struct reference *ref, struct error *err)
{
    const struct push_job *job = arg;
    return registry_copy(job->client, ref, job->target, job->pool, job->vertex, err);
}

int index_source_push(struct session *s, const struct index_source *source, const char *index,
                      const struct reference *target, struct thread_pool *pool, unsigned vertex,
                      struct error *err)
{
    struct push_job job = { session_registry(s), target, pool, vertex };
    if (source->is_stored) {
        auto_(strvec) struct strvec names = { 0 };
        strvec_push_take(&names, reference_print(target));
        return push_image_record(s, &source->image, &names, NULL, true, vertex, err);
    }
    if (strcmp(source->ref.host, target->host) == 0 &&
        strcmp(source->ref.repository, target->repository) == 0)
        return 0;
    return each_manifest(source, index, push_manifest, &job, err);
}

struct fetch_job {
    struct registry_client *client;
    unsigned vertex;
    struct digest_list *out;
};

static int fetch_manifest(void *arg, const struct reference *ref, struct error *err)
{
    const struct fetch_job *job = arg;
    return registry_fetch(job->client, ref, job->vertex, job->out, err);
}

int index_source_fetch(struct session *s, const struct index_source *source, const char *index,
                       unsigned vertex, struct digest_list *out, struct error *err)
{
    struct fetch_job job = { session_registry(s), vertex, out };
    if (!source->is_stored)
        return each_manifest(source, index, fetch_manifest, &job, err);
    digest_list_add(out, &source->image.manifest);
    digest_list_add(out, &source->image.config);
    for (size_t i = 0; i < source->image.layer_count; i++)
        digest_list_add(out, &source->image.layers[i].blob);
    return 0;
}
