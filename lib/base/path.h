/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path: lexical work on slash-separated paths, as Go's path package does it (Dockerfiles rely on
 * its rules). Nothing here looks at a file system.
 */
#ifndef LIB_BASE_PATH_H
#define LIB_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/cleanup.h"

/* The shortest equal path: no doubled slash, no ".", no inner "..", no trailing slash; a rooted
 * path has no leading "..". "" gives ".". The caller frees the result. */
char *path_clean(const char *path) __attribute__((returns_nonnull));
/* Cleaned `base`/`rest`; the caller frees it. */
char *path_join(const char *base, const char *rest) __attribute__((returns_nonnull));
/* "dir/rest" as they are, not cleaned; one of them alone if the other is empty. Freed by
 * the caller. */
char *path_below(const char *dir, const char *rest) __attribute__((returns_nonnull));
/* `path` as seen from directory `cwd`, absolute and cleaned; the caller frees it. */
char *path_absolute(const char *cwd, const char *path) __attribute__((returns_nonnull));
/* Length of the directory that `path` is in: of what stands before the last slash; 0 without one.
 * The path must have no trailing slash. */
size_t path_dir_len(const char *path);
/* What follows the last slash; borrowed. The path must have no trailing slash. */
const char *path_base(const char *path);
/* Is `path` equal to `dir` or below it? Both cleaned. */
bool path_is_below(const char *path, const char *dir);

#endif
