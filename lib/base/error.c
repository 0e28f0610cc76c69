/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/error.h"

#include <stdarg.h>

#include "lib/base/mem.h"

int error_set(struct error *err, enum error_kind kind, int sys, const char *fmt, ...)
{
    if (error_is_set(err))
        return -1;

    va_list args;
    va_start(args, fmt);
    auto_free char *text = xvasprintf(fmt, args);
    va_end(args);
    err->kind = sys == ENOSPC || sys == EDQUOT ? ERROR_NO_SPACE : kind;
    err->sys = sys;
    if (sys) {
        char why[128];
        err->message = xasprintf("%s: %s", text, strerror_r(sys, why, sizeof why));
    } else {
        err->message = take_ptr(text);
    }
    return -1;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    auto_free char *context = xvasprintf(fmt, args);
    va_end(args);
    char *whole = xasprintf("%s: %s", context, err->message ? err->message : "failed");
    free(err->message);
    err->message = whole;
    return -1;
}

int error_hint(struct error *err, const char *fmt, ...)
{
    if (err->hint)
        return -1;

    va_list args;
    va_start(args, fmt);
    err->hint = xvasprintf(fmt, args);
    va_end(args);
    return -1;
}

int error_at(struct error *err, struct position where)
{
    if (err->where.line == 0)
        err->where = where;
    return -1;
}

void error_clear(struct error *err)
{
    free(err->message);
    free(err->hint);
    free(err->detail);
    *err = (struct error){ .kind = ERROR_NONE };
}

void error_move(struct error *to, struct error *from)
{
    error_clear(to);
    *to = *from;
    *from = (struct error){ .kind = ERROR_NONE };
}

int error_first(struct error *to, struct error *from)
{
    if (!error_is_set(to))
        error_move(to, from);
    error_clear(from);
    return error_is_set(to) ? -1 : 0;
}
