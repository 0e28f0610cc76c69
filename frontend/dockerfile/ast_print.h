/* SPDX-License-Identifier: Apache-2.0 */
/* ast_print: a parsed Dockerfile as text, for tests and for people who ask what was understood. */
#ifndef FRONTEND_DOCKERFILE_AST_PRINT_H
#define FRONTEND_DOCKERFILE_AST_PRINT_H

#include "frontend/dockerfile/dockerfile.h"
#include "lib/base/strbuf.h"

/* Appends one line for each directive and instruction, and an indented one for each flag and word,
 * with lines and columns. */
void dockerfile_print(const struct dockerfile *df, struct strbuf *out);

#endif
