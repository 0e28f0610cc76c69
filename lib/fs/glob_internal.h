/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glob: one compiled pattern; the engine below pattern.h. It is a row of tokens and is run as a set
 * of positions in that row, all advanced together: no backtracking, whatever the pattern.
 */
#ifndef LIB_FS_GLOB_INTERNAL_H
#define LIB_FS_GLOB_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

enum { GLOB_TOKENS_MAX = 4096 };

enum glob_syntax {
    GLOB_IGNORE_FILE, /* with `**` */
    GLOB_FILE_NAME,   /* without */
};

struct glob;

/* NULL if the pattern is malformed or has more than GLOB_TOKENS_MAX characters. */
struct glob *glob_new(const char *pattern, enum glob_syntax syntax);
void glob_free(struct glob *glob);
/* Does the pattern match all of `path`; or (`or_parent`) one of the folders above it? */
bool glob_matches(const struct glob *glob, const char *path, bool or_parent);
/* Can the pattern match something below `dir`? */
bool glob_may_match_below(const struct glob *glob, const char *dir);

#endif
