/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outline: what a Dockerfile offers: the build arguments, secrets and ssh agents that a target can
 * be given, and the targets that there are (spec 9, "Calls"). Descriptions are comments right above
 * a definition that begin with its name.
 */
#ifndef FRONTEND_DOCKERFILE_OUTLINE_H
#define FRONTEND_DOCKERFILE_OUTLINE_H

#include "frontend/dockerfile/dockerfile.h"

struct outline_item {
    const char *name;
    const char *value;       /* of an argument; NULL: none */
    const char *description; /* NULL: none */
    bool required;           /* of a secret or an agent */
    struct position where;
};

struct outline_list {
    struct outline_item *items; /* by line */
    size_t count, cap;
};

/* Filled by dockerfile_lower; the strings are the definition's and the tree's. */
struct outline {
    const char *name; /* of the target; NULL: it has none */
    const char *description;
    struct outline_list args, secrets, agents;
};

void outline_release(struct outline *o);
DEFINE_AUTO(outline, struct outline, outline_release(value))

/* The text behind "NAME " in the first comment above `in` that begins so, or NULL; borrowed. */
const char *outline_description(const struct instruction *in, const char *name);

#endif
