/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry: the OCI distribution API of any number of hosts: addresses, authorisation, redirects
 * and tries again. What is asked for is resolve.h, pull.h and push.h.
 *
 *     struct registry_options options = { .places = credential_places_from_environment() };
 *     struct registry_client *client = registry_client_new(&options);
 *     registry_resolve(client, &ref, &platform, &source, err);        resolve.h
 *     source.provider->fetch(source.provider, &blob, vertex, err);    from any thread
 *     source.provider->open(source.provider, &blob, pool, vertex, &stream, err);    likewise
 *     registry_push(client, &image, vertex, err);                     push.h
 *     registry_client_free(client);                                   after all its sources
 *
 * Invariants: plain http only to loopback hosts and to those listed as insecure, and only if they
 * do not speak https. Credentials go to the registry itself, and to a token server only over the
 * same protection and only if it belongs to the registry's own domain. A redirect to another origin
 * loses the authorisation, and a public registry cannot redirect into a private network.
 *
 * Where registries.conf names mirrors, they are asked first; whatever goes wrong there, the next is
 * asked, for the image and for each of its blobs.
 *
 * Nothing is connected, and no credential read, before the first request. Thread-safe.
 */
#ifndef LIB_REGISTRY_REGISTRY_H
#define LIB_REGISTRY_REGISTRY_H

#include <stdbool.h>

#include "lib/base/cancel.h"
#include "lib/base/progress.h"
#include "lib/base/strvec.h"
#include "lib/net/retry.h"
#include "lib/registry/credentials.h"
#include "lib/registry/registries.h"
#include "lib/store/store.h"

/* All borrowed, for as long as the client lives. */
struct registry_options {
    struct credential_places places;
    struct registry_places config;       /* of registries.conf and certs.d */
    const struct strvec *insecure_hosts; /* "host[:port]": http or an unknown certificate will do */
    const struct retry_policy *retry;    /* NULL: retry_policy_default */
    bool allow_private_redirects;
    uint64_t upload_chunk;       /* larger blobs go in parts of that size; 0: 32 MiB */
    struct progress *progress;   /* may be NULL */
    const struct cancel *cancel; /* may be NULL */
    /* Told what was decided and why (whose credentials, which mirror), for --debug; may be NULL.
     * Any thread. */
    void (*explain)(void *arg, const char *text);
    void *explain_arg;
    const struct store *store; /* where blobs go; NULL if none is fetched or pushed */
};

struct registry_client;
struct registry_client *registry_client_new(const struct registry_options *options);
void registry_client_free(struct registry_client *client);

/* Does the registry `name` accept `c`? If its token server hands out an identity token in place of
 * the password, `c` has that afterwards, and the password no more. Errors: NETWORK, REMOTE (it does
 * not), USER, CANCELLED. */
int registry_login(struct registry_client *client, const char *name, struct credential *c,
                   struct error *err) MUST_CHECK;

#endif
