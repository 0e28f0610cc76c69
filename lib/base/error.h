/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error: why something failed, for a person.
 *
 * Every fallible function returns 0 or -1 and takes `struct error *err` last, never NULL. Making an
 * error returns -1, so failing is one statement. The first error wins: setting one that is set
 * already keeps the first. Library code never prints and never exits; cmd/report.c does.
 *
 *     struct error err = { 0 };
 *     if (blob_open(...) < 0)
 *         return error_set(err, ERROR_SYSTEM, errno, "open %s", path);   where it happens
 *     if (pull(...) < 0)
 *         return error_wrap(err, "pull %s", ref);                       what we were doing
 *     TRY(call(..., err));                                              nothing to add
 *
 * Not for programming mistakes (assert) nor for lack of memory (xmalloc ends the process).
 */
#ifndef LIB_BASE_ERROR_H
#define LIB_BASE_ERROR_H

#include <stdbool.h>

#include "lib/base/cleanup.h"

/* What went wrong, coarsely; decides the exit code (cmd/report.c) and whether a retry helps. */
enum error_kind {
    ERROR_NONE,
    ERROR_USAGE,       /* the command line */
    ERROR_USER,        /* Dockerfile, context, or anything else the user wrote */
    ERROR_GATE,        /* a check that was asked for found something */
    ERROR_RUN_FAILED,  /* a RUN step ended with a non-zero status */
    ERROR_NOT_FOUND,   /* a local thing that is not there */
    ERROR_REMOTE,      /* a registry or server said no: 401, 403, 404, ... */
    ERROR_NETWORK,     /* could not talk to it, or it broke off: worth a retry */
    ERROR_CORRUPT,     /* bytes that are not what they claim to be */
    ERROR_SYSTEM,      /* a system call failed; `sys` says how */
    ERROR_NO_SPACE,    /* disk, inodes or quota used up */
    ERROR_LOCKED,      /* another process holds it, or offline mode forbids it */
    ERROR_UNSUPPORTED, /* a thing mlbuild knows of but does not do */
    ERROR_HOST,        /* this host cannot: namespaces, sub-ids, kernel */
    ERROR_CANCELLED,   /* interrupted */
};

/* A place in a Dockerfile. Lines count from 1; line 0 means nowhere. Column 0 means the whole line,
 * else it counts bytes from 1. `end_line` >= `line`. */
struct position {
    int line;
    int end_line;
    int column;
};

struct error {
    enum error_kind kind;
    int sys;               /* errno, 0 if none */
    char *message;         /* outermost context first: "pull alpine:3: GET /v2/: 401" */
    char *hint;            /* what to do, NULL if nothing helps */
    char *detail;          /* lines to show below (the last output of a RUN), NULL if none */
    struct position where; /* Dockerfile line and column, line 0 if none */
};

/* Sets the error unless one is set. `sys` != 0 appends strerror and turns ENOSPC and EDQUOT into
 * ERROR_NO_SPACE. Returns -1. */
int error_set(struct error *err, enum error_kind kind, int sys, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Puts "context: " before the message. Returns -1. */
int error_wrap(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Adds a hint if there is none. Returns -1. */
int error_hint(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Places the error in the Dockerfile unless it is placed. Returns -1. */
int error_at(struct error *err, struct position where);
/* Frees what it holds and makes it ready for use. */
void error_clear(struct error *err);
/* Moves `from` into the empty `to`; `from` is empty afterwards. */
void error_move(struct error *to, struct error *from);
/* Of several that failed side by side: the first stays. Moves `from` into `to` if that is empty,
 * and clears it in any case. -1 if `to` is set now. */
int error_first(struct error *to, struct error *from);

static inline bool error_is_set(const struct error *err)
{
    return err->kind != ERROR_NONE;
}

DEFINE_AUTO(error, struct error, error_clear(value))

#define TRY(call)                                                                                  \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            return -1;                                                                             \
    } while (0)

#endif
