/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/call.h"

#include "lib/base/mem.h"
#include "lib/base/strbuf.h"
#include "lib/base/strvec.h"
#include "lib/codec/base64.h"
#include "lib/codec/json.h"

enum { COLUMN_GAP = 3, COLUMNS = 3, INDENT = 2 };

static void print_json(FILE *out, const js *doc)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    js_print_in_order(doc, INDENT, &text);
    fprintf(out, "%s\n", text.buf);
}

static js *encode_source(const struct report_source *source)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    base64_encode(source->text, source->len, &text);
    return js_new_text(text.buf);
}

static js *encode_line(int line)
{
    js *position = js_new_object();
    js_set_take(position, "line", js_new_int(line));
    return position;
}

/* One range a line. */
static js *encode_location(const struct position *where)
{
    js *location = js_new_object();
    js *ranges = js_new_array();
    int last = where->end_line > where->line ? where->end_line : where->line;
    for (int line = where->line; line <= last && line > 0; line++) {
        js *range = js_new_object();
        js_set_take(range, "start", encode_line(line));
        js_set_take(range, "end", encode_line(line));
        js_push_take(ranges, range);
    }
    js_set_take(location, "ranges", ranges);
    return location;
}

static js *encode_warning(const struct lint_warning *w)
{
    js *one = js_new_object();
    auto_free char *url = lint_rule_url(w->rule);
    js_set_text(one, "ruleName", lint_rule_text(w->rule)->name);
    js_set_text(one, "description", lint_rule_text(w->rule)->description);
    if (*url)
        js_set_text(one, "url", url);
    js_set_text(one, "detail", w->detail);
    js_set_take(one, "location", encode_location(&w->where));
    return one;
}

static void print_check_json(FILE *out, const struct lint *lint, const struct report_source *source,
                             const struct error *failure)
{
    auto_(js) js *doc = js_new_object();
    js *warnings = lint->count ? js_new_array() : js_new_null(); /* as Go has an empty slice */
    js *sources = js_new_array();
    js *file = js_new_object();
    for (size_t i = 0; i < lint->count; i++)
        js_push_take(warnings, encode_warning(&lint->warnings[i]));
    js_set_take(doc, "warnings", warnings);
    js_set_text(file, "filename", source->name);
    js_set_text(file, "language", "Dockerfile");
    js_set_take(file, "data", encode_source(source));
    js_push_take(sources, file);
    js_set_take(doc, "sources", sources);
    if (failure) {
        js *error = js_new_object();
        js_set_text(error, "message", failure->message);
        js_set_take(error, "location", encode_location(&failure->where));
        js_set_take(doc, "buildError", error);
    }
    print_json(out, doc);
}

static void print_warning(FILE *out, const struct lint_warning *w,
                          const struct report_source *source)
{
    auto_free char *url = lint_rule_url(w->rule);
    fprintf(out, "\nWARNING: %s%s%s\n", lint_rule_text(w->rule)->name, *url ? " - " : "", url);
    report_print_safe(out, w->detail, strlen(w->detail));
    fputc('\n', out);
    report_excerpt(out, &w->where, source);
}

void call_print_check(FILE *out, const struct lint *lint, const struct report_source *source,
                      const struct error *failure, bool json)
{
    if (json) {
        print_check_json(out, lint, source, failure);
        return;
    }
    if (lint->count == 0 && !failure)
        fprintf(out, "Check complete, no warnings found.\n");
    else if (lint->count == 1)
        fprintf(out, "Check complete, 1 warning has been found!\n");
    else if (lint->count > 1)
        fprintf(out, "Check complete, %zu warnings have been found!\n", lint->count);
    for (size_t i = 0; i < lint->count; i++)
        print_warning(out, &lint->warnings[i], source);
}

void call_print_warnings(FILE *out, const struct lint *lint, const struct report_source *source,
                         bool expanded)
{
    if (lint->count == 0)
        return;
    fprintf(out, "\n %zu warning%s found%s:\n", lint->count, lint->count == 1 ? "" : "s",
            expanded ? "" : " (use --debug to expand)");
    for (size_t i = 0; i < lint->count; i++) {
        const struct lint_warning *w = &lint->warnings[i];
        if (expanded) {
            print_warning(out, w, source);
            continue;
        }
        fprintf(out, " - %s: ", lint_rule_text(w->rule)->name);
        report_print_safe(out, w->detail, strlen(w->detail));
        fprintf(out, " (line %d)\n", w->where.line);
    }
}

/* Cells row by row, `columns` each; the first row is the heads. */
static void print_table(FILE *out, const struct strvec *cells, size_t columns)
{
    size_t width[COLUMNS] = { 0 };
    for (size_t i = 0; i < cells->count; i++) {
        size_t len = strlen(cells->items[i]);
        if (len > width[i % columns])
            width[i % columns] = len;
    }
    for (size_t i = 0; i < cells->count; i++) {
        size_t column = i % columns;
        report_print_safe(out, cells->items[i], strlen(cells->items[i]));
        if (column + 1 == columns)
            fputc('\n', out);
        else
            fprintf(out, "%*s", (int)(width[column] + COLUMN_GAP - strlen(cells->items[i])), "");
    }
}

