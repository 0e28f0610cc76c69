/* SPDX-License-Identifier: Apache-2.0 */
/*
 * challenge: what a WWW-Authenticate header asks for. It comes from the network, so anything may
 * stand in it; what makes no sense is passed over.
 */
#ifndef LIB_REGISTRY_CHALLENGE_H
#define LIB_REGISTRY_CHALLENGE_H

#include "lib/base/error.h"

enum challenge_scheme { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER };

struct challenge {
    enum challenge_scheme scheme;
    char *realm, *service, *scope; /* NULL if not given */
};

/* Bearer if it is offered with a realm, else Basic if that is, else NONE. `header` may be NULL. */
void challenge_parse(const char *header, struct challenge *out);
void challenge_release(struct challenge *c);
DEFINE_AUTO(challenge, struct challenge, challenge_release(value))

#endif
