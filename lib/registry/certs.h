/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certs: certificates for one registry, as docker and podman keep them. In a directory
 * certs.d/HOST[:PORT]: *.crt are authorities to trust for it, NAME.cert with NAME.key is who we are
 * to it.
 *
 *     ~/.config/containers/certs.d  /etc/containers/certs.d  ~/.config/docker/certs.d
 *     /etc/docker/certs.d
 *
 * Authorities of all of them count, and the client's certificate of the first that has one.
 */
#ifndef LIB_REGISTRY_CERTS_H
#define LIB_REGISTRY_CERTS_H

#include "lib/net/http.h"
#include "lib/registry/registries.h"

/* *out must be initialised. Nothing there is no error. Errors: USER (a file that cannot be read, a
 * certificate without key). */
int certs_load(const struct registry_places *places, const char *host, struct http_trust *out,
               struct error *err) MUST_CHECK;

#endif
