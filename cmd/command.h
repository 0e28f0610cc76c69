/* SPDX-License-Identifier: Apache-2.0 */
/* command: what a person can type. A command is a value; main looks it up in a table and runs it.
 */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

#include "cmd/options.h"
#include "cmd/session.h"

struct command {
    const char *name;
    const char *usage;            /* behind "mlbuild NAME" */
    const char *summary;          /* one line */
    const struct option *options; /* or NULL */
    size_t values_size;           /* of the struct that the options fill; zeroed before */
    int (*run)(struct session *s, void *values, const struct strvec *args, struct error *err);
};

extern const struct command command_build, command_images, command_inspect, command_du,
    command_history, command_push, command_pull, command_save, command_load, command_import,
    command_export, command_cp, command_tag, command_rmi, command_prune, command_doctor,
    command_parse, command_login, command_logout, command_index;

#endif
