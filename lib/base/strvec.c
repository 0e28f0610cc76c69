/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/strvec.h"

#include <stdarg.h>

#include "lib/base/mem.h"

void strvec_push_take(struct strvec *v, char *s)
{
    if (v->count + 1 >= v->cap) {
        v->cap = v->cap ? v->cap * 2 : 8;
        v->items = xreallocarray(v->items, v->cap, sizeof *v->items);
    }
    v->items[v->count++] = s;
    v->items[v->count] = NULL;
}

void strvec_push(struct strvec *v, const char *s)
{
    strvec_push_take(v, xstrdup(s));
}

void strvec_push_all(struct strvec *v, const struct strvec *from)
{
    for (size_t i = 0; i < from->count; i++)
        strvec_push(v, from->items[i]);
}

void strvec_pushf(struct strvec *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    strvec_push_take(v, xvasprintf(fmt, args));
    va_end(args);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void strvec_sort(struct strvec *v)
{
    if (v->count > 1)
        qsort(v->items, v->count, sizeof *v->items, compare);
}

void strvec_release(struct strvec *v)
{
    for (size_t i = 0; i < v->count; i++)
        free(v->items[i]);
    free(v->items);
    *v = (struct strvec){ 0 };
}
