/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/expand.h"

#include <ctype.h>

#include "frontend/dockerfile/expand_pattern.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"
#include "lib/base/strvec.h"

/* By how much a text may grow that is only shown; one that grows more is shown as written. */
enum { DISPLAY_GROWTH = 16 * 1024 };

/* How much of a word an error quotes. */
enum { SHOWN_MAX = 200 };

/* What reading a piece of text gives. */
struct output {
    struct strbuf text;
    struct strvec *words; /* splitting: words that are complete */
    bool quoted;          /* splitting: quotes were seen, so the word counts though empty */
};

/* Escapes in a pattern are the pattern's, but before what could end it; a replacement keeps all. */
enum raw_mode { RAW_NONE, RAW_PATTERN, RAW_REPLACEMENT };

struct reader {
    struct expander *e;
    struct str rest;
    int depth;
    bool keep; /* for display: quotes, escapes and unset variables stay */
    bool text; /* of a here-document: no quotes, and the escape is always `\` */
    enum raw_mode raw;
};

static int read_until(struct reader *r, const char *stop, struct output *out, struct error *err);

static char peek(const struct reader *r)
{
    return r->rest.len ? r->rest.ptr[0] : '\0';
}

static char next(struct reader *r)
{
    char c = r->rest.ptr[0];
    r->rest.ptr++;
    r->rest.len--;
    return c;
}

static int add(struct reader *r, struct output *out, struct str text, struct error *err)
{
    size_t max = r->text ? EXPAND_TEXT_MAX : EXPAND_WORD_MAX;
    if (out->text.len + text.len > max || text.len > r->e->left) {
        return error_set(err, ERROR_USER, 0, "it expands to more than the limit of %zu MiB",
                         (text.len > r->e->left ? EXPAND_TOTAL_MAX : max) / 1024 / 1024);
    }
    r->e->left -= text.len;
    strbuf_add(&out->text, text.ptr, text.len);
    return 0;
}

static void end_word(struct output *out)
{
    if (out->text.len || out->quoted)
        strvec_push(out->words, out->text.buf);
    strbuf_clear(&out->text);
    out->quoted = false;
}

/* The value of a variable outside quotes; splits it where that is asked for. */
static int add_value(struct reader *r, struct output *out, struct str value, bool split,
                     struct error *err)
{
    if (!split || !out->words)
        return add(r, out, value, err);
    while (value.len) {
        size_t len = 0;
        while (len < value.len && !isspace((unsigned char)value.ptr[len]))
            len++;
        TRY(add(r, out, (struct str){ value.ptr, len }, err));
        if (len < value.len) {
            end_word(out);
            len++;
        }
        value.ptr += len;
        value.len -= len;
    }
    return 0;
}

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static struct str read_name(struct reader *r)
{
    struct str name = { r->rest.ptr, 0 };
    char first = peek(r);
    if (isdigit((unsigned char)first)) {
        while (isdigit((unsigned char)peek(r)))
            next(r);
    } else if (is_name_byte(first)) {
        while (is_name_byte(peek(r)))
            next(r);
    } else if (first && strchr("@*#?-$!", first)) {
        next(r);
    }
    name.len = (size_t)(r->rest.ptr - name.ptr);
    return name;
}

static const char *value_of(const struct reader *r, struct str name)
{
    auto_free char *key = xstrndup(name.ptr, name.len);
    const char *value = r->e->shadows ? map_find(r->e->shadows, key) : NULL;
    if (!value)
        value = map_find(r->e->variables, key);
    if (r->e->met)
        map_set(r->e->met, key, (void *)(uintptr_t)(value ? 1 : 2));
    return value;
}

/* What stands before one of `stop` (which is left in place), expanded; quotes are removed. */
static int read_operand(struct reader *r, const char *stop, enum raw_mode raw, struct strbuf *out,
                        struct error *err)
{
    struct reader inner = *r;
    struct output text = { .text = STRBUF_INIT };
    inner.raw = raw;
    inner.keep = false;
    int rc = read_until(&inner, stop, &text, err);
    r->rest = inner.rest;
    if (rc == 0 && !peek(r)) {
        rc = error_set(err, ERROR_USER, 0,
                       strchr(stop, '/') ? "syntax error: missing '/' in ${}"
                                         : "syntax error: missing '}'");
    }
    strbuf_release(out);
    *out = text.text;
    return rc;
}

