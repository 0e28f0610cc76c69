/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/toml.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/strvec.h"

enum { KEY_PARTS_MAX = 16 };

struct parser {
    const char *at, *end;
    const char *name; /* for messages */
    unsigned line;
    json_t *root;
    json_t *table;      /* what keys are put into; part of `root` */
    struct map closed;  /* containers, by address, that no header may name or enter again */
    struct map entered; /* tables, by address, that had a header of their own, or dotted keys */
    struct error *err;
};

static int fail(const struct parser *p, const char *why)
{
    return error_set(p->err, ERROR_CORRUPT, 0, "%s: line %u: %s", p->name, p->line, why);
}

static void mark(struct map *set, const json_t *container)
{
    char key[32];
    snprintf(key, sizeof key, "%p", (const void *)container);
    map_set(set, key, set);
}

static bool is_marked(const struct map *set, const json_t *container)
{
    char key[32];
    snprintf(key, sizeof key, "%p", (const void *)container);
    return map_find(set, key) != NULL;
}

/* The next byte, or -1 at the end. */
static int peek(const struct parser *p)
{
    return p->at < p->end ? (unsigned char)*p->at : -1;
}

static bool starts_with(const struct parser *p, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(p->end - p->at) >= len && memcmp(p->at, text, len) == 0;
}

static bool skip(struct parser *p, const char *text)
{
    if (!starts_with(p, text))
        return false;
    p->at += strlen(text);
    return true;
}

static void skip_blanks(struct parser *p)
{
    while (peek(p) == ' ' || peek(p) == '\t')
        p->at++;
}

static bool skip_newline(struct parser *p)
{
    if (!skip(p, "\n") && !skip(p, "\r\n"))
        return false;
    p->line++;
    return true;
}

static void skip_comment(struct parser *p)
{
    if (peek(p) != '#')
        return;
    while (peek(p) != '\n' && peek(p) >= 0)
        p->at++;
}

/* Between the elements of an array. */
static void skip_space(struct parser *p)
{
    do {
        skip_blanks(p);
        skip_comment(p);
    } while (skip_newline(p));
}

