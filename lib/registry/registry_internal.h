/* SPDX-License-Identifier: Apache-2.0 */
/* registry_internal: requests to one host, for resolve.c, download.c and push.c. */
#ifndef LIB_REGISTRY_REGISTRY_INTERNAL_H
#define LIB_REGISTRY_REGISTRY_INTERNAL_H

#include <pthread.h>

#include "lib/base/claims.h"
#include "lib/base/map.h"
#include "lib/base/thread_pool.h"
#include "lib/codec/digest.h"
#include "lib/net/http.h"
#include "lib/net/url.h"
#include "lib/oci/reference.h"
#include "lib/registry/challenge.h"
#include "lib/registry/registry.h"

enum { REGISTRY_PARALLEL_MAX = 4, REDIRECTS_MAX = 10, TOKEN_ANSWER_MAX = 64 * 1024 };

struct token {
    char *text;
    uint64_t refresh_ns; /* monotonic; not used from then on */
};

/* A registry as the user of one repository sees it. Made once, never freed before its client. */
struct registry_host {
    struct registry_client *client;
    char *name; /* as in references: "docker.io" */
    char *repository;
    struct url base;
    bool may_use_http;
    bool skip_verify;
    struct http_trust trust;
    size_t transfers;     /* downloads under way, under the client's lock */
    pthread_mutex_t lock; /* guards all below; held while a token is fetched, so that it is once */
    bool is_ready;        /* trust is read, base.is_https settled, the credential looked up */
    bool is_login;        /* the credential is given, and one to keep in its place is wanted */
    bool is_private;      /* it has a loopback, private or link-local address */
    struct credential credential;
    bool was_withheld; /* the credential was not given to a token server of another domain */
    enum challenge_scheme scheme;
    struct challenge challenge; /* the last one, without scope */
    struct map tokens;          /* scope -> struct token */
};

struct registry_client {
    struct registry_options options;
    struct http_client *http;
    struct claims uploading; /* a repository and a blob; likewise: */
    pthread_mutex_t lock;    /* guards all below */
    struct map uploaded;     /* what is known to be there */
    pthread_cond_t changed;
    struct map hosts; /* name, repository -> struct registry_host */
    bool has_registries;
    struct registries registries; /* not changed once it was read */
    struct download *downloads;   /* that have not ended */
    struct job_group jobs;        /* those that run in a thread of their own; pool NULL: none yet */
};

struct registry_request {
    const char *method;
    const char *target; /* "/v2/..." or a whole address */
    const char *scope;  /* "repository:library/x:pull", several with a space between */
    struct strvec headers;
    struct http_bodies bodies;
    unsigned stall_s;
};

/* The session of `repository` with the host `name`; borrowed from the client. Nothing is connected
 * yet. Errors: CORRUPT (no name of a host). */
int registry_host_get(struct registry_client *client, const char *name, const char *repository,
                      bool is_insecure, struct registry_host **out, struct error *err) MUST_CHECK;
/* What registries.conf says; read at the first call. Errors: USER. */
int registry_client_registries(struct registry_client *client, const struct registries **out,
                               struct error *err) MUST_CHECK;
/* Where a Location header points that was met at `from`. Errors: REMOTE. */
int registry_host_locate(const struct registry_host *host, const struct url *from,
                         const char *location, struct url *out, struct error *err) MUST_CHECK;
/* Whom requests of the session trust. Who we are is told to the registry itself only. */
struct http_trust registry_host_trust(const struct registry_host *host, const struct url *url);

void registry_host_free(void *value);

/* One line for --debug. */
void registry_explain(const struct registry_client *client, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* One request, authorised, redirects followed; once. Any status is a success. What sends a body
 * sends it again where 307 and 308 point; the others turn it into a GET, which nobody means. */
int registry_call(struct registry_host *host, const struct registry_request *request,
                  struct http_response *response, struct error *err) MUST_CHECK;
/* What registry_call does first. Errors: USER, NETWORK, CANCELLED, HOST. */
int registry_host_ready(struct registry_host *host, struct error *err) MUST_CHECK;
/* Makes the error of a status that is none of those wanted: NETWORK if it may pass, else REMOTE.
 * `what` is for people: "pull alpine:3". */
int registry_status_error(struct registry_host *host, const char *what,
                          const struct http_response *response, struct error *err);

/* retry_run with the client's policy; `position` may be NULL. */
int registry_try(struct registry_client *client, retry_attempt_fn *attempt, void *arg,
                 const uint64_t *position, struct error *err) MUST_CHECK;
/* The same, but gives up soon: there is somebody else to ask. */
int registry_try_briefly(struct registry_client *client, retry_attempt_fn *attempt, void *arg,
                         const uint64_t *position, struct error *err) MUST_CHECK;

#endif