static int close_brace(struct reader *r, struct error *err)
{
    if (peek(r) != '}')
        return error_set(err, ERROR_USER, 0, "syntax error: missing '}'");
    next(r);
    return 0;
}

struct substitution {
    struct str name;
    const char *value; /* NULL: unset */
    bool colon;        /* an empty value counts as unset */
};

static int fail_required(const struct substitution *s, const char *message, struct error *err)
{
    if (!*message)
        message = s->colon ? "is not allowed to be empty" : "is not allowed to be unset";
    return error_set(err, ERROR_USER, 0, "%.*s: %s", (int)s->name.len, s->name.ptr, message);
}

/* ${v-w} ${v+w} ${v?w}, with or without the colon. */
static int apply_default(struct reader *r, const struct substitution *s, char op,
                         struct strbuf *out, struct error *err)
{
    auto_(strbuf) struct strbuf word = STRBUF_INIT;
    bool is_set = s->value && (!s->colon || *s->value);
    TRY(read_operand(r, "}", RAW_NONE, &word, err));
    TRY(close_brace(r, err));
    if (op == '?' && !is_set)
        return fail_required(s, word.buf, err);
    if (op == '+')
        strbuf_addstr(out, is_set ? word.buf : "");
    else
        strbuf_addstr(out, is_set ? s->value : word.buf);
    return 0;
}

/* Work is paid for as text is: a step of matching is less than a byte. */
enum { STEPS_PER_BYTE = 32 };

static int pay_for_work(struct reader *r, uint64_t steps, struct error *err)
{
    uint64_t bytes = steps / STEPS_PER_BYTE;
    if (bytes > r->e->left)
        return error_set(err, ERROR_USER, 0, "the patterns of this file take too long to match");
    r->e->left -= bytes;
    return 0;
}

/* ${v#p} ${v##p} ${v%p} ${v%%p} */
static int apply_strip(struct reader *r, const struct substitution *s, char op, struct strbuf *out,
                       struct error *err)
{
    auto_(strbuf) struct strbuf pattern = STRBUF_INIT;
    bool longest = peek(r) == op;
    struct str kept = { 0 };
    uint64_t work = 0;
    if (longest)
        next(r);
    TRY(read_operand(r, "}", RAW_PATTERN, &pattern, err));
    TRY(close_brace(r, err));
    TRY(pattern_strip(str_of(s->value ? s->value : ""), (struct str){ pattern.buf, pattern.len },
                      op == '%', longest, &kept, &work, err));
    strbuf_add(out, kept.ptr, kept.len);
    return pay_for_work(r, work, err);
}

/* ${v/p/r} ${v//p/r} */
static int apply_replace(struct reader *r, const struct substitution *s, struct strbuf *out,
                         struct error *err)
{
    auto_(strbuf) struct strbuf pattern = STRBUF_INIT;
    auto_(strbuf) struct strbuf with = STRBUF_INIT;
    bool all = peek(r) == '/';
    if (all)
        next(r);
    TRY(read_operand(r, "/}", RAW_PATTERN, &pattern, err));
    if (peek(r) != '/')
        return error_set(err, ERROR_USER, 0, "syntax error: missing '/' in ${}");
    next(r);
    TRY(read_operand(r, "}", RAW_REPLACEMENT, &with, err));
    TRY(close_brace(r, err));
    uint64_t work = 0;
    TRY(pattern_replace(str_of(s->value ? s->value : ""), (struct str){ pattern.buf, pattern.len },
                        (struct str){ with.buf, with.len }, all, out, &work, err));
    return pay_for_work(r, work, err);
}

static int unsupported_modifier(struct str from, struct error *err)
{
    int len = from.len > 1 && from.ptr[0] == ':' ? 2 : 1;
    return error_set(err, ERROR_USER, 0, "unsupported modifier (%.*s) in substitution", len,
                     from.ptr);
}

