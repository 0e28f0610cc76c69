/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleanup.h: the scope owns the resource; handing it out is visible.
 *
 *     auto_free char *path = ...;      freed when the scope ends
 *     auto_close int fd = open(...);   closed when the scope ends, if >= 0
 *     *out = take_ptr(path);           ownership leaves the scope
 *
 * A type with its own destructor adds DEFINE_AUTO(name, type, destructor) beside it.
 */
#ifndef LIB_BASE_CLEANUP_H
#define LIB_BASE_CLEANUP_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define COUNT(array)           (sizeof(array) / sizeof((array)[0]))

static inline void auto_free_(void *p)
{
    void *owned = NULL;
    __builtin_memcpy(&owned, p, sizeof owned);
    free(owned);
}

static inline void auto_close_(const int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
    }
}

#define auto_free  __attribute__((cleanup(auto_free_)))
#define auto_close __attribute__((cleanup(auto_close_)))

/* Defines the attribute function `auto_NAME_` for values of `type`; use it as auto_(NAME). */
/* NOLINTBEGIN(bugprone-macro-parentheses): `type` is a type. */
#define DEFINE_AUTO(name, type, destructor)                                                        \
    static inline void auto_##name##_(type *value)                                                 \
    {                                                                                              \
        destructor;                                                                                \
    }
/* NOLINTEND(bugprone-macro-parentheses) */
#define auto_(name) __attribute__((cleanup(auto_##name##_)))

#define take_ptr(p)                                                                                \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

static inline int take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#endif
