/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/words.h"

#include "lib/base/strbuf.h"

static bool is_blank(char c)
{
    return c && strchr(WHITESPACE "\n", c);
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
    skip_blanks(rest);
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
        } else if (is_blank(c)) {
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