/* Behind "${". */
static int read_braced(struct reader *r, struct substitution *s, struct strbuf *out,
                       struct error *err)
{
    s->name = read_name(r);
    if (!peek(r))
        return error_set(err, ERROR_USER, 0, "syntax error: missing '}'");
    if (s->name.len == 0)
        return error_set(err, ERROR_USER, 0, "syntax error: bad substitution");
    s->value = value_of(r, s->name);
    struct str from = r->rest;
    char op = next(r);
    if (op == '}') {
        strbuf_addstr(out, s->value ? s->value : "");
        return 0;
    }
    s->colon = op == ':' && peek(r);
    if (s->colon)
        op = next(r);
    if (op == '-' || op == '+' || op == '?')
        return apply_default(r, s, op, out, err);
    if (!s->colon && (op == '#' || op == '%'))
        return apply_strip(r, s, op, out, err);
    if (!s->colon && op == '/')
        return apply_replace(r, s, out, err);
    return unsupported_modifier(from, err);
}

/* At '$'. */
static int read_dollar(struct reader *r, struct output *out, bool split, struct error *err)
{
    const char *start = r->rest.ptr;
    auto_(strbuf) struct strbuf value = STRBUF_INIT;
    struct substitution s = { 0 };
    bool plain = true; /* no operator: an unset variable can be left as written */
    next(r);
    if (peek(r) == '{') {
        next(r);
        if (++r->depth > EXPAND_DEPTH_MAX)
            return error_set(err, ERROR_USER, 0, "substitutions are nested too deep");
        TRY(read_braced(r, &s, &value, err));
        plain = s.name.ptr[s.name.len] == '}';
        r->depth--;
    } else {
        s.name = read_name(r);
        if (s.name.len == 0)
            return add(r, out, STR("$"), err);
        s.value = value_of(r, s.name);
        strbuf_addstr(&value, s.value ? s.value : "");
    }
    if (r->keep && plain && !s.value)
        return add(r, out, (struct str){ start, (size_t)(r->rest.ptr - start) }, err);
    return add_value(r, out, (struct str){ value.buf, value.len }, split, err);
}

static int read_single_quoted(struct reader *r, struct output *out, struct error *err)
{
    struct str start = r->rest;
    next(r);
    const char *end = r->rest.len ? memchr(r->rest.ptr, '\'', r->rest.len) : NULL;
    if (!end)
        return error_set(err, ERROR_USER, 0,
                         "unexpected end of statement while looking for matching single-quote");
    struct str text = { r->rest.ptr, (size_t)(end - r->rest.ptr) };
    r->rest.ptr = end + 1;
    r->rest.len -= text.len + 1;
    out->quoted = true;
    return add(r, out, r->keep ? (struct str){ start.ptr, text.len + 2 } : text, err);
}

/* At an escape inside double quotes: it acts on the quote, on `$` and on itself only. */
static int read_quoted_escape(struct reader *r, struct output *out, struct error *err)
{
    char both[2] = { next(r), peek(r) };
    bool acts = both[1] == '"' || both[1] == '$' || both[1] == both[0];
    if (!both[1])
        return error_set(err, ERROR_USER, 0,
                         "unexpected end of statement while looking for matching double-quote");
    next(r);
    bool keep = r->keep || r->raw != RAW_NONE || !acts;
    return add(r, out, keep ? (struct str){ both, 2 } : (struct str){ both + 1, 1 }, err);
}

static int read_double_quoted(struct reader *r, struct output *out, struct error *err)
{
    struct str quote = { r->rest.ptr, r->keep ? 1 : 0 };
    next(r);
    out->quoted = true;
    TRY(add(r, out, quote, err));
    while (r->rest.len && peek(r) != '"') {
        if (peek(r) == '$')
            TRY(read_dollar(r, out, false, err));
        else if (peek(r) == r->e->escape)
            TRY(read_quoted_escape(r, out, err));
        else {
            char c = next(r);
            TRY(add(r, out, (struct str){ &c, 1 }, err));
        }
    }
    if (!r->rest.len)
        return error_set(err, ERROR_USER, 0,
                         "unexpected end of statement while looking for matching double-quote");
    next(r);
    return add(r, out, quote, err);
}

