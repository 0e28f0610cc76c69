/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild load: images from an archive into the store. */
#include "cmd/command.h"
#include "cmd/export.h"
#include "cmd/input.h"
#include "lib/base/mem.h"
#include "lib/exporter/oci_layout.h"
#include "lib/importer/archive.h"
#include "lib/store/image_store.h"

struct load_values {
    const char *input, *progress, *platform;
    bool quiet;
};

#define VALUE(member) offsetof(struct load_values, member)
static const struct option options[] = {
    { "input", 'i', OPTION_TEXT, VALUE(input), "FILE", "what to read (default: standard input)" },
    { "platform", 0, OPTION_TEXT, VALUE(platform), "OS/ARCH",
      "which image of several (default: this host's)" },
    { "quiet", 'q', OPTION_FLAG, VALUE(quiet), NULL, "no progress" },
    { "progress", 0, OPTION_TEXT, VALUE(progress), "MODE", "auto, plain, tty, quiet" },
    { .name = NULL },
};

static int load(struct session *s, const struct load_values *v, struct strvec *out_names,
                struct error *err)
{
    const char *path = v->input ? v->input : "-";
    struct platform platform = platform_host();
    auto_(input) struct input in = { .fd = -1 };
    if (v->platform)
        TRY(platform_parse(v->platform, &platform, err));
    TRY(input_open(&in, path, err));
    struct archive_options archive = { &s->store, &s->cancel, &platform };
    auto_free char *title = xasprintf("load %s", path);
    unsigned vertex = progress_start(s->progress, title);
    int rc = archive_load(&archive, input_start(&in, path, s, vertex), out_names, err);
    if (rc == 0)
        meter_end(&in.meter);
    progress_end_with(s->progress, vertex, rc, err);
    return rc < 0 ? error_wrap(err, "load %s", path) : 0;
}

/* Somebody else may have removed it again. */
static void tell(char *name)
{
    const struct image_record image = { .name = name };
    bool has_name = image_record_has_name(&image);
    auto_free char *text = has_name ? export_short_name(&image) : xstrdup(name);
    printf(has_name ? "Loaded image: %s\n" : "Loaded image ID: %s\n", text);
}

static int load_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    const struct load_values *v = values;
    auto_(strvec) struct strvec names = { 0 };
    if (args->count) {
        error_set(err, ERROR_USAGE, 0, "mlbuild load takes no argument");
        return error_hint(err, "mlbuild load -i %s", args->items[0]);
    }
    TRY(session_open_progress(s, v->quiet ? "quiet" : v->progress, err));
    TRY(session_open_store(s, err));
    TRY(load(s, v, &names, err));
    TRY(layout_refresh_store(&s->store, err));
    TRY(store_sync(&s->store, err));
    session_finish_progress(s);
    for (size_t i = 0; i < names.count; i++)
        tell(names.items[i]);
    return 0;
}

const struct command command_load = {
    .name = "load",
    .usage = "[-i FILE]",
    .summary = "read images from an archive of docker, podman, skopeo, buildah or mlbuild",
    .options = options,
    .values_size = sizeof(struct load_values),
    .run = load_run,
};
