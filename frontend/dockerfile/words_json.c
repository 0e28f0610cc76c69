/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON array, strictly: what is not JSON falls back to the shell form, so nothing may be guessed.
 */
#include <ctype.h>

#include "frontend/dockerfile/words.h"
#include "lib/base/mem.h"
#include "lib/base/strbuf.h"

enum { DEPTH_MAX = 64 };

struct json {
    struct str rest;
    int depth;
};

static void skip_space(struct json *j)
{
    while (j->rest.len && memchr(" \t\r\n", j->rest.ptr[0], 4)) {
        j->rest.ptr++;
        j->rest.len--;
    }
}

static bool accept(struct json *j, char c)
{
    if (j->rest.len == 0 || j->rest.ptr[0] != c)
        return false;
    j->rest.ptr++;
    j->rest.len--;
    return true;
}

static bool accept_word(struct json *j, struct str word)
{
    if (j->rest.len < word.len || memcmp(j->rest.ptr, word.ptr, word.len) != 0)
        return false;
    j->rest.ptr += word.len;
    j->rest.len -= word.len;
    return true;
}

static void add_utf8(struct strbuf *out, unsigned code)
{
    if (code < 0x80) {
        strbuf_addch(out, (char)code);
        return;
    }
    if (code < 0x800) {
        strbuf_addch(out, (char)(0xc0 | code >> 6));
    } else {
        if (code < 0x10000) {
            strbuf_addch(out, (char)(0xe0 | code >> 12));
        } else {
            strbuf_addch(out, (char)(0xf0 | code >> 18));
            strbuf_addch(out, (char)(0x80 | (code >> 12 & 0x3f)));
        }
        strbuf_addch(out, (char)(0x80 | (code >> 6 & 0x3f)));
    }
    strbuf_addch(out, (char)(0x80 | (code & 0x3f)));
}

static bool hex4(struct json *j, unsigned *out)
{
    unsigned value = 0;
    if (j->rest.len < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)j->rest.ptr[i];
        if (!isxdigit(c))
            return false;
        value = value * 16 + (unsigned)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    j->rest.ptr += 4;
    j->rest.len -= 4;
    *out = value;
    return true;
}

/* Behind "\u". Half of a surrogate pair without the other becomes U+FFFD, as in Go. */
static bool unicode_escape(struct json *j, struct strbuf *out)
{
    unsigned code = 0;
    if (!hex4(j, &code))
        return false;
    if (code >= 0xd800 && code < 0xdc00) {
        struct json ahead = *j;
        unsigned low = 0;
        bool pair =
            accept_word(&ahead, STR("\\u")) && hex4(&ahead, &low) && low >= 0xdc00 && low < 0xe000;
        code = pair ? 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00) : 0xfffd;
        if (pair)
            *j = ahead;
    } else if (code >= 0xdc00 && code < 0xe000) {
        code = 0xfffd;
    }
    add_utf8(out, code);
    return true;
}

static bool parse_escape(struct json *j, struct strbuf *out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (accept(j, 'u'))
        return unicode_escape(j, out);
    const char *hit = j->rest.len && j->rest.ptr[0] ? strchr(from, j->rest.ptr[0]) : NULL;
    if (!hit)
        return false;
    strbuf_addch(out, to[hit - from]);
    return accept(j, *hit);
}

/* Behind the opening quote. */
static bool parse_string(struct json *j, struct strbuf *out)
{
    while (j->rest.len) {
        char c = j->rest.ptr[0];
        if ((unsigned char)c < 0x20)
            return false;
        j->rest.ptr++;
        j->rest.len--;
        if (c == '"')
            return true;
        if (c != '\\')
            strbuf_addch(out, c);
        else if (!parse_escape(j, out))
            return false;
    }
    return false;
}

static bool digits(struct json *j)
{
    size_t n = 0;
    while (j->rest.len && isdigit((unsigned char)j->rest.ptr[0])) {
        accept(j, j->rest.ptr[0]);
        n++;
    }
    return n > 0;
}

static bool skip_number(struct json *j)
{
    accept(j, '-');
    if (!accept(j, '0') && !digits(j))
        return false;
    if (accept(j, '.') && !digits(j))
        return false;
    if (accept(j, 'e') || accept(j, 'E')) {
        if (!accept(j, '+'))
            accept(j, '-');
        return digits(j);
    }
    return true;
}

static bool skip_value(struct json *j);

static bool skip_member(struct json *j, bool keyed)
{
    if (keyed) {
        auto_(strbuf) struct strbuf key = STRBUF_INIT;
        skip_space(j);
        if (!accept(j, '"') || !parse_string(j, &key))
            return false;
        skip_space(j);
        if (!accept(j, ':'))
            return false;
    }
    return skip_value(j);
}

/* Behind the opening bracket or brace. */
static bool skip_list(struct json *j, char close)
{
    if (++j->depth > DEPTH_MAX)
        return false;
    skip_space(j);
    if (!accept(j, close)) {
        do {
            if (!skip_member(j, close == '}'))
                return false;
        } while (accept(j, ','));
        if (!accept(j, close))
            return false;
    }
    j->depth--;
    return true;
}

static bool skip_value(struct json *j)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    bool ok = false;
    skip_space(j);
    if (accept(j, '"'))
        ok = parse_string(j, &text);
    else if (accept(j, '['))
        ok = skip_list(j, ']');
    else if (accept(j, '{'))
        ok = skip_list(j, '}');
    else
        ok = accept_word(j, STR("true")) || accept_word(j, STR("false")) ||
             accept_word(j, STR("null")) || skip_number(j);
    skip_space(j);
    return ok;
}

struct elements {
    struct strvec *out;
    size_t *offsets;
    size_t count, cap;
    bool all_text;
};

static bool parse_element(struct json *j, const char *start, struct elements *e)
{
    skip_space(j);
    size_t offset = (size_t)(j->rest.ptr - start);
    if (!accept(j, '"')) {
        e->all_text = false;
        return skip_value(j);
    }
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    if (!parse_string(j, &text))
        return false;
    e->all_text = e->all_text && !memchr(text.buf, '\0', text.len);
    strvec_push(e->out, text.buf);
    GROW(e->offsets, e->count, e->cap);
    e->offsets[e->count++] = offset;
    skip_space(j);
    return true;
}

enum json_words words_parse_json(struct str text, struct strvec *out, size_t **out_offsets)
{
    struct json j = { text, 0 };
    struct elements e = { .out = out, .all_text = true };
    bool ok = false;
    skip_space(&j);
    if (accept(&j, '[')) {
        skip_space(&j);
        ok = accept(&j, ']');
        if (!ok) {
            do {
                ok = parse_element(&j, text.ptr, &e);
            } while (ok && accept(&j, ','));
            ok = ok && accept(&j, ']');
        }
        skip_space(&j);
    }
    if (ok && j.rest.len == 0 && e.all_text) {
        *out_offsets = e.offsets;
        return JSON_WORDS_OK;
    }
    free(e.offsets);
    return ok && j.rest.len == 0 ? JSON_WORDS_NOT_TEXT : JSON_WORDS_NONE;
}