/* At an escape outside quotes. */
static int read_escape(struct reader *r, struct output *out, struct error *err)
{
    char both[2] = { next(r), peek(r) };
    if (!both[1])
        return r->keep ? add(r, out, (struct str){ both, 1 }, err) : 0;
    next(r);
    bool ends_pattern = r->raw == RAW_PATTERN && (both[1] == '/' || both[1] == '}');
    bool keep = r->keep || (r->raw != RAW_NONE && !ends_pattern);
    return add(r, out, keep ? (struct str){ both, 2 } : (struct str){ both + 1, 1 }, err);
}

static int read_one(struct reader *r, struct output *out, struct error *err)
{
    char c = peek(r);
    if (c == '\'' && !r->text)
        return read_single_quoted(r, out, err);
    if (c == '"' && !r->text)
        return read_double_quoted(r, out, err);
    if (c == '$')
        return read_dollar(r, out, true, err);
    if (c == (r->text ? '\\' : r->e->escape))
        return read_escape(r, out, err);
    next(r);
    return add(r, out, (struct str){ &c, 1 }, err);
}

static int read_until(struct reader *r, const char *stop, struct output *out, struct error *err)
{
    while (r->rest.len && !strchr(stop, peek(r)))
        TRY(read_one(r, out, err));
    return 0;
}

static int expand(struct reader r, struct output *out, struct error *err)
{
    struct str word = r.rest;
    int shown = word.len > SHOWN_MAX ? SHOWN_MAX : (int)word.len;
    const char *rest = word.len > SHOWN_MAX ? "..." : "";
    if (read_until(&r, "", out, err) < 0)
        return error_wrap(err, "failed to process \"%.*s%s\"", shown, word.ptr, rest);
    return 0;
}

int expand_word(struct expander *e, const char *word, const char **out, struct error *err)
{
    struct output result = { .text = STRBUF_INIT };
    int rc = expand((struct reader){ .e = e, .rest = str_of(word) }, &result, err);
    if (rc == 0)
        *out = arena_strndup(e->arena, result.text.buf, result.text.len);
    strbuf_release(&result.text);
    return rc;
}

int expand_text(struct expander *e, struct str text, struct str *out, struct error *err)
{
    struct output result = { .text = STRBUF_INIT };
    int rc = expand((struct reader){ .e = e, .rest = text, .text = true }, &result, err);
    if (rc == 0)
        *out = (struct str){ arena_strndup(e->arena, result.text.buf, result.text.len),
                             result.text.len };
    strbuf_release(&result.text);
    return rc;
}

int expand_words(struct expander *e, const char *word, const char *const **out, struct error *err)
{
    auto_(strvec) struct strvec words = { 0 };
    struct output result = { .text = STRBUF_INIT, .words = &words };
    int rc = expand((struct reader){ .e = e, .rest = str_of(word) }, &result, err);
    if (rc == 0) {
        end_word(&result);
        const char **list = arena_alloc(e->arena, words.count + 1, sizeof *list);
        for (size_t i = 0; i < words.count; i++)
            list[i] = arena_strdup(e->arena, words.items[i]);
        *out = list;
    }
    strbuf_release(&result.text);
    return rc;
}

const char *expand_for_display(struct expander *e, const char *text)
{
    auto_(error) struct error ignored = { 0 };
    struct output result = { .text = STRBUF_INIT };
    const char *shown = text;
    struct expander bounded = *e;
    bounded.left = strlen(text) + DISPLAY_GROWTH;
    bounded.met = NULL;
    if (expand((struct reader){ .e = &bounded, .rest = str_of(text), .keep = true }, &result,
               &ignored) == 0)
        shown = arena_strndup(e->arena, result.text.buf, result.text.len);
    strbuf_release(&result.text);
    return shown;
}
