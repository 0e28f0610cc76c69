/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/copy.h"

#include "lib/base/mem.h"
#include "lib/registry/pull_internal.h"
#include "lib/registry/push.h"
#include "lib/registry/resolve.h"
#include "lib/store/blob.h"

/* A manifest of a registry, and where its blobs come from. */
struct copied {
    struct registry_document document;
    struct manifest manifest;
    struct blob_provider *provider;
};

static void copied_release(struct copied *c)
{
    registry_document_release(&c->document);
    manifest_release(&c->manifest);
    pull_provider_free(c->provider);
}
DEFINE_AUTO(copied, struct copied, copied_release(value))

static int copied_open(struct registry_client *client, const struct reference *from,
                       struct copied *out, struct error *err)
{
    auto_(origins) struct origins origins = { 0 };
    struct registry_document *d = &out->document;

    TRY(registry_get_document(client, from, d, err));
    if (!media_type_is_manifest(d->descriptor.media_type))
        return error_set(err, ERROR_UNSUPPORTED, 0, "%s lists another index", from->digest);
    TRY(manifest_parse_any(d->text.buf, d->text.len, d->descriptor.media_type, &out->manifest,
                           err));
    TRY(origins_open(client, from, &origins, err));
    out->provider = pull_provider_new(&origins, 0);
    return 0;
}

/* The blob at `index`: the configuration, then the layers. */
static const struct descriptor *blob_at(const struct manifest *m, size_t index)
{
    return index ? &m->layers[index - 1] : &m->config;
}

int registry_copy(struct registry_client *client, const struct reference *from,
                  const struct reference *to, struct thread_pool *pool, unsigned vertex,
                  struct error *err)
{
    auto_(copied) struct copied c = { .document = REGISTRY_DOCUMENT_INIT };
    const struct reference target = { .host = to->host, .repository = to->repository };

    TRY(copied_open(client, from, &c, err));
    size_t count = c.manifest.layer_count + 1;
    auto_free struct push_mount *mounts = xcalloc(count, sizeof *mounts);
    for (size_t i = 0; i < count; i++)
        mounts[i] =
            (struct push_mount){ from->host, from->repository, blob_at(&c.manifest, i)->digest };
    const struct push_image image = { .manifest = &c.manifest,
                                      .provider = c.provider,
                                      .text = c.document.text.buf,
                                      .len = c.document.text.len,
                                      .targets = &target,
                                      .target_count = 1,
                                      .mounts = mounts,
                                      .mount_count = count };
    return registry_push(client, &image, pool, vertex, err);
}

int registry_fetch(struct registry_client *client, const struct reference *from, unsigned vertex,
                   struct digest_list *out, struct error *err)
{
    auto_(copied) struct copied c = { .document = REGISTRY_DOCUMENT_INIT };
    struct digest digest;

    TRY(copied_open(client, from, &c, err));
    TRY(blob_put(client->options.store, c.document.text.buf, c.document.text.len, &digest, err));
    digest_list_add(out, &digest);
    for (size_t i = 0; i <= c.manifest.layer_count; i++) {
        const struct descriptor *blob = blob_at(&c.manifest, i);
        TRY(c.provider->fetch(c.provider, blob, vertex, err));
        digest_list_add(out, &blob->digest);
    }
    return 0;
}
