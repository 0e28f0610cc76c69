/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rooted: opens paths of an image as the image means them: links, absolute ones too, and ".." stay
 * below the root. The root is hostile; no path is ever joined to a host path.
 */
#ifndef SNAPSHOTTER_SANDBOX_ROOTED_H
#define SNAPSHOTTER_SANDBOX_ROOTED_H

#include <stddef.h>

#include "lib/base/error.h"
#include "lib/base/strbuf.h"

/* openat with `root_fd` as "/"; /proc's magic links are refused (ELOOP). Creates nothing. O_CLOEXEC
 * is added. `without` is a set of enum without. Returns a descriptor, or -1 with errno set. */
int rooted_open(int root_fd, const char *path, int flags, unsigned without);
/* Reads a regular file of the image; a FIFO does not block. Errors: NOT_FOUND, SYSTEM, USER. */
int rooted_read(int root_fd, const char *path, unsigned without, struct strbuf *out,
                struct error *err) MUST_CHECK;

#endif
