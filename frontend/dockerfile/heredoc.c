/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/heredoc.h"

#include <ctype.h>

#include "frontend/dockerfile/words.h"
#include "lib/base/mem.h"

#define BLANKS WHITESPACE "\n"

static bool is_blank(char c)
{
    return c && strchr(BLANKS, c);
}

/* Bytes of digits, `<<`, `-` and blanks at the start of `word`; 0 if that is not what it has. */
static size_t marker_length(struct str word, bool *out_strip_tabs)
{
    size_t i = 0;
    while (i < word.len && isdigit((unsigned char)word.ptr[i]))
        i++;
    if (word.len < i + 2 || word.ptr[i] != '<' || word.ptr[i + 1] != '<')
        return 0;
    i += 2;
    *out_strip_tabs = i < word.len && word.ptr[i] == '-';
    i += *out_strip_tabs;
    while (i < word.len && is_blank(word.ptr[i]))
        i++;
    return i;
}

/* Where a word is being read. */
struct scan {
    char quote;
    unsigned braces;
};

static size_t skip_blanks(struct str text, size_t at)
{
    while (at < text.len && is_blank(text.ptr[at]))
        at++;
    return at;
}

/* Past the byte (or the escape, or the `<<` with its blanks) at `at`; `at` itself if a word ends
 * there. */
static size_t scan_one(struct str text, size_t at, struct scan *s)
{
    char c = text.ptr[at];
    char next = at + 1 < text.len ? text.ptr[at + 1] : '\0';
    if (c == '\\' && s->quote != '\'')
        return at + 2 < text.len ? at + 2 : text.len;
    if (s->quote) {
        s->quote = c == s->quote ? '\0' : s->quote;
    } else if (c == '\'' || c == '"') {
        s->quote = c;
    } else if (c == '$' && next == '{') {
        s->braces++;
    } else if (c == '}' && s->braces) {
        s->braces--;
    } else if (!s->braces) {
        if (c == '<' && next == '<')
            return skip_blanks(text, at + 2);
        return is_blank(c) ? at : at + 1;
    }
    return at + 1;
}

/* Cuts the next word off `rest`, quotes and escapes left in it. Blanks behind `<<` do not end it,
 * nor do those of `${v:-a b}`. False at the end; where a quote or a brace stays open too, and then
 * `rest` is not empty. */
static bool next_word(struct str *rest, struct str *out)
{
    struct scan s = { 0 };
    size_t len = 0;
    *rest = str_trim(*rest, BLANKS);
    while (len < rest->len) {
        size_t next = scan_one(*rest, len, &s);
        if (next == len)
            break;
        len = next;
    }
    if (len == 0 || s.quote || s.braces)
        return false;
    *out = (struct str){ rest->ptr, len };
    rest->ptr += len;
    rest->len -= len;
    return true;
}

/* The name without quotes and escapes; false if it is not exactly one word. */
static bool unquote(struct str word, struct strbuf *out, bool *out_quoted)
{
    char quote = '\0';
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        if (c == '\\' && quote != '\'') {
            char next = i + 1 < word.len ? word.ptr[i + 1] : '\0';
            if (quote && !strchr("\"$\\", next))
                strbuf_addch(out, c);
            if (next)
                strbuf_addch(out, next);
            i++;
        } else if (quote ? c == quote : c == '\'' || c == '"') {
            quote = quote ? '\0' : c;
            *out_quoted = true;
        } else if (!quote && is_blank(c)) {
            return false;
        } else {
            strbuf_addch(out, c);
        }
    }
    return !quote && out->len > 0;
}

bool heredoc_opener_parse(struct str word, struct arena *arena, struct heredoc_opener *out)
{
    auto_(strbuf) struct strbuf name = STRBUF_INIT;
    bool quoted = false;
    bool strip_tabs = false;
    size_t marker = marker_length(word, &strip_tabs);
    struct str rest = { word.ptr + marker, word.len - marker };
    if (marker == 0 || rest.len == 0 || memchr(rest.ptr, '<', rest.len))
        return false;
    /* `$((1 << 2))` is arithmetic: behind a blank, only a name or a quote can be meant. */
    if (is_blank(rest.ptr[-1]) && !isalpha((unsigned char)rest.ptr[0]) &&
        !strchr("_'\"", rest.ptr[0]))
        return false;
    if (!unquote(rest, &name, &quoted))
        return false;
    *out = (struct heredoc_opener){ .word = word,
                                    .name = arena_strndup(arena, name.buf, name.len),
                                    .strip_tabs = strip_tabs,
                                    .expand = !quoted };
    return true;
}

size_t heredoc_find(struct str text, struct arena *arena, struct heredoc_opener **out)
{
    struct heredoc_opener *found = NULL;
    struct str word = { 0 };
    size_t count = 0;
    size_t cap = 0;
    if (!memmem(text.ptr, text.len, "<<", 2))
        return 0;
    while (next_word(&text, &word)) {
        struct heredoc_opener opener = { 0 };
        if (!heredoc_opener_parse(word, arena, &opener))
            continue;
        GROW(found, count, cap);
        found[count++] = opener;
    }
    if (text.len > 0 || count == 0) {
        free(found);
        return 0;
    }
    *out = arena_alloc(arena, count, sizeof **out);
    memcpy(*out, found, count * sizeof **out);
    free(found);
    return count;
}

/* A copy of `text` without the tabs at the start of each line. */
static const char *strip_tabs(struct str text, struct arena *arena, size_t *out_size)
{
    char *copy = arena_alloc(arena, text.len + 1, 1);
    size_t len = 0;
    bool at_start = true;
    for (size_t i = 0; i < text.len; i++) {
        if (at_start && text.ptr[i] == '\t')
            continue;
        at_start = text.ptr[i] == '\n';
        copy[len++] = text.ptr[i];
    }
    *out_size = len;
    return copy;
}

static bool ends_here(const struct heredoc_opener *opener, struct str line)
{
    while (opener->strip_tabs && line.len && line.ptr[0] == '\t') {
        line.ptr++;
        line.len--;
    }
    return str_equal(line, str_of(opener->name));
}

int heredoc_read(const struct heredoc_opener *opener, struct line_reader *reader,
                 struct arena *arena, struct heredoc *out, struct error *err)
{
    const struct source *source = reader->source;
    int first = reader->next;
    while ((size_t)reader->next <= source->line_count &&
           !ends_here(opener, source_line(source, reader->next)))
        reader->next++;
    if ((size_t)reader->next > source->line_count) {
        error_set(err, ERROR_USER, 0, "unterminated heredoc");
        return error_hint(err, "end it with a line that is %s and nothing else", opener->name);
    }
    struct str raw = { source->lines[first - 1], 0 };
    raw.len = (size_t)(source->lines[reader->next - 1] - raw.ptr);
    reader->next++;
    *out = (struct heredoc){ .name = opener->name,
                             .data = raw.ptr,
                             .size = raw.len,
                             .raw = raw.ptr,
                             .raw_size = raw.len,
                             .expand = opener->expand };
    if (opener->strip_tabs)
        out->data = strip_tabs(raw, arena, &out->size);
    return 0;
}

char *heredoc_append(const char *text, const struct heredoc *docs, size_t count,
                     struct arena *arena)
{
    auto_(strbuf) struct strbuf whole = STRBUF_INIT;
    strbuf_addstr(&whole, text);
    for (size_t i = 0; i < count; i++) {
        strbuf_addch(&whole, '\n');
        strbuf_add(&whole, docs[i].raw, docs[i].raw_size);
        strbuf_addstr(&whole, docs[i].name);
    }
    return arena_strndup(arena, whole.buf, whole.len);
}
