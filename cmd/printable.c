/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/printable.h"

#include <stdbool.h>

#include "lib/base/strbuf.h"

char *printable(const char *text, size_t width)
{
    enum { CONTINUES = 0x80, CONTINUES_MASK = 0xc0, DELETE = 0x7f, C1_LEAD = 0xc2, C1_END = 0xa0 };
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    size_t columns = 0;
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        /* C1, as UTF-8 writes it, comes out as one space: its second half is left out. */
        bool is_c1 =
            c == C1_LEAD && (unsigned char)p[1] >= CONTINUES && (unsigned char)p[1] < C1_END;
        /* No character is cut in two. */
        if ((c & CONTINUES_MASK) != CONTINUES && columns++ == width) {
            strbuf_addstr(&out, "...");
            break;
        }
        strbuf_addch(&out, c < ' ' || c == DELETE || is_c1 ? ' ' : *p);
        p += is_c1;
    }
    return strbuf_detach(&out);
}
