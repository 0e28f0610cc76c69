/* SPDX-License-Identifier: Apache-2.0 */
/* credentials_internal: what looking credentials up and keeping them have in common. */
#ifndef LIB_REGISTRY_CREDENTIALS_INTERNAL_H
#define LIB_REGISTRY_CREDENTIALS_INTERNAL_H

#include "lib/base/process.h"
#include "lib/codec/json.h"
#include "lib/registry/credentials.h"

enum { CREDENTIALS_FILE_MAX = 1024 * 1024 };

/* Whose secret is an identity token, where a helper keeps it. */
#define CREDENTIALS_TOKEN_USER "<token>"

/* What `host` is called in files and by helpers: Docker Hub has a name of its own there. */
const char *credentials_server_of(const char *host);
/* How well a key ("https://host/v1/", "host", "host/path") suits: 0 not at all, else its length. */
size_t credentials_key_matches(const char *key, const char *host, const char *repository);
/* The helper that a config.json names for `host`, or NULL. Borrowed from `doc`. */
const char *credentials_helper_for(const js *doc, const char *host, const char *repository);
/* docker-credential-NAME VERB. `place` is who named it, for people. The caller releases *result
 * unless it fails. Errors: USER (no name of a helper), NOT_FOUND, SYSTEM. */
int credentials_run_helper(const char *name, const char *verb, const char *input, const char *place,
                           struct process_result *result, struct error *err) MUST_CHECK;
/* docker's config.json; the caller frees it. NULL: there is no home. */
char *credentials_docker_file(const struct credential_places *places);

#endif
