/* SPDX-License-Identifier: Apache-2.0 */
/* owner: "user[:group]" as --chown and WORKDIR mean it, by the passwd and group files below. */
#ifndef LIB_SOLVER_OWNER_H
#define LIB_SOLVER_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/layer/lower.h"

struct owner {
    uint32_t uid, gid;
};

/* Digits are ids; a name's group is its primary one, a number's the same number. A name that the
 * image does not know counts as 0, as in BuildKit (spec 3.9): *out_unknown is then that name (the
 * caller frees it), else NULL. Errors: USER for text that is no owner at all. */
int owner_resolve(struct lower *lower, const char *text, struct owner *out, char **out_unknown,
                  struct error *err) MUST_CHECK;

/* Can the root's accounts be read? If not, a packed layer of it has to be unpacked first. */
bool owner_is_at_hand(struct lower *lower);

#endif
