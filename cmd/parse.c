/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild parse: how a Dockerfile was understood: its tree, with the place of each word. */
#include "cmd/command.h"
#include "cmd/report.h"
#include "frontend/context/dockerfile_source.h"
#include "frontend/dockerfile/ast_print.h"

struct parse_values {
    const char *file;
};

static const struct option parse_options[] = {
    { "file", 'f', OPTION_TEXT, offsetof(struct parse_values, file), "FILE",
      "Dockerfile (default: CONTEXT/Dockerfile; - is stdin)" },
    { .name = NULL },
};

static int parse_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    const struct parse_values *v = values;
    auto_(dockerfile_source) struct dockerfile_source source = { .dir_fd = -1,
                                                                 .text = STRBUF_INIT };
    auto_(dockerfile) struct dockerfile *df = NULL;
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    if (args->count > 1)
        return error_set(err, ERROR_USAGE, 0, "more than one build context");
    TRY(dockerfile_source_read(args->count ? args->items[0] : ".", v->file, &source, err));
    if (dockerfile_parse(source.text.buf, source.text.len, source.name, &df, err) < 0) {
        struct report_source report = { source.name, source.text.buf, source.text.len };
        report_error(err, &report);
        s->reported = true;
        return -1;
    }
    dockerfile_print(df, &out);
    fwrite(out.buf, 1, out.len, stdout);
    return 0;
}

const struct command command_parse = {
    .name = "parse",
    .usage = "[-f FILE] [CONTEXT]",
    .summary = "show how a Dockerfile is understood",
    .options = parse_options,
    .values_size = sizeof(struct parse_values),
    .run = parse_run,
};
