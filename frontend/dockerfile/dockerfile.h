/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dockerfile: parses the text of a Dockerfile into a tree (ast.h). Nothing is read, expanded or
 * resolved here; lower.h makes a build graph of the result.
 *
 *     struct dockerfile *df = NULL;
 *     TRY(dockerfile_parse(text, len, "Dockerfile", &df, err));
 *     ... dockerfile_lower(df, &options, &definition, err) ...
 *     dockerfile_free(df);
 *
 * Every error carries a position; source_line(&df->source, n) gives the lines around one. When
 * parsing failed there is no tree, and the caller has the text to show.
 */
#ifndef FRONTEND_DOCKERFILE_DOCKERFILE_H
#define FRONTEND_DOCKERFILE_DOCKERFILE_H

#include "frontend/dockerfile/ast.h"

enum { INSTRUCTIONS_MAX = 10000 };

/* `name` is for messages. On success *out is the caller's to free; it keeps a copy of the text.
 * Errors: USER. */
int dockerfile_parse(const char *text, size_t len, const char *name, struct dockerfile **out,
                     struct error *err) MUST_CHECK;
void dockerfile_free(struct dockerfile *df);
DEFINE_AUTO(dockerfile, struct dockerfile *, dockerfile_free(*value))

/* Parses one trigger that a base image brings along (the text behind ONBUILD). Positions in it are
 * `where`. Memory is the arena's. Errors: USER. */
int dockerfile_parse_trigger(const char *text, struct position where, struct arena *arena,
                             const struct instruction **out, struct error *err) MUST_CHECK;

#endif
