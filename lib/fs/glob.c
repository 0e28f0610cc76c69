/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/glob_internal.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/strbuf.h"

enum token_kind {
    TOKEN_CHAR,    /* this character */
    TOKEN_ONE,     /* `?`: a character, no slash */
    TOKEN_CLASS,   /* `[...]`: one character of a set */
    TOKEN_RUN,     /* `*`: any characters, no slash */
    TOKEN_FOLDERS, /* `**` and a slash: nothing, or anything that ends in a slash */
    TOKEN_ALL,     /* `**` at the end: anything */
};

struct token {
    enum token_kind kind;
    unsigned code;   /* TOKEN_CHAR */
    const char *set; /* TOKEN_CLASS: behind the '[', in `text` */
};

struct glob {
    char *text;
    char *literal; /* the whole pattern, if it has no wildcard; else NULL */
    size_t literal_len;
    char *needed; /* text that every match contains; "" if there is none */
    struct token *tokens;
    size_t count;
};

/* Positions in the row of tokens; position `count` is a match. */
struct positions {
    size_t words;
    uint64_t bits[GLOB_TOKENS_MAX / 64 + 1];
};

static void positions_add(struct positions *p, size_t at)
{
    p->bits[at / 64] |= UINT64_C(1) << at % 64;
}

static bool positions_have(const struct positions *p, size_t at)
{
    return p->bits[at / 64] >> at % 64 & 1;
}

/* Bytes that are no UTF-8 get codes of their own. */
static unsigned decode(const char *s, size_t *len)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t want = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : u[0] >= 0xc0 ? 2 : 1;
    unsigned code = want == 1 ? u[0] : u[0] & (0xffU >> (want + 1));
    *len = 1;
    if (want == 1)
        return u[0] < 0x80 ? u[0] : 0x110000U | u[0];
    for (size_t i = 1; i < want; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 0x110000U | u[0];
        code = code << 6 | (u[i] & 0x3fU);
    }
    *len = want;
    return code;
}

/* One end of a range in a class; false where the class is malformed. */
static bool class_end(const char **s, unsigned *out)
{
    size_t len = 0;
    if (**s == '\0' || **s == '-' || **s == ']')
        return false;
    if (**s == '\\' && *++*s == '\0')
        return false;
    *out = decode(*s, &len);
    *s += len;
    return **s != '\0';
}

/* Reads the class behind '['. *out_end is behind its ']'. */
static bool class_match(const char *set, unsigned code, const char **out_end, bool *out_match)
{
    bool negated = *set == '^';
    bool found = false;
    const char *s = set + negated;
    do {
        unsigned low = 0;
        if (!class_end(&s, &low))
            return false;
        unsigned high = low;
        if (*s == '-') {
            s++;
            if (!class_end(&s, &high))
                return false;
        }
        found = found || (low <= code && code <= high);
    } while (*s != ']');
    *out_end = s + 1;
    *out_match = found != negated;
    return true;
}

/* At "**". The slash behind it belongs to it. */
static const char *compile_stars(const char *s, struct token *out)
{
    s += 2;
    if (*s == '/')
        s++;
    *out = (struct token){ .kind = *s ? TOKEN_FOLDERS : TOKEN_ALL };
    return s;
}

/* Returns what follows the token, NULL if malformed. */
static const char *compile_token(const char *s, enum glob_syntax syntax, struct token *out)
{
    const char *end = NULL;
    bool match = false;
    if (*s == '*') {
        if (s[1] == '*' && syntax == GLOB_IGNORE_FILE)
            return compile_stars(s, out);
        *out = (struct token){ .kind = TOKEN_RUN };
        return s + 1;
    }
    if (*s == '?') {
        *out = (struct token){ .kind = TOKEN_ONE };
        return s + 1;
    }
    if (*s == '[') {
        *out = (struct token){ .kind = TOKEN_CLASS, .set = s + 1 };
        return class_match(s + 1, 0, &end, &match) ? end : NULL;
    }
    if (*s == '\\' && *++s == '\0')
        return NULL;
    size_t len = 0;
    *out = (struct token){ .kind = TOKEN_CHAR, .code = decode(s, &len) };
    return s + len;
}

/* The longest run of bytes outside wildcards, so that most paths are refused by one search. */
static char *find_needed(const char *text)
{
    const char *best = "";
    size_t best_len = 0;
    const char *s = text;
    if (strchr(text, '[') || strchr(text, '\\'))
        return xstrdup("");
    while (*s) {
        size_t len = strcspn(s, "*?");
        const char *start = s;
        s += len + strspn(s + len, "*?");
        /* The slash that belongs to a `**` need not be there. */
        if (len && start > text + 1 && start[0] == '/' && start[-1] == '*') {
            start++;
            len--;
        }
        if (len > best_len) {
            best = start;
            best_len = len;
        }
    }
    return xstrndup(best, best_len);
}

/* `**x` without other wildcards also matches "ax": a quirk of the original that files rely on. */
static void apply_leading_stars_quirk(struct glob *g)
{
    bool leading = strncmp(g->text, "**", 2) == 0 && g->text[2] && g->text[2] != '/';
    if (leading && !strpbrk(g->text + 2, "*?[\\"))
        g->tokens[0].kind = TOKEN_ALL;
}

