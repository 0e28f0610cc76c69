/* SPDX-License-Identifier: Apache-2.0 */
/* progress: how a build is shown: plain (lines that people grep), tty (redrawn in place), rawjson
 * (for programs), quiet. */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include "lib/base/error.h"
#include "lib/base/progress.h"

/* auto is tty if standard error is a terminal, else plain. Errors: USAGE. The sink lives as long as
 * the process. */
int progress_sink_open(const char *mode, struct progress_sink **out, struct error *err) MUST_CHECK;

struct progress_sink *progress_plain_open(void);
struct progress_sink *progress_tty_open(void);
struct progress_sink *progress_json_open(void);
struct progress_sink *progress_quiet_open(void);

#endif
