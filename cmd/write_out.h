/* SPDX-License-Identifier: Apache-2.0 */
/* write_out: what leaves the store as one stream of bytes, on its way to where the user wants it.
 */
#ifndef CMD_WRITE_OUT_H
#define CMD_WRITE_OUT_H

#include "cmd/session.h"
#include "lib/base/meter.h"

struct out_content {
    int (*write)(const void *arg, struct writer *out, struct error *err);
    const void *arg;
    struct meter *meter; /* NULL: too short to be shown */
};

/* Does what goes to `dest` become a file of its own? A pipe or a device is never replaced. */
bool write_out_is_new_file(const char *dest);
/* To `dest`: "-" is standard output, unless that is a terminal (USAGE); a file appears only when it
 * is whole; a pipe or a device is written to. */
int write_out(struct session *s, const char *dest, const struct out_content *content,
              struct error *err) MUST_CHECK;

#endif
