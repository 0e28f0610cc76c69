/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild import: an image of the file system in a tar. */
#include <fcntl.h>

#include "cmd/base_image.h"
#include "cmd/command.h"
#include "cmd/input.h"
#include "frontend/context/download.h"
#include "frontend/context/fetch.h"
#include "frontend/dockerfile/lower.h"
#include "lib/base/mem.h"
#include "lib/exporter/oci_layout.h"
#include "lib/importer/rootfs_tar.h"
#include "lib/oci/reference.h"
#include "lib/store/blob.h"

struct import_values {
    const char *message, *platform, *progress;
    struct strvec changes;
    bool quiet;
};

#define VALUE(member) offsetof(struct import_values, member)
static const struct option options[] = {
    { "change", 'c', OPTION_LIST, VALUE(changes), "INSTRUCTION",
      "of a Dockerfile, for the configuration: CMD, ENV, LABEL ..." },
    { "message", 'm', OPTION_TEXT, VALUE(message), "TEXT", "comment of the image's history" },
    { "platform", 0, OPTION_TEXT, VALUE(platform), "OS/ARCH",
      "what the image is for (default: this host)" },
    { "quiet", 'q', OPTION_FLAG, VALUE(quiet), NULL, "no progress" },
    { "progress", 0, OPTION_TEXT, VALUE(progress), "MODE", "auto, plain, tty, quiet" },
    { .name = NULL },
};

static bool makes_no_files(enum verb_kind kind)
{
    return kind != VERB_ADD && kind != VERB_ARG && kind != VERB_COPY && kind != VERB_FROM &&
           kind != VERB_RUN;
}

static int check_changes(const struct dockerfile *df, struct error *err)
{
    const struct stage *stage = &df->stages[0];
    bool suits = df->stage_count == 1;
    for (size_t i = 0; i < stage->count; i++)
        suits = suits && makes_no_files(stage->first[i].verb->kind);
    if (suits)
        return 0;
    error_set(err, ERROR_USAGE, 0, "--change takes instructions that change the configuration");
    return error_hint(err, "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, "
                           "STOPSIGNAL, USER, VOLUME, WORKDIR");
}

/* The configuration that a Dockerfile of these instructions ends with. */
static int read_changes(struct session *s, const struct import_values *v, struct dockerfile *df,
                        struct definition *out, struct error *err)
{
    const struct strvec none = { 0 };
    auto_(base_images) struct base_images *bases = NULL;
    TRY(base_images_open(s, &none, PULL_NEVER, &bases, err));
    struct lower_options lower = { .platform = platform_host(),
                                   .resolver = base_images_resolver(bases) };
    if (v->platform)
        TRY(platform_parse(v->platform, &lower.platform, err));
    return dockerfile_lower(df, &lower, out, err);
}

static int parse_changes(const struct strvec *changes, struct dockerfile **out, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    strbuf_addstr(&text, "FROM scratch\n");
    for (size_t i = 0; i < changes->count; i++)
        strbuf_addf(&text, "%s\n", changes->items[i]);
    if (dockerfile_parse(text.buf, text.len, "--change", out, err) < 0)
        return error_wrap(err, "--change");
    return check_changes(*out, err);
}

static int fetch(struct session *s, const char *url, unsigned vertex, int *out_fd,
                 struct error *err)
{
    struct downloaded file;
    struct http_client *http = http_client_new(&s->cancel);
    struct download_options how = {
        .store = &s->store, .http = http, .progress = s->progress, .cancel = &s->cancel
    };
    int rc = download(url, &how, vertex, &file, err);
    http_client_free(http);
    return rc < 0 ? -1 : blob_open(&s->store, &file.digest, out_fd, NULL, err);
}

/* The file, address or "-" that `source` is; `arg` the request. */
static int read_source(struct session *s, const char *source, const struct rootfs_import *request,
                       struct image_record *out, struct error *err)
{
    auto_free char *title = xasprintf("import %s", source);
    auto_(input) struct input in = { .fd = -1 };
    unsigned vertex = progress_start(s->progress, title);
    int rc = fetch_is_remote(source) ? fetch(s, source, vertex, &in.fd, err)
                                     : input_open(&in, source, err);
    if (rc == 0)
        rc = rootfs_import(request, input_start(&in, source, s, vertex), out, err);
    if (rc == 0)
        meter_end(&in.meter);
    progress_end_with(s->progress, vertex, rc, err);
    return rc < 0 ? error_wrap(err, "import %s", source) : 0;
}

static int read_name(const struct strvec *args, char **out, struct error *err)
{
    auto_(reference) struct reference ref = { 0 };
    if (args->count < 2)
        return 0;
    TRY(reference_parse_new(args->items[1], &ref, err));
    *out = reference_print(&ref);
    return 0;
}

static int import_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    const struct import_values *v = values;
    char id[DIGEST_TEXT_SIZE];
    auto_free char *name = NULL;
    auto_(dockerfile) struct dockerfile *df = NULL;
    auto_(definition) struct definition definition = { 0 };
    auto_(image_record) struct image_record image = { 0 };
    if (args->count < 1 || args->count > 2)
        return error_set(err, ERROR_USAGE, 0, "mlbuild import FILE|URL|- [NAME]");
    const char *source = args->items[0];
    auto_free char *comment = xasprintf("Imported from %s", source);
    TRY(read_name(args, &name, err));
    TRY(parse_changes(&v->changes, &df, err));
    TRY(session_open_progress(s, v->quiet ? "quiet" : v->progress, err));
    TRY(session_open_store(s, err));
    TRY(read_changes(s, v, df, &definition, err));
    struct rootfs_import request = { &s->store, &s->cancel, &definition.config, name,
                                     v->message ? v->message : comment };
    TRY(read_source(s, source, &request, &image, err));
    TRY(layout_refresh_store(&s->store, err));
    TRY(store_sync(&s->store, err));
    session_finish_progress(s);
    digest_print(&image.config, id);
    printf("%s\n", id);
    return 0;
}

const struct command command_import = {
    .name = "import",
    .usage = "[OPTIONS] FILE|URL|- [NAME]",
    .summary = "make an image of the file system in a tar",
    .options = options,
    .values_size = sizeof(struct import_values),
    .run = import_run,
};
