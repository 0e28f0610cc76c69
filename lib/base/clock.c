/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/clock.h"

uint64_t clock_monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

struct timespec clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t;
}

void clock_print(struct timespec t, char text[static CLOCK_TEXT_SIZE])
{
    struct tm tm = { 0 };
    gmtime_r(&t.tv_sec, &tm);
    size_t len = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    if (t.tv_nsec) {
        int more = snprintf(text + len, CLOCK_TEXT_SIZE - len, ".%09ld", t.tv_nsec);
        len += more > 0 ? (size_t)more : 0;
        while (text[len - 1] == '0')
            len--;
    }
    snprintf(text + len, CLOCK_TEXT_SIZE - len, "Z");
}
