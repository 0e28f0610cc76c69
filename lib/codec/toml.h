/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toml: documents in TOML 1.0 as the JSON value that they mean: tables as objects, arrays of tables
 * as arrays. Bounded like JSON: size by the caller, depth here. What configuration files of
 * registries have no use for is an error: fractions, dates and times.
 */
#ifndef LIB_CODEC_TOML_H
#define LIB_CODEC_TOML_H

#include "lib/codec/json.h"

/* Errors: CORRUPT, with the line. The caller js_free()s the result. */
int toml_parse(const char *text, size_t len, const char *name, js **out,
               struct error *err) MUST_CHECK;

#endif
