/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/raw_tar.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

enum { BLOCK = 512 };

static void put(char *header, size_t at, size_t size, const char *text)
{
    size_t len = strlen(text);
    memcpy(header + at, text, len < size ? len : size);
}

static void add_padded(struct strbuf *out, const char *data, size_t len)
{
    static const char zeros[BLOCK];
    strbuf_add(out, data, len);
    strbuf_add(out, zeros, (BLOCK - len % BLOCK) % BLOCK);
}

static void add_header(struct strbuf *out, const struct raw_entry *e, size_t size)
{
    char header[BLOCK] = { 0 };
    char text[16];
    unsigned sum = 0;
    snprintf(text, sizeof text, "%011zo", size);
    put(header, 0, 100, e->name);
    put(header, 100, 8, e->mode ? e->mode : "0000644");
    put(header, 108, 8, e->uid ? e->uid : "0000000");
    put(header, 116, 8, "0000000");
    put(header, 124, 12, e->size ? e->size : text);
    put(header, 136, 12, e->mtime ? e->mtime : "00000000001");
    header[156] = e->type ? e->type : '0';
    put(header, 157, 100, e->link ? e->link : "");
    memcpy(header + 257, "ustar\00000", 8);
    put(header, 329, 8, e->major ? e->major : "0000000");
    put(header, 337, 8, e->minor ? e->minor : "0000000");
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)header[i];
    snprintf(text, sizeof text, "%06o", e->bad_checksum ? sum + 1 : sum);
    memcpy(header + 148, text, 7);
    strbuf_add(out, header, BLOCK);
}

/* Puts each line's length before it. */
static char *with_lengths(const char *pax)
{
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    struct str rest = str_of(pax);
    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        size_t total = line.len + 3;
        char digits[24];
        while ((size_t)snprintf(digits, sizeof digits, "%zu", total) + line.len + 2 != total)
            total++;
        strbuf_addf(&out, "%zu %.*s\n", total, (int)line.len, line.ptr);
    }
    return strbuf_detach(&out);
}

void raw_tar_add(struct strbuf *out, const struct raw_entry *e)
{
    auto_free char *records = e->pax       ? with_lengths(e->pax)
                              : e->raw_pax ? xstrdup(e->raw_pax)
                                           : NULL;
    size_t len = e->content ? strlen(e->content) : 0;
    if (records) {
        struct raw_entry extended = { .name = "pax", .type = 'x' };
        add_header(out, &extended, strlen(records));
        add_padded(out, records, strlen(records));
    }
    add_header(out, e, len);
    if (len)
        add_padded(out, e->content, len);
}

void raw_tar_end(struct strbuf *out)
{
    static const char zeros[2 * BLOCK];
    strbuf_add(out, zeros, sizeof zeros);
}
