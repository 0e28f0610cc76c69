/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/auth.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/codec/base64.h"
#include "lib/codec/json.h"

enum { EXPIRES_DEFAULT_S = 60, EXPIRES_MAX_S = 24 * 3600 };

/* Token servers of another domain than their registry's, known to belong to it. */
static const struct {
    const char *registry, *realm;
} partners[] = {
    { "registry-1.docker.io", "auth.docker.io" },
};

/* Below these, neighbours are strangers: two labels are not enough to be of one owner. */
static const char *const shared_domains[] = {
    "amazonaws.com", "azurecr.io",  "azurewebsites.net", "cloudfront.net",    "github.io",
    "appspot.com",   "run.app",     "herokuapp.com",     "fly.dev",           "pages.dev",
    "workers.dev",   "vercel.app",  "netlify.app",       "gitlab.io",         "web.app",
    "ngrok.io",      "ngrok.app",   "ngrok-free.app",    "trycloudflare.com", "nip.io",
    "sslip.io",      "duckdns.org", "windows.net",       "googleapis.com",    "onrender.com",
};

/* The last `count` labels of a host name, or NULL if it has fewer. */
static const char *last_labels(const char *host, size_t count)
{
    const char *at = host + strlen(host);

    while (at > host) {
        if (at[-1] == '.' && --count == 0)
            return at;
        at--;
    }
    return count == 1 ? host : NULL;
}

/* "co.uk" and its like: a short label below a country's. */
static bool is_shared(const char *domain)
{
    const char *dot = strchr(domain, '.');

    for (size_t i = 0; i < COUNT(shared_domains); i++)
        if (strcmp(domain, shared_domains[i]) == 0)
            return true;
    return dot && strlen(dot + 1) == 2 && dot - domain <= 3;
}

/* The part of a host name that somebody registered, or NULL (addresses, single labels). */
static const char *registrable_domain(const char *host)
{
    const char *last = last_labels(host, 1);
    const char *domain = last_labels(host, 2);

    if (host[0] == '[' || !last || isdigit((unsigned char)last[0]) || !domain)
        return NULL;
    return is_shared(domain) ? last_labels(host, 3) : domain;
}

bool auth_realm_is_trusted(const struct url *registry, const struct url *realm)
{
    const char *ours = registrable_domain(registry->host);
    const char *theirs = registrable_domain(realm->host);

    if (!realm->is_https)
        return !registry->is_https && strcmp(registry->host, realm->host) == 0;
    if (strcmp(registry->host, realm->host) == 0)
        return true;
    for (size_t i = 0; i < COUNT(partners); i++) {
        if (strcmp(registry->host, partners[i].registry) == 0 &&
            strcmp(realm->host, partners[i].realm) == 0)
            return true;
    }
    return ours && theirs && strcmp(ours, theirs) == 0;
}

static char *basic_header(const struct credential *c)
{
    auto_(strbuf) struct strbuf encoded = STRBUF_INIT;
    auto_free char *plain = xasprintf("%s:%s", c->username, c->secret ? c->secret : "");

    base64_encode(plain, strlen(plain), &encoded);
    explicit_bzero(plain, strlen(plain));
    return xasprintf("Authorization: Basic %s", encoded.buf);
}

/* With host->lock held. */
static char *known_header(const struct registry_host *host, const char *scope)
{
    const struct token *token;

    switch (host->scheme) {
    case CHALLENGE_NONE: return NULL;
    case CHALLENGE_BASIC: return host->credential.username ? basic_header(&host->credential) : NULL;
    case CHALLENGE_BEARER:
        token = map_find(&host->tokens, scope);
        if (!token || clock_monotonic_ns() >= token->refresh_ns)
            return NULL;
        return xasprintf("Authorization: Bearer %s", token->text);
    }
    __builtin_unreachable();
}

struct token_request {
    struct registry_host *host;
    const struct challenge *challenge;
    struct url realm;
    const char *scope;
    bool is_trusted; /* the realm may see the credential */
    struct token *out;
};

static void add_parameter(struct strbuf *query, const char *name, const char *value)
{
    auto_free char *escaped = url_escape(value);
    strbuf_addf(query, "%s%s=%s", query->len ? "&" : "", name, escaped);
}

