/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words: splitting an instruction's text: on blanks, as NAME=value words with quotes, as a JSON
 * array of strings, as comma-separated values. Slices of the input are returned where possible,
 * with nothing expanded (expand.h does that).
 */
#ifndef FRONTEND_DOCKERFILE_WORDS_H
#define FRONTEND_DOCKERFILE_WORDS_H

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"
#include "lib/base/strvec.h"

#define WHITESPACE "\t\v\f\r "

/* Cuts the next word off `rest`, words being apart by blanks. False at the end. */
bool words_next(struct str *rest, struct str *out);
/* The same, but quotes and `escape` keep blanks inside a word; they stay in it. */
bool words_next_quoted(struct str *rest, char escape, struct str *out);
/* Cuts the next word off `rest` as a flag is written: quotes group and go, `escape` makes the next
 * byte literal. Returns the text, in the arena. */
char *words_next_flag(struct str *rest, char escape, struct arena *arena);

enum json_words {
    JSON_WORDS_NONE,     /* no JSON array: another form is meant */
    JSON_WORDS_OK,       /* an array of strings */
    JSON_WORDS_NOT_TEXT, /* an array with something else in it (or a NUL character) */
};

/* Reads all of `text` as one JSON array; strings are pushed to `out`, and for each the offset of
 * its first byte in `text` to `offsets` (at least as many as there are commas, plus one). */
enum json_words words_parse_json(struct str text, struct strvec *out, size_t **out_offsets);

/* Splits one line of comma-separated values (--mount, --device): a field may be quoted, a quote in
 * it doubled. Errors: USER. */
int words_parse_csv(const char *text, struct strvec *out, struct error *err) MUST_CHECK;

#endif
