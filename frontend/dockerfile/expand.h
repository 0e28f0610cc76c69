/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expand: quotes, escapes and `$` forms of one word, with all operators (${v:-w}, ${v#p}, ${v/p/r}
 * ...). No file, no process, no command is ever looked at.
 *
 * Time is linear in input and output; patterns have a budget of steps. `left` counts down over all
 * calls, so that a Dockerfile cannot grow without bound by doubling a variable.
 */
#ifndef FRONTEND_DOCKERFILE_EXPAND_H
#define FRONTEND_DOCKERFILE_EXPAND_H

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/base/map.h"
#include "lib/base/str.h"

enum {
    EXPAND_DEPTH_MAX = 32,               /* nested ${} */
    EXPAND_WORD_MAX = 1024 * 1024,       /* bytes that one word may become */
    EXPAND_TEXT_MAX = 16 * 1024 * 1024,  /* the same of a here-document */
    EXPAND_TOTAL_MAX = 64 * 1024 * 1024, /* and all words of a build */
};

struct expander {
    struct arena *arena;         /* where results go */
    const struct map *variables; /* char * values; what is not in it is unset */
    const struct map *shadows;   /* looked up before `variables`; may be NULL */
    char escape;
    size_t left;     /* start with EXPAND_TOTAL_MAX */
    struct map *met; /* gets the names that were asked for; see expand_met_set. May be NULL */
};
/* Did the name of this entry of `met` have a value? */
static inline bool expand_met_set(const struct map_entry *met)
{
    return (uintptr_t)met->value == 1;
}

/* The word without its quotes, escapes and `$` forms. Errors: USER ("failed to process ..."). */
int expand_word(struct expander *e, const char *word, const char **out,
                struct error *err) MUST_CHECK;
/* The same, but what variables bring in is split at blanks outside quotes: one word may give
 * several, or none. *out is NULL-terminated. */
int expand_words(struct expander *e, const char *word, const char *const **out,
                 struct error *err) MUST_CHECK;
/* The body of a here-document: `$` forms are replaced, quotes mean nothing, a `\` stands for the
 * byte behind it. The result is terminated. Errors: as above. */
int expand_text(struct expander *e, struct str text, struct str *out, struct error *err) MUST_CHECK;
/* For people: variables that are set are replaced, all else stays as written; never fails. */
const char *expand_for_display(struct expander *e, const char *text);

#endif
