/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/mem.h"
#include "lib/cache/cache_location.h"
#include "lib/s3/image.h"

struct location_s3 {
    struct cache_location base;
    struct s3_bucket *reading, *writing;
    char *blob_prefix;
    struct strvec entry_prefixes;
    size_t width;
};

static int load(struct cache_location *base, const char *name, const struct platform *platform,
                struct image_source *out, bool *out_found, struct error *err)
{
    const struct location_s3 *l = (const struct location_s3 *)base;
    *out_found = false;
    for (size_t i = 0; name && !*out_found && i < l->entry_prefixes.count; i++) {
        auto_free char *key = xasprintf("%s-%s", l->entry_prefixes.items[i], name);
        TRY(s3_image_find(l->reading, key, l->blob_prefix, platform, out, out_found, err));
    }
    return 0;
}

static int put_blob(const struct location_s3 *l, const struct descriptor *blob,
                    const struct s3_put *put, struct error *err)
{
    auto_free char *key = s3_blob_key(l->blob_prefix, &blob->digest);
    return s3_put_blob(l->writing, key, blob, put, err);
}

static int save(struct cache_location *base, const char *name, const struct manifest *manifest,
                const struct strbuf *text, struct thread_pool *pool, unsigned vertex,
                struct error *err)
{
    const struct location_s3 *l = (const struct location_s3 *)base;
    const struct s3_put put = { .pool = pool, .width = l->width, .vertex = vertex };
    TRY(put_blob(l, &manifest->config, &put, err));
    for (size_t i = 0; i < manifest->layer_count; i++)
        TRY(put_blob(l, &manifest->layers[i], &put, err));
    for (size_t i = 0; i < l->entry_prefixes.count; i++) {
        auto_free char *key = xasprintf("%s-%s", l->entry_prefixes.items[i], name);
        TRY(s3_put_text(l->writing, key, text->buf, text->len, err));
    }
    return 0;
}

static void free_location(struct cache_location *base)
{
    struct location_s3 *l = (struct location_s3 *)base;
    s3_bucket_free(l->reading);
    s3_bucket_free(l->writing);
    free(l->blob_prefix);
    strvec_release(&l->entry_prefixes);
}

struct cache_location *location_s3_new(const struct location_s3_options *options)
{
    /* Keys are read when a bucket is made: nothing is left to prepare. */
    static const struct cache_location_ops ops = { load, save, NULL, free_location };
    struct location_s3 *l = xcalloc(1, sizeof *l);
    l->base = (struct cache_location){ &ops, xstrdup(options->title) };
    l->reading = s3_bucket_new(options->reading);
    l->writing = s3_bucket_new(options->writing);
    l->blob_prefix = xstrdup(options->blob_prefix);
    strvec_push_all(&l->entry_prefixes, options->entry_prefixes);
    l->width = options->width;
    return &l->base;
}
