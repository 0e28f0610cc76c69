/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/report.h"

#include "lib/base/mem.h"
#include "lib/base/str.h"

enum { CONTEXT_LINES = 2, SHOWN_MAX = 1000 }; /* lines around; bytes of a line */

static const struct {
    enum error_kind kind;
    int code;
} exit_codes[] = {
    { ERROR_USAGE, 2 },  { ERROR_GATE, 3 },     { ERROR_REMOTE, 4 }, { ERROR_NETWORK, 4 },
    { ERROR_LOCKED, 5 }, { ERROR_NO_SPACE, 7 }, { ERROR_HOST, 8 },   { ERROR_CANCELLED, 130 },
};

int report_exit_code(const struct error *err, int signal)
{
    if (err->kind == ERROR_CANCELLED && signal)
        return 128 + signal;
    for (size_t i = 0; i < COUNT(exit_codes); i++) {
        if (exit_codes[i].kind == err->kind)
            return exit_codes[i].code;
    }
    return err->kind == ERROR_NONE ? 0 : 1;
}

void report_print_safe(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        /* C0 and DEL; C1 as UTF-8 writes it, c2 80 .. c2 9f. */
        bool c1 = c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] < 0xa0;
        if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f || c1)
            fprintf(out, "\\x%02x", c);
        else
            fputc(c, out);
    }
}

static void print_safe(const char *text)
{
    report_print_safe(stderr, text, strlen(text));
}

/* Line `number` of the source, without its end. */
static struct str line_of(const struct report_source *source, int number)
{
    struct str rest = { source->text, source->len };
    struct str line = { source->text, 0 };
    for (int i = 0; i < number; i++)
        line = str_cut(&rest, '\n');
    return str_trim(line, "\r");
}

static int count_lines(const struct report_source *source)
{
    int lines = 1;
    for (size_t i = 0; i + 1 < source->len; i++)
        lines += source->text[i] == '\n';
    return lines;
}

static void print_caret(FILE *out, const struct position *where, struct str line)
{
    fprintf(out, "     |     ");
    for (int i = 1; i < where->column && (size_t)i <= line.len; i++)
        fputc(line.ptr[i - 1] == '\t' ? '\t' : ' ', out);
    fprintf(out, "^\n");
}

void report_excerpt(FILE *out, const struct position *where, const struct report_source *source)
{
    int last = where->end_line > where->line ? where->end_line : where->line;
    int total = count_lines(source);
    int from = where->line > CONTEXT_LINES ? where->line - CONTEXT_LINES : 1;
    int to = last + CONTEXT_LINES < total ? last + CONTEXT_LINES : total;
    fprintf(out, "%s:%d\n--------------------\n", source->name, where->line);
    for (int i = from; i <= to; i++) {
        struct str line = line_of(source, i);
        bool marked = i >= where->line && i <= last;
        fprintf(out, "%4d | %s ", i, marked ? ">>>" : "   ");
        bool is_cut = line.len > SHOWN_MAX;
        report_print_safe(out, line.ptr, is_cut ? SHOWN_MAX : line.len);
        fprintf(out, "%s\n", is_cut ? "..." : "");
        if (i == where->line && where->column > 0 && where->column <= SHOWN_MAX)
            print_caret(out, where, line);
    }
    fprintf(out, "--------------------\n");
}

void report_error(const struct error *err, const struct report_source *source)
{
    if (err->detail && *err->detail) {
        fprintf(stderr, "------\n");
        print_safe(err->detail);
        fprintf(stderr, "\n------\n");
    }
    if (source && err->where.line > 0)
        report_excerpt(stderr, &err->where, source);
    /* What was probably meant is said where people look for it. */
    bool is_guess = err->hint && str_starts_with(err->hint, "did you mean ");
    fprintf(stderr, "ERROR: ");
    print_safe(err->message ? err->message : "failed");
    if (is_guess) {
        fprintf(stderr, " (");
        print_safe(err->hint);
        fputc(')', stderr);
    }
    fputc('\n', stderr);
    if (err->hint && !is_guess) {
        fprintf(stderr, "hint: ");
        print_safe(err->hint);
        fputc('\n', stderr);
    }
}
