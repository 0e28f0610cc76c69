/* SPDX-License-Identifier: Apache-2.0 */
/* base64: the standard alphabet with padding, for credentials. */
#ifndef LIB_CODEC_BASE64_H
#define LIB_CODEC_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/strbuf.h"

void base64_encode(const void *data, size_t len, struct strbuf *out);
/* Appends what `text` stands for; padding may be missing. False if it is not base64. */
bool base64_decode(const char *text, struct strbuf *out);

#endif
