/* SPDX-License-Identifier: Apache-2.0 */
/* What an unwanted answer means, for people. */
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/s3/bucket_internal.h"

enum { ELEMENT_MAX = 4096, SHOWN_MAX = 300 };

char *s3_answer_element(const struct http_response *response, const char *name)
{
    auto_free char *open = xasprintf("<%s>", name);
    const char *start = strstr(response->body.buf, open);
    if (!start)
        return NULL;
    start += strlen(open);
    size_t len = strcspn(start, "<");
    return start[len] && len <= ELEMENT_MAX ? xstrndup(start, len) : NULL;
}

static char *clean_element(const struct http_response *response, const char *name)
{
    auto_free char *text = s3_answer_element(response, name);
    return str_clean(text ? text : "", SHOWN_MAX);
}

/* What may help with an error code. */
static const struct advice {
    const char *code;
    bool is_transient;
    const char *hint; /* NULL: nothing */
} advices[] = {
    { "RequestTimeTooSkewed", false, "set the clock of this machine: signatures hold for minutes" },
    { "RequestExpired", false, "set the clock of this machine: signatures hold for minutes" },
    { "InvalidAccessKeyId", false, "the server does not know the access key id" },
    { "SignatureDoesNotMatch", false,
      "the secret access key is another one, or a proxy changes requests" },
    { "ExpiredToken", false, "the session token has expired: get new keys" },
    { "InvalidToken", false, "temporary keys need their session_token (AWS_SESSION_TOKEN)" },
    { "NoSuchBucket", false, "make the bucket first, or see endpoint_url and use_path_style" },
    { "AccessDenied", false,
      "the keys need s3:GetObject, and s3:PutObject to write; without s3:ListBucket, S3 also says "
      "this of what is not there" },
    { "SlowDown", true, NULL },
    { "InternalError", true, NULL },
    { "ServiceUnavailable", true, NULL },
    { "OperationAborted", true, NULL },
    { "RequestTimeout", true, NULL },
};

static const struct advice *find_advice(const char *code)
{
    for (size_t i = 0; i < COUNT(advices); i++) {
        if (strcmp(advices[i].code, code) == 0)
            return &advices[i];
    }
    return NULL;
}

/* Where the bucket is, if it is not where it was looked for. The caller frees it. */
static char *other_region(const struct s3_bucket *b, const struct http_response *response)
{
    const char *header = response->headers[HTTP_BUCKET_REGION];
    auto_free char *region =
        header ? str_clean(header, SHOWN_MAX) : clean_element(response, "Region");
    bool is_other = *region && strcmp(region, b->options.region) != 0;
    return is_other ? take_ptr(region) : NULL;
}

static const char *words_of(int status)
{
    switch (status) {
    case 400: return "bad request";
    case 403: return "access denied";
    case 404: return "not found";
    case 429: return "too many requests";
    default:
        return status >= 500                   ? "server error"
               : status >= 300 && status < 400 ? "the bucket is somewhere else"
                                               : "unexpected answer";
    }
}

static int hint(const struct s3_bucket *b, const struct http_response *response,
                const struct advice *advice, struct error *err)
{
    auto_free char *region = other_region(b, response);
    auto_free char *endpoint = clean_element(response, "Endpoint");
    if (region)
        return error_hint(err, "the bucket is in region=%s, not %s", region, b->options.region);
    if (*endpoint)
        return error_hint(err, "the bucket is at %s: see region and endpoint_url", endpoint);
    if (advice && advice->hint)
        error_hint(err, "%s (keys: %s)", advice->hint, b->keys.source);
    else if (response->status == 403)
        error_hint(err, "used the keys of %s", b->keys.source);
    return -1;
}

int s3_answer_error(const struct s3_bucket *b, const char *what,
                    const struct http_response *response, struct error *err)
{
    auto_free char *code = clean_element(response, "Code");
    auto_free char *message = clean_element(response, "Message");
    auto_free char *says = *code ? xasprintf(" (%s: %s)", code, message) : xstrdup("");
    const struct advice *advice = find_advice(code);
    bool is_transient =
        http_status_is_transient(response->status) || (advice && advice->is_transient);

    error_set(err, is_transient ? ERROR_NETWORK : ERROR_REMOTE, 0, "%s: %s: %s%s (HTTP %d)",
              b->host, what, words_of(response->status), says, response->status);
    return hint(b, response, advice, err);
}
