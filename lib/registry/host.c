/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/registry/certs.h"
#include "lib/registry/registry_internal.h"

void registry_host_free(void *value)
{
    struct registry_host *host = value;

    free(host->name);
    free(host->repository);
    http_trust_release(&host->trust);
    url_release(&host->base);
    credential_release(&host->credential);
    challenge_release(&host->challenge);
    map_release(&host->tokens);
    pthread_mutex_destroy(&host->lock);
    free(host);
}

void registry_explain(const struct registry_client *client, const char *fmt, ...)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    va_list args;

    if (!client->options.explain)
        return;
    va_start(args, fmt);
    strbuf_vaddf(&text, fmt, args);
    va_end(args);
    client->options.explain(client->options.explain_arg, text.buf);
}

static bool is_listed(const struct strvec *list, const char *host)
{
    for (size_t i = 0; list && i < list->count; i++)
        if (strcasecmp(list->items[i], host) == 0)
            return true;
    return false;
}

static int host_new(struct registry_client *client, const char *name, const char *repository,
                    bool is_insecure, struct registry_host **out, struct error *err)
{
    bool is_hub = strcmp(name, "docker.io") == 0;
    auto_free char *address = xasprintf("https://%s", is_hub ? "registry-1.docker.io" : name);
    auto_(url) struct url base = { 0 };

    TRY(url_parse(address, &base, err));
    struct registry_host *host = xcalloc(1, sizeof *host);
    host->client = client;
    host->name = xstrdup(name);
    host->repository = xstrdup(repository);
    host->trust = (struct http_trust)HTTP_TRUST_INIT;
    host->base = base;
    base = (struct url){ 0 };
    host->skip_verify = is_insecure || is_listed(client->options.insecure_hosts, name);
    host->may_use_http = host->skip_verify || url_host_is_loopback(name);
    pthread_mutex_init(&host->lock, NULL);
    *out = host;
    return 0;
}

/* Hosts that may be reached by http are asked whether they speak https first. */
static int settle_scheme(struct registry_host *host, struct error *err)
{
    auto_(error) struct error why = { 0 };
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    auto_free char *url = xasprintf("https://%s/v2/", host->name);
    struct http_request request = {
        .method = "GET", .url = url, .trust = &host->trust, .skip_verify = host->skip_verify
    };

    if (!host->may_use_http)
        return 0;
    if (http_perform(host->client->http, &request, &response, &why) == 0)
        return 0;
    /* a certificate that nobody vouches for is https all the same: the request itself will say so
     */
    if (why.kind == ERROR_REMOTE)
        return 0;
    if (why.kind == ERROR_CANCELLED || why.kind == ERROR_HOST) {
        error_move(err, &why);
        return -1;
    }
    auto_free char *plain = xasprintf("http://%s", host->name);
    url_release(&host->base);
    return url_parse(plain, &host->base, err);
}

static void explain_credential(const struct registry_host *host)
{
    const struct credential *c = &host->credential;

    if (c->source) {
        registry_explain(host->client, "credentials for %s: %s from %s", host->name,
                         c->username ? c->username : "an identity token", c->source);
        return;
    }
    registry_explain(host->client, "credentials for %s: none%s%s", host->name, c->note ? "; " : "",
                     c->note ? c->note : "");
}

static int make_ready(struct registry_host *host, struct error *err)
{
    const struct registry_options *options = &host->client->options;

    TRY(certs_load(&options->config, host->name, &host->trust, err));
    if (host->trust.authorities.len || host->trust.certificate) {
        registry_explain(host->client, "certificates for %s: from certs.d%s%s", host->name,
                         host->trust.certificate ? ", and we are " : "",
                         host->trust.certificate ? host->trust.certificate : "");
    }
    TRY(settle_scheme(host, err));
    if (host->is_login)
        return 0;
    TRY(credentials_find(&options->places, host->name, host->repository, &host->credential, err));
    explain_credential(host);
    return 0;
}

int registry_host_ready(struct registry_host *host, struct error *err)
{
    int rc = 0;

    pthread_mutex_lock(&host->lock);
    if (!host->is_ready) {
        rc = make_ready(host, err);
        host->is_ready = rc == 0;
        if (rc < 0)
            http_trust_release(&host->trust);
    }
    pthread_mutex_unlock(&host->lock);
    return rc;
}

int registry_host_get(struct registry_client *client, const char *name, const char *repository,
                      bool is_insecure, struct registry_host **out, struct error *err)
{
    auto_free char *key = xasprintf("%s/%s%s", name, repository, is_insecure ? " insecure" : "");
    int rc = 0;

    pthread_mutex_lock(&client->lock);
    struct registry_host *host = map_find(&client->hosts, key);
    if (!host) {
        rc = host_new(client, name, repository, is_insecure, &host, err);
        if (rc == 0)
            map_set(&client->hosts, key, host);
    }
    pthread_mutex_unlock(&client->lock);
    *out = host;
    return rc;
}

int registry_client_registries(struct registry_client *client, const struct registries **out,
                               struct error *err)
{
    int rc = 0;

    pthread_mutex_lock(&client->lock);
    if (!client->has_registries) {
        rc = registries_load(&client->options.config, &client->registries, err);
        client->has_registries = rc == 0;
    }
    pthread_mutex_unlock(&client->lock);
    *out = &client->registries;
    return rc;
}

struct http_trust registry_host_trust(const struct registry_host *host, const struct url *url)
{
    struct http_trust trust = host->trust;

    if (!url_same_origin(&host->base, url))
        trust.certificate = trust.key = NULL;
    return trust;
}

struct ping {
    struct registry_host *host;
    int status;
};

/* With an empty scope: a token that says who we are, and allows nothing. */
static int ping(void *arg, long *retry_after_s, struct error *err)
{
    struct ping *p = arg;
    const struct registry_request request = { .method = "GET", .target = "/v2/", .scope = "" };
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;

    TRY(registry_call(p->host, &request, &response, err));
    *retry_after_s = response.retry_after_s;
    p->status = response.status;
    return response.status == 200 ? 0 : registry_status_error(p->host, "log in", &response, err);
}

int registry_login(struct registry_client *client, const char *name, struct credential *c,
                   struct error *err)
{
    struct registry_host *host = NULL;
    struct ping p = { 0 };

    TRY(host_new(client, name, "", false, &host, err));
    host->credential = (struct credential){ .username = xstrdup(c->username),
                                            .secret = xstrdup(c->secret),
                                            .source = xstrdup(c->source) };
    host->is_login = true;
    p.host = host;
    int rc = registry_try(client, ping, &p, NULL, err);
    if (rc == 0 && host->was_withheld) {
        rc = error_set(err, ERROR_REMOTE, 0,
                       "%s: the password was not sent: its token server belongs to another domain",
                       name);
    }
    if (rc == 0 && host->credential.identity_token) {
        c->identity_token = take_ptr(host->credential.identity_token);
        explicit_bzero(c->secret, strlen(c->secret));
        *c->secret = '\0';
    }
    registry_host_free(host);
    return rc;
}
