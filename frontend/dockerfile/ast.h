/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ast: a Dockerfile as a tree of plain data. Words are as written: quotes are in them, variables
 * are not expanded, names of stages not resolved (stages.h, lower.h do that). All memory is the
 * dockerfile's arena.
 */
#ifndef FRONTEND_DOCKERFILE_AST_H
#define FRONTEND_DOCKERFILE_AST_H

#include "frontend/dockerfile/lines.h"
#include "frontend/dockerfile/verbs.h"

struct word {
    const char *text;  /* of NAME=value words: the name */
    const char *value; /* ENV, LABEL, ARG: behind the '='; NULL if there is none */
    size_t offset;     /* in the logical line */
};

struct flag {
    const struct flag_spec *spec;
    const char *value; /* NULL: written without '=' */
    size_t offset;
};

/* A here-document of RUN, COPY or ADD. */
struct heredoc {
    const char *name;
    const char *data; /* as written; of `<<-` without leading tabs */
    size_t size;
    const char *raw; /* the lines as they stand, for a shell; raw_size bytes */
    size_t raw_size;
    bool expand; /* its word was written without quotes */
    size_t word; /* index of the word of COPY and ADD that opened it */
};

struct instruction {
    const struct verb *verb;
    struct logical_line line;
    const char *spelling; /* the verb as written */
    size_t offset;        /* of the verb in the logical line: not 0 behind ONBUILD */
    const char *rest;     /* all behind verb and flags, trimmed */
    size_t rest_offset;
    bool json;   /* the words were a JSON array */
    bool legacy; /* ENV and LABEL: "NAME value" */
    const struct word *words;
    size_t word_count;
    const struct flag *flags;
    size_t flag_count;
    const struct heredoc *heredocs; /* in the order in which they are opened */
    size_t heredoc_count;
    const struct instruction *inner; /* ONBUILD */
};

/* FROM and what follows it. Stages count from 0. */
struct stage {
    unsigned index;
    const char *name; /* lower case, or NULL */
    const struct instruction *from;
    const struct instruction *first; /* behind FROM; `count` of them */
    size_t count;
};

struct dockerfile {
    struct arena arena;
    struct source source;
    struct directives directives;
    const struct instruction *globals; /* the ARGs above the first FROM */
    size_t global_count;
    const struct stage *stages; /* at least one */
    size_t stage_count;
};

/* Where a word, a flag or any other byte of the instruction stands. */
static inline struct position instruction_at(const struct instruction *in, size_t offset)
{
    return logical_line_position(&in->line, offset);
}

/* The last flag of that kind, or NULL. */
const struct flag *instruction_flag(const struct instruction *in, enum flag_kind kind);

#endif
