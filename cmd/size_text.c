/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/size_text.h"

#include "lib/base/cleanup.h"

void size_print(uint64_t bytes, char text[static SIZE_TEXT])
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit + 1 < COUNT(units)) {
        value /= 1000;
        unit++;
    }
    int digits = unit == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
    snprintf(text, SIZE_TEXT, "%.*f%s", digits, value, units[unit]);
}
