/* SPDX-License-Identifier: Apache-2.0 */
/* clock: time as numbers and as RFC 3339 text. Durations are measured on the monotonic clock only.
 */
#ifndef LIB_BASE_CLOCK_H
#define LIB_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds on the monotonic clock. */
uint64_t clock_monotonic_ns(void);
struct timespec clock_now(void);

enum { CLOCK_TEXT_SIZE = 40 };
/* "2006-01-02T15:04:05.999999999Z" in UTC, trailing zeros of the fraction dropped, as Go prints it.
 */
void clock_print(struct timespec t, char text[static CLOCK_TEXT_SIZE]);

#endif
