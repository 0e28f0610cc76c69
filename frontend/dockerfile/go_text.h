/* SPDX-License-Identifier: Apache-2.0 */
/*
 * go_text: the text forms of Go that Dockerfiles and image histories rely on: durations, truth,
 * sizes and %q.
 */
#ifndef FRONTEND_DOCKERFILE_GO_TEXT_H
#define FRONTEND_DOCKERFILE_GO_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/base/strbuf.h"

/* Appends `text` as Go's %q prints it: quoted, with escapes. */
void go_quote(struct strbuf *out, const char *text);
/* "1m30s", "1.5h", "0"; false if it is no duration or does not fit. */
bool go_duration_parse(const char *text, int64_t *out_ns);
/* Appends "1m30s", "500ms", "0s". */
void go_duration_print(struct strbuf *out, int64_t ns);
/* "1", "t", "TRUE", "true" ... and their opposites; false if it is none. */
bool go_bool_parse(const char *text, bool *out);
/* "512", "64m", "1.5 GiB": units of 1024; false if it is no size or does not fit. */
bool go_size_parse(const char *text, uint64_t *out);

#endif
