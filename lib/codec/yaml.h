/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml: documents in YAML as the JSON value that they mean (libyaml behind a fence). Bounded like
 * JSON: size by the caller, depth here. Anchors and aliases, several documents, and keys that are
 * no text are errors: no file that we read has a use for them.
 */
#ifndef LIB_CODEC_YAML_H
#define LIB_CODEC_YAML_H

#include "lib/codec/json.h"

/* Parses one document, a mapping at the top. Plain scalars become numbers, booleans or nothing
 * (null) where YAML's core schema says so, text else. Errors: CORRUPT, with line and column. The
 * caller js_free()s the result. */
int yaml_parse(const char *text, size_t len, const char *name, js **out,
               struct error *err) MUST_CHECK;

#endif
