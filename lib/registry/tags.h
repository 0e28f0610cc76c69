/* SPDX-License-Identifier: Apache-2.0 */
/* tags: what the person may have meant who asked for a tag that does not exist. */
#ifndef LIB_REGISTRY_TAGS_H
#define LIB_REGISTRY_TAGS_H

#include "lib/base/strvec.h"
#include "lib/registry/origins_internal.h"

/* Moves the (at most `count`) tags nearest to `wanted` to the front, nearest first; returns how
 * many. */
size_t tags_rank(struct strvec *tags, const char *wanted, size_t count);
/* Asks the registry for its tags and adds the nearest ones to the error as a hint, if it can. */
void tags_hint(const struct origin *origin, const char *wanted, struct error *err);

#endif
