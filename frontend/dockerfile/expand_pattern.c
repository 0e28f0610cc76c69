/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/expand_pattern.h"

#include "lib/base/mem.h"

/* Steps of matching that one substitution may take. */
enum { WORK_MAX = 1 << 26 };

enum token_kind { TOKEN_BYTE, TOKEN_ONE, TOKEN_RUN };
struct token {
    enum token_kind kind;
    char byte;
};

struct matcher {
    struct token *tokens;
    size_t count;
    bool reversed; /* match the text backwards */
    bool *now, *next;
    uint64_t work;
};

static void matcher_release(struct matcher *m)
{
    free(m->tokens);
    free(m->now);
    free(m->next);
}
DEFINE_AUTO(matcher, struct matcher, matcher_release(value))

static int compile_escape(struct str pattern, size_t at, struct token *out, struct error *err)
{
    char c = at < pattern.len ? pattern.ptr[at] : '\0';
    if (c != '*' && c != '?' && c != '\\')
        return error_set(err, ERROR_USER, 0, "invalid pattern (%.*s): invalid escape '\\%c'",
                         (int)pattern.len, pattern.ptr, c ? c : ' ');
    *out = (struct token){ TOKEN_BYTE, c };
    return 0;
}

static int matcher_init(struct matcher *m, struct str pattern, bool reversed, struct error *err)
{
    *m = (struct matcher){ .tokens = xcalloc(pattern.len + 1, sizeof *m->tokens),
                           .now = xcalloc(pattern.len + 1, 1),
                           .next = xcalloc(pattern.len + 1, 1),
                           .reversed = reversed };
    for (size_t i = 0; i < pattern.len; i++) {
        struct token *t = &m->tokens[m->count];
        char c = pattern.ptr[i];
        if (c == '*' && m->count && t[-1].kind == TOKEN_RUN)
            continue;
        *t = (struct token){ c == '*' ? TOKEN_RUN : c == '?' ? TOKEN_ONE : TOKEN_BYTE, c };
        if (c == '\\')
            TRY(compile_escape(pattern, ++i, t, err));
        m->count++;
    }
    for (size_t i = 0; reversed && i < m->count / 2; i++) {
        struct token swap = m->tokens[i];
        m->tokens[i] = m->tokens[m->count - 1 - i];
        m->tokens[m->count - 1 - i] = swap;
    }
    return 0;
}

/* A run may be empty: whatever stands before it also stands behind it. */
static void close_over_runs(const struct matcher *m, bool *states)
{
    for (size_t i = 0; i < m->count; i++)
        if (states[i] && m->tokens[i].kind == TOKEN_RUN)
            states[i + 1] = true;
}

/* UTF-8 continuation bytes belong to the character before: `?` takes them along. */
static bool is_inner_byte(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static bool step(struct matcher *m, char c)
{
    bool alive = false;
    memset(m->next, 0, m->count + 1);
    for (size_t i = 0; i < m->count; i++) {
        if (!m->now[i])
            continue;
        const struct token *t = &m->tokens[i];
        if (t->kind == TOKEN_RUN || (t->kind == TOKEN_ONE && is_inner_byte(c) && m->reversed))
            m->next[i] = true;
        else if (t->kind == TOKEN_ONE || t->byte == c)
            m->next[i + 1] = true;
        alive = alive || m->next[i] || m->next[i + 1];
    }
    for (size_t i = 1; !m->reversed && is_inner_byte(c) && i <= m->count; i++) {
        bool stays = m->now[i] && m->tokens[i - 1].kind == TOKEN_ONE;
        m->next[i] = m->next[i] || stays;
        alive = alive || stays;
    }
    close_over_runs(m, m->next);
    bool *swap = m->now;
    m->now = m->next;
    m->next = swap;
    return alive;
}

/* The length of the shortest or longest match at the start (reversed: the end) of `text`, or -1. */
static int match_length(struct matcher *m, struct str text, bool longest, ssize_t *out,
                        struct error *err)
{
    bool alive = true;
    *out = -1;
    memset(m->now, 0, m->count + 1);
    m->now[0] = true;
    close_over_runs(m, m->now);
    for (size_t i = 0; alive; i++) {
        bool boundary = i == text.len || m->reversed || !is_inner_byte(text.ptr[i]);
        if (m->now[m->count] && boundary)
            *out = (ssize_t)i;
        if (i == text.len || (*out >= 0 && !longest))
            break;
        m->work += m->count + 1;
        if (m->work > WORK_MAX)
            return error_set(err, ERROR_USER, 0, "the pattern takes too long to match");
        alive = step(m, m->reversed ? text.ptr[text.len - 1 - i] : text.ptr[i]);
    }
    return 0;
}

int pattern_strip(struct str value, struct str pattern, bool at_end, bool longest, struct str *out,
                  uint64_t *work, struct error *err)
{
    auto_(matcher) struct matcher m = { 0 };
    ssize_t len = -1;
    TRY(matcher_init(&m, pattern, at_end, err));
    TRY(match_length(&m, value, longest, &len, err));
    *work += m.work;
    size_t cut = len > 0 ? (size_t)len : 0;
    *out = (struct str){ at_end ? value.ptr : value.ptr + cut, value.len - cut };
    return 0;
}

int pattern_replace(struct str value, struct str pattern, struct str with, bool all,
                    struct strbuf *out, uint64_t *work, struct error *err)
{
    auto_(matcher) struct matcher m = { 0 };
    bool done = false;
    TRY(matcher_init(&m, pattern, false, err));
    for (size_t i = 0; i <= value.len;) {
        ssize_t len = -1;
        struct str tail = { value.ptr + i, value.len - i };
        if (!done)
            TRY(match_length(&m, tail, true, &len, err));
        if (len >= 0 && !(len == 0 && tail.len == 0 && i > 0)) {
            strbuf_add(out, with.ptr, with.len);
            done = !all;
        }
        if (len > 0) {
            i += (size_t)len;
        } else {
            if (tail.len)
                strbuf_addch(out, *tail.ptr);
            i++;
        }
        if (out->len > (1 << 20))
            return error_set(err, ERROR_USER, 0, "the result is longer than 1 MiB");
    }
    *work += m.work;
    return 0;
}
