/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registries: what registries.conf (version 2, as podman and skopeo read it) says of a reference:
 * which mirrors to ask first, what the registry is called in truth, whether it is blocked or may be
 * insecure.
 *
 *     1. $CONTAINERS_REGISTRIES_CONF, and nothing else of these
 *     2. $XDG_CONFIG_HOME/containers/registries.conf, else ~/.config/containers/registries.conf
 *     3. /etc/containers/registries.conf, and its registries.conf.d/ *.conf
 *
 * with the user's own registries.conf.d/ *.conf behind 2 or 3: a [[registry]] of a later file takes
 * the place of an earlier one with the same prefix. Short names mean docker.io, whatever
 * unqualified-search-registries says: a Dockerfile is the same build everywhere.
 */
#ifndef LIB_REGISTRY_REGISTRIES_H
#define LIB_REGISTRY_REGISTRIES_H

#include <stdbool.h>

#include "lib/base/strvec.h"
#include "lib/oci/reference.h"

/* Where configuration is found; every member but `etc` may be NULL. Borrowed. */
struct registry_places {
    const char *registries_conf; /* $CONTAINERS_REGISTRIES_CONF */
    const char *home;
    const char *xdg_config_home;
    const char *etc; /* "/etc"; NULL: nothing of the system's */
};
/* As this process was started. */
struct registry_places registry_places_from_environment(void);
/* "~/.config" or what stands for it; the caller frees it. NULL: there is no home. */
char *registry_places_config_home(const struct registry_places *places);

struct registries_mirror {
    char *location;
    bool insecure;
    bool for_tags, for_digests;
};

struct registries_rule {
    char *prefix; /* "host", "host/path", "*.domain" */
    char *location;
    char *file; /* that says so, for people */
    bool insecure, blocked;
    struct registries_mirror *mirrors;
    size_t mirror_count;
};

struct registries {
    struct registries_rule *rules;
    size_t count, cap;
};

/* No file is no error. Errors: USER (a file that cannot be read or understood). */
int registries_load(const struct registry_places *places, struct registries *out,
                    struct error *err) MUST_CHECK;
void registries_release(struct registries *r);
DEFINE_AUTO(registries, struct registries, registries_release(value))

/* The rule with the longest prefix, or NULL. */
const struct registries_rule *registries_find(const struct registries *r,
                                              const struct reference *ref);

/* One place to pull from. */
struct registries_source {
    char *host, *repository;
    bool insecure;
    bool is_mirror;
};
struct registries_sources {
    struct registries_source *items;
    size_t count;
};
/* Mirrors in order, then the registry itself. Errors: USER (it is blocked; a location that makes no
 * reference). The caller releases *out in any case. */
int registries_sources(const struct registries *r, const struct reference *ref,
                       struct registries_sources *out, struct error *err) MUST_CHECK;
void registries_sources_release(struct registries_sources *s);
DEFINE_AUTO(registries_sources, struct registries_sources, registries_sources_release(value))

#endif
