/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lower: from a parsed Dockerfile to a build definition: variables are expanded, stages resolved,
 * and the instructions of those stages that the target needs become vertices of a graph and changes
 * of an image configuration. No file is looked at: wildcards and archives are the solver's.
 *
 *     struct lower_options options = { .build_args = &args, .platform = p, .resolver = resolver };
 *     auto_(definition) struct definition def = { 0 };
 *     TRY(dockerfile_lower(df, &options, &def, err));
 *
 * The definition may borrow strings of the dockerfile and the resolved images of the resolver: both
 * must outlive it.
 */
#ifndef FRONTEND_DOCKERFILE_LOWER_H
#define FRONTEND_DOCKERFILE_LOWER_H

#include "frontend/dockerfile/dockerfile.h"
#include "lib/base/map.h"
#include "lib/graph/graph.h"

struct lower_options {
    const struct map *build_args; /* char * values; only those that have one. NULL: none */
    const struct map *labels;     /* --label: char * values, set last. NULL: none */
    const char *target;           /* a stage's name or number; NULL: the last stage */
    struct platform platform;     /* to build for */
    struct image_resolver *resolver;
    enum network_mode network;        /* of a RUN that does not choose */
    struct strvec *unused_build_args; /* gets the names that no ARG declares; NULL: not wanted */
};

/* Fills the zeroed `out`, which the caller releases, also after an error. Errors: USER,
 * UNSUPPORTED, all with a position; and those of the resolver, placed at the instruction that names
 * the image. */
int dockerfile_lower(const struct dockerfile *df, const struct lower_options *options,
                     struct definition *out, struct error *err) MUST_CHECK;

#endif
