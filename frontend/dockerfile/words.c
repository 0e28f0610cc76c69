/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/words.h"

#include "lib/base/strbuf.h"

static bool is_blank(char c)
{
    return c && strchr(WHITESPACE "\n", c);
}

/* Bytes of the Unicode space that `s` begins with, 0 if it begins with none. */
static size_t space_len(struct str s)
{
    static const char *const wide[] = {
        "\xc2\x85", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003",
        "\u2004",   "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a",
        "\u2028",   "\u2029", "\u202f", "\u205f", "\u3000",
    };
    if (s.len == 0 || (unsigned char)s.ptr[0] < 0x80)
        return s.len && is_blank(s.ptr[0]);
    for (size_t i = 0; i < COUNT(wide); i++) {
        size_t len = strlen(wide[i]);
        if (len <= s.len && memcmp(wide[i], s.ptr, len) == 0)
            return len;
    }
    return 0;
}

static void skip_blanks(struct str *rest)
{
    while (rest->len && is_blank(rest->ptr[0])) {
        rest->ptr++;
        rest->len--;
    }
}

static struct str take(struct str *rest, size_t len)
{
    struct str word = { rest->ptr, len };
    rest->ptr += len;
    rest->len -= len;
    return word;
}

bool words_next(struct str *rest, struct str *out)
{
    skip_blanks(rest);
    size_t len = 0;
    while (len < rest->len && !is_blank(rest->ptr[len]))
        len++;
    *out = take(rest, len);
    return len > 0;
}

bool words_next_quoted(struct str *rest, char escape, struct str *out)
{
    for (size_t len = space_len(*rest); len; len = space_len(*rest))
        take(rest, len);
    char quote = '\0';
    size_t i = 0;
    for (; i < rest->len; i++) {
        char c = rest->ptr[i];
        if (c == escape && quote != '\'') {
            i += i + 1 < rest->len;
        } else if (quote) {
            quote = c == quote ? '\0' : quote;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (space_len((struct str){ rest->ptr + i, rest->len - i })) {
            break;
        }
    }
    *out = take(rest, i);
    return i > 0;
}

char *words_next_flag(struct str *rest, char escape, struct arena *arena)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    /* An escape means the same inside both kinds of quotes here, unlike in words_next_quoted. */
    skip_blanks(rest);
    char quote = '\0';
    size_t i = 0;
    for (; i < rest->len; i++) {
        char c = rest->ptr[i];
        if (c == escape) {
            if (++i < rest->len)
                strbuf_addch(&text, rest->ptr[i]);
        } else if (quote ? c == quote : c == '\'' || c == '"') {
            quote = quote ? '\0' : c;
        } else if (!quote && is_blank(c)) {
            break;
        } else {
            strbuf_addch(&text, c);
        }
    }
    take(rest, i < rest->len ? i : rest->len);
    return arena_strndup(arena, text.buf, text.len);
}
