/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/str.h"

#include <ctype.h>

#include "lib/base/mem.h"

enum { NEAREST_WORD_MAX = 63, NEAREST_DISTANCE = 2 };

struct str str_cut(struct str *rest, char at)
{
    const char *hit = rest->len ? memchr(rest->ptr, at, rest->len) : NULL;
    struct str head = { rest->ptr, hit ? (size_t)(hit - rest->ptr) : rest->len };
    size_t used = head.len + (hit ? 1 : 0);
    rest->ptr += used;
    rest->len -= used;
    return head;
}

struct str str_trim(struct str s, const char *set)
{
    while (s.len && *s.ptr && strchr(set, *s.ptr)) {
        s.ptr++;
        s.len--;
    }
    while (s.len && s.ptr[s.len - 1] && strchr(set, s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends_with(const char *s, const char *suffix)
{
    size_t len = strlen(s);
    size_t tail = strlen(suffix);
    return len >= tail && strcmp(s + len - tail, suffix) == 0;
}

bool str_to_u64(struct str s, unsigned base, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.ptr[i] - '0';
        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value) || value > max)
            return false;
    }
    *out = value;
    return true;
}

char *str_clean(const char *text, size_t max)
{
    char *clean = xstrndup(text, strnlen(text, max));

    for (char *c = clean; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
        else if (*c == '\xc2' && (unsigned char)c[1] >= 0x80 && (unsigned char)c[1] < 0xa0)
            c[0] = c[1] = ' '; /* C1 controls */
    }
    return clean;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein, one row at a time. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[NEAREST_WORD_MAX + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            size_t cost = min3(row[j] + 1, row[j - 1] + 1, diagonal + (same ? 0 : 1));
            diagonal = row[j];
            row[j] = cost;
        }
    }
    return row[b_len];
}

const char *str_nearest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t best_distance = NEAREST_DISTANCE + 1;
    size_t len = strlen(word);
    if (len > NEAREST_WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t candidate_len = strlen(candidates[i]);
        if (candidate_len > NEAREST_WORD_MAX)
            continue;
        size_t distance = edit_distance(word, len, candidates[i], candidate_len);
        if (distance < best_distance) {
            best = candidates[i];
            best_distance = distance;
        }
    }
    return best;
}
