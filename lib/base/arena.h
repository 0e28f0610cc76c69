/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena: memory that is freed all at once, for things that live as long as one pass: the AST, the
 * graph. Memory comes zeroed and aligned for any type. Not thread-safe.
 */
#ifndef LIB_BASE_ARENA_H
#define LIB_BASE_ARENA_H

#include <stddef.h>

#include "lib/base/cleanup.h"

struct arena {
    struct arena_block *head;
};

void *arena_alloc(struct arena *arena, size_t count, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *arena, const char *s) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *arena, const char *s, size_t len)
    __attribute__((returns_nonnull));
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3)
    __attribute__((returns_nonnull));
void arena_release(struct arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), 1, sizeof(type)))

DEFINE_AUTO(arena, struct arena, arena_release(value))

#endif
