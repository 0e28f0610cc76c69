/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_export: tells other builders of steps (--cache-to): one image for each step key, written as
 * soon as the step has ended and beside those that still run. A build that fails, or is killed, has
 * shared what it had finished. At the end go the directories that its steps keep, as they are then.
 *
 *     cache_export_start -> cache_export_step, from any thread ... -> cache_export_finish
 */
#ifndef LIB_EXPORTER_CACHE_EXPORT_H
#define LIB_EXPORTER_CACHE_EXPORT_H

#include "lib/exporter/image.h"

/* A location that is written to. */
struct cache_destination {
    struct cache_location *location;
    bool all_steps;    /* mode=max; else those of the image's own layers */
    bool ignore_error; /* a failure is a warning */
    bool mounts;       /* the directories that RUN --mount=type=cache keeps, too */
};

struct cache_export_options {
    const struct image_request *request; /* complete but for its result; borrowed */
    const struct cache_destination *destinations;
    size_t destination_count;
};

struct cache_export;
struct cache_export *cache_export_start(const struct cache_export_options *options);
/* `v` has its result. */
void cache_export_step(struct cache_export *e, const struct vertex *v, bool is_of_target);
/* Adds the steps that were cached, if the build has come to its end; waits for all, and frees it.
 * Errors: those of the first destination that failed and may not. */
int cache_export_finish(struct cache_export *e, bool is_complete, struct error *err) MUST_CHECK;

#endif
