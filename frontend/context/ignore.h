/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ignore: chooses and reads the ignore file of a local build context: `<Dockerfile>.dockerignore`
 * beside the Dockerfile, which replaces `.dockerignore` at the context's root wholly, even when it
 * is empty.
 */
#ifndef FRONTEND_CONTEXT_IGNORE_H
#define FRONTEND_CONTEXT_IGNORE_H

#include "lib/fs/pattern.h"

enum { IGNORE_FILE_MAX = 4 * 1024 * 1024 }; /* bytes */

/* `dockerfile_dir_fd` is -1 if the Dockerfile came from elsewhere (stdin, or a named context has
 * none). No ignore file at all gives an empty list. Errors: USER (a malformed pattern, too large,
 * not a regular file), SYSTEM. */
int context_ignore_load(int context_fd, int dockerfile_dir_fd, const char *dockerfile_name,
                        struct pattern_list *out, struct error *err) MUST_CHECK;
/* Reads the one that the caller names instead (--ignorefile). Errors: the same, and USER if it is
 * not there. */
int context_ignore_load_file(const char *path, struct pattern_list *out,
                             struct error *err) MUST_CHECK;

#endif
