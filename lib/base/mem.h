/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem: allocation that cannot fail. Out of memory prints one line and ends the process at once: the
 * store needs no clean-up, and no caller could do better. Sizes are checked for overflow.
 */
#ifndef LIB_BASE_MEM_H
#define LIB_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

#include "lib/base/cleanup.h"

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *p, size_t count, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((returns_nonnull));
/* Copies `len` bytes of `s` and terminates them. */
char *xstrndup(const char *s, size_t len) __attribute__((returns_nonnull));
void *xmemdup(const void *p, size_t len) __attribute__((returns_nonnull));
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));
char *xvasprintf(const char *fmt, va_list args) PRINTF_LIKE(1, 0) __attribute__((returns_nonnull));

/* Makes room for one more element in `items`, an array of `count` with room for `cap`. */
#define GROW(items, count, cap)                                                                    \
    do {                                                                                           \
        if ((count) == (cap)) {                                                                    \
            (cap) = (cap) ? (cap)*2 : 8;                                                           \
            (items) = xreallocarray((items), (cap), sizeof *(items));                              \
        }                                                                                          \
    } while (0)

#endif
