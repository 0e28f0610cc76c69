/* SPDX-License-Identifier: Apache-2.0 */
/* auth: answers a registry's 401 with Basic or a Bearer token, and keeps tokens until they expire.
 */
#ifndef LIB_REGISTRY_AUTH_H
#define LIB_REGISTRY_AUTH_H

#include "lib/registry/registry_internal.h"

/* May the credential for registry `host` be given to a token server at `realm`? The server must be
 * the registry itself, of the same registrable domain, or a known partner; and over https, except
 * that a registry reached by http may be its own token server. */
bool auth_realm_is_trusted(const struct url *registry, const struct url *realm);

/* The Authorization header ("Authorization: ...") for `scope`, or NULL if none is known to be
 * wanted. A token that has expired, or of a scope not used before, is fetched. The caller frees it.
 */
char *auth_header(struct registry_host *host, const char *scope);
/* Does what `challenge` (a WWW-Authenticate header) asks. `used` is the header that was refused, or
 * NULL; if another thread has a newer one by now, that is enough. *out_again: is another try worth
 * it? Errors: NETWORK, REMOTE, CORRUPT, CANCELLED. */
int auth_answer(struct registry_host *host, const char *scope, const char *challenge,
                const char *used, bool *out_again, struct error *err) MUST_CHECK;

#endif
