/* SPDX-License-Identifier: Apache-2.0 */
/* What an unwanted status means, for people. */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/codec/json.h"
#include "lib/registry/registry_internal.h"

enum { RETRY_AFTER_SHOWN_MAX = 366 * 24 * 3600 };

/* The first error of {"errors":[{"code":..,"message":..}]}, as " (code: message)", or "". */
static char *server_says(const struct http_response *response)
{
    auto_(error) struct error ignored = { 0 };
    auto_(js) js *doc = NULL;

    if (js_parse(response->body.buf, response->body.len, "answer", &doc, &ignored) < 0)
        return xstrdup("");
    const js *first = js_item(js_member(doc, "errors"), 0);
    const char *code = js_text(js_member(first, "code"));
    const char *message = js_text(js_member(first, "message"));
    if (!message)
        message = js_text(js_member(doc, "details")); /* token servers' form */
    if (!code && !message)
        return xstrdup("");
    auto_free char *text = xasprintf(" (%s%s%s)", code ? code : "", code && message ? ": " : "",
                                     message ? message : "");
    return str_clean(text, 300);
}

static int hint_credentials(const struct registry_host *host, struct error *err)
{
    const struct credential *c = &host->credential;

    if (host->was_withheld) {
        return error_hint(err,
                          "the credentials for %s were not sent: its token server belongs to "
                          "another domain",
                          host->name);
    }
    if (c->source)
        return error_hint(err, "used the credentials for %s from %s", host->name, c->source);
    if (c->note)
        return error_hint(err, "no credentials for %s: %s", host->name, c->note);
    return error_hint(err,
                      "no credentials for %s were found; \"mlbuild login %s\" would store some "
                      "(looked in $DOCKER_AUTH_CONFIG, config.json of docker, "
                      "$REGISTRY_AUTH_FILE, auth.json of podman)",
                      host->name, host->name);
}

/* "2 h 5 min" */
static void print_duration(uint64_t seconds, struct strbuf *out)
{
    uint64_t minutes = (seconds + 59) / 60;

    if (seconds < 60)
        strbuf_addf(out, "%llu s", (unsigned long long)seconds);
    else if (minutes < 60)
        strbuf_addf(out, "%llu min", (unsigned long long)minutes);
    else
        strbuf_addf(out, "%llu h", (unsigned long long)(minutes / 60));
    if (minutes >= 60 && minutes % 60)
        strbuf_addf(out, " %llu min", (unsigned long long)(minutes % 60));
}

/* "100;w=21600": so many in so long. */
static void print_limit(const char *header, struct strbuf *out)
{
    struct str rest = str_of(header ? header : "");
    struct str count = str_cut(&rest, ';');
    uint64_t number = 0;
    uint64_t window = 0;

    if (!str_to_u64(count, 10, UINT32_MAX, &number) || rest.len < 3 ||
        memcmp(rest.ptr, "w=", 2) != 0 ||
        !str_to_u64((struct str){ rest.ptr + 2, rest.len - 2 }, 10, UINT32_MAX, &window))
        return;
    strbuf_addf(out, "the limit is %llu in ", (unsigned long long)number);
    print_duration(window, out);
    strbuf_addstr(out, "; ");
}

/* When to come back, and what may help until then. */
static int hint_limit(const struct registry_host *host, const struct http_response *response,
                      struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    long wait = response->retry_after_s;
    struct timespec then = clock_now();

    print_limit(response->headers[HTTP_RATE_LIMIT], &text);
    if (wait > 0 && wait <= RETRY_AFTER_SHOWN_MAX) {
        char when[CLOCK_TEXT_SIZE];
        then.tv_sec += wait;
        then.tv_nsec = 0;
        clock_print(then, when);
        strbuf_addstr(&text, "try again in ");
        print_duration((uint64_t)wait, &text);
        strbuf_addf(&text, ", at %s", when);
    } else {
        strbuf_addstr(&text, "try again later: the registry does not say when");
    }
    if (host->credential.source)
        return error_hint(err, "%s", text.buf);
    return error_hint(err, "%s; \"mlbuild login %s\" may raise the limit", text.buf, host->name);
}

int registry_status_error(struct registry_host *host, const char *what,
                          const struct http_response *response, struct error *err)
{
    static const struct {
        int status;
        const char *words;
    } rows[] = { { 400, "bad request" },   { 401, "not authorised" },   { 403, "access denied" },
                 { 404, "not found" },     { 405, "not allowed" },      { 413, "too large" },
                 { 416, "no such range" }, { 429, "too many requests" } };
    const char *words = response->status >= 500 ? "server error" : "unexpected answer";
    auto_free char *says = server_says(response);
    bool is_transient = http_status_is_transient(response->status);

    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].status == response->status)
            words = rows[i].words;
    error_set(err, is_transient ? ERROR_NETWORK : ERROR_REMOTE, 0, "%s: %s: %s%s (HTTP %d)",
              host->name, what, words, says, response->status);
    if (response->status == 401 || response->status == 403)
        return hint_credentials(host, err);
    return response->status == 429 ? hint_limit(host, response, err) : -1;
}
