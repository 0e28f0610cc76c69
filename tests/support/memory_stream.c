/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/memory_stream.h"

#include "lib/base/mem.h"
#include "lib/codec/digest.h"

static int memory_write(struct writer *base, const void *data, size_t len, struct error *err)
{
    struct memory_writer *w = (struct memory_writer *)base;
    if (w->limit && w->data.len + len > w->limit)
        return error_set(err, ERROR_NO_SPACE, 0, "the test's memory is full");
    strbuf_add(&w->data, data, len);
    return 0;
}

struct memory_writer memory_writer_init(void)
{
    return (struct memory_writer){ .base = { memory_write }, .data = STRBUF_INIT };
}

static ssize_t memory_read(struct reader *base, void *buf, size_t cap, struct error *err)
{
    struct memory_reader *r = (struct memory_reader *)base;
    size_t n = r->len - r->pos;
    (void)err;
    if (n > cap)
        n = cap;
    if (r->step && n > r->step)
        n = r->step;
    if (n)
        memcpy(buf, r->data + r->pos, n);
    r->pos += n;
    return (ssize_t)n;
}

struct memory_reader memory_reader_init(const void *data, size_t len, size_t step)
{
    return (
        struct memory_reader){ .base = { memory_read }, .data = data, .len = len, .step = step };
}

int test_read_all(struct reader *r, size_t cap, struct strbuf *out, struct error *err)
{
    for (;;) {
        ssize_t n = r->read(r, strbuf_reserve(out, cap), cap, err);
        if (n <= 0)
            return (int)n;
        out->len += (size_t)n;
        out->buf[out->len] = '\0';
    }
}

const char *test_digest_text(const void *data, size_t len)
{
    static char text[DIGEST_TEXT_SIZE];
    struct digest d;
    digest_of(data, len, &d);
    digest_print(&d, text);
    return text;
}
