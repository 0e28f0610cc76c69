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
/* Marks what `target` needs, refuses unsupported flags in it, then resolves its base images.
 * Errors: USER, UNSUPPORTED, and the resolver's. */
int stages_mark_needed(struct lowering *l, struct stage_state *target,
                       struct error *err) MUST_CHECK;
/* The earlier stage that `--from=` of `in` names, or NULL in *out if it names no stage. Errors:
 * USER. */
int stages_find_from(struct lowering *l, const struct stage_state *s, const struct instruction *in,
                     struct stage_state **out, struct error *err) MUST_CHECK;
/* Adds "did you mean stage X" if `name` is close to a stage's. Returns -1. */
int stages_hint(const struct lowering *l, const struct stage_state *s, const char *name,
                struct error *err);

#endif
