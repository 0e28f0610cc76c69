/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heredoc: here-documents: which words of an instruction open one (`<<EOF`, `<<-EOF`, `3<<"EOF"`),
 * and the lines that belong to it. A word opens one if digits, `<<` and perhaps a `-` stand at its
 * start and exactly one word without a `<` follows, perhaps behind blanks; quotes anywhere in that
 * word are cut off and turn the expansion of the body off. The escape is `\` here, whatever the
 * directive says.
 *
 *     struct heredoc_opener *openers = NULL;
 *     size_t count = heredoc_find(str_of(line.text), arena, &openers);
 *     for each:  TRY(heredoc_read(&openers[i], reader, arena, &document, err));
 */
#ifndef FRONTEND_DOCKERFILE_HEREDOC_H
#define FRONTEND_DOCKERFILE_HEREDOC_H

#include "frontend/dockerfile/ast.h"

struct heredoc_opener {
    struct str word; /* all of it, from the digits on; a slice of the text searched */
    const char *name;
    bool strip_tabs; /* `<<-` */
    bool expand;
    size_t index; /* of the word, for the caller to fill in */
};

/* Whether all of `word` opens a here-document; fills *out if so. */
bool heredoc_opener_parse(struct str word, struct arena *arena, struct heredoc_opener *out);
/* The openers in `text`, in their order; an array of the arena. None if a quote in it stays open.
 */
size_t heredoc_find(struct str text, struct arena *arena, struct heredoc_opener **out);
/* Reads the body from where the reader stands, and the line that ends it. Errors: USER
 * (unterminated). */
int heredoc_read(const struct heredoc_opener *opener, struct line_reader *reader,
                 struct arena *arena, struct heredoc *out, struct error *err) MUST_CHECK;
/* "INSTRUCTION" with the bodies and their ends behind it, as a shell or a later parser reads it. */
char *heredoc_append(const char *text, const struct heredoc *docs, size_t count,
                     struct arena *arena);

#endif
