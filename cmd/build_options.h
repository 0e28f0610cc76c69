/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build_options: what can be said to `mlbuild build`: the table of its options, the struct that
 * they fill, and the readers that make values of their texts. Options that docker, buildx or
 * buildah have and mlbuild has not are rows as well, with the reason: none is taken and ignored.
 */
#ifndef CMD_BUILD_OPTIONS_H
#define CMD_BUILD_OPTIONS_H

#include "cmd/base_image.h"
#include "cmd/options.h"
#include "cmd/run_settings.h"
#include "lib/base/map.h"
#include "lib/graph/graph.h"

/* Texts as they were given; borrowed from argv. */
struct build_values {
    struct strvec tags, build_args, build_arg_files, build_contexts, labels, annotations, outputs,
        insecure, no_cache_filter, secrets, ssh, cache_from, cache_to;
    struct run_setting_texts run;
    const char *file, *target, *network, *progress, *platform, *jobs, *compression,
        *compression_level, *iidfile, *epoch, *pull, *call, *metadata_file, *ignore_file, *trace;
    bool push, load, no_cache, quiet, check, debug, timings, force_compression;
};

/* What --call asks for. */
enum build_call { CALL_BUILD, CALL_CHECK, CALL_OUTLINE, CALL_TARGETS };

struct build_call_options {
    enum build_call call;
    bool json;          /* format=json */
    bool ignore_status; /* ignorestatus=true: findings are no failure */
};

extern const struct option build_options[];

/* Errors of all: USAGE, USER. The maps' values are freed by `free`. */

/* --build-arg and --build-arg-file: NAME=VALUE, or NAME with the value of the environment (one that
 * is unset there is left out). $SOURCE_DATE_EPOCH is one of them. */
int build_read_args(const struct build_values *v, struct map *out, struct error *err) MUST_CHECK;
/* "NAME=VALUE" texts of the option `option`; without '=' the value is empty. */
int build_read_pairs(const char *option, const struct strvec *texts, struct map *out,
                     struct error *err) MUST_CHECK;
/* Annotations of the manifest: "[manifest:]NAME=VALUE". */
int build_read_annotations(const struct strvec *texts, struct map *out,
                           struct error *err) MUST_CHECK;
/* Is there an epoch, by option, build argument or environment? */
bool build_wants_epoch(const struct build_values *v);
/* --epoch, else the build argument SOURCE_DATE_EPOCH, else none. */
int build_read_epoch(const struct build_values *v, const struct map *args, bool *out_given,
                     int64_t *out_seconds, struct error *err) MUST_CHECK;
int build_read_network(const char *text, enum network_mode *out, struct error *err) MUST_CHECK;
/* --jobs; *out 0: no limit. */
int build_read_jobs(const char *text, size_t *out, struct error *err) MUST_CHECK;
/* --platform, else $DOCKER_DEFAULT_PLATFORM, else this host's. */
int build_read_platform(const char *text, struct platform *out, bool *out_given,
                        struct error *err) MUST_CHECK;
int build_read_pull(const char *text, enum pull_policy *out, struct error *err) MUST_CHECK;
int build_read_call(const struct build_values *v, struct build_call_options *out,
                    struct error *err) MUST_CHECK;

#endif
