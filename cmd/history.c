/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild history: what made an image, and how large each of its layers is. */
#include "cmd/history.h"

#include "cmd/command.h"
#include "cmd/export.h"
#include "cmd/printable.h"
#include "cmd/size_text.h"
#include "lib/base/mem.h"
#include "lib/store/blob.h"

enum { ID_WIDTH = 12, CREATED_WIDTH = 19, TEXT_WIDTH = 45 };

struct history_values {
    bool quiet, whole;
};

#define VALUE(member) offsetof(struct history_values, member)
static const struct option options[] = {
    { "quiet", 'q', OPTION_FLAG, VALUE(quiet), NULL, "print ids only" },
    { "no-trunc", 0, OPTION_FLAG, VALUE(whole), NULL, "cut nothing short" },
    { .name = NULL },
};

struct history_line *history_match(const struct image_config *config,
                                   const struct image_record *image, size_t *out_count)
{
    struct history_line *lines =
        xcalloc(config->history_count + image->layer_count + 1, sizeof *lines);
    size_t count = 0;
    size_t layer = 0;
    for (size_t i = 0; i < config->history_count; i++) {
        const struct history *entry = &config->history[i];
        bool made_one = !entry->empty_layer && layer < image->layer_count;
        lines[count++] = (struct history_line){ entry, made_one ? &image->layers[layer++] : NULL };
    }
    while (layer < image->layer_count)
        lines[count++] = (struct history_line){ NULL, &image->layers[layer++] };
    *out_count = count;
    return lines;
}

/* A layer of ours by the size of its files; one that came packed, as it came. */
static void print_size(const struct image_record_layer *layer, char out[static SIZE_TEXT + 8])
{
    char size[SIZE_TEXT];
    bool is_packed = layer && !layer->tar_size;
    uint64_t bytes = !layer ? 0 : is_packed ? layer->blob_size : layer->tar_size;
    size_print(bytes, size);
    snprintf(out, SIZE_TEXT + 8, "%s%s", size, is_packed ? " packed" : "");
}

static void print_line(const struct history_line *line, const char *id,
                       const struct history_values *v)
{
    static const struct history unknown = { .created_by = NULL };
    const struct history *entry = line->entry ? line->entry : &unknown;
    size_t width = v->whole ? SIZE_MAX : TEXT_WIDTH;
    char size[SIZE_TEXT + 8];
    if (v->quiet) {
        printf("%s\n", id);
        return;
    }
    auto_free char *by = printable(entry->created_by ? entry->created_by : "", width);
    auto_free char *comment = printable(entry->comment ? entry->comment : "", width);
    const char *time = entry->created ? entry->created : "";
    auto_free char *seconds = xstrndup(time, strcspn(time, ".Z"));
    auto_free char *created = printable(seconds, CREATED_WIDTH);
    print_size(line->layer, size);
    printf("%-*s  %-*s  %-*s  %15s  %s\n", ID_WIDTH, id, CREATED_WIDTH, created, TEXT_WIDTH + 3, by,
           size, comment);
}

static int history_run(struct session *s, void *values, const struct strvec *args,
                       struct error *err)
{
    const struct history_values *v = values;
    char id[DIGEST_TEXT_SIZE];
    size_t count = 0;
    auto_(image_record) struct image_record image = { 0 };
    auto_(image_config) struct image_config config;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    image_config_init(&config);
    if (args->count != 1)
        return error_set(err, ERROR_USAGE, 0, "mlbuild history IMAGE");
    TRY(session_open_store(s, err));
    TRY(export_find(s, args->items[0], &image, err));
    TRY(blob_read(&s->store, &image.config, OCI_CONFIG_MAX, &text, err));
    TRY(image_config_parse(text.buf, text.len, &config, err));
    digest_print(&image.config, id);
    auto_free char *shown = v->whole ? xstrdup(id) : xstrndup(id + strlen("sha256:"), 12);
    auto_free struct history_line *lines = history_match(&config, &image, &count);
    if (!v->quiet)
        printf("%-*s  %-*s  %-*s  %15s  %s\n", ID_WIDTH, "IMAGE", CREATED_WIDTH, "CREATED",
               TEXT_WIDTH + 3, "CREATED BY", "SIZE", "COMMENT");
    for (size_t i = count; i-- > 0;)
        print_line(&lines[i], i + 1 == count ? shown : "<missing>", v);
    return 0;
}

const struct command command_history = {
    .name = "history",
    .usage = "[OPTIONS] IMAGE",
    .summary = "show what made an image, and how large each layer is",
    .options = options,
    .values_size = sizeof(struct history_values),
    .run = history_run,
};
