/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter: the seccomp program of the sandbox: Moby's list, compiled once per build. What is not on
 * the list gets EPERM; what is newer than the list gets ENOSYS, so that programs fall back.
 */
#ifndef SNAPSHOTTER_SANDBOX_FILTER_H
#define SNAPSHOTTER_SANDBOX_FILTER_H

#include <linux/filter.h>
#include <stdint.h>

#include "lib/base/error.h"

/* `caps` is what root of a step has (bit mask): some calls are allowed with a capability only. The
 * caller frees out->filter. */
int filter_compile(uint64_t caps, struct sock_fprog *out, struct error *err) MUST_CHECK;

#endif
