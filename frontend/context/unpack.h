/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack: a context that comes as a tar archive (packed by gzip, bzip2, xz or zstd, or plain) as a
 * directory of files. Everything belongs to the caller: a context's files count as 0:0 anyhow.
 */
#ifndef FRONTEND_CONTEXT_UNPACK_H
#define FRONTEND_CONTEXT_UNPACK_H

#include <stdbool.h>

#include "lib/base/stream.h"

/* Do the first bytes of a file (512, or all of a shorter one) look like an archive's? */
bool unpack_is_archive(const void *head, size_t len);
/* Unpacks `in` below the empty directory `dir_fd`. A later entry replaces an earlier one of the
 * same path. Errors: USER (an entry outside, a device), CORRUPT, SYSTEM. */
int unpack_archive(struct reader *in, const char *name, int dir_fd, struct error *err) MUST_CHECK;

#endif
