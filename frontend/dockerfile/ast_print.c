/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/ast_print.h"

#include "frontend/dockerfile/go_text.h"
#include "lib/base/mem.h"

static void print_place(const struct instruction *in, size_t offset, struct strbuf *out)
{
    struct position at = instruction_at(in, offset);
    strbuf_addf(out, "%d:%d ", at.line, at.column);
}

static void print_comments(const struct logical_line *line, int indent, struct strbuf *out)
{
    for (size_t i = 0; i < line->comment_count; i++) {
        strbuf_addf(out, "%*scomment ", indent, "");
        go_quote(out, line->comments[i]);
        strbuf_addch(out, '\n');
    }
}

static void print_heredoc(const struct heredoc *doc, int indent, struct strbuf *out)
{
    auto_free char *data = xstrndup(doc->data, doc->size);
    strbuf_addf(out, "%*sheredoc of word %zu ", indent, "", doc->word);
    go_quote(out, doc->name);
    strbuf_addstr(out, doc->expand ? " = " : " quoted = ");
    go_quote(out, data);
    strbuf_addch(out, '\n');
}

static void print_instruction(const struct instruction *in, int depth, struct strbuf *out)
{
    print_comments(&in->line, depth * 2, out);
    strbuf_addf(out, "%*s%s %d-%d%s%s%s\n", depth * 2, "", in->verb->name, in->line.where.line,
                in->line.where.end_line, in->json ? " json" : "", in->legacy ? " legacy" : "",
                in->line.blank_line ? " blank-line" : "");
    for (size_t i = 0; i < in->flag_count; i++) {
        strbuf_addf(out, "%*sflag ", depth * 2 + 2, "");
        print_place(in, in->flags[i].offset, out);
        strbuf_addf(out, "--%s", in->flags[i].spec->name);
        if (in->flags[i].value) {
            strbuf_addch(out, ' ');
            go_quote(out, in->flags[i].value);
        }
        strbuf_addch(out, '\n');
    }
    for (size_t i = 0; i < in->word_count; i++) {
        strbuf_addf(out, "%*sword ", depth * 2 + 2, "");
        print_place(in, in->words[i].offset, out);
        go_quote(out, in->words[i].text);
        if (in->words[i].value) {
            strbuf_addstr(out, " = ");
            go_quote(out, in->words[i].value);
        }
        strbuf_addch(out, '\n');
    }
    for (size_t i = 0; i < in->heredoc_count; i++)
        print_heredoc(&in->heredocs[i], depth * 2 + 2, out);
    if (in->inner)
        print_instruction(in->inner, depth + 1, out);
}

static void print_directives(const struct directives *d, struct strbuf *out)
{
    if (d->syntax)
        strbuf_addf(out, "directive syntax %s\n", d->syntax);
    if (d->escape != '\\')
        strbuf_addf(out, "directive escape %c\n", d->escape);
    if (d->check)
        strbuf_addf(out, "directive check %s\n", d->check);
}

void dockerfile_print(const struct dockerfile *df, struct strbuf *out)
{
    print_directives(&df->directives, out);
    for (size_t i = 0; i < df->global_count; i++)
        print_instruction(&df->globals[i], 0, out);
    for (size_t i = 0; i < df->stage_count; i++) {
        const struct stage *stage = &df->stages[i];
        strbuf_addf(out, "stage %u%s%s\n", stage->index, stage->name ? " " : "",
                    stage->name ? stage->name : "");
        print_instruction(stage->from, 1, out);
        for (size_t k = 0; k < stage->count; k++)
            print_instruction(&stage->first[k], 1, out);
    }
}