struct glob *glob_new(const char *pattern, enum glob_syntax syntax)
{
    if (strlen(pattern) >= GLOB_TOKENS_MAX)
        return NULL;
    struct glob *g = xcalloc(1, sizeof *g);
    g->text = xstrdup(pattern);
    g->tokens = xcalloc(strlen(pattern) + 1, sizeof *g->tokens);
    for (const char *s = g->text; *s; g->count++) {
        s = compile_token(s, syntax, &g->tokens[g->count]);
        if (!s) {
            glob_free(g);
            return NULL;
        }
    }
    if (!strpbrk(g->text, "*?[\\")) {
        g->literal = xstrdup(g->text);
        g->literal_len = strlen(g->text);
    }
    g->needed = find_needed(g->text);
    apply_leading_stars_quirk(g);
    return g;
}

void glob_free(struct glob *g)
{
    if (!g)
        return;
    free(g->text);
    free(g->literal);
    free(g->needed);
    free(g->tokens);
    free(g);
}

static bool is_skippable(enum token_kind kind)
{
    return kind == TOKEN_RUN || kind == TOKEN_ALL || kind == TOKEN_FOLDERS;
}

/* Adds position `at`, and those behind tokens that may match nothing. */
static void enter(const struct glob *g, struct positions *p, size_t at)
{
    while (!positions_have(p, at)) {
        positions_add(p, at);
        if (at == g->count || !is_skippable(g->tokens[at].kind))
            return;
        at++;
    }
}

/* FOLDERS is only left at a slash, so being inside it is a position of its own: one bit higher in
 * `inside`. */
struct run {
    const struct glob *glob;
    struct positions now;
    struct positions inside; /* FOLDERS tokens that have begun */
};

static void positions_clear(struct positions *p, size_t words)
{
    p->words = words;
    memset(p->bits, 0, words * sizeof *p->bits);
}

static void run_start(struct run *r, const struct glob *g)
{
    r->glob = g;
    positions_clear(&r->now, g->count / 64 + 1);
    positions_clear(&r->inside, g->count / 64 + 1);
    enter(g, &r->now, 0);
}

/* Where token `at` leads on character `code`. */
static void advance(const struct glob *g, size_t at, unsigned code, struct run *next)
{
    const struct token *t = &g->tokens[at];
    const char *end = NULL;
    bool match = false;
    switch (t->kind) {
    case TOKEN_CHAR: match = t->code == code; break;
    case TOKEN_ONE: match = code != '/'; break;
    case TOKEN_CLASS: class_match(t->set, code, &end, &match); break;
    case TOKEN_RUN:
        if (code != '/')
            enter(g, &next->now, at);
        return;
    case TOKEN_ALL: enter(g, &next->now, at); return;
    case TOKEN_FOLDERS:
        positions_add(&next->inside, at);
        match = code == '/';
        break;
    }
    if (match)
        enter(g, &next->now, at + 1);
}

static bool run_step(struct run *r, unsigned code)
{
    const struct glob *g = r->glob;
    struct run next;
    bool alive = false;
    next.glob = g;
    positions_clear(&next.now, r->now.words);
    positions_clear(&next.inside, r->now.words);
    for (size_t w = 0; w < r->now.words; w++) {
        for (uint64_t bits = r->now.bits[w] | r->inside.bits[w]; bits; bits &= bits - 1) {
            size_t at = w * 64 + (size_t)__builtin_ctzll(bits);
            if (at < g->count)
                advance(g, at, code, &next);
        }
    }
    for (size_t w = 0; w < r->now.words; w++) {
        r->now.bits[w] = next.now.bits[w];
        r->inside.bits[w] = next.inside.bits[w];
        alive = alive || r->now.bits[w] || r->inside.bits[w];
    }
    return alive;
}

static bool match_literal(const struct glob *g, const char *path, bool or_parent)
{
    if (strncmp(path, g->literal, g->literal_len) != 0)
        return false;
    char behind = path[g->literal_len];
    return behind == '\0' || (or_parent && behind == '/');
}

bool glob_matches(const struct glob *g, const char *path, bool or_parent)
{
    struct run r;
    if (g->literal)
        return match_literal(g, path, or_parent);
    if (!strstr(path, g->needed))
        return false;
    run_start(&r, g);
    while (*path) {
        size_t len = 0;
        unsigned code = decode(path, &len);
        if (or_parent && code == '/' && positions_have(&r.now, g->count))
            return true;
        if (!run_step(&r, code))
            return false;
        path += len;
    }
    return positions_have(&r.now, g->count);
}

bool glob_may_match_below(const struct glob *g, const char *dir)
{
    struct run r;
    size_t dir_len = strlen(dir);
    if (g->literal)
        return strncmp(g->literal, dir, dir_len) == 0 && g->literal[dir_len] == '/';
    run_start(&r, g);
    while (*dir) {
        size_t len = 0;
        unsigned code = decode(dir, &len);
        if (!run_step(&r, code))
            return false;
        dir += len;
    }
    return run_step(&r, '/');
}
