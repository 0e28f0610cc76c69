/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/push.h"

#include "lib/base/mem.h"
#include "lib/base/thread_pool.h"
#include "lib/oci/reference.h"
#include "lib/registry/push.h"
#include "lib/store/blob.h"

enum { PUSH_THREADS = 4 };

/* Where the targets' registries may have layers of the image already: in the repositories of other
 * images of the store, first of all the base's. */
struct mount_search {
    const struct image_record *image;
    const struct push_image *what;
    struct push_mount *found;
    size_t count, cap;
    const struct solver *solver; /* who knows layers that others made; NULL: all are in the store */
    struct blob_provider others;
};

static bool is_target_host(const struct push_image *what, const struct reference *other)
{
    for (size_t i = 0; i < what->target_count; i++) {
        if (strcmp(what->targets[i].host, other->host) == 0)
            return true;
    }
    return false;
}

static bool has_blob(const struct image_record *image, const struct digest *blob)
{
    for (size_t i = 0; i < image->layer_count; i++) {
        if (image->layers[i].has_blob && digest_equal(&image->layers[i].blob, blob))
            return true;
    }
    return false;
}

static void add_mount(struct mount_search *search, const struct reference *ref,
                      const struct digest *blob)
{
    GROW(search->found, search->count, search->cap);
    search->found[search->count++] =
        (struct push_mount){ xstrdup(ref->host), xstrdup(ref->repository), *blob };
}

static int collect_mounts(void *arg, const struct image_record *other, struct error *err)
{
    struct mount_search *search = arg;
    auto_(error) struct error no_name = { 0 };
    auto_(reference) struct reference ref = { 0 };
    (void)err;
    if (reference_parse(other->name, &ref, &no_name) < 0 || !is_target_host(search->what, &ref))
        return 0;
    for (size_t i = 0; i < other->layer_count; i++) {
        const struct image_record_layer *layer = &other->layers[i];
        if (!layer->has_blob || !has_blob(search->image, &layer->blob))
            continue;
        add_mount(search, &ref, &layer->blob);
    }
    return 0;
}

/* Brings a blob from where its layer was found. */
static int fetch_others(struct blob_provider *provider, const struct descriptor *blob,
                        unsigned vertex, struct error *err)
{
    const struct mount_search *search =
        (void *)((char *)provider - offsetof(struct mount_search, others));
    for (size_t i = 0; i < search->image->layer_count; i++) {
        const struct resolved_image *from = NULL;
        const struct image_record_layer *layer = &search->image->layers[i];
        if (layer->has_blob && digest_equal(&layer->blob, &blob->digest) &&
            solver_find_layer(search->solver, layer->id, &from) && from->provider)
            return from->provider->fetch(from->provider, blob, vertex, err);
    }
    return 0;
}

/* Layers that others made may be in the repository where they were found, and not in the store. */
static void collect_others(struct mount_search *search)
{
    for (size_t i = 0; search->solver && i < search->image->layer_count; i++) {
        auto_(error) struct error no_name = { 0 };
        auto_(reference) struct reference ref = { 0 };
        const struct resolved_image *from = NULL;
        const struct image_record_layer *layer = &search->image->layers[i];
        if (!solver_find_layer(search->solver, layer->id, &from) || !layer->has_blob)
            continue;
        if (reference_parse(from->name, &ref, &no_name) == 0 && is_target_host(search->what, &ref))
            add_mount(search, &ref, &layer->blob);
    }
}

static void mount_search_release(struct mount_search *search)
{
    for (size_t i = 0; i < search->count; i++) {
        free(search->found[i].host);
        free(search->found[i].repository);
    }
    free(search->found);
}
DEFINE_AUTO(mount_search, struct mount_search, mount_search_release(value))

static int push(struct session *s, const struct image_record *image, const struct solver *solver,
                struct push_image *what, unsigned vertex, struct error *err)
{
    auto_(manifest) struct manifest m = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(mount_search) struct mount_search search = {
        .image = image, .what = what, .solver = solver, .others = { .fetch = fetch_others }
    };
    TRY(blob_read(&s->store, &image->manifest, OCI_DOCUMENT_MAX, &text, err));
    TRY(manifest_parse(text.buf, text.len, media_type_parse(image->manifest_type), &m, err));
    collect_others(&search);
    TRY(image_store_each(&s->store, collect_mounts, &search, err));
    what->manifest = &m;
    what->text = text.buf;
    what->len = text.len;
    what->mounts = search.found;
    what->mount_count = search.count;
    what->provider = solver ? &search.others : NULL;
    struct thread_pool *pool = thread_pool_new(PUSH_THREADS);
    int rc = registry_push(session_registry(s), what, pool, vertex, err);
    thread_pool_free(pool);
    return rc;
}

int push_image_record(struct session *s, const struct image_record *image,
                      const struct strvec *names, const struct solver *solver, bool by_digest,
                      unsigned vertex, struct error *err)
{
    auto_free struct reference *targets = xcalloc(names->count, sizeof *targets);
    struct push_image what = { .targets = targets };
    int rc = names->count ? 0 : error_set(err, ERROR_USAGE, 0, "a push needs a name: -t NAME");
    for (; rc == 0 && what.target_count < names->count; what.target_count++) {
        struct reference *target = &targets[what.target_count];
        rc = reference_parse(names->items[what.target_count], target, err);
        if (rc == 0 && by_digest)
            free(take_ptr(target->tag));
    }
    if (rc == 0)
        rc = push(s, image, solver, &what, vertex, err);
    for (size_t i = 0; i < what.target_count; i++)
        reference_release(&targets[i]);
    return rc;
}
