/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input: a file, or standard input, that a command reads from its beginning to its end while its
 * bytes are shown.
 *
 *     input_open -> input_start -> read ... -> meter_end(&in.meter)
 */
#ifndef CMD_INPUT_H
#define CMD_INPUT_H

#include "cmd/session.h"
#include "lib/base/meter.h"

struct input {
    struct reader base; /* for the meter */
    int fd;
    const char *name;
    const struct cancel *cancel;
    struct meter meter;
    struct metered_reader reader;
};

/* "-" is standard input, unless that is a terminal (USAGE). Errors: USER. */
int input_open(struct input *in, const char *path, struct error *err) MUST_CHECK;
/* The stream, which ends with CANCELLED when `s` does, also while nothing comes. `name` is
 * borrowed, for messages. */
struct reader *input_start(struct input *in, const char *name, struct session *s, unsigned vertex);
void input_close(struct input *in);
DEFINE_AUTO(input, struct input, input_close(value))

#endif
