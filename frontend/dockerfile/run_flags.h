/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_flags: the flags of RUN in which no variables are replaced: --network, --security, --device.
 * (--mount is mounts.h.) Whether the caller allows what they ask for is lower_run.c's.
 */
#ifndef FRONTEND_DOCKERFILE_RUN_FLAGS_H
#define FRONTEND_DOCKERFILE_RUN_FLAGS_H

#include "frontend/dockerfile/ast.h"
#include "lib/graph/graph.h"

enum run_network { RUN_NETWORK_DEFAULT, RUN_NETWORK_NONE, RUN_NETWORK_HOST };

struct run_flags {
    enum run_network network;
    bool insecure;
    const struct exec_device *devices;
    size_t device_count;
};

/* Reads the flags of a RUN; strings are the arena's. Checks what can be known of --mount without
 * variables as well. Errors: USER, placed at the flag. */
int run_flags_parse(const struct instruction *in, struct arena *arena, struct run_flags *out,
                    struct error *err) MUST_CHECK;

#endif
