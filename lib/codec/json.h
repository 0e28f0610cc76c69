/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json: jansson behind a fence: hostile input is bounded (size, depth, duplicate keys), every error
 * says where it is, and output has one canonical form (sorted keys, Go's escapes for < > &).
 *
 * The document is json_t from <jansson.h>, which only files that need it include; the getters below
 * are all that most callers want. They report a member of the wrong type as CORRUPT and leave *out
 * alone when the member is missing and not required.
 */
#ifndef LIB_CODEC_JSON_H
#define LIB_CODEC_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/strbuf.h"
#include "lib/base/strvec.h"
#include "lib/codec/digest.h"

struct json_t; /* jansson's own name for it */
typedef struct json_t js;

enum { JS_DEPTH_MAX = 64 };

/* Parses a whole document; top level must be an object. `name` is for messages. Errors: CORRUPT.
 * The caller js_free()s the result. */
int js_parse(const char *text, size_t len, const char *name, js **out,
             struct error *err) MUST_CHECK;
/* The same for a document whose top level is an array. */
int js_parse_list(const char *text, size_t len, const char *name, js **out,
                  struct error *err) MUST_CHECK;
void js_free(js *doc);
DEFINE_AUTO(js, js *, js_free(*value))

/* Borrowed values, valid as long as the document. */
const js *js_member(const js *object, const char *key); /* NULL if missing or null */
size_t js_count(const js *array_or_object);             /* 0 for NULL */
const js *js_item(const js *array, size_t index);
const char *js_text(const js *value); /* NULL unless a string without NUL */
bool js_is_object(const js *value);
bool js_is_array(const js *value);
bool js_is_true(const js *value);

int js_get_text(const js *object, const char *key, bool required, const char **out,
                struct error *err) MUST_CHECK;
/* A required "sha256:<hex>". */
int js_get_digest(const js *object, const char *key, struct digest *out,
                  struct error *err) MUST_CHECK;
/* A number that is an integer from 0 to 2^53. */
int js_get_u64(const js *object, const char *key, bool required, uint64_t *out,
               struct error *err) MUST_CHECK;
/* The value itself, that of an array. */
int js_to_u64(const js *value, uint64_t *out, struct error *err) MUST_CHECK;

/* An integer of any sign; *out is left alone when it is missing. */
int js_get_i64(const js *object, const char *key, int64_t *out, struct error *err) MUST_CHECK;

/* Walks an object's members in document order: for (void *i = js_iter(o); i; i = js_next(o, i)). */
void *js_iter(const js *object);
void *js_next(const js *object, void *iter);
const char *js_iter_key(void *iter);
const js *js_iter_value(void *iter);

/* Building. The _take functions own `value` even on failure; all abort on out of memory. */
js *js_new_object(void);
js *js_new_array(void);
js *js_new_text(const char *text);           /* bytes that are not UTF-8 become U+FFFD */
js *js_new_texts(const struct strvec *list); /* an array of them */
js *js_new_int(int64_t value);
js *js_new_bool(bool value);
js *js_new_null(void);
js *js_copy(const js *value); /* deep */
void js_set_take(js *object, const char *key, js *value);
void js_set_text(js *object, const char *key, const char *text);
void js_set_digest(js *object, const char *key, const struct digest *d);
void js_push_take(js *array, js *value);

/* Text with sorted keys; indent 0 is compact. Numbers and strings as Go's encoding/json prints
 * them. */
void js_print(const js *doc, size_t indent, struct strbuf *out);
/* The same with members in the order in which they were set, for documents whose digest must be the
 * one that other builders give them. */
void js_print_in_order(const js *doc, size_t indent, struct strbuf *out);

#endif
