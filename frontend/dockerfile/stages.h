/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stages: which stage is meant by a name or a number, what each FROM stands on, and which stages
 * the target needs. A stage can use earlier stages only, so one walk backwards finds all that are
 * needed.
 */
#ifndef FRONTEND_DOCKERFILE_STAGES_H
#define FRONTEND_DOCKERFILE_STAGES_H

#include "frontend/dockerfile/lower_internal.h"

/* Expands every FROM and fills l->stages up to `platform`. Errors: USER. */
int stages_resolve(struct lowering *l, struct error *err) MUST_CHECK;
/* The stage that options->target names. Errors: USER. */
int stages_find_target(struct lowering *l, struct stage_state **out, struct error *err) MUST_CHECK;
/* Marks what `target` needs, then resolves its base images. Errors: USER, and the resolver's. */
int stages_mark_needed(struct lowering *l, struct stage_state *target,
                       struct error *err) MUST_CHECK;

/* Where an instruction takes files from: COPY --from, RUN --mount=from=. */
struct stage_use {
    const char *name;
    size_t offset; /* of the flag */
    bool mount;
};

/* All that `in` names; *out is the arena's. Errors: USER (a variable in a name), placed. */
int stages_list_uses(struct lowering *l, const struct instruction *in, struct stage_use **out,
                     size_t *out_count, struct error *err) MUST_CHECK;
/* The earlier stage that `use` of `in` means, or NULL in *out if it means none. Errors: USER. */
int stages_find(struct lowering *l, const struct stage_state *s, const struct instruction *in,
                const struct stage_use *use, struct stage_state **out,
                struct error *err) MUST_CHECK;
/* Adds "did you mean X" if `name` is close to the name of a stage before `s` or of a well-known
 * image; `s` NULL: of any stage. Returns -1. */
int stages_hint(const struct lowering *l, const struct stage_state *s, const char *name,
                struct error *err);

#endif
