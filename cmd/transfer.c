/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild pull, push, save: images between the store and elsewhere. */
#include "cmd/base_image.h"
#include "cmd/command.h"
#include "cmd/export.h"
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
    for (size_t i = 0; i < v->insecure.count; i++)
        strvec_push(&s->insecure_hosts, v->insecure.items[i]);
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

static int no_name_to_push(const char *id, struct error *err)
{
    error_set(err, ERROR_USER, 0, "image %s has no name to be pushed as", id);
    return error_hint(err, "mlbuild tag %s HOST/NAME:TAG", id);
}

static int export_as(struct session *s, const struct transfer_values *v, const char *name,
                     const struct output *output, struct error *err)
{
    char digest[DIGEST_TEXT_SIZE];
    auto_(strvec) struct strvec names = { 0 };
    auto_(image_record) struct image_record image = { 0 };
    auto_(reference) struct reference typed = { 0 };
    auto_(error) struct error no_name = { 0 };
    TRY(export_find_packed(s, name, &image, err));
    /* By id: the image goes out without a name, or as what it is tagged. */
    bool by_name = reference_parse(name, &typed, &no_name) == 0;
    auto_free char *full = by_name ? reference_print(&typed) : NULL;
    if (image_record_has_name(&image))
        strvec_push(&names, full && strcmp(full, image.name) == 0 ? full : image.name);
    else if (output->type == OUTPUT_REGISTRY)
        return no_name_to_push(name, err);
    TRY(export_image(s, &image, &names, output, NULL, err));
    session_finish_progress(s);
    TRY(store_sync(&s->store, err));
    digest_print(&image.manifest, digest);
    if (output->type == OUTPUT_REGISTRY && v->quiet)
        printf("%s\n", digest);
    else if (output->type == OUTPUT_REGISTRY)
        fprintf(stderr, "pushed %s@%s\n", names.items[0], digest);
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
    struct output output = { .type = OUTPUT_REGISTRY };
    auto_(strvec) struct strvec tags = { 0 };
    if (args->count == 0)
        return error_set(err, ERROR_USAGE, 0, "mlbuild push IMAGE...");
    TRY(open_session(s, v, err));
    for (size_t i = 0; v->all_tags && i < args->count; i++)
        TRY(find_tags(s, args->items[i], &tags, err));
    const struct strvec *names = v->all_tags ? &tags : args;
    for (size_t i = 0; i < names->count; i++)
        TRY(export_as(s, v, names->items[i], &output, err));
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

static int save_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    const struct transfer_values *v = values;
    struct output output = { .type = OUTPUT_OCI, .dest = (char *)(v->output ? v->output : "-") };
    TRY(one_name(args, "mlbuild save [-o FILE] IMAGE", err));
    if (v->format && strcmp(v->format, "oci-dir") == 0)
        output.type = OUTPUT_OCI_DIR;
    else if (v->format && strcmp(v->format, "oci") != 0)
        return error_set(err, ERROR_USAGE, 0, "--format takes oci or oci-dir, not %s", v->format);
    if (output.type == OUTPUT_OCI_DIR && !v->output)
        return error_set(err, ERROR_USAGE, 0, "--format oci-dir needs -o DIR");
    TRY(open_session(s, v, err));
    return export_as(s, v, args->items[0], &output, err);
}

const struct command command_save = {
    .name = "save",
    .usage = "[-o FILE] IMAGE",
    .summary = "write an image as a tarball that docker, podman and skopeo read",
    .options = save_options,
    .values_size = sizeof(struct transfer_values),
    .run = save_run,
};
