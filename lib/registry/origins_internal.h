/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origins: the places an image can come from, mirrors first, and what became of asking them. The
 * first that has it is good enough: what it sends is compared with its digest.
 *
 *     for (size_t at = 0;; at++) {
 *         if (ask(&origins.items[at], &why) == 0) ...
 *         if (!origins_may_go_on(&origins, at, &story, &why, err))
 *             return -1;
 *     }
 */
#ifndef LIB_REGISTRY_ORIGINS_INTERNAL_H
#define LIB_REGISTRY_ORIGINS_INTERNAL_H

#include "lib/base/strbuf.h"
#include "lib/registry/registry_internal.h"

struct origin {
    struct registry_host *host; /* the client's */
    char *repository;
    char *scope; /* to pull */
};

struct origins {
    struct origin *items;
    size_t count; /* at least 1 */
};

/* The caller releases *out in any case. Errors: USER (registries.conf; it blocks the registry). */
int origins_open(struct registry_client *client, const struct reference *ref, struct origins *out,
                 struct error *err) MUST_CHECK;
/* `from`, the others behind it. */
void origins_copy(const struct origins *from, size_t first, struct origins *out);
void origins_release(struct origins *o);
DEFINE_AUTO(origins, struct origins, origins_release(value))

/* Number `asked` of those that are asked one after the other has failed: is there another to ask?
 * If not, *err says what each of them said. Empties `why`. `story` is the same for all. */
bool origins_may_go_on(const struct origins *o, size_t asked, struct strbuf *story,
                       struct error *why, struct error *err);

/* Where `ref` is pushed: to the registry that it names. Errors as above. */
int origins_push_host(struct registry_client *client, const struct reference *ref,
                      struct registry_host **out, struct error *err) MUST_CHECK;

#endif
