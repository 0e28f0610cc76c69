/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secrets: what the caller lends to RUN steps by --secret and --ssh: values that are read now, with
 * the caller's identity, and stay in memory; sockets of ssh agents. Of key files an agent is made
 * that lives as long as this (key_agent.h).
 */
#ifndef CMD_SECRETS_H
#define CMD_SECRETS_H

#include "cmd/key_agent.h"
#include "lib/base/progress.h"
#include "lib/base/strvec.h"
#include "lib/solver/solver.h"

struct secrets {
    struct lent lent; /* for the solver */
    struct key_agent *key_agents;
    size_t key_agent_count;
};

/* Reads "id=ID[,src=FILE][,env=NAME][,type=file|env]" texts and "ID[=SOCKET|KEY[,KEY]]" texts.
 * `progress` (may be NULL) gets warnings. The caller releases the zeroed `out` also after an error.
 * Errors: USAGE, USER, SYSTEM. */
int secrets_read(const struct strvec *secret_texts, const struct strvec *ssh_texts,
                 struct progress *progress, struct secrets *out, struct error *err) MUST_CHECK;
/* Overwrites the values, ends the agents. */
void secrets_release(struct secrets *s);

#endif
