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
#include "frontend/dockerfile/lint.h"
#include "frontend/dockerfile/outline.h"
#include "lib/base/map.h"
#include "lib/fs/pattern.h"
#include "lib/graph/graph.h"
#include "lib/graph/source_fetcher.h"

/* What a Dockerfile may ask for only if the caller has allowed it. */
enum entitlement {
    ALLOW_NETWORK_HOST = 1 << 0,      /* RUN --network=host */
    ALLOW_SECURITY_INSECURE = 1 << 1, /* RUN --security=insecure */
    ALLOW_DEVICE = 1 << 2,            /* RUN --device */
};

struct lower_options {
    const struct map *build_args; /* char * values; only those that have one. NULL: none */
    const struct map *labels;     /* --label: char * values, set last. NULL: none */
    const char *target;           /* a stage's name or number; NULL: the last stage */
    struct platform platform;     /* to build for */
    bool platform_given;          /* by the caller: the image is called so whatever its base is */
    struct image_resolver *resolver;
    struct source_fetcher *fetcher;    /* of ADD's URLs and git repositories */
    enum network_mode network;         /* of a RUN that does not choose */
    unsigned allow;                    /* enum entitlement */
    const char *settings;              /* op_exec.settings of every RUN, or NULL */
    bool no_cache;                     /* every step is to run anew */
    const struct strvec *no_cache_of;  /* or those of these stages; NULL: none */
    struct lint *lint;                 /* gets what is worth a warning; NULL: not wanted */
    const struct pattern_list *ignore; /* of the main context, for the checks; or NULL */
    bool check_all; /* look at the stages that the target does not need as well, for the checks */
    struct outline *outline;          /* gets what the target can be given; NULL: not wanted */
    struct strvec *unused_build_args; /* gets the names that no ARG declares; NULL: not wanted */
};

/* Fills the zeroed `out`, which the caller releases, also after an error. Errors: USER,
 * UNSUPPORTED, all with a position; and those of the resolver, placed at the instruction that names
 * the image. */
int dockerfile_lower(const struct dockerfile *df, const struct lower_options *options,
                     struct definition *out, struct error *err) MUST_CHECK;

#endif
