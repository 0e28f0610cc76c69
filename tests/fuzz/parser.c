/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a Dockerfile: parsed, printed, checked, and made a graph of. */
#include "frontend/dockerfile/ast_print.h"
#include "frontend/dockerfile/lower.h"
#include "lib/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any name is an image of one layer; "onbuild" brings triggers along. */
struct images {
    struct image_resolver base;
    struct resolved_image plain, onbuild;
    struct image_layer layer;
};

static int resolve(struct image_resolver *r, const char *reference, const struct platform *platform,
                   const struct resolved_image **out, struct error *err)
{
    struct images *images = (struct images *)r;
    (void)platform;
    if (strcmp(reference, "missing") == 0)
        return error_set(err, ERROR_REMOTE, 0, "%s: not found", reference);
    *out = strcmp(reference, "onbuild") == 0 ? &images->onbuild : &images->plain;
    return 0;
}

static const char *local_context(struct image_resolver *r, const char *name)
{
    (void)r;
    return strcmp(name, "dir") == 0 ? "dir" : NULL;
}

static bool has_context(struct image_resolver *r, const char *name)
{
    return local_context(r, name) || strcmp(name, "ctx") == 0;
}

static int fetch(struct source_fetcher *f, const struct remote_source *source,
                 const char **out_context, const char **out_path, struct error *err)
{
    (void)f;
    (void)source;
    (void)err;
    *out_context = "fetched";
    *out_path = ".";
    return 0;
}

static void images_init(struct images *images)
{
    *images = (struct images){
        .base = { .resolve = resolve, .local_context = local_context, .has_context = has_context }
    };
    struct resolved_image *both[] = { &images->plain, &images->onbuild };
    for (size_t i = 0; i < COUNT(both); i++) {
        both[i]->name = "image";
        both[i]->layers = &images->layer;
        both[i]->layer_count = 1;
        image_config_init(&both[i]->config);
        both[i]->config.platform = platform_host();
    }
    strvec_push(&images->onbuild.config.on_build, "RUN <<E\nx\nE");
    strvec_push(&images->onbuild.config.on_build, "COPY --from=a $x /y");
}

static void lower(const struct dockerfile *df)
{
    auto_(error) struct error err = { 0 };
    auto_(definition) struct definition def = { 0 };
    auto_(map) struct map args = { 0 };
    auto_(strvec) struct strvec unused = { 0 };
    auto_(lint) struct lint lint = { 0 };
    struct images images;
    struct source_fetcher fetcher = { fetch };
    images_init(&images);
    if (lint_init(&lint, df, NULL, &err) == 0)
        lint_tree(&lint);
    error_clear(&err);
    map_set(&args, "given", (char *)"value");
    map_set(&args, "BUILDKIT_CACHE_MOUNT_NS", (char *)"ns");
    struct lower_options options = { .build_args = &args,
                                     .platform = platform_host(),
                                     .resolver = &images.base,
                                     .fetcher = &fetcher,
                                     .allow = ~0U,
                                     .lint = &lint,
                                     .unused_build_args = &unused };
    (void)!dockerfile_lower(df, &options, &def, &err);
    if (error_is_set(&err) && !err.message)
        abort();
    lint_sort(&lint);
    image_config_release(&images.plain.config);
    image_config_release(&images.onbuild.config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_(error) struct error err = { 0 };
    auto_(dockerfile) struct dockerfile *df = NULL;
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    if (dockerfile_parse((const char *)data, size, "Dockerfile", &df, &err) < 0) {
        if (!error_is_set(&err))
            abort();
        return 0;
    }
    dockerfile_print(df, &out);
    lower(df);
    return 0;
}
