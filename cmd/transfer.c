/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild pull, push, save: images between the store and elsewhere. */
#include "cmd/archive_ahead.h"
#include "cmd/base_image.h"
#include "cmd/command.h"
#include "cmd/export.h"
#include "cmd/push_ahead.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/exporter/oci_layout.h"
#include "lib/oci/reference.h"

struct transfer_values {
    const char *progress, *output, *format, *platform;
    bool quiet, debug, all_tags;
    struct strvec insecure;
};

#define VALUE(member) offsetof(struct transfer_values, member)
#define NETWORK_OPTIONS                                                                            \
    { "quiet", 'q', OPTION_FLAG, VALUE(quiet), NULL, "print the digest and nothing else" },        \
        { "progress", 0, OPTION_TEXT, VALUE(progress), "MODE", "auto, plain, tty, quiet" },        \
        { "insecure-registry", 0,      OPTION_LIST,                                                \
          VALUE(insecure),     "HOST", "registry that may speak http" },                           \
    {                                                                                              \
        "debug", 'D', OPTION_FLAG, VALUE(debug), NULL, "say whose credentials are used, and why"   \
    }

static const struct option pull_options[] = {
    { "platform", 0, OPTION_TEXT, VALUE(platform), "OS/ARCH",
      "platform of the image (default: this host's)" },
    NETWORK_OPTIONS,
    { .name = NULL },
};
static const struct option push_options[] = {
    { "all-tags", 'a', OPTION_FLAG, VALUE(all_tags), NULL,
      "push all images of the store with that name" },
    NETWORK_OPTIONS,
    { .name = NULL },
};
static const struct option save_options[] = {
    { "output", 'o', OPTION_TEXT, VALUE(output), "FILE",
      "where to write (default: standard output)" },
    { "format", 0, OPTION_TEXT, VALUE(format), "TYPE", "oci (a tarball, default) or oci-dir" },
    { "progress", 0, OPTION_TEXT, VALUE(progress), "MODE", "auto, plain, tty, quiet" },
    { .name = NULL },
};

static int open_session(struct session *s, const struct transfer_values *v, struct error *err)
{
    strvec_push_all(&s->insecure_hosts, &v->insecure);
    s->debug = v->debug;
    TRY(session_open_progress(s, v->quiet ? "quiet" : v->progress, err));
    return session_open_store(s, err);
}

static int one_name(const struct strvec *args, const char *usage, struct error *err)
{
    return args->count == 1 ? 0 : error_set(err, ERROR_USAGE, 0, "%s", usage);
}

static int pull_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    const struct transfer_values *v = values;
    struct platform platform = platform_host();
    TRY(one_name(args, "mlbuild pull IMAGE", err));
    if (v->platform)
        TRY(platform_parse(v->platform, &platform, err));
    TRY(open_session(s, v, err));
    TRY(base_image_pull(s, args->items[0], &platform, err));
    TRY(layout_refresh_store(&s->store, err));
    session_finish_progress(s);
    return store_sync(&s->store, err);
}

const struct command command_pull = {
    .name = "pull",
    .usage = "IMAGE",
    .summary = "bring an image into the store, for builds without network",
    .options = pull_options,
    .values_size = sizeof(struct transfer_values),
    .run = pull_run,
};

/* What the image is called where it goes: as it was asked for, or as what it is tagged; NULL
 * without a name. The caller frees it. */
static char *name_to_save(const char *typed, const struct image_record *image)
{
    auto_(reference) struct reference ref = { 0 };
    auto_(error) struct error no_name = { 0 };
    if (!image_record_has_name(image))
        return NULL;
    auto_free char *full =
        reference_parse(typed, &ref, &no_name) == 0 ? reference_print(&ref) : NULL;
    return full && strcmp(full, image->name) == 0 ? take_ptr(full) : xstrdup(image->name);
}

/* A layer that is packed goes to the registry while others are being packed. */
static int pack_and_send(struct session *s, struct image_record *image, const struct strvec *names,
                         struct error *err)
{
    struct push_ahead *ahead = NULL;
    TRY(push_ahead_open(s, names, &ahead, err));
    const struct export_listener listener = { push_ahead_begin, push_ahead_blob, ahead };
    int rc = export_make_packed(s, image, &listener, err);
    push_ahead_end(ahead, rc == 0);
    return rc;
}

static int push_one(struct session *s, const struct transfer_values *v, const char *name,
                    struct error *err)
{
    const struct output output = { .type = OUTPUT_REGISTRY };
    char digest[DIGEST_TEXT_SIZE];
    auto_(strvec) struct strvec names = { 0 };
    auto_(image_record) struct image_record image = { 0 };
    TRY(export_find(s, name, &image, err));
    char *full = name_to_save(name, &image);
    if (!full) {
        error_set(err, ERROR_USER, 0, "image %s has no name to be pushed as", name);
        return error_hint(err, "mlbuild tag %s HOST/NAME:TAG", name);
    }
    strvec_push_take(&names, full);
    TRY(pack_and_send(s, &image, &names, err));
    TRY(export_image(s, &image, &names, &output, NULL, err));
    session_finish_progress(s);
    digest_print(&image.manifest, digest);
    if (v->quiet)
        printf("%s\n", digest);
    else
        fprintf(stderr, "pushed %s@%s\n", full, digest);
    return 0;
}

struct tag_search {
    const struct reference *wanted;
    struct strvec *found;
};

