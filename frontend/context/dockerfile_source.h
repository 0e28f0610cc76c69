/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dockerfile_source: finds and reads the Dockerfile of a build: `-f FILE`, `-f -` (stdin), or by
 * default `Dockerfile`, then `dockerfile`, in the context. What it says is parsed elsewhere.
 */
#ifndef FRONTEND_CONTEXT_DOCKERFILE_SOURCE_H
#define FRONTEND_CONTEXT_DOCKERFILE_SOURCE_H

#include "lib/base/error.h"
#include "lib/base/strbuf.h"

enum { DOCKERFILE_MAX = 16 * 1024 * 1024 }; /* bytes */

struct dockerfile_source {
    char *name; /* within its folder: "Dockerfile"; "-" for stdin */
    int dir_fd; /* the folder it is in, for its ignore file; -1 for stdin */
    struct strbuf text;
};

/* `context_dir` is a path as the user gave it; `file` is the value of -f (relative to the working
 * folder), or NULL. The caller releases *out. Errors: USER (there is none, too large, no regular
 * file), SYSTEM. */
int dockerfile_source_read(const char *context_dir, const char *file, struct dockerfile_source *out,
                           struct error *err) MUST_CHECK;
/* The same inside a context that came from elsewhere: `file` is relative to it, and no link leads
 * out of it. */
int dockerfile_source_read_inside(int context_fd, const char *file, struct dockerfile_source *out,
                                  struct error *err) MUST_CHECK;
/* One whose text is known: `text` is taken. */
void dockerfile_source_take(const char *name, struct strbuf *text, struct dockerfile_source *out);
/* Accepts a zeroed or a filled one. */
void dockerfile_source_release(struct dockerfile_source *source);
DEFINE_AUTO(dockerfile_source, struct dockerfile_source, dockerfile_source_release(value))

#endif
