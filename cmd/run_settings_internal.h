/* SPDX-License-Identifier: Apache-2.0 */
/* run_settings_internal: what the readers of run_settings share; nobody else includes this. */
#ifndef CMD_RUN_SETTINGS_INTERNAL_H
#define CMD_RUN_SETTINGS_INTERNAL_H

#include "cmd/run_settings.h"

/* Reads one text into `s`, and adds to `key` what a step can see of it. */
typedef int read_text_fn(const char *text, struct run_settings *s, struct strbuf *key,
                         struct error *err);
int run_texts_read(const struct strvec *texts, read_text_fn *read, struct run_settings *s,
                   struct strbuf *key, struct error *err) MUST_CHECK;

/* run_limits.c: --shm-size, --ulimit, --cap-add, --cap-drop, --security-opt. */
int run_limits_read(const struct run_setting_texts *texts, struct run_settings *s,
                    struct strbuf *key, struct error *err) MUST_CHECK;

#endif
