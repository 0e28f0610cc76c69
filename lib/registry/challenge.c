/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/challenge.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"

static const char blanks[] = " \t";
static const char separators[] = " \t,";
static const char not_token[] = " \t,=\"";

/* "quoted \"text\"" or a bare token; moves `at` behind it. */
static char *parse_value(const char **at)
{
    auto_(strbuf) struct strbuf value = STRBUF_INIT;

    if (**at != '"') {
        size_t len = strcspn(*at, separators);
        strbuf_add(&value, *at, len);
        *at += len;
        return strbuf_detach(&value);
    }
    for ((*at)++; **at && **at != '"'; (*at)++) {
        if (**at == '\\' && (*at)[1])
            (*at)++;
        strbuf_addch(&value, **at);
    }
    if (**at == '"')
        (*at)++;
    return strbuf_detach(&value);
}

static void keep_parameter(struct challenge *c, struct str name, char *value)
{
    const struct {
        const char *name;
        char **field;
    } rows[] = { { "realm", &c->realm }, { "service", &c->service }, { "scope", &c->scope } };

    for (size_t i = 0; i < COUNT(rows); i++) {
        bool is_it =
            name.len == strlen(rows[i].name) && strncasecmp(name.ptr, rows[i].name, name.len) == 0;
        if (is_it && !*rows[i].field)
            *rows[i].field = take_ptr(value);
    }
    free(value);
}

static enum challenge_scheme scheme_of(struct str word)
{
    if (word.len == 5 && strncasecmp(word.ptr, "basic", 5) == 0)
        return CHALLENGE_BASIC;
    if (word.len == 6 && strncasecmp(word.ptr, "bearer", 6) == 0)
        return CHALLENGE_BEARER;
    return CHALLENGE_NONE;
}

/* Takes `next` if it beats what `best` holds; empties it in any case. */
static void settle(struct challenge *best, struct challenge *next)
{
    bool is_usable =
        next->scheme == CHALLENGE_BASIC || (next->scheme == CHALLENGE_BEARER && next->realm);

    if (is_usable && next->scheme > best->scheme) {
        challenge_release(best);
        *best = *next;
        *next = (struct challenge){ 0 };
    }
    challenge_release(next);
}

void challenge_parse(const char *header, struct challenge *out)
{
    auto_(challenge) struct challenge current = { 0 };
    const char *at = header ? header : "";

    *out = (struct challenge){ 0 };
    for (;;) {
        at += strspn(at, separators);
        if (!*at)
            break;
        struct str word = { at, strcspn(at, not_token) };
        at += word.len;
        const char *after = at + strspn(at, blanks);
        if (word.len == 0) {
            at++; /* a stray '=' or quote */
        } else if (*after == '=') {
            at = after + 1;
            at += strspn(at, blanks);
            keep_parameter(&current, word, parse_value(&at));
        } else {
            settle(out, &current);
            current.scheme = scheme_of(word);
        }
    }
    settle(out, &current);
}

void challenge_release(struct challenge *c)
{
    free(c->realm);
    free(c->service);
    free(c->scope);
    *c = (struct challenge){ 0 };
}
