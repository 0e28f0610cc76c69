/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call: what is asked of a Dockerfile instead of a build: its checks, its arguments, its targets;
 * as text for people or JSON for programs, both as buildx prints them (spec 9).
 */
#ifndef CMD_CALL_H
#define CMD_CALL_H

#include <stdio.h>

#include "cmd/report.h"
#include "frontend/dockerfile/lint.h"
#include "frontend/dockerfile/outline.h"

/* `failure` is why the Dockerfile cannot be built, or NULL. */
void call_print_check(FILE *out, const struct lint *lint, const struct report_source *source,
                      const struct error *failure, bool json);
void call_print_outline(FILE *out, const struct outline *o, const struct report_source *source,
                        bool json);
void call_print_targets(FILE *out, const struct dockerfile *df, const struct report_source *source,
                        bool json);
/* What a build has to say at its end: a line for each warning, or with `expanded` all of it. */
void call_print_warnings(FILE *out, const struct lint *lint, const struct report_source *source,
                         bool expanded);

#endif
