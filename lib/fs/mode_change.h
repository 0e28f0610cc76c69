/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mode_change: what chmod(1) takes, and what it makes of a mode: octal (0..07777), or symbolic
 * ("u=rwX,go=rX", "+x", "g=u", "a-w,u+s", "+t") with a umask of 0. Pure arithmetic.
 *
 *     struct mode_change change = { 0 };
 *     mode_change_parse("u=rwX,go=rX", &change, err)
 *     mode = mode_change_apply(&change, 0640, false);
 *     mode_change_release(&change);
 */
#ifndef LIB_FS_MODE_CHANGE_H
#define LIB_FS_MODE_CHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"

/* One operator with what follows it: "=rwX" of "go=rwX". */
struct mode_step {
    char op;         /* '+', '-' or '=' */
    unsigned who;    /* the bits that it may touch: of the user 04700, group 02070, others 01007 */
    unsigned bits;   /* r, w, x, s and t, for everybody */
    unsigned copied; /* classes whose permissions are taken over: 0700, 070, 07 */
    bool search;     /* X */
};

/* Zeroed: no change at all. */
struct mode_change {
    bool is_octal;
    unsigned octal;
    struct mode_step *steps; /* owned */
    size_t count, cap;
};

/* Errors: USER, in BuildKit's words; *out is then empty. The caller releases it. */
int mode_change_parse(const char *text, struct mode_change *out, struct error *err) MUST_CHECK;
/* The permission, setuid, setgid and sticky bits that `mode` turns into. X looks at the mode as it
 * was at first; "=" leaves the setuid and setgid bits of a directory alone unless it names them. */
unsigned mode_change_apply(const struct mode_change *change, unsigned mode, bool is_dir);
void mode_change_release(struct mode_change *change);
DEFINE_AUTO(mode_change, struct mode_change, mode_change_release(value))

#endif
