/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/mem.h"

static void *check(void *p)
{
    static const char message[] = "mlbuild: out of memory\n";
    if (!p) {
        (void)!write(STDERR_FILENO, message, sizeof message - 1);
        _exit(1);
    }
    return p;
}

void *xmalloc(size_t size)
{
    return check(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
    return check(calloc(count ? count : 1, size ? size : 1));
}

void *xreallocarray(void *p, size_t count, size_t size)
{
    return check(reallocarray(p, count ? count : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
    return check(strdup(s));
}

char *xstrndup(const char *s, size_t len)
{
    char *copy = xmalloc(len + 1);
    if (len)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

void *xmemdup(const void *p, size_t len)
{
    void *copy = xmalloc(len);
    if (len)
        memcpy(copy, p, len);
    return copy;
}

char *xvasprintf(const char *fmt, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, fmt, args) < 0)
        text = NULL;
    return check(text);
}

char *xasprintf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = xvasprintf(fmt, args);
    va_end(args);
    return text;
}
