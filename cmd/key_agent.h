/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_agent: an ssh-agent of our own that holds the key files of one --ssh. It ends with this
 * process, however that ends: beside it runs a child of ours that waits for our end of a pipe to
 * close, since ssh-agent, as a set-group-id program, cannot be told to die with its parent.
 */
#ifndef CMD_KEY_AGENT_H
#define CMD_KEY_AGENT_H

#include <sys/types.h>

#include "lib/base/error.h"

struct key_agent {
    char *socket;
    int life_fd; /* the agent lives until it is closed, here and in the builder */
    pid_t keeper;
};

/* Starts one and adds the files at `paths` (a NULL behind the last). The calling process has one
 * thread. Errors: USER (no openssh client, a key that cannot be used), SYSTEM. */
int key_agent_start(const char *const *paths, struct key_agent *out, struct error *err) MUST_CHECK;
void key_agent_stop(struct key_agent *agent);

#endif
