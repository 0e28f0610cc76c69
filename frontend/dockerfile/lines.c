/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/lines.h"

#include <ctype.h>

#include "frontend/dockerfile/words.h"
#include "lib/base/mem.h"

static const char *const directive_names[] = { "syntax", "escape", "check" };

static bool is_blank(struct str line)
{
    return str_trim(line, WHITESPACE).len == 0;
}

static bool is_comment(struct str line)
{
    line = str_trim(line, WHITESPACE);
    return line.len && line.ptr[0] == '#';
}

/* Takes "# name = value" apart; false if `line` is no directive of a known name. */
static bool directive_split(struct str line, const char **out_name, struct str *out_value)
{
    line = str_trim(line, WHITESPACE);
    if (line.len == 0 || line.ptr[0] != '#' || !memchr(line.ptr, '=', line.len))
        return false;
    struct str value = { line.ptr + 1, line.len - 1 };
    struct str name = str_trim(str_cut(&value, '='), WHITESPACE);
    *out_value = str_trim(value, WHITESPACE);
    for (size_t i = 0; i < COUNT(directive_names); i++) {
        *out_name = directive_names[i];
        if (strlen(*out_name) == name.len && strncasecmp(*out_name, name.ptr, name.len) == 0)
            return out_value->len > 0;
    }
    return false;
}

static int directive_set(struct line_reader *reader, const char *name, struct str value,
                         unsigned *seen, struct error *err)
{
    struct directives *d = &reader->directives;
    unsigned bit = name == directive_names[0] ? 1U : name == directive_names[1] ? 2U : 4U;
    if (*seen & bit)
        return error_set(err, ERROR_USER, 0, "only one %s parser directive can be used", name);
    *seen |= bit;
    if (bit == 1U) {
        d->syntax = arena_strndup(reader->arena, value.ptr, value.len);
    } else if (bit == 4U) {
        d->check = arena_strndup(reader->arena, value.ptr, value.len);
    } else {
        if (value.len != 1 || (value.ptr[0] != '\\' && value.ptr[0] != '`'))
            return error_set(err, ERROR_USER, 0, "invalid escape token '%.*s': it must be ` or \\",
                             (int)value.len, value.ptr);
        d->escape = value.ptr[0];
    }
    return 0;
}

int line_reader_init(struct line_reader *reader, const struct source *source, struct arena *arena,
                     struct error *err)
{
    *reader = (struct line_reader){
        .source = source, .arena = arena, .directives = { .escape = '\\' }, .next = 1
    };
    unsigned seen = 0;
    for (; (size_t)reader->next <= source->line_count; reader->next++) {
        const char *name = NULL;
        struct str value = { 0 };
        if (!directive_split(source_line(source, reader->next), &name, &value))
            break;
        if (directive_set(reader, name, value, &seen, err) < 0)
            return error_at(err, (struct position){ reader->next, reader->next, 0 });
    }
    return 0;
}

/* Cuts a trailing escape (and the blanks after it) off `line`; false if it has none, or a doubled
 * one. */
static bool cut_continuation(struct str *line, char escape)
{
    size_t len = line->len;
    while (len && (line->ptr[len - 1] == ' ' || line->ptr[len - 1] == '\t'))
        len--;
    if (len == 0 || line->ptr[len - 1] != escape)
        return false;
    if (len >= 2 && line->ptr[len - 2] == escape)
        return false;
    line->len = len - 1;
    return true;
}

struct joined {
    struct strbuf text;
    struct line_piece *pieces;
    size_t count, cap;
};

static void add_piece(struct joined *j, struct str piece, int line, int column)
{
    GROW(j->pieces, j->count, j->cap);
    j->pieces[j->count++] = (struct line_piece){ j->text.len, line, column };
    strbuf_add(&j->text, piece.ptr, piece.len);
}

/* Appends the lines that continue the one before; returns the last line read. */
static int join_rest(struct line_reader *reader, struct joined *j, bool *out_blank)
{
    bool continues = true;
    int last = reader->next - 1;
    while (continues && (size_t)reader->next <= reader->source->line_count) {
        last = reader->next++;
        struct str line = source_line(reader->source, last);
        if (is_comment(line))
            continue;
        if (is_blank(line)) {
            *out_blank = true;
            continue;
        }
        continues = cut_continuation(&line, reader->directives.escape);
        add_piece(j, line, last, 1);
    }
    return last;
}

static void joined_finish(struct joined *j, struct arena *arena, struct logical_line *out)
{
    struct line_piece *pieces = arena_alloc(arena, j->count, sizeof *pieces);
    memcpy(pieces, j->pieces, j->count * sizeof *pieces);
    out->text = arena_strndup(arena, j->text.buf, j->text.len);
    out->pieces = pieces;
    out->piece_count = j->count;
    strbuf_release(&j->text);
    free(j->pieces);
}

/* Reads the instruction that begins on line `first`. */
static void read_instruction(struct line_reader *reader, int first, struct logical_line *out)
{
    struct str whole = source_line(reader->source, first);
    struct str line = whole;
    while (strchr(WHITESPACE, line.ptr[0])) {
        line.ptr++;
        line.len--;
    }
    struct joined j = { .text = STRBUF_INIT };
    int column = (int)(line.ptr - whole.ptr) + 1;
    bool continues = cut_continuation(&line, reader->directives.escape);
    bool blank = false;
    add_piece(&j, line, first, column);
    int last = continues ? join_rest(reader, &j, &blank) : first;
    *out =
        (struct logical_line){ .where = { first, last, column }, .blank_line = blank ? last : 0 };
    joined_finish(&j, reader->arena, out);
}

/* "# text" without the mark; one that says nothing ends the paragraph above it. */
static void keep_comment(struct strvec *comments, struct str line)
{
    line = str_trim(line, WHITESPACE);
    struct str text = str_trim((struct str){ line.ptr + 1, line.len - 1 }, WHITESPACE);
    if (text.len)
        strvec_push_take(comments, xstrndup(text.ptr, text.len));
    else
        strvec_release(comments);
}

static void attach_comments(const struct strvec *comments, struct arena *arena,
                            struct logical_line *out)
{
    const char **texts = arena_alloc(arena, comments->count, sizeof *texts);
    for (size_t i = 0; i < comments->count; i++)
        texts[i] = arena_strdup(arena, comments->items[i]);
    out->comments = texts;
    out->comment_count = comments->count;
}

bool line_reader_next(struct line_reader *reader, struct logical_line *out)
{
    auto_(strvec) struct strvec comments = { 0 };
    while ((size_t)reader->next <= reader->source->line_count) {
        int first = reader->next++;
        struct str line = source_line(reader->source, first);
        if (is_comment(line)) {
            keep_comment(&comments, line);
            continue;
        }
        if (is_blank(line))
            continue;
        read_instruction(reader, first, out);
        if (is_blank(str_of(out->text)))
            continue;
        attach_comments(&comments, reader->arena, out);
        return true;
    }
    return false;
}

struct position logical_line_position(const struct logical_line *line, size_t offset)
{
    size_t low = 0;
    size_t high = line->piece_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (line->pieces[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    if (line->piece_count == 0)
        return line->where;
    const struct line_piece *piece = &line->pieces[low];
    return (struct position){ piece->line, piece->line,
                              piece->column + (int)(offset - piece->offset) };
}