static void add_utf8(struct strbuf *out, uint32_t c)
{
    if (c < 0x80) {
        strbuf_addch(out, (char)c);
        return;
    }
    if (c < 0x800) {
        strbuf_addch(out, (char)(0xc0 | c >> 6));
    } else if (c < 0x10000) {
        strbuf_addch(out, (char)(0xe0 | c >> 12));
        strbuf_addch(out, (char)(0x80 | (c >> 6 & 0x3f)));
    } else {
        strbuf_addch(out, (char)(0xf0 | c >> 18));
        strbuf_addch(out, (char)(0x80 | (c >> 12 & 0x3f)));
        strbuf_addch(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    strbuf_addch(out, (char)(0x80 | (c & 0x3f)));
}

static int parse_unicode(struct parser *p, int digits, struct strbuf *out)
{
    uint32_t c = 0;

    for (int i = 0; i < digits; i++) {
        int digit = peek(p);
        if (digit < 0 || !isxdigit(digit))
            return fail(p, "an escape with too few hexadecimal digits");
        c = c << 4 | (uint32_t)(isdigit(digit) ? digit - '0' : tolower(digit) - 'a' + 10);
        p->at++;
    }
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return fail(p, "an escape that stands for no character");
    add_utf8(out, c);
    return 0;
}

/* Behind the backslash. */
static int parse_escape(struct parser *p, bool is_multiline, struct strbuf *out)
{
    static const char names[] = "btnfr\"\\";
    static const char values[] = "\b\t\n\f\r\"\\";
    const char *rest = p->at;
    int c = peek(p);

    while (is_multiline && rest < p->end && (*rest == ' ' || *rest == '\t' || *rest == '\r'))
        rest++;
    if (is_multiline && rest < p->end && *rest == '\n') {
        p->at = rest;
        while (skip_newline(p))
            skip_blanks(p);
        return 0;
    }
    const char *known = c > 0 ? strchr(names, c) : NULL;
    if (!known && c != 'u' && c != 'U')
        return fail(p, "an unknown escape");
    p->at++;
    if (!known)
        return parse_unicode(p, c == 'u' ? 4 : 8, out);
    strbuf_addch(out, values[known - names]);
    return 0;
}

/* Is this the end of the string? One that ends in three quotes may hold one or two before them. */
static bool skip_quote(struct parser *p, const char *quote, struct strbuf *out)
{
    if (!skip(p, quote))
        return false;
    for (int more = 0; more < 2 && quote[1] && peek(p) == quote[0]; more++) {
        strbuf_addch(out, quote[0]);
        p->at++;
    }
    return true;
}

/* `quote` is ", ', or three of them. */
static int parse_string(struct parser *p, const char *quote, struct strbuf *out)
{
    bool is_multiline = quote[1] != '\0';

    p->at += strlen(quote);
    if (is_multiline)
        skip_newline(p);
    while (!skip_quote(p, quote, out)) {
        int c = peek(p);
        if (c < 0 || (!is_multiline && (c == '\n' || c == '\r')))
            return fail(p, "a string without end");
        if (is_multiline && skip_newline(p)) {
            strbuf_addch(out, '\n');
            continue;
        }
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return fail(p, "a control character in a string");
        p->at++;
        if (c == '\\' && quote[0] == '"')
            TRY(parse_escape(p, is_multiline, out));
        else
            strbuf_addch(out, (char)c);
    }
    return 0;
}

static const char *quote_here(const struct parser *p, bool may_be_multiline)
{
    static const char *const quotes[] = { "\"\"\"", "'''", "\"", "'" };

    for (size_t i = may_be_multiline ? 0 : 2; i < COUNT(quotes); i++) {
        if (starts_with(p, quotes[i]))
            return quotes[i];
    }
    return NULL;
}

/* "a.'b c'.d" */
static int parse_key(struct parser *p, struct strvec *out)
{
    do {
        auto_(strbuf) struct strbuf part = STRBUF_INIT;
        skip_blanks(p);
        const char *quote = quote_here(p, false);
        if (quote) {
            TRY(parse_string(p, quote, &part));
        } else {
            while (peek(p) > 0 && (isalnum(peek(p)) || strchr("-_", peek(p))))
                strbuf_addch(&part, *p->at++);
            if (part.len == 0)
                return fail(p, "a key is expected");
        }
        if (out->count == KEY_PARTS_MAX)
            return fail(p, "a key of too many parts");
        strvec_push(out, part.buf);
        skip_blanks(p);
    } while (skip(p, "."));
    return 0;
}

static int parse_integer(struct parser *p, json_t **out)
{
    static const struct {
        const char *prefix;
        int base;
    } forms[] = { { "0x", 16 }, { "0o", 8 }, { "0b", 2 }, { "", 10 } };
    auto_(strbuf) struct strbuf digits = STRBUF_INIT;
    size_t form = 0;
    char *end = NULL;

    if (peek(p) == '-' || peek(p) == '+')
        strbuf_addch(&digits, *p->at++);
    while (!starts_with(p, forms[form].prefix))
        form++;
    p->at += strlen(forms[form].prefix);
    for (; peek(p) > 0 && (isalnum(peek(p)) || strchr("_.:+-", peek(p))); p->at++) {
        if (*p->at != '_')
            strbuf_addch(&digits, *p->at);
    }
    if (digits.len == 0)
        return fail(p, "a value is expected");
    errno = 0;
    long long value = strtoll(digits.buf, &end, forms[form].base);
    if (*end || !isxdigit((unsigned char)end[-1]) || errno)
        return fail(p, "a value that is neither text, nor a whole number, true or false");
    *out = json_integer(value);
    return 0;
}

static int parse_value(struct parser *p, unsigned depth, json_t **out);

static int parse_array(struct parser *p, unsigned depth, json_t *array)
{
    bool more = true;

    p->at++;
    mark(&p->closed, array);
    for (;;) {
        json_t *value = NULL;
        skip_space(p);
        if (skip(p, "]"))
            return 0;
        if (!more)
            return fail(p, "a comma or ] is expected");
        TRY(parse_value(p, depth, &value));
        json_array_append_new(array, value);
        skip_space(p);
        more = skip(p, ",");
    }
}

static int put_pair(struct parser *p, json_t *table, unsigned depth);

static int parse_inline_table(struct parser *p, unsigned depth, json_t *table)
{
    p->at++;
    skip_blanks(p);
    if (!skip(p, "}")) {
        do
            TRY(put_pair(p, table, depth));
        while (skip(p, ","));
        if (!skip(p, "}"))
            return fail(p, "a comma or } is expected");
    }
    mark(&p->closed, table);
    return 0;
}

static int parse_value(struct parser *p, unsigned depth, json_t **out)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    const char *quote = quote_here(p, true);
    bool is_array = peek(p) == '[';

    if (depth == 0)
        return fail(p, "nested too deeply");
    if (quote) {
        TRY(parse_string(p, quote, &text));
        *out = js_new_text(text.buf);
        return 0;
    }
    if (is_array || peek(p) == '{') {
        auto_(js) js *container = is_array ? js_new_array() : js_new_object();
        TRY(is_array ? parse_array(p, depth - 1, container)
                     : parse_inline_table(p, depth - 1, container));
        *out = take_ptr(container);
        return 0;
    }
    bool is_true = skip(p, "true");
    if (is_true || skip(p, "false")) {
        *out = js_new_bool(is_true);
        return 0;
    }
    return parse_integer(p, out);
}

/* The table that `part` of `table` is, made if need be; of an array of tables the last. NULL: it is
 * something else. */
static json_t *enter(struct parser *p, json_t *table, const char *part)
{
    json_t *found = json_object_get(table, part);

    if (!found) {
        js_set_take(table, part, js_new_object());
        found = json_object_get(table, part);
    }
    if (is_marked(&p->closed, found))
        return NULL;
    if (json_is_array(found))
        found = json_array_get(found, json_array_size(found) - 1);
    return json_is_object(found) ? found : NULL;
}

static int put_pair(struct parser *p, json_t *table, unsigned depth)
{
    auto_(strvec) struct strvec key = { 0 };
    json_t *value = NULL;

    TRY(parse_key(p, &key));
    if (!skip(p, "="))
        return fail(p, "= is expected");
    for (size_t i = 0; i + 1 < key.count; i++) {
        table = enter(p, table, key.items[i]);
        if (!table)
            return fail(p, "a key below something that is no table");
        mark(&p->entered, table);
    }
    skip_blanks(p);
    TRY(parse_value(p, depth, &value));
    if (json_object_get(table, key.items[key.count - 1])) {
        json_decref(value);
        return fail(p, "a key that is there already");
    }
    js_set_take(table, key.items[key.count - 1], value);
    skip_blanks(p);
    return 0;
}

static int open_table(struct parser *p, json_t *parent, const char *name, bool is_element)
{
    json_t *found = json_object_get(parent, name);

    if (is_element && !found) {
        js_set_take(parent, name, js_new_array());
        found = json_object_get(parent, name);
    }
    if (is_element) {
        if (!json_is_array(found) || is_marked(&p->closed, found))
            return fail(p, "[[ ]] of something that is no array of tables");
        p->table = js_new_object();
        json_array_append_new(found, p->table);
        return 0;
    }
    p->table = json_is_array(found) ? NULL : enter(p, parent, name);
    if (!p->table || is_marked(&p->entered, p->table))
        return fail(p, "a table that is there already");
    mark(&p->entered, p->table);
    return 0;
}

static int parse_header(struct parser *p)
{
    auto_(strvec) struct strvec key = { 0 };
    bool is_element = skip(p, "[[");
    json_t *parent = p->root;

    if (!is_element)
        p->at++;
    TRY(parse_key(p, &key));
    if (!skip(p, is_element ? "]]" : "]"))
        return fail(p, is_element ? "]] is expected" : "] is expected");
    for (size_t i = 0; i + 1 < key.count; i++) {
        parent = enter(p, parent, key.items[i]);
        if (!parent)
            return fail(p, "a table below something that is none");
    }
    return open_table(p, parent, key.items[key.count - 1], is_element);
}

static int parse_line(struct parser *p)
{
    skip_blanks(p);
    if (peek(p) == '[')
        TRY(parse_header(p));
    else if (peek(p) >= 0 && !strchr("#\r\n", peek(p)))
        TRY(put_pair(p, p->table, JS_DEPTH_MAX));
    skip_blanks(p);
    skip_comment(p);
    return skip_newline(p) || peek(p) < 0 ? 0 : fail(p, "the end of the line is expected");
}

int toml_parse(const char *text, size_t len, const char *name, js **out, struct error *err)
{
    auto_(js) js *root = js_new_object();
    struct parser p = { .at = text,
                        .end = text + len,
                        .name = name,
                        .line = 1,
                        .root = root,
                        .table = root,
                        .err = err };
    int rc = 0;

    while (rc == 0 && p.at < p.end)
        rc = parse_line(&p);
    map_release(&p.closed);
    map_release(&p.entered);
    if (rc == 0)
        *out = take_ptr(root);
    return rc;
}
