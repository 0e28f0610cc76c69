/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out_writer: the last link of what leaves the store as one stream: small writes are gathered,
 * since a tar is headers between contents, and large contents go from file to file in the kernel.
 *
 *     out_writer_open -> writer_write(&w->base, ...) ... -> out_writer_flush -> out_writer_close
 */
#ifndef CMD_OUT_WRITER_H
#define CMD_OUT_WRITER_H

#include <stdatomic.h>

#include "lib/base/cancel.h"
#include "lib/base/meter.h"

struct out_writer {
    struct writer base;
    struct writer *next; /* of gathered bytes */
    struct fd_writer file;
    char *buf;
    size_t len;
    const struct cancel *cancel;
    _Atomic(struct meter *) meter; /* of what is written from now on; may be NULL */
};

/* To the file `fd`, or, if that is not NULL, to `pipe`. All are borrowed. */
void out_writer_open(struct out_writer *w, int fd, const char *name, struct writer *pipe,
                     const struct cancel *cancel);
int out_writer_flush(struct out_writer *w, struct error *err) MUST_CHECK;
void out_writer_close(struct out_writer *w);

#endif
