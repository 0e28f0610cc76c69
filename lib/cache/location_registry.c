/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/mem.h"
#include "lib/cache/cache_location.h"
#include "lib/registry/push.h"
#include "lib/registry/resolve.h"

/* A tag has 128 characters, of which a key takes 65. */
enum { PREFIX_MAX = 63 };

struct location_registry {
    struct cache_location base;
    struct registry_client *reading, *writing;
    struct reference ref;
    char *prefix;
};

static struct reference entry_reference(const struct location_registry *l, const char *name)
{
    return (struct reference){ .host = l->ref.host,
                               .repository = l->ref.repository,
                               .tag = xasprintf("%s-%s", l->prefix, name) };
}

static int load(struct cache_location *base, const char *name, const struct platform *platform,
                struct image_source *out, bool *out_found, struct error *err)
{
    const struct location_registry *l = (const struct location_registry *)base;
    if (!name)
        return registry_find(l->reading, &l->ref, platform, out, out_found, err);
    struct reference ref = entry_reference(l, name);
    int rc = registry_find(l->reading, &ref, platform, out, out_found, err);
    free(ref.tag);
    return rc;
}

static int save(struct cache_location *base, const char *name, const struct manifest *manifest,
                const struct strbuf *text, struct thread_pool *pool, unsigned vertex,
                struct error *err)
{
    const struct location_registry *l = (const struct location_registry *)base;
    struct reference ref = entry_reference(l, name);
    const struct push_image image = { .manifest = manifest,
                                      .text = text->buf,
                                      .len = text->len,
                                      .targets = &ref,
                                      .target_count = 1 };
    int rc = registry_push(l->writing, &image, pool, vertex, err);
    free(ref.tag);
    return rc;
}

static void prepare(struct cache_location *base)
{
    const struct location_registry *l = (const struct location_registry *)base;
    auto_(error) struct error met_again = { 0 };
    (void)!registry_push_prepare(l->writing, &l->ref, &met_again);
}

static void free_location(struct cache_location *base)
{
    struct location_registry *l = (struct location_registry *)base;
    reference_release(&l->ref);
    free(l->prefix);
}

struct cache_location *location_registry_new(struct registry_client *reading,
                                             struct registry_client *writing,
                                             const struct reference *ref)
{
    static const struct cache_location_ops ops = { load, save, prepare, free_location };
    struct location_registry *l = xcalloc(1, sizeof *l);
    l->base = (struct cache_location){ &ops, reference_print_short(ref) };
    l->reading = reading;
    l->writing = writing;
    l->ref = (struct reference){ .host = xstrdup(ref->host),
                                 .repository = xstrdup(ref->repository),
                                 .tag = xstrdup(ref->tag ? ref->tag : "latest") };
    l->prefix = xasprintf("%.*s", PREFIX_MAX, ref->tag ? ref->tag : "cache");
    return &l->base;
}
