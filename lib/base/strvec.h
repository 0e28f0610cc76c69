/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strvec: a growing list of owned strings. `items` is NULL-terminated (argv, envp) once something
 * was pushed; an empty list may have items == NULL.
 */
#ifndef LIB_BASE_STRVEC_H
#define LIB_BASE_STRVEC_H

#include <stddef.h>

#include "lib/base/cleanup.h"

struct strvec {
    char **items;
    size_t count;
    size_t cap;
};

void strvec_push(struct strvec *v, const char *s);
void strvec_push_take(struct strvec *v, char *s);
void strvec_pushf(struct strvec *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Copies of all that is in `from`. */
void strvec_push_all(struct strvec *v, const struct strvec *from);
/* Sorts by byte value. */
void strvec_sort(struct strvec *v);
void strvec_release(struct strvec *v);

DEFINE_AUTO(strvec, struct strvec, strvec_release(value))

#endif
