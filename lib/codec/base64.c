/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, struct strbuf *out)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < len; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= i + 2 < len ? bytes[i + 2] : 0;
        strbuf_addch(out, alphabet[group >> 18]);
        strbuf_addch(out, alphabet[(group >> 12) & 63]);
        strbuf_addch(out, i + 1 < len ? alphabet[(group >> 6) & 63] : '=');
        strbuf_addch(out, i + 2 < len ? alphabet[group & 63] : '=');
    }
}

bool base64_decode(const char *text, struct strbuf *out)
{
    uint32_t group = 0;
    size_t count = 0;

    for (; *text && *text != '='; text++) {
        const char *hit = strchr(alphabet, *text);
        if (!hit)
            return false;
        group = group << 6 | (uint32_t)(hit - alphabet);
        if (++count % 4 != 0)
            continue;
        strbuf_addch(out, (char)(group >> 16));
        strbuf_addch(out, (char)(group >> 8));
        strbuf_addch(out, (char)group);
    }
    size_t rest = count % 4;
    if (rest == 3)
        strbuf_addch(out, (char)(group >> 10));
    if (rest == 3 || rest == 2)
        strbuf_addch(out, (char)(group >> (rest == 3 ? 2 : 4)));
    return rest != 1 && text[strspn(text, "=")] == '\0';
}