/* "service=..&scope=.." with the registry's own idea of the scope beside ours. */
static void add_scopes(const struct token_request *t, bool as_one, struct strbuf *query)
{
    const char *theirs = t->challenge->scope;
    bool differs = theirs && *theirs && strcmp(theirs, t->scope) != 0;

    if (t->challenge->service)
        add_parameter(query, "service", t->challenge->service);
    if (as_one) {
        auto_free char *both =
            xasprintf("%s%s%s", t->scope, differs ? " " : "", differs ? theirs : "");
        add_parameter(query, "scope", both);
        return;
    }
    struct str rest = str_of(t->scope);
    while (rest.len > 0) {
        struct str part = str_cut(&rest, ' ');
        auto_free char *scope = xstrndup(part.ptr, part.len);
        add_parameter(query, "scope", scope);
    }
    if (differs)
        add_parameter(query, "scope", theirs);
}

static bool token_is_valid(const char *text)
{
    if (!text || !*text)
        return false;
    for (; *text; text++)
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

/* With host->lock held. */
static void keep_identity(struct registry_host *host, const js *doc)
{
    const char *refresh = js_text(js_member(doc, "refresh_token"));

    if (host->is_login && !host->credential.identity_token && token_is_valid(refresh))
        host->credential.identity_token = xstrdup(refresh);
}

static int parse_token(const struct token_request *t, const struct http_response *response,
                       struct error *err)
{
    struct token *out = t->out;
    uint64_t expires_s = 0;
    auto_(error) struct error ignored = { 0 };
    auto_(js) js *doc = NULL;

    TRY(js_parse(response->body.buf, response->body.len, "token answer", &doc, err));
    const char *text = js_text(js_member(doc, "token"));
    if (!text || !*text)
        text = js_text(js_member(doc, "access_token"));
    if (!token_is_valid(text))
        return error_set(err, ERROR_CORRUPT, 0, "token answer holds no usable token");
    /* servers get this field wrong in every way; then the standard's default stands */
    if (js_get_u64(doc, "expires_in", false, &expires_s, &ignored) < 0 ||
        expires_s < EXPIRES_DEFAULT_S)
        expires_s = EXPIRES_DEFAULT_S;
    if (expires_s > EXPIRES_MAX_S)
        expires_s = EXPIRES_MAX_S;
    out->text = xstrdup(text);
    out->refresh_ns = clock_monotonic_ns() + expires_s * 800000000U; /* at four fifths */
    keep_identity(t->host, doc);
    return 0;
}

#define CLIENT_ID "mlbuild"

/* How a token server is asked. Most know the first; some only OAuth2, with a password or with the
 * refresh token that a login left. */
enum grant { GRANT_GET, GRANT_PASSWORD, GRANT_REFRESH };

static void fill_form(const struct token_request *t, enum grant grant, struct strbuf *form)
{
    const struct credential *c = &t->host->credential;

    add_scopes(t, true, form);
    add_parameter(form, "client_id", CLIENT_ID);
    if (grant == GRANT_REFRESH) {
        add_parameter(form, "grant_type", "refresh_token");
        add_parameter(form, "refresh_token", c->identity_token);
        return;
    }
    if (t->host->is_login)
        add_parameter(form, "access_type", "offline");
    add_parameter(form, "grant_type", "password");
    add_parameter(form, "username", c->username);
    add_parameter(form, "password", c->secret ? c->secret : "");
}

static int ask_token_server(const struct token_request *t, enum grant grant,
                            struct http_response *response, struct error *err)
{
    const struct credential *c = &t->host->credential;
    auto_(strvec) struct strvec headers = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_free char *realm = url_print(&t->realm);
    auto_free char *shown = url_print_safe(&t->realm);
    auto_free char *url = NULL;
    const struct http_trust trust = registry_host_trust(t->host, &t->realm);
    struct http_request request = { .method = grant == GRANT_GET ? "GET" : "POST",
                                    .url = realm,
                                    .headers = &headers,
                                    .bodies.limit = TOKEN_ANSWER_MAX,
                                    .allow_http = !t->realm.is_https,
                                    .trust = &trust,
                                    .skip_verify = t->host->skip_verify,
                                    .refuse_private = !t->host->is_private };

    if (grant == GRANT_GET) {
        add_scopes(t, false, &text);
        if (t->host->is_login) {
            add_parameter(&text, "offline_token", "true");
            add_parameter(&text, "client_id", CLIENT_ID);
        }
        if (t->is_trusted && c->username)
            strvec_push_take(&headers, basic_header(c));
        url = xasprintf("%s%s%s", realm, !text.len ? "" : t->realm.query[0] ? "&" : "?", text.buf);
        request.url = url;
    } else {
        fill_form(t, grant, &text);
        strvec_push(&headers, "Content-Type: application/x-www-form-urlencoded");
        request.bodies.data = text.buf;
        request.bodies.len = text.len;
    }
    int rc = http_perform(t->host->client->http, &request, response, err);
    explicit_bzero(text.buf, text.len);
    return rc < 0 ? error_wrap(err, "get a token from %s", shown) : 0;
}

static int request_token(void *arg, long *retry_after_s, struct error *err)
{
    struct token_request *t = arg;
    const struct credential *c = &t->host->credential;
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    bool is_refresh = t->is_trusted && c->identity_token;

    TRY(ask_token_server(t, is_refresh ? GRANT_REFRESH : GRANT_GET, &response, err));
    if (!is_refresh && t->is_trusted && c->username &&
        (response.status == 404 || response.status == 405))
        TRY(ask_token_server(t, GRANT_PASSWORD, &response, err));
    *retry_after_s = response.retry_after_s;
    if (response.status != 200) {
        auto_free char *shown = url_print_safe(&t->realm);
        auto_free char *what = xasprintf("get a token from %s", shown);
        return registry_status_error(t->host, what, &response, err);
    }
    return parse_token(t, &response, err);
}

static void token_free(void *value)
{
    struct token *token = value;
    if (token->text)
        explicit_bzero(token->text, strlen(token->text));
    free(token->text);
    free(token);
}

/* With host->lock held. `is_once`: without tries again. */
static int renew_token(struct registry_host *host, const char *scope,
                       const struct challenge *challenge, bool is_once, struct error *err)
{
    auto_(url) struct url realm = { 0 };
    struct token_request request = { .host = host, .challenge = challenge, .scope = scope };
    long retry_after_s = RETRY_AFTER_NONE;

    if (url_resolve(&host->base, challenge->realm, &realm, err) < 0) {
        err->kind = ERROR_REMOTE;
        return error_wrap(err, "token server named by %s", host->name);
    }
    /* an http realm of an https registry could be anybody between us and it */
    if (!realm.is_https && !(host->may_use_http && !host->base.is_https))
        return error_set(err, ERROR_REMOTE, 0, "%s names a token server without https", host->name);
    bool has_secret = host->credential.username || host->credential.identity_token;
    request.realm = realm;
    request.is_trusted = auth_realm_is_trusted(&host->base, &realm);
    host->was_withheld = has_secret && !request.is_trusted;
    request.out = xcalloc(1, sizeof *request.out);
    int rc = is_once ? request_token(&request, &retry_after_s, err)
                     : registry_try(host->client, request_token, &request, NULL, err);
    if (rc < 0) {
        token_free(request.out);
        return -1;
    }
    host->tokens.free_value = token_free;
    map_set(&host->tokens, scope, request.out);
    return 0;
}

/* What the registry asked for will do for the next scope, and when a token has expired: a layer
 * that is sent only to be refused is sent twice. Where it does not, the registry says so. */
char *auth_header(struct registry_host *host, const char *scope)
{
    auto_(error) struct error ignored = { 0 };

    pthread_mutex_lock(&host->lock);
    char *header = known_header(host, scope);
    if (!header && host->scheme == CHALLENGE_BEARER &&
        renew_token(host, scope, &host->challenge, true, &ignored) == 0)
        header = known_header(host, scope);
    pthread_mutex_unlock(&host->lock);
    return header;
}

static void keep_challenge(struct registry_host *host, struct challenge *challenge)
{
    challenge_release(&host->challenge);
    host->scheme = challenge->scheme;
    host->challenge = *challenge;
    *challenge = (struct challenge){ 0 };
    free(take_ptr(host->challenge.scope)); /* was for that one request */
}

int auth_answer(struct registry_host *host, const char *scope, const char *challenge,
                const char *used, bool *out_again, struct error *err)
{
    auto_(challenge) struct challenge wanted = { 0 };
    int rc = 0;

    challenge_parse(challenge, &wanted);
    pthread_mutex_lock(&host->lock);
    host->scheme = wanted.scheme;
    auto_free char *now = known_header(host, scope);
    bool is_newer = now && (!used || strcmp(now, used) != 0);
    *out_again = is_newer;
    if (!is_newer && wanted.scheme == CHALLENGE_BEARER) {
        rc = renew_token(host, scope, &wanted, false, err);
        *out_again = rc == 0;
    }
    keep_challenge(host, &wanted);
    pthread_mutex_unlock(&host->lock);
    return rc;
}
