/* SPDX-License-Identifier: Apache-2.0 */
/* size_text: bytes for people. */
#ifndef CMD_SIZE_TEXT_H
#define CMD_SIZE_TEXT_H

#include <stdint.h>

enum { SIZE_TEXT = 24 };
/* 12345678 -> "12.3MB", as docker prints sizes: powers of 1000, three digits. */
void size_print(uint64_t bytes, char text[static SIZE_TEXT]);

#endif
