/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/printable.h"

#include "lib/base/strbuf.h"

char *printable(const char *text, size_t width)
{
    enum { CONTINUES = 0x80, CONTINUES_MASK = 0xc0, DELETE = 0x7f };
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    size_t columns = 0;
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        /* No character is cut in two. */
        if ((c & CONTINUES_MASK) != CONTINUES && columns++ == width) {
            strbuf_addstr(&out, "...");
            break;
        }
        strbuf_addch(&out, c < ' ' || c == DELETE ? ' ' : *p);
    }
    return strbuf_detach(&out);
}
