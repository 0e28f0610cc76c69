/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/arena.h"

#include <stdarg.h>
#include <stdint.h>

#include "lib/base/mem.h"

enum { BLOCK = 64 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t size;
    max_align_t data[];
};

static struct arena_block *block_new(struct arena *arena, size_t size)
{
    struct arena_block *block = xcalloc(1, sizeof *block + size);
    block->size = size;
    block->next = arena->head;
    arena->head = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - BLOCK)
        abort();
    bytes = (bytes + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);

    struct arena_block *block = arena->head;
    if (!block || block->size - block->used < bytes)
        block = block_new(arena, bytes > BLOCK ? bytes : BLOCK);
    void *result = (char *)block->data + block->used;
    block->used += bytes;
    return result;
}

char *arena_strndup(struct arena *arena, const char *s, size_t len)
{
    char *copy = arena_alloc(arena, len + 1, 1);
    if (len)
        memcpy(copy, s, len);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *s)
{
    return arena_strndup(arena, s, strlen(s));
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    auto_free char *text = xvasprintf(fmt, args);
    va_end(args);
    return arena_strdup(arena, text);
}

void arena_release(struct arena *arena)
{
    while (arena->head) {
        struct arena_block *next = arena->head->next;
        free(arena->head);
        arena->head = next;
    }
}
