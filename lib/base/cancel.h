/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel: one "stop now" for a whole build. Long waits poll `fd` (readable once raised, for ever);
 * loops ask cancel_check between pieces of work. Raising is async-signal-safe and idempotent.
 */
#ifndef LIB_BASE_CANCEL_H
#define LIB_BASE_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "lib/base/error.h"

struct cancel {
    atomic_bool raised;
    int fd; /* an eventfd */
};

int cancel_init(struct cancel *c, struct error *err) MUST_CHECK;
void cancel_release(struct cancel *c);
void cancel_raise(struct cancel *c);
bool cancel_is_raised(const struct cancel *c);
/* 0, or -1 with ERROR_CANCELLED once raised. `c` may be NULL: never cancelled. */
int cancel_check(const struct cancel *c, struct error *err) MUST_CHECK;

#endif
