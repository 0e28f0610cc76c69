/* SPDX-License-Identifier: Apache-2.0 */
/* report: the one place where a struct error becomes text for a person, and an exit code. */
#ifndef CMD_REPORT_H
#define CMD_REPORT_H

#include <stdio.h>

#include "lib/base/error.h"

/* The text an error's position is in. */
struct report_source {
    const char *name; /* "Dockerfile" */
    const char *text;
    size_t len;
};

/* Prints "ERROR: message", the marked lines of the source, detail and hint, to standard error.
 * Bytes that could steer a terminal are made visible. `source` may be NULL. */
void report_error(const struct error *err, const struct report_source *source);
/* design.md 10. `signal` is the one that interrupted, or 0. */
int report_exit_code(const struct error *err, int signal);
/* The lines of the source around `where`, which is marked. */
void report_excerpt(FILE *out, const struct position *where, const struct report_source *source);
/* Writes `text` with control bytes (but newline and tab) shown as \xNN. */
void report_print_safe(FILE *out, const char *text, size_t len);

#endif
