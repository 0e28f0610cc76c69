/* SPDX-License-Identifier: Apache-2.0 */
/* pipe_writer: a pipe or socket as a writer. A program that has stopped reading must not keep us
 * from being stopped. */
#ifndef CMD_PIPE_WRITER_H
#define CMD_PIPE_WRITER_H

#include "lib/base/cancel.h"
#include "lib/base/meter.h"
#include "lib/base/stream.h"

struct pipe_writer {
    struct writer base;
    int fd;     /* the caller's; it may block, and stays as it is, since it may be others', too */
    int own_fd; /* the same pipe, not blocking; -1: it could not be opened again */
    const char *name;
    const struct cancel *cancel;
    struct meter *meter;
};

/* All are borrowed; `meter` may be NULL. */
struct pipe_writer pipe_writer_open(int fd, const char *name, const struct cancel *cancel,
                                    struct meter *meter);
void pipe_writer_close(struct pipe_writer *w);
DEFINE_AUTO(pipe_writer, struct pipe_writer, pipe_writer_close(value))

#endif
