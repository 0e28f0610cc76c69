/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flags: the `--name=value` words between a verb and its arguments, checked against the verb's
 * table. What a value means is not known here.
 */
#ifndef FRONTEND_DOCKERFILE_FLAGS_H
#define FRONTEND_DOCKERFILE_FLAGS_H

#include "frontend/dockerfile/ast.h"

/* Reads the flags at the start of `rest` (a part of in->line.text), fills in->flags and leaves in
 * `rest` what follows them. Errors: USER, placed at the flag. */
int flags_parse(struct instruction *in, struct str *rest, char escape, struct arena *arena,
                struct error *err) MUST_CHECK;

#endif