static void print_arguments(FILE *out, const struct outline_list *list)
{
    auto_(strvec) struct strvec cells = { 0 };
    strvec_push(&cells, "BUILD ARG");
    strvec_push(&cells, "VALUE");
    strvec_push(&cells, "DESCRIPTION");
    for (size_t i = 0; i < list->count; i++) {
        const struct outline_item *item = &list->items[i];
        strvec_push(&cells, item->name);
        strvec_push(&cells, item->value ? item->value : "");
        strvec_push(&cells, item->description ? item->description : "");
    }
    if (list->count) {
        print_table(out, &cells, 3);
        fputc('\n', out);
    }
}

static void print_required(FILE *out, const char *head, const struct outline_list *list)
{
    auto_(strvec) struct strvec cells = { 0 };
    strvec_push(&cells, head);
    strvec_push(&cells, "REQUIRED");
    for (size_t i = 0; i < list->count; i++) {
        strvec_push(&cells, list->items[i].name);
        strvec_push(&cells, list->items[i].required ? "true" : "");
    }
    if (list->count) {
        print_table(out, &cells, 2);
        fputc('\n', out);
    }
}

static void set_list(js *doc, const char *name, const struct outline_list *list)
{
    js *items = js_new_array();
    for (size_t i = 0; i < list->count; i++) {
        const struct outline_item *item = &list->items[i];
        js *one = js_new_object();
        js_set_text(one, "name", item->name);
        if (item->description)
            js_set_text(one, "description", item->description);
        if (item->value)
            js_set_text(one, "value", item->value);
        if (item->required)
            js_set_take(one, "required", js_new_bool(true));
        js_set_take(one, "location", encode_location(&item->where));
        js_push_take(items, one);
    }
    if (list->count)
        js_set_take(doc, name, items);
    else
        js_free(items);
}

static void set_sources(js *doc, const struct report_source *source)
{
    js *sources = js_new_array();
    js_push_take(sources, encode_source(source));
    js_set_take(doc, "sources", sources);
}

static void print_outline_json(FILE *out, const struct outline *o,
                               const struct report_source *source)
{
    auto_(js) js *doc = js_new_object();
    if (o->name)
        js_set_text(doc, "name", o->name);
    if (o->description)
        js_set_text(doc, "description", o->description);
    set_list(doc, "args", &o->args);
    set_list(doc, "secrets", &o->secrets);
    set_list(doc, "ssh", &o->agents);
    set_sources(doc, source);
    print_json(out, doc);
}

void call_print_outline(FILE *out, const struct outline *o, const struct report_source *source,
                        bool json)
{
    auto_(strvec) struct strvec head = { 0 };
    if (json) {
        print_outline_json(out, o, source);
        return;
    }
    if (o->name) {
        strvec_push(&head, "TARGET:");
        strvec_push(&head, o->name);
        if (o->description) {
            strvec_push(&head, "DESCRIPTION:");
            strvec_push(&head, o->description);
        }
        print_table(out, &head, 2);
        fputc('\n', out);
    }
    print_arguments(out, &o->args);
    print_required(out, "SECRET", &o->secrets);
    print_required(out, "SSH", &o->agents);
}

static js *encode_target(const struct stage *stage, bool is_default)
{
    js *one = js_new_object();
    const struct flag *platform = instruction_flag(stage->from, FLAG_PLATFORM);
    const char *description = stage->name ? outline_description(stage->from, stage->name) : NULL;
    if (stage->name)
        js_set_text(one, "name", stage->name);
    if (is_default)
        js_set_take(one, "default", js_new_bool(true));
    if (description)
        js_set_text(one, "description", description);
    js_set_text(one, "base", stage->from->words[0].text);
    if (platform)
        js_set_text(one, "platform", platform->value);
    js_set_take(one, "location", encode_location(&stage->from->line.where));
    return one;
}

static void print_targets_json(FILE *out, const struct dockerfile *df,
                               const struct report_source *source)
{
    auto_(js) js *doc = js_new_object();
    js *targets = js_new_array();
    for (size_t i = 0; i < df->stage_count; i++)
        js_push_take(targets, encode_target(&df->stages[i], i + 1 == df->stage_count));
    js_set_take(doc, "targets", targets);
    set_sources(doc, source);
    print_json(out, doc);
}

void call_print_targets(FILE *out, const struct dockerfile *df, const struct report_source *source,
                        bool json)
{
    auto_(strvec) struct strvec cells = { 0 };
    if (json) {
        print_targets_json(out, df, source);
        return;
    }
    strvec_push(&cells, "TARGET");
    strvec_push(&cells, "DESCRIPTION");
    for (size_t i = 0; i < df->stage_count; i++) {
        const struct stage *stage = &df->stages[i];
        bool is_default = i + 1 == df->stage_count;
        const char *text = stage->name ? outline_description(stage->from, stage->name) : NULL;
        if (!stage->name && !is_default)
            continue;
        strvec_pushf(&cells, "%s%s%s", stage->name ? stage->name : "",
                     stage->name && is_default ? " " : "", is_default ? "(default)" : "");
        strvec_push(&cells, text ? text : "");
    }
    print_table(out, &cells, 2);
}
