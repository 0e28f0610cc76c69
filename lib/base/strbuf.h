/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strbuf: text (or bytes) being built. `buf` is never NULL and always terminated; { 0 } is not
 * valid, start from STRBUF_INIT. A buffer filled from outside is given a limit by its reader
 * (fd_read_all).
 */
#ifndef LIB_BASE_STRBUF_H
#define LIB_BASE_STRBUF_H

#include <stdarg.h>
#include <stddef.h>

#include "lib/base/cleanup.h"

struct strbuf {
    char *buf;
    size_t len;
    size_t cap; /* 0: `buf` is the shared empty string */
};

extern char strbuf_empty[1];
#define STRBUF_INIT                                                                                \
    {                                                                                              \
        .buf = strbuf_empty                                                                        \
    }

void strbuf_release(struct strbuf *sb);
void strbuf_clear(struct strbuf *sb);
/* Room for `more` bytes (and the terminator) behind `len`; returns where to write them. */
char *strbuf_reserve(struct strbuf *sb, size_t more);
void strbuf_add(struct strbuf *sb, const void *data, size_t len);
void strbuf_addstr(struct strbuf *sb, const char *s);
void strbuf_addch(struct strbuf *sb, char c);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
/* Hands the text to the caller (who frees it) and leaves the buffer empty. */
char *strbuf_detach(struct strbuf *sb) __attribute__((returns_nonnull));

DEFINE_AUTO(strbuf, struct strbuf, strbuf_release(value))

#endif
