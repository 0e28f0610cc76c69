/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/copy_mode.h"

#include "lib/base/str.h"

enum { MODE_MAX = 07777 };

/* [ugoa...], then an operator with its permissions, once or more often. */
static bool is_clause(struct str clause)
{
    size_t i = 0;
    while (i < clause.len && strchr("ugoa", clause.ptr[i]))
        i++;
    if (i == clause.len)
        return false;
    while (i < clause.len) {
        if (!strchr("+-=", clause.ptr[i++]))
            return false;
        while (i < clause.len && strchr("rwxXstugo", clause.ptr[i]))
            i++;
    }
    return true;
}

bool copy_mode_is_valid(const char *text)
{
    uint64_t number = 0;
    struct str rest = str_of(text);
    if (str_to_u64(rest, 8, MODE_MAX, &number))
        return true;
    if (rest.len == 0 || rest.ptr[rest.len - 1] == ',')
        return false;
    while (rest.len)
        if (!is_clause(str_cut(&rest, ',')))
            return false;
    return true;
}
