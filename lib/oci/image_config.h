/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_config: what an image runs and how it came to be: the OCI image configuration with Docker's
 * extensions (Healthcheck, OnBuild, Shell, ArgsEscaped). Read from a base, changed by a frontend,
 * written out with keys in BuildKit's order (spec/dockerfile.md 6.1). Fields that are not here are
 * lost, as in BuildKit.
 */
#ifndef LIB_OCI_IMAGE_CONFIG_H
#define LIB_OCI_IMAGE_CONFIG_H

#include "lib/base/map.h"
#include "lib/base/strvec.h"
#include "lib/codec/digest.h"
#include "lib/oci/descriptor.h"
#include "lib/oci/platform.h"

struct healthcheck {
    bool is_set;
    struct strvec test;
    int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
    int64_t retries;
};

struct history {
    char *created; /* RFC 3339, or NULL: not known yet */
    char *created_by;
    char *author;
    char *comment;
    bool empty_layer;
};

struct image_config {
    struct platform platform;
    char *os_version; /* NULL if none; likewise below */
    char *author;
    char *created;
    /* config */
    char *user;
    struct strvec env;        /* "NAME=value", order of first definition */
    struct strvec entrypoint; /* count 0 with has_entrypoint false: null */
    struct strvec cmd;
    bool has_entrypoint, has_cmd; /* an empty list is not the same as none */
    bool args_escaped;
    char *working_dir;
    struct strvec exposed_ports; /* "80/tcp", sorted when printed */
    struct strvec volumes;
    struct map labels; /* char * values, owned */
    char *stop_signal;
    struct healthcheck healthcheck;
    struct strvec on_build;
    struct strvec shell; /* count 0: none */
    /* rootfs and history */
    struct digest *diff_ids; /* bottom first */
    size_t diff_id_count;
    struct history *history;
    size_t history_count;
};

/* An empty configuration (free_value of the label map set). */
void image_config_init(struct image_config *c);
/* Errors: CORRUPT. On failure *out is released. */
int image_config_parse(const char *text, size_t len, struct image_config *out,
                       struct error *err) MUST_CHECK;
void image_config_print(const struct image_config *c, struct strbuf *out);
void image_config_copy(struct image_config *to, const struct image_config *from);
void image_config_release(struct image_config *c);
DEFINE_AUTO(image_config, struct image_config, image_config_release(value))

/* The value of NAME in `env`, borrowed, or NULL. */
const char *env_find(const struct strvec *env, const char *name);
/* Sets NAME in place, or appends it. */
void env_set(struct strvec *env, const char *name, const char *value);
void image_config_add_history(struct image_config *c, const struct history *entry); /* copies */
void image_config_add_diff_id(struct image_config *c, const struct digest *diff_id);

#endif
