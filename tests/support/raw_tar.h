/* SPDX-License-Identifier: Apache-2.0 */
/* raw_tar: tar streams as nobody should write them, header by header. */
#ifndef TESTS_SUPPORT_RAW_TAR_H
#define TESTS_SUPPORT_RAW_TAR_H

#include <stdbool.h>

#include "lib/base/strbuf.h"

/* One entry. What is NULL or 0 is ordinary: a file of mode 0644 that belongs to 0:0. The numbers
 * are the field's text, so that they can be wrong. */
struct raw_entry {
    const char *name; /* at most 100 bytes are kept */
    char type;        /* '0' if 0 */
    const char *link;
    const char *pax;     /* "key=value\n..." in an extended header before it */
    const char *raw_pax; /* an extended header of exactly this text */
    const char *mode, *uid, *size, *mtime, *major, *minor;
    const char *content;
    bool bad_checksum;
};

void raw_tar_add(struct strbuf *out, const struct raw_entry *e);
/* The two blocks of zeros. */
void raw_tar_end(struct strbuf *out);

#endif