static int collect_tag(void *arg, const struct image_record *image, struct error *err)
{
    struct tag_search *search = arg;
    auto_(error) struct error no_name = { 0 };
    auto_(reference) struct reference ref = { 0 };
    (void)err;
    if (reference_parse(image->name, &ref, &no_name) == 0 && ref.tag && !ref.digest &&
        strcmp(ref.host, search->wanted->host) == 0 &&
        strcmp(ref.repository, search->wanted->repository) == 0)
        strvec_push(search->found, image->name);
    return 0;
}

/* The names of the store that differ from `name` in the tag alone. */
static int find_tags(struct session *s, const char *name, struct strvec *out, struct error *err)
{
    auto_(reference) struct reference ref = { 0 };
    struct tag_search search = { .wanted = &ref, .found = out };
    TRY(reference_parse(name, &ref, err));
    if (ref.digest || strchr(path_base(name), ':')) {
        error_set(err, ERROR_USAGE, 0, "%s: tag can't be used with --all-tags/-a", name);
        return error_hint(err, "mlbuild push -a NAME, without a tag");
    }
    TRY(image_store_each(&s->store, collect_tag, &search, err));
    if (out->count == 0)
        return error_set(err, ERROR_NOT_FOUND, 0, "no image %s in the store, of any tag", name);
    return 0;
}

static int push_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    const struct transfer_values *v = values;
    auto_(strvec) struct strvec tags = { 0 };
    if (args->count == 0)
        return error_set(err, ERROR_USAGE, 0, "mlbuild push IMAGE...");
    TRY(open_session(s, v, err));
    for (size_t i = 0; v->all_tags && i < args->count; i++)
        TRY(find_tags(s, args->items[i], &tags, err));
    const struct strvec *names = v->all_tags ? &tags : args;
    for (size_t i = 0; i < names->count; i++)
        TRY(push_one(s, v, names->items[i], err));
    return 0;
}

const struct command command_push = {
    .name = "push",
    .usage = "IMAGE...",
    .summary = "push images to the registries that their names say",
    .options = push_options,
    .values_size = sizeof(struct transfer_values),
    .run = push_run,
};

/* Images of the store, each once, with the names that they were asked for by. */
struct saving {
    struct image_record *images;
    struct layout_item *items;
    size_t count;
    struct archive_ahead *ahead; /* of one image that goes to a tarball; or NULL */
};

static void saving_release(struct saving *x)
{
    for (size_t i = 0; i < x->count; i++) {
        image_record_release(&x->images[i]);
        strvec_release(&x->items[i].names);
    }
    free(x->images);
    free(x->items);
    archive_ahead_free(x->ahead);
}
DEFINE_AUTO(saving, struct saving, saving_release(value))

static int add_image(struct session *s, struct saving *x, const char *name, struct error *err)
{
    auto_(image_record) struct image_record image = { 0 };
    struct layout_item *same = NULL;
    const struct export_listener listener = { archive_ahead_begin, archive_ahead_blob, x->ahead };
    TRY(export_find(s, name, &image, err));
    TRY(export_make_packed(s, &image, x->ahead ? &listener : NULL, err));
    auto_free char *full = name_to_save(name, &image);
    for (size_t i = 0; i < x->count; i++) {
        if (digest_equal(&x->images[i].manifest, &image.manifest))
            same = &x->items[i];
    }
    if (!same) {
        same = &x->items[x->count];
        same->image = &x->images[x->count];
        x->images[x->count++] = image;
        image = (struct image_record){ 0 };
    }
    for (size_t i = 0; full && i < same->names.count; i++) {
        if (strcmp(same->names.items[i], full) == 0)
            return 0;
    }
    if (full)
        strvec_push(&same->names, full);
    return 0;
}

static int save_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    const struct transfer_values *v = values;
    struct output output = { .type = OUTPUT_OCI, .dest = (char *)(v->output ? v->output : "-") };
    auto_(saving) struct saving x = { .images = xcalloc(args->count, sizeof *x.images),
                                      .items = xcalloc(args->count, sizeof *x.items) };
    if (args->count == 0)
        return error_set(err, ERROR_USAGE, 0, "mlbuild save [-o FILE] IMAGE...");
    if (v->format && strcmp(v->format, "oci-dir") == 0)
        output.type = OUTPUT_OCI_DIR;
    else if (v->format && strcmp(v->format, "oci") != 0)
        return error_set(err, ERROR_USAGE, 0, "--format takes oci or oci-dir, not %s", v->format);
    if (output.type == OUTPUT_OCI_DIR && !v->output)
        return error_set(err, ERROR_USAGE, 0, "--format oci-dir needs -o DIR");
    TRY(open_session(s, v, err));
    if (args->count == 1 && output.type == OUTPUT_OCI)
        TRY(archive_ahead_open(s, output.dest, &x.ahead, err));
    output.ahead = x.ahead;
    for (size_t i = 0; i < args->count; i++)
        TRY(add_image(s, &x, args->items[i], err));
    TRY(export_layout(s, x.items, x.count, &output, err));
    session_finish_progress(s);
    return 0;
}

const struct command command_save = {
    .name = "save",
    .usage = "[-o FILE] IMAGE...",
    .summary = "write images as a tarball that docker, podman and skopeo read",
    .options = save_options,
    .values_size = sizeof(struct transfer_values),
    .run = save_run,
};
