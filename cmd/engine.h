/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine: docker or podman on this host, for --load. Through its own command, which knows where the
 * daemon is (DOCKER_HOST, contexts), on a pipe.
 */
#ifndef CMD_ENGINE_H
#define CMD_ENGINE_H

#include "cmd/write_out.h"
#include "lib/base/strvec.h"
#include "lib/store/image_store.h"

/* "docker" if it is there and its daemon answers, else "podman". The caller frees *out. Errors:
 * HOST if neither does. */
int engine_find(char **out, struct error *err) MUST_CHECK;
/* Gives it the image as `archive`, or only `names` if it has the image already. Errors: HOST, with
 * what it said. */
int engine_load(struct session *s, const char *engine, const struct image_record *image,
                const struct strvec *names, const struct out_content *archive,
                struct error *err) MUST_CHECK;

#endif
