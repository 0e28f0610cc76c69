/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expand_pattern: the patterns of ${v#p}, ${v%p} and ${v/p/r}: `*` any run, `?` one character,
 * `\*`, `\?` and `\\` literally; brackets mean nothing.
 */
#ifndef FRONTEND_DOCKERFILE_EXPAND_PATTERN_H
#define FRONTEND_DOCKERFILE_EXPAND_PATTERN_H

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"

/* What is left of `value` without the shortest or longest match of `pattern` at its start
 * (`at_end`: at its end). Errors: USER (an invalid escape, too much work). The steps
 * that it took are added to *work. */
int pattern_strip(struct str value, struct str pattern, bool at_end, bool longest, struct str *out,
                  uint64_t *work, struct error *err) MUST_CHECK;
/* `value` with the first (`all`: every) longest match replaced. Errors: as above. */
int pattern_replace(struct str value, struct str pattern, struct str with, bool all,
                    struct strbuf *out, uint64_t *work, struct error *err) MUST_CHECK;

#endif
