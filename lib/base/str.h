/* SPDX-License-Identifier: Apache-2.0 */
/*
 * str: a borrowed slice of text (pointer and length), for parsing without copies. It owns nothing
 * and need not be terminated.
 */
#ifndef LIB_BASE_STR_H
#define LIB_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })

static inline struct str str_of(const char *s)
{
    return (struct str){ s, strlen(s) };
}

/* Cuts `rest` at the first `at`; returns what stood before it, without the separator. */
struct str str_cut(struct str *rest, char at);
/* Without the bytes of `set` at both ends. */
struct str str_trim(struct str s, const char *set);
bool str_equal(struct str a, struct str b);
bool str_starts_with(const char *s, const char *prefix);
bool str_ends_with(const char *s, const char *suffix);
/* Parses all of `s` as a number in `base` (10 or 8) that is at most `max`: digits only, no sign. */
bool str_to_u64(struct str s, unsigned base, uint64_t max, uint64_t *out);
/* At most `max` bytes of `text` of a stranger, made fit for a terminal: one line, no control bytes.
 * The caller frees it. */
char *str_clean(const char *text, size_t max) __attribute__((returns_nonnull));
/* The candidate nearest to `word` by edit distance, at most 2 away (ASCII case is ignored), or
 * NULL: "did you mean". */
const char *str_nearest(const char *word, const char *const *candidates, size_t count);

#endif
