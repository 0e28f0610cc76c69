/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines: from physical lines to logical ones: parser directives, comments and continuations are
 * dealt with here, nothing else is. A logical line remembers where each of its pieces stood.
 *
 *     struct line_reader reader;
 *     TRY(line_reader_init(&reader, &source, &arena, err));    reads the directives
 *     while (line_reader_next(&reader, &line)) ...
 */
#ifndef FRONTEND_DOCKERFILE_LINES_H
#define FRONTEND_DOCKERFILE_LINES_H

#include "frontend/dockerfile/source.h"
#include "lib/base/strbuf.h"

/* "# syntax=", "# escape=", "# check=": NULL where not given; escape is '\\' or '`'. */
struct directives {
    const char *syntax;
    const char *check;
    char escape;
};

/* One physical line's part of a logical line. */
struct line_piece {
    size_t offset; /* in the joined text */
    int line;
    int column; /* of the piece's first byte */
};

struct logical_line {
    const char *text; /* joined, nothing inserted; in the arena */
    const struct line_piece *pieces;
    size_t piece_count;
    const char *const *comments; /* of the comment lines above it, "#" and blanks cut off */
    size_t comment_count;        /* a bare "#" clears them, a blank line does not */
    int blank_line;              /* 0: none inside it; else its last line, which BuildKit names */
    struct position where;       /* first to last physical line, column of the first byte */
};

struct line_reader {
    const struct source *source;
    struct arena *arena;
    struct directives directives;
    int next; /* physical line to read, from 1 */
};

/* Errors: USER (a directive twice, an invalid escape). The reader owns nothing. */
int line_reader_init(struct line_reader *reader, const struct source *source, struct arena *arena,
                     struct error *err) MUST_CHECK;
/* The next logical line that is not empty; false at the end. */
bool line_reader_next(struct line_reader *reader, struct logical_line *out);
/* Where byte `offset` of the joined text stood. */
struct position logical_line_position(const struct logical_line *line, size_t offset);

#endif
