/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emulator: can programs of a platform run here? The kernel runs its own architecture and that
 * one's 32-bit form; for others binfmt_misc names a program that emulates them, which nobody but
 * the host's administrator can register.
 */
#ifndef SNAPSHOTTER_SANDBOX_EMULATOR_H
#define SNAPSHOTTER_SANDBOX_EMULATOR_H

#include "lib/base/error.h"
#include "lib/base/strvec.h"
#include "lib/oci/platform.h"

#define EMULATOR_BINFMT_DIR "/proc/sys/fs/binfmt_misc"

/* Whether `host` runs programs of `p` on a root `root_fd`: itself, or with an emulator registered
 * in `binfmt_dir` that is open already (flag F) or lies in that root. Errors: HOST, which says what
 * is missing. */
int emulator_check(const char *binfmt_dir, const struct platform *host, const struct platform *p,
                   int root_fd, struct error *err) MUST_CHECK;
/* The platforms whose programs run whatever the root is. */
void emulator_list(const char *binfmt_dir, const struct platform *host, struct strvec *out);

#endif
