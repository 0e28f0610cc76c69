/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_settings: what the command line says about every RUN step: hosts, name servers, limits,
 * capabilities, devices, volumes, and what a Dockerfile is allowed to ask for. From the texts of
 * options to what the sandbox takes and to the text that stands for it in cache keys.
 *
 *     struct run_settings settings = { 0 };
 *     TRY(run_settings_read(&texts, build_args, &settings, err));
 *     ... settings.sandbox, settings.allow, settings.key ...
 *     run_settings_release(&settings);
 */
#ifndef CMD_RUN_SETTINGS_H
#define CMD_RUN_SETTINGS_H

#include "lib/base/arena.h"
#include "lib/base/map.h"
#include "lib/base/strvec.h"
#include "snapshotter/sandbox/sandbox.h"

/* The options as they were given; borrowed from argv. */
struct run_setting_texts {
    struct strvec add_hosts, ulimits, dns, dns_options, dns_searches, cap_adds, cap_drops,
        security_opts, devices, volumes, allows;
    const char *shm_size;
};

struct run_settings {
    struct arena arena;
    struct sandbox_options sandbox; /* points into this struct */
    unsigned allow;                 /* enum entitlement */
    /* What a step can see of it, for op_exec.settings: no addresses of hosts, which change and mean
     * the same. NULL: nothing was set. */
    char *key;
    /* storage */
    struct strbuf hosts;
    struct sandbox_limit *limits;
    size_t limit_cap;
    struct sandbox_volume *volumes;
    size_t volume_cap;
};

/* `build_args` has BUILDKIT_SANDBOX_HOSTNAME. The caller releases `out` also after an error.
 * Errors: USAGE, USER, UNSUPPORTED, each with the option in it. */
int run_settings_read(const struct run_setting_texts *texts, const struct map *build_args,
                      struct run_settings *out, struct error *err) MUST_CHECK;
void run_settings_release(struct run_settings *s);

#endif
