/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options: the command line, by tables. One row names an option, says where its value goes, and is
 * also its line of --help. Forms: --name VALUE, --name=VALUE, -n VALUE, -nVALUE; a flag may be
 * followed by =true or =false; "--" ends the options. Options and arguments may be mixed, as docker
 * allows.
 */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include "lib/base/error.h"
#include "lib/base/strbuf.h"
#include "lib/base/strvec.h"

enum option_kind {
    OPTION_FLAG, /* bool */
    OPTION_TEXT, /* const char *, the last one given wins; borrowed from argv */
    OPTION_LIST, /* struct strvec, all that are given */
    OPTION_WORD, /* const char *; a value only behind '=', without one it is `value` */
    /* Options of other builders, with `help` saying why. They have no value in the struct. */
    OPTION_HOLDS,   /* what it asks for is always so: only =false is an error */
    OPTION_NEVER,   /* what it asks for is never so: only =false is none */
    OPTION_REFUSED, /* an error */
};

struct option {
    const char *name; /* without the dashes; NULL ends a table */
    char letter;      /* 0: none */
    enum option_kind kind;
    size_t offset;     /* of the value in the command's struct */
    const char *value; /* what to call the value in --help; NULL for a flag */
    const char *help;
};

/* All take a table, or NULL for none. Parses argv[0..argc) into `values` and `args`. Errors: USAGE,
 * with the nearest option as a hint. *out_help is true if --help or -h was among them. */
int options_parse(const struct option *options, char **argv, void *values, struct strvec *args,
                  bool *out_help, struct error *err) MUST_CHECK;
/* One line an option. */
void options_print(const struct option *options, struct strbuf *out);
/* Frees the lists in `values`. */
void options_release(const struct option *options, void *values);

#endif
