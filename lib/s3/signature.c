/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/s3/signature.h"

#include <string.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"
#include "lib/codec/digest.h"

static const char algorithm[] = "AWS4-HMAC-SHA256";
enum { DATE_LENGTH = 8 };

void signature_time(time_t when, char text[static SIGNATURE_TIME_SIZE])
{
    struct tm tm;
    gmtime_r(&when, &tm);
    strftime(text, SIGNATURE_TIME_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

static char *print_scope(const struct signature_scope *scope)
{
    return xasprintf("%.*s/%s/%s/aws4_request", DATE_LENGTH, scope->time, scope->region,
                     scope->service);
}

/* "host;x-amz-date" */
static char *print_names(const struct strvec *headers)
{
    struct strbuf names = STRBUF_INIT;
    for (size_t i = 0; i < headers->count; i++) {
        struct str rest = str_of(headers->items[i]);
        struct str name = str_cut(&rest, ':');
        strbuf_addf(&names, "%s%.*s", i ? ";" : "", (int)name.len, name.ptr);
    }
    return strbuf_detach(&names);
}

static void hash_request(const struct signature_request *r, const char *names,
                         char hex[static DIGEST_HEX_SIZE])
{
    struct digest digest;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "%s\n%s\n%s\n", r->method, r->path, r->query);
    for (size_t i = 0; i < r->headers->count; i++)
        strbuf_addf(&text, "%s\n", r->headers->items[i]);
    strbuf_addf(&text, "\n%s\n%s", names, r->payload);
    digest_of(text.buf, text.len, &digest);
    digest_hex(&digest, hex);
}

static void chain(struct digest *key, const char *text, size_t len)
{
    const struct digest before = *key;
    digest_hmac(before.bytes, sizeof before.bytes, text, len, key);
}

/* A key that is good for one day, one region and one service. */
static void derive_key(const struct signature_scope *scope, const char *secret, struct digest *out)
{
    auto_free char *first = xasprintf("AWS4%s", secret);
    digest_hmac(first, strlen(first), scope->time, DATE_LENGTH, out);
    explicit_bzero(first, strlen(first));
    chain(out, scope->region, strlen(scope->region));
    chain(out, scope->service, strlen(scope->service));
    chain(out, "aws4_request", strlen("aws4_request"));
}

char *signature_print(const struct signature_scope *scope, const struct s3_keys *keys,
                      const struct signature_request *request)
{
    struct digest mac;
    char hex[DIGEST_HEX_SIZE];
    auto_free char *names = print_names(request->headers);
    auto_free char *where = print_scope(scope);
    hash_request(request, names, hex);
    auto_free char *text = xasprintf("%s\n%s\n%s\n%s", algorithm, scope->time, where, hex);
    derive_key(scope, keys->secret, &mac);
    chain(&mac, text, strlen(text));
    digest_hex(&mac, hex);
    return xasprintf("%s Credential=%s/%s,SignedHeaders=%s,Signature=%s", algorithm, keys->id,
                     where, names, hex);
}
