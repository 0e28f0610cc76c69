/* SPDX-License-Identifier: Apache-2.0 */
/* build_internal: one build on its way, for build.c, build_steps.c and build_summary.c. */
#ifndef CMD_BUILD_INTERNAL_H
#define CMD_BUILD_INTERNAL_H

#include "cmd/base_image.h"
#include "cmd/build_context.h"
#include "cmd/build_options.h"
#include "cmd/cache_options.h"
#include "cmd/call.h"
#include "cmd/secrets.h"
#include "frontend/dockerfile/lower.h"
#include "lib/store/gc.h"

struct build {
    struct session *session;
    const struct build_values *values;
    struct strvec names; /* full references */
    struct output *outputs;
    size_t output_count;
    struct build_contexts contexts;
    struct dockerfile *dockerfile;
    struct report_source report;
    struct base_images *bases;
    struct definition definition;
    struct solver *solver;
    struct image_request request;
    struct image_record image;
    enum pull_policy pull;
    size_t jobs;
    struct packing packing; /* of outputs that do not say so themselves */
    struct build_call_options call;
    struct lint lint;
    struct map annotations; /* of the manifest */
    struct run_settings settings;
    struct secrets secrets;
    struct cache_options caches;
    struct shared_cache *shared; /* of caches.from; NULL: there is none */
    struct claims packing_layers;
    struct gc_policy storage;
    struct push_ahead *push_ahead; /* or NULL */
    bool wrote;                    /* the store has something new */
};

bool build_any_output(const struct build *b, bool (*wants)(const struct output *o));
/* Nothing is hashed that nobody asked for: files, or the cache alone, take no image. */
bool build_wants_image(const struct build *b);
/* Runs what is not cached, in a builder, and leaves the record of the image, if one is wanted,
 * there for the planner. */
int build_steps(struct build *b, struct error *err) MUST_CHECK;
/* What was made, and what to type next. */
void build_summarise(const struct build *b);
/* What the checks have found, at the end of a build. */
void build_tell_findings(const struct build *b);
/* Where the time went, also when the build has failed. */
int build_tell_timings(const struct build *b, struct error *err) MUST_CHECK;

#endif
