/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials: who we are to a registry, from the places where docker and podman keep it. The first
 * place that knows the registry wins:
 *
 *     1. $DOCKER_AUTH_CONFIG            the text of a config.json
 *     2. $DOCKER_CONFIG/config.json, else ~/.docker/config.json
 *     3. $REGISTRY_AUTH_FILE
 *     4. $XDG_RUNTIME_DIR/containers/auth.json
 *     5. $XDG_CONFIG_HOME/containers/auth.json, else ~/.config/containers/auth.json
 *
 * Within a place: credHelpers, credsStore, auths. Helpers are programs docker-credential-NAME from
 * PATH, run without a shell. No secret gets into a message.
 *
 * What a login leaves is put where docker puts it: with the helper that place 2 names, else into
 * its file.
 */
#ifndef LIB_REGISTRY_CREDENTIALS_H
#define LIB_REGISTRY_CREDENTIALS_H

#include "lib/base/error.h"

/* What of the environment decides; every member may be NULL. Borrowed. */
struct credential_places {
    const char *docker_auth_config;
    const char *docker_config;
    const char *home;
    const char *registry_auth_file;
    const char *xdg_runtime_dir;
    const char *xdg_config_home;
};
/* As this process was started. */
struct credential_places credential_places_from_environment(void);

struct credential {
    char *username;       /* NULL: none known */
    char *secret;         /* password */
    char *identity_token; /* an OAuth2 refresh token in place of both, or NULL */
    char *source;         /* where it was found, for people; NULL: nowhere */
    char *note;           /* a place that should have known but failed, for people; or NULL */
};

/* Looks `host` ("docker.io", "localhost:5000") up; entries for "host/path" count if `repository` is
 * below. Knowing nothing is no error. Errors: USER (a file that cannot be read as JSON), SYSTEM. */
int credentials_find(const struct credential_places *places, const char *host,
                     const char *repository, struct credential *out, struct error *err) MUST_CHECK;
/* Wipes and frees. */
void credential_release(struct credential *c);
DEFINE_AUTO(credential, struct credential, credential_release(value))

/* Keeps `c` for `host`, in the file with mode 0600, replaced as a whole; all else that it says
 * stays. *out_where, the caller's, is where, for people. Errors: USER (the file), SYSTEM. */
int credentials_store(const struct credential_places *places, const char *host,
                      const struct credential *c, char **out_where, struct error *err) MUST_CHECK;
/* Forgets what place 2 knows of `host`, or (NULL) of all. *out_count is how many it knew. */
int credentials_erase(const struct credential_places *places, const char *host, size_t *out_count,
                      struct error *err) MUST_CHECK;

#endif
