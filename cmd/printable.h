/* SPDX-License-Identifier: Apache-2.0 */
/* printable: what others wrote, on its way to a terminal. */
#ifndef CMD_PRINTABLE_H
#define CMD_PRINTABLE_H

#include <stddef.h>

/* `text` without control characters, cut after `width` characters with "..." in place of the rest.
 * The caller frees it. */
char *printable(const char *text, size_t width) __attribute__((returns_nonnull));

#endif
