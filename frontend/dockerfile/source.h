/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source: the text of a Dockerfile with its line starts, so that a message can show the lines
 * around a position. Reading the file is not done here (frontend/context).
 */
#ifndef FRONTEND_DOCKERFILE_SOURCE_H
#define FRONTEND_DOCKERFILE_SOURCE_H

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

enum {
    SOURCE_MAX = 16 * 1024 * 1024, /* bytes of a Dockerfile */
    SOURCE_LINE_MAX = 65535,       /* bytes of one physical line, without its LF */
};

struct source {
    const char *name; /* for messages: "Dockerfile" */
    const char *text;
    size_t len;
    const char **lines; /* where each line starts; line_count of them */
    size_t line_count;
};

/* Copies `text` into the arena, drops a byte order mark and indexes its lines. Errors: USER (too
 * large, a line too long, a NUL byte). */
int source_init(struct source *source, struct arena *arena, struct str text, const char *name,
                struct error *err) MUST_CHECK;
/* Line `number` (from 1) without its line end; empty if there is none. Borrowed. */
struct str source_line(const struct source *source, int number);

#endif
