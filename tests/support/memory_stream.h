/* SPDX-License-Identifier: Apache-2.0 */
/* memory_stream: the ends of a chain of readers or writers, in memory. */
#ifndef TESTS_SUPPORT_MEMORY_STREAM_H
#define TESTS_SUPPORT_MEMORY_STREAM_H

#include "lib/base/strbuf.h"
#include "lib/base/stream.h"

struct memory_writer {
    struct writer base;
    struct strbuf data;
    size_t limit; /* 0: none; else writing more fails with NO_SPACE */
};
struct memory_writer memory_writer_init(void);

struct memory_reader {
    struct reader base;
    const char *data; /* borrowed */
    size_t len, pos;
    size_t step; /* 0: as much as is asked for; else at most so many bytes at once */
};
struct memory_reader memory_reader_init(const void *data, size_t len, size_t step);

/* Reads to the end by pieces of `cap` bytes; 0 or -1 as the reader says. */
int test_read_all(struct reader *r, size_t cap, struct strbuf *out, struct error *err);
/* "sha256:..." of the bytes, in a static buffer. */
const char *test_digest_text(const void *data, size_t len);

#endif
