/* SPDX-License-Identifier: Apache-2.0 */
/* push: an image of the store to registries, as --push, -o type=registry and `mlbuild push` do it.
 */
#ifndef CMD_PUSH_H
#define CMD_PUSH_H

#include "cmd/session.h"
#include "lib/store/image_store.h"

/* Under all of `names`; with `by_digest` their tags are left alone. The image has its manifest and
 * its blobs, but for those that `solver` (may be NULL) knows to be of others: they are
 * fetched if they have to be sent. Layers that came from another repository of the same registry
 * are mounted there. Errors: USAGE (no name), USER, and those of registry_push. */
int push_image_record(struct session *s, const struct image_record *image,
                      const struct strvec *names, const struct solver *solver, bool by_digest,
                      unsigned vertex, struct error *err) MUST_CHECK;

#endif
