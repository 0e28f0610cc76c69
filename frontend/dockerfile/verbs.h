/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs: THE TABLE of instructions and their flags. A new instruction is one row here, one row of
 * lower.c's table, and a golden case; a new flag is one row of its verb's flag table.
 */
#ifndef FRONTEND_DOCKERFILE_VERBS_H
#define FRONTEND_DOCKERFILE_VERBS_H

#include <stdbool.h>

#include "lib/base/str.h"

enum verb_kind {
    VERB_ADD,
    VERB_ARG,
    VERB_CMD,
    VERB_COPY,
    VERB_ENTRYPOINT,
    VERB_ENV,
    VERB_EXPOSE,
    VERB_FROM,
    VERB_HEALTHCHECK,
    VERB_LABEL,
    VERB_MAINTAINER,
    VERB_ONBUILD,
    VERB_RUN,
    VERB_SHELL,
    VERB_STOPSIGNAL,
    VERB_USER,
    VERB_VOLUME,
    VERB_WORKDIR,
    VERB_COUNT
};

/* How the text behind verb and flags is read. */
enum grammar {
    GRAMMAR_COMMAND,     /* a JSON array, else one string */
    GRAMMAR_LIST,        /* a JSON array, else words */
    GRAMMAR_WORDS,       /* words */
    GRAMMAR_TEXT,        /* one string */
    GRAMMAR_PAIRS,       /* NAME=value words, or "NAME value" */
    GRAMMAR_ARGS,        /* NAME or NAME=value words */
    GRAMMAR_HEALTHCHECK, /* a type, then a command */
    GRAMMAR_ONBUILD,     /* one instruction */
};

enum flag_kind {
    FLAG_CHECKSUM,
    FLAG_CHMOD,
    FLAG_CHOWN,
    FLAG_DEVICE,
    FLAG_EXCLUDE,
    FLAG_FROM,
    FLAG_INTERVAL,
    FLAG_KEEP_GIT_DIR,
    FLAG_LINK,
    FLAG_MOUNT,
    FLAG_NETWORK,
    FLAG_PARENTS,
    FLAG_PLATFORM,
    FLAG_RETRIES,
    FLAG_SECURITY,
    FLAG_START_INTERVAL,
    FLAG_START_PERIOD,
    FLAG_TIMEOUT,
    FLAG_UNPACK,
};

enum flag_type { FLAG_STRING, FLAG_BOOL, FLAG_LIST };

struct flag_spec {
    const char *name; /* without the dashes; NULL ends a table */
    enum flag_kind kind;
    enum flag_type type;
};

/* What is true of a verb. */
enum {
    VERB_HEREDOC = 1 << 0,        /* `<<EOF` words open here-documents */
    VERB_NOT_IN_ONBUILD = 1 << 1, /* ONBUILD refuses it */
    VERB_DROPS_FLAGS = 1 << 2,    /* flags are read and dropped, as BuildKit does */
    VERB_STEP = 1 << 3,           /* counted in step names: makes a layer */
};

struct verb {
    const char *name;
    enum verb_kind kind;
    enum grammar grammar;
    const struct flag_spec *flags; /* ended by a NULL name */
    unsigned properties;
};

/* The verb called `word` in any case, or NULL. */
const struct verb *verb_find(struct str word);
/* The name nearest to `word`, or NULL. */
const char *verb_nearest(const char *word);

#endif
