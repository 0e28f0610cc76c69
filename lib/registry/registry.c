/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/registry_internal.h"

#include <string.h>
#include <strings.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/codec/json.h"
#include "lib/registry/auth.h"
#include "lib/registry/upload_internal.h"

struct registry_client *registry_client_new(const struct registry_options *options)
{
    struct registry_client *client = xcalloc(1, sizeof *client);

    client->options = *options;
    if (!client->options.retry)
        client->options.retry = &retry_policy_default;
    if (!client->options.upload_chunk)
        client->options.upload_chunk = UPLOAD_CHUNK;
    client->http = http_client_new(options->cancel);
    client->hosts.free_value = registry_host_free;
    claims_init(&client->uploading);
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->changed, NULL);
    return client;
}

void registry_client_free(struct registry_client *client)
{
    if (!client)
        return;
    if (client->jobs.pool)
        job_group_wait(&client->jobs);
    map_release(&client->hosts);
    map_release(&client->uploaded);
    claims_release(&client->uploading);
    registries_release(&client->registries);
    http_client_free(client->http);
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

/* Where a request goes next. */
struct route {
    struct url url;
    bool is_home;      /* the registry itself: may see the authorisation */
    bool has_answered; /* a challenge is answered once: who goes on refusing means it */
    unsigned hops;
    char *authorization; /* the header that goes along, or NULL */
};

/* The registry sends us to `url`: plain http only where it speaks that itself. */
static int check_scheme(const struct registry_host *host, const struct url *url, struct error *err)
{
    bool may_be_plain =
        host->may_use_http && !host->base.is_https &&
        (strcmp(host->base.host, url->host) == 0 || url_host_is_loopback(url->host));

    if (url->is_https || may_be_plain)
        return 0;
    return error_set(err, ERROR_REMOTE, 0, "%s redirects to %s without https", host->name,
                     url->host);
}

static int begin_route(const struct registry_host *host, const char *target, struct route *out,
                       struct error *err)
{
    TRY(url_resolve(&host->base, target, &out->url, err));
    out->is_home = url_same_origin(&host->base, &out->url);
    return check_scheme(host, &out->url, err);
}

int registry_host_locate(const struct registry_host *host, const struct url *from,
                         const char *location, struct url *out, struct error *err)
{
    if (url_resolve(from, location, out, err) < 0) {
        err->kind = ERROR_REMOTE;
        return error_wrap(err, "redirect by %s", from->host);
    }
    /* a proxy that ends TLS, and a registry that does not know of it */
    if (host->base.is_https && !out->is_https && strcmp(host->base.host, out->host) == 0) {
        out->is_https = true;
        out->port = host->base.port;
    }
    return 0;
}

static int follow(const struct registry_host *host, struct route *route, const char *location,
                  struct error *err)
{
    struct url next = { 0 };

    TRY(registry_host_locate(host, &route->url, location, &next, err));
    url_release(&route->url);
    route->url = next;
    route->is_home = url_same_origin(&host->base, &next);
    return check_scheme(host, &next, err);
}

static int send_once(struct registry_host *host, const struct registry_request *r,
                     const struct route *route, struct http_response *response, struct error *err)
{
    auto_(strvec) struct strvec headers = { 0 };
    auto_free char *url = url_print(&route->url);
    auto_free char *shown = url_print_safe(&route->url);

    strvec_push_all(&headers, &r->headers);
    if (route->authorization)
        strvec_push(&headers, route->authorization);
    pthread_mutex_lock(&host->lock);
    bool is_private = host->is_private;
    pthread_mutex_unlock(&host->lock);
    const struct http_trust trust = registry_host_trust(host, &route->url);
    const struct http_request request = {
        .method = r->method,
        .url = url,
        .headers = &headers,
        .bodies = r->bodies,
        .allow_http = !route->url.is_https,
        .trust = &trust,
        .skip_verify = route->is_home && host->skip_verify,
        .refuse_private =
            !route->is_home && !is_private && !host->client->options.allow_private_redirects,
        .stall_s = r->stall_s,
    };
    if (http_perform(host->client->http, &request, response, err) < 0)
        return error_wrap(err, "%s %s", r->method, shown);
    if (route->is_home && response->peer_is_private && !is_private) {
        pthread_mutex_lock(&host->lock);
        host->is_private = true;
        pthread_mutex_unlock(&host->lock);
    }
    return 0;
}

static bool is_redirect(const struct registry_request *r, const struct http_response *response)
{
    int s = response->status;
    bool is_read = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;

    return response->headers[HTTP_LOCATION] &&
           (s == 307 || s == 308 || (is_read && (s == 301 || s == 302 || s == 303)));
}

static void route_release(struct route *route)
{
    url_release(&route->url);
    free(route->authorization);
}
DEFINE_AUTO(route, struct route, route_release(value))

/* What an answer calls for; *out_again: the request is to be made again. */
static int react(struct registry_host *host, const struct registry_request *request,
                 struct route *route, const struct http_response *response, bool *out_again,
                 struct error *err)
{
    if (response->status == 401 && route->is_home && !route->has_answered) {
        const char *challenge = response->headers[HTTP_AUTHENTICATE];
        route->has_answered = true;
        return auth_answer(host, request->scope, challenge, route->authorization, out_again, err);
    }
    *out_again = is_redirect(request, response);
    if (!*out_again)
        return 0;
    if (++route->hops > REDIRECTS_MAX)
        return error_set(err, ERROR_REMOTE, 0, "%s redirects more than %d times", host->name,
                         REDIRECTS_MAX);
    return follow(host, route, response->headers[HTTP_LOCATION], err);
}

int registry_call(struct registry_host *host, const struct registry_request *request,
                  struct http_response *response, struct error *err)
{
    auto_(route) struct route route = { 0 };
    bool again = true;

    TRY(registry_host_ready(host, err));
    TRY(begin_route(host, request->target, &route, err));
    while (again) {
        free(route.authorization);
        route.authorization = route.is_home ? auth_header(host, request->scope) : NULL;
        TRY(send_once(host, request, &route, response, err));
        TRY(react(host, request, &route, response, &again, err));
    }
    return 0;
}

enum { BRIEF_TRIES = 2, BRIEF_WAIT_S = 2 /* a mirror that wants to be left alone for longer is */ };

static struct retry_task make_task(const struct registry_client *client, retry_attempt_fn *attempt,
                                   void *arg, const uint64_t *position)
{
    return (struct retry_task){ .policy = client->options.retry,
                                .cancel = client->options.cancel,
                                .attempt = attempt,
                                .arg = arg,
                                .position = position,
                                .wait_max_s = RETRY_AFTER_MAX_S,
                                .explain = client->options.explain,
                                .explain_arg = client->options.explain_arg };
}

int registry_try(struct registry_client *client, retry_attempt_fn *attempt, void *arg,
                 const uint64_t *position, struct error *err)
{
    const struct retry_task task = make_task(client, attempt, arg, position);
    return retry_run(&task, err);
}

int registry_try_briefly(struct registry_client *client, retry_attempt_fn *attempt, void *arg,
                         const uint64_t *position, struct error *err)
{
    struct retry_policy brief = *client->options.retry;
    struct retry_task task = make_task(client, attempt, arg, position);

    brief.max_tries = BRIEF_TRIES;
    task.policy = &brief;
    task.wait_max_s = BRIEF_WAIT_S;
    return retry_run(&task, err);
}
