/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/strbuf.h"

#include "lib/base/mem.h"

char strbuf_empty[1];

void strbuf_release(struct strbuf *sb)
{
    if (sb->cap)
        free(sb->buf);
    *sb = (struct strbuf)STRBUF_INIT;
}

void strbuf_clear(struct strbuf *sb)
{
    sb->len = 0;
    if (sb->cap)
        sb->buf[0] = '\0';
}

char *strbuf_reserve(struct strbuf *sb, size_t more)
{
    size_t need = 0;
    if (__builtin_add_overflow(sb->len, more, &need) || __builtin_add_overflow(need, 1, &need))
        abort();
    if (need > sb->cap) {
        size_t cap = sb->cap < 32 ? 64 : sb->cap + sb->cap / 2;
        if (cap < need)
            cap = need;
        sb->buf = xreallocarray(sb->cap ? sb->buf : NULL, cap, 1);
        sb->cap = cap;
        sb->buf[sb->len] = '\0';
    }
    return sb->buf + sb->len;
}

void strbuf_add(struct strbuf *sb, const void *data, size_t len)
{
    char *at = strbuf_reserve(sb, len);
    if (len)
        memcpy(at, data, len);
    at[len] = '\0';
    sb->len += len;
}

void strbuf_addstr(struct strbuf *sb, const char *s)
{
    strbuf_add(sb, s, strlen(s));
}

void strbuf_addch(struct strbuf *sb, char c)
{
    strbuf_add(sb, &c, 1);
}

void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0)
        abort();
    char *at = strbuf_reserve(sb, (size_t)len);
    vsnprintf(at, (size_t)len + 1, fmt, args);
    sb->len += (size_t)len;
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    strbuf_vaddf(sb, fmt, args);
    va_end(args);
}

char *strbuf_detach(struct strbuf *sb)
{
    char *text = sb->cap ? sb->buf : xstrdup("");
    *sb = (struct strbuf)STRBUF_INIT;
    return text;
}
