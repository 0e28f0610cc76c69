/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream: bytes on their way. A writer or reader is one function in the first member of a concrete
 * type; a layer's way to the store is a chain of writers:
 *
 *     tar_writer -> digest (diff_id) -> gzip -> digest (blob) -> blob_writer
 *
 * A link owns nothing of the next one. Closing (flushing what is held back) is the concrete type's.
 */
#ifndef LIB_BASE_STREAM_H
#define LIB_BASE_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/error.h"

struct writer {
    /* Takes all `len` bytes or fails. */
    int (*write)(struct writer *w, const void *data, size_t len, struct error *err);
    /* Takes the next `len` bytes of a file, if it can do so without looking at them; NULL: it
     * cannot. */
    int (*copy)(struct writer *w, int fd, uint64_t len, struct error *err);
};

struct reader {
    /* Returns 1..cap bytes, 0 at the end, or -1. */
    ssize_t (*read)(struct reader *r, void *buf, size_t cap, struct error *err);
};

static inline int writer_write(struct writer *w, const void *data, size_t len, struct error *err)
{
    return w->write(w, data, len, err);
}

/* Reads exactly `len` bytes. An early end is CORRUPT; `name` is for the message. */
int reader_read_full(struct reader *r, void *buf, size_t len, const char *name,
                     struct error *err) MUST_CHECK;

/* Reads to the end. What follows the end of an archive is no entry of it, but belongs to the stream
 * whose digest somebody checks. */
int reader_drain(struct reader *r, struct error *err) MUST_CHECK;

/* A file descriptor as a stream; it is not closed here. `done` counts the bytes that passed. */
struct fd_writer {
    struct writer base;
    int fd;
    const char *name; /* for messages; borrowed */
    uint64_t done;
};
struct fd_reader {
    struct reader base;
    int fd;
    const char *name;
    uint64_t done;
};
struct fd_writer fd_writer_init(int fd, const char *name);
struct fd_reader fd_reader_init(int fd, const char *name);

#endif
