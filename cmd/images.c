/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild images, tag, rmi: names in the store. */
#include "cmd/command.h"
#include "cmd/export.h"
#include "cmd/size_text.h"
#include "lib/base/mem.h"
#include "lib/exporter/image.h"
#include "lib/exporter/oci_layout.h"
#include "lib/oci/reference.h"

struct images_values {
    bool quiet;
};

static const struct option images_options[] = {
    { "quiet", 'q', OPTION_FLAG, offsetof(struct images_values, quiet), NULL, "print ids only" },
    { .name = NULL },
};

static void short_id(const struct digest *d, char out[static 13])
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    snprintf(out, 13, "%.12s", hex);
}

struct listing {
    const struct images_values *values;
    const struct store *store;
};

/* A base that was resolved and never used has nothing here but its documents. */
static bool is_here(const struct image_record *image, const struct store *store)
{
    for (size_t i = 0; i < image->layer_count; i++) {
        if (image->layers[i].tar_size)
            return true;
    }
    return image_is_packed(image, store);
}

static int print_image(void *arg, const struct image_record *image, struct error *err)
{
    (void)err;
    const struct listing *list = arg;
    const struct images_values *v = list->values;
    if (!is_here(image, list->store))
        return 0;
    char id[13];
    char size[SIZE_TEXT];
    uint64_t bytes = 0;
    short_id(&image->config, id);
    if (v->quiet) {
        printf("%s\n", id);
        return 0;
    }
    auto_free char *name = export_short_name(image);
    for (size_t i = 0; i < image->layer_count; i++)
        bytes += image->layers[i].tar_size ? image->layers[i].tar_size : image->layers[i].blob_size;
    size_print(bytes, size);
    printf("%-40s %s  %6zu  %9s  %s\n", name, id, image->layer_count, size, image->created);
    return 0;
}

static int images_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    struct images_values *v = values;
    if (args->count)
        return error_set(err, ERROR_USAGE, 0, "mlbuild images takes no argument");
    TRY(session_open_store(s, err));
    if (!v->quiet)
        printf("%-40s %-12s  %6s  %9s  %s\n", "NAME", "ID", "LAYERS", "SIZE", "CREATED");
    struct listing list = { v, &s->store };
    return image_store_each(&s->store, print_image, &list, err);
}

const struct command command_images = {
    .name = "images",
    .usage = "[-q]",
    .summary = "list the images of the store",
    .options = images_options,
    .values_size = sizeof(struct images_values),
    .run = images_run,
};

static int tag_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    auto_(image_record) struct image_record image = { 0 };
    auto_(reference) struct reference ref = { 0 };
    (void)values;
    if (args->count != 2)
        return error_set(err, ERROR_USAGE, 0, "mlbuild tag IMAGE NEW_NAME");
    TRY(reference_parse_new(args->items[1], &ref, err));
    TRY(session_open_store(s, err));
    TRY(export_find(s, args->items[0], &image, err));
    /* The new name does not say where they are. */
    TRY(export_fetch_missing(s, &image, err));
    free(image.name);
    image.name = reference_print(&ref);
    TRY(image_store_put(&s->store, &image, err));
    TRY(layout_refresh_store(&s->store, err));
    return store_sync(&s->store, err);
}

const struct command command_tag = {
    .name = "tag",
    .usage = "IMAGE NEW_NAME",
    .summary = "give an image another name",
    .values_size = 1,
    .run = tag_run,
};

static int rmi_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    (void)values;
    if (args->count == 0)
        return error_set(err, ERROR_USAGE, 0, "mlbuild rmi IMAGE...");
    TRY(session_open_store(s, err));
    for (size_t i = 0; i < args->count; i++) {
        auto_(image_record) struct image_record image = { 0 };
        TRY(export_find(s, args->items[i], &image, err));
        TRY(image_store_remove(&s->store, image.name, err));
        printf("removed %s\n", image.name);
    }
    return layout_refresh_store(&s->store, err);
}

const struct command command_rmi = {
    .name = "rmi",
    .usage = "IMAGE...",
    .summary = "remove names; prune then frees what no name needs",
    .values_size = 1,
    .run = rmi_run,
};
