/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd: whole reads and writes on file descriptors; EINTR and short counts are dealt with here.
 */
#ifndef LIB_BASE_FD_H
#define LIB_BASE_FD_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/base/cancel.h"
#include "lib/base/error.h"
#include "lib/base/strbuf.h"

/* Writes all `len` bytes. `name` is for the message. Errors: SYSTEM, NO_SPACE. */
int fd_write_all(int fd, const void *data, size_t len, const char *name,
                 struct error *err) MUST_CHECK;
/* Reads up to `len` bytes, fewer only at the end; returns the count or -1 with errno set. */
ssize_t fd_read_full(int fd, void *buf, size_t len);
/* Reads what there is, up to `cap` bytes, and waits until there is some; a wait, for a pipe that
 * nobody writes to, ends with `cancel` (may be NULL). Returns the count, 0 at the end, or -1.
 * Errors: SYSTEM, CANCELLED. */
ssize_t fd_read_some(int fd, void *buf, size_t cap, const char *name, const struct cancel *cancel,
                     struct error *err) MUST_CHECK;
/* Appends all that `fd` still holds to `out`; more than `limit` bytes is an error (USER). */
int fd_read_all(int fd, size_t limit, const char *name, struct strbuf *out,
                struct error *err) MUST_CHECK;
/* Opens `path` below `dir_fd` (regular files only, never blocks on a FIFO) and reads it whole.
 * Errors: NOT_FOUND, SYSTEM, USER (too large, not a regular file). */
int fd_read_file(int dir_fd, const char *path, size_t limit, struct strbuf *out,
                 struct error *err) MUST_CHECK;
/* Copies exactly `len` bytes from `in` to `out`, in the kernel where it can; holes of a whole
 * file stay holes. `cancel` (may be NULL) is asked between pieces. A source that ends
 * early is CORRUPT. */
int fd_copy(int in, int out, uint64_t len, const char *name, const struct cancel *cancel,
            struct error *err) MUST_CHECK;

#endif
