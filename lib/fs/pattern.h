/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern: globs over slash-separated relative paths. Two kinds:
 *
 *   pattern_list  an ignore file: one pattern a line, `**`, `!` for exceptions, the last one that
 * acts wins, and a pattern that matches a folder matches all below it. glob_match    one pattern of
 * Go's filepath.Match, as COPY sources are: no `**`, `*` does not cross a slash.
 *
 * Patterns are compiled once. No pattern takes more than (length of pattern) x (length of path)
 * steps, and most are decided by one comparison. Nothing here looks at a file system.
 */
#ifndef LIB_FS_PATTERN_H
#define LIB_FS_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"

struct pattern;

struct pattern_list {
    char *file; /* for messages */
    struct pattern *patterns;
    size_t count, cap;
    bool has_exceptions;
};

/* Parses the text of an ignore file; `name` is for messages ("failed parsing NAME: ..."). On
 * failure *out is empty. Errors: USER. */
int pattern_list_parse(const char *text, size_t len, const char *name, struct pattern_list *out,
                       struct error *err) MUST_CHECK;
/* The same from single patterns (NULL-terminated), each as a line of an ignore file but for
 * comments.
 */
int pattern_list_from(const char *const *patterns, const char *name, struct pattern_list *out,
                      struct error *err) MUST_CHECK;
/* A list that excludes all but what `pattern` matches, itself or by a folder above. */
int pattern_list_only(const char *pattern, const char *name, struct pattern_list *out,
                      struct error *err) MUST_CHECK;
/* Is `path` (relative, cleaned) excluded? *out_why, if out_why is not NULL, is the pattern that
 * decided, or NULL; borrowed from the list. The root ("" or ".") never is. */
bool pattern_list_excludes(const struct pattern_list *list, const char *path,
                           const struct pattern **out_why);
/* May an exception match something below the excluded folder `dir`, so that a walk must go on
 * there? */
bool pattern_list_may_reinclude_below(const struct pattern_list *list, const char *dir);
/* Is one of the patterns `text`, as pattern_text gives it? */
bool pattern_list_has(const struct pattern_list *list, const char *text);
/* Where a pattern stands, for messages: the file's name, its line from 1, and the pattern as it is
 * matched (cleaned, without the '!'). Borrowed from the list. */
const char *pattern_file(const struct pattern *pattern);
int pattern_line(const struct pattern *pattern);
const char *pattern_text(const struct pattern *pattern);
void pattern_list_release(struct pattern_list *list);
DEFINE_AUTO(pattern_list, struct pattern_list, pattern_list_release(value))

/* Does all of `name` match `pattern` (`*`, `?`, `[a-z]`, `[^a]`, `\c`)? Malformed ones match
 * nothing. */
bool glob_match(const char *pattern, const char *name);
/* Has `pattern` a wildcard that is not escaped? If not, it is a name, with its backslashes. */
bool glob_is_pattern(const char *pattern);

#endif
