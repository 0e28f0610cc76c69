/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/resolve.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/registry/pull_internal.h"
#include "lib/registry/tags.h"

struct resolver {
    struct document_fetcher base;
    const struct origin *origin;
    const struct reference *ref;
    char *brief; /* the reference, for people */
    bool is_last;
    bool may_be_missing; /* then nothing is asked about it */
    bool is_missing;     /* there is no such image */
};

/* One document of a registry, as one attempt fetches it. */
struct document {
    const struct resolver *resolver;
    char *target;
    bool is_manifest;
    uint64_t limit;
    const struct descriptor *wanted; /* NULL: whatever comes */
    struct http_response response;
};

static void document_release(struct document *d)
{
    free(d->target);
    http_response_release(&d->response);
}
DEFINE_AUTO(document, struct document, document_release(value))

static void add_accept(struct strvec *headers)
{
    static const enum media_type accepted[] = { MEDIA_MANIFEST, MEDIA_INDEX, MEDIA_DOCKER_MANIFEST,
                                                MEDIA_DOCKER_INDEX };
    auto_(strbuf) struct strbuf line = STRBUF_INIT;

    strbuf_addstr(&line, "Accept: ");
    for (size_t i = 0; i < COUNT(accepted); i++)
        strbuf_addf(&line, "%s%s", i ? ", " : "", media_type_print(accepted[i]));
    strvec_push(headers, line.buf);
}

static int get_document(void *arg, long *retry_after_s, struct error *err)
{
    struct document *d = arg;
    const struct resolver *r = d->resolver;
    auto_(strvec) struct strvec headers = { 0 };

    if (d->is_manifest)
        add_accept(&headers);
    const struct registry_request request = { .method = "GET",
                                              .target = d->target,
                                              .scope = r->origin->scope,
                                              .headers = headers,
                                              .bodies.limit = d->limit ? d->limit : 1 };
    TRY(registry_call(r->origin->host, &request, &d->response, err));
    *retry_after_s = d->response.retry_after_s;
    if (d->response.status == 200 && d->wanted && d->response.body.len < d->wanted->size)
        return error_set(err, ERROR_NETWORK, 0, "%s: the answer ended early",
                         r->origin->host->name);
    if (d->response.status == 200)
        return 0;
    auto_free char *what = xasprintf("pull %s", r->brief);
    return registry_status_error(r->origin->host, what, &d->response, err);
}

static int get(struct document *d, struct error *err)
{
    const struct resolver *r = d->resolver;
    struct registry_client *client = r->origin->host->client;

    /* Who can do without it does not wait long for it. */
    return r->is_last && !r->may_be_missing
               ? registry_try(client, get_document, d, NULL, err)
               : registry_try_briefly(client, get_document, d, NULL, err);
}

static int fetch(struct document_fetcher *base, const struct descriptor *wanted, uint64_t limit,
                 struct strbuf *out, struct error *err)
{
    struct resolver *r = (struct resolver *)base;
    char digest[DIGEST_TEXT_SIZE];
    bool is_manifest =
        media_type_is_manifest(wanted->media_type) || media_type_is_index(wanted->media_type);
    auto_(document) struct document d = { .resolver = r,
                                          .is_manifest = is_manifest,
                                          .limit = limit,
                                          .wanted = wanted,
                                          .response = HTTP_RESPONSE_INIT };

    digest_print(&wanted->digest, digest);
    d.target = xasprintf("/v2/%s/%s/%s", r->origin->repository, is_manifest ? "manifests" : "blobs",
                         digest);
    TRY(get(&d, err));
    strbuf_add(out, d.response.body.buf, d.response.body.len);
    struct digest actual;
    digest_of(out->buf, out->len, &actual);
    if (out->len != wanted->size || !digest_equal(&actual, &wanted->digest)) {
        return error_set(err, ERROR_REMOTE, 0,
                         "%s sent %s, but its content does not match size and digest",
                         r->origin->host->name, digest);
    }
    return 0;
}

/* The type that the Content-Type header names; parameters ("; charset=utf-8") do not count. */
static enum media_type delivered_type(const struct http_response *response)
{
    const char *header = response->headers[HTTP_CONTENT_TYPE];

    if (!header)
        return MEDIA_UNKNOWN;
    auto_free char *type = xstrndup(header, strcspn(header, "; \t"));
    enum media_type parsed = media_type_parse(type);
    return media_type_is_manifest(parsed) || media_type_is_index(parsed) ? parsed : MEDIA_UNKNOWN;
}

/* The body is what it was asked for by digest, or at least what the registry calls it. */
static int check_root(const struct reference *ref, const struct http_response *response,
                      const struct digest *actual, struct error *err)
{
    const char *header = response->headers[HTTP_CONTENT_DIGEST];
    struct digest wanted;
    char text[DIGEST_TEXT_SIZE];

    digest_print(actual, text);
    if (ref->digest && digest_parse(ref->digest, &wanted) && !digest_equal(&wanted, actual))
        return error_set(err, ERROR_REMOTE, 0, "registry sent a manifest of digest %s instead",
                         text);
    if (!ref->digest && header && digest_parse(header, &wanted) && !digest_equal(&wanted, actual))
        return error_set(err, ERROR_REMOTE, 0, "registry calls the manifest %s, but it is %s",
                         header, text);
    return 0;
}

/* What the reference names itself. */
static int get_root(struct resolver *r, struct registry_document *out, struct error *err)
{
    struct descriptor root = { 0 };
    auto_(document) struct document d = { .resolver = r,
                                          .is_manifest = true,
                                          .limit = OCI_DOCUMENT_MAX,
                                          .response = HTTP_RESPONSE_INIT };

    d.target = xasprintf("/v2/%s/manifests/%s", r->origin->repository,
                         r->ref->digest ? r->ref->digest : r->ref->tag);
    if (get(&d, err) < 0) {
        r->is_missing = d.response.status == 404;
        if (r->is_missing && !r->may_be_missing && !r->ref->digest && r->is_last)
            tags_hint(r->origin, r->ref->tag, err);
        return -1;
    }
    root.media_type = delivered_type(&d.response);
    root.size = d.response.body.len;
    digest_of(d.response.body.buf, d.response.body.len, &root.digest);
    TRY(check_root(r->ref, &d.response, &root.digest, err));
    out->descriptor = root;
    strbuf_clear(&out->text);
    strbuf_add(&out->text, d.response.body.buf, d.response.body.len);
    return 0;
}

/* What is asked of each origin in turn. */
typedef int resolver_fn(struct resolver *r, void *arg, struct error *err);

static int ask(struct resolver *r, resolver_fn *fn, void *arg, struct error *err)
{
    if (fn(r, arg, err) == 0)
        return 0;
    return err->kind == ERROR_CORRUPT || err->kind == ERROR_UNSUPPORTED
               ? error_wrap(err, "image %s", r->brief)
               : -1;
}

/* *out_at is the origin that had it. */
static int ask_in_turn(struct resolver *r, const struct origins *origins, resolver_fn *fn,
                       void *arg, size_t *out_at, struct error *err)
{
    auto_free char *brief = reference_print_short(r->ref);
    auto_(strbuf) struct strbuf story = STRBUF_INIT;

    r->base.fetch = fetch;
    r->brief = brief;
    for (size_t at = 0;; at++) {
        struct error why = { 0 };
        *out_at = at;
        r->origin = &origins->items[at];
        r->is_last = at + 1 == origins->count;
        if (ask(r, fn, arg, &why) == 0)
            return 0;
        if (!origins_may_go_on(origins, at, &story, &why, err))
            return -1;
    }
}

struct image_wanted {
    const struct platform *platform;
    struct image_source source;
};

static int load_image(struct resolver *r, void *arg, struct error *err)
{
    struct image_wanted *wanted = arg;
    auto_(registry_document) struct registry_document root = REGISTRY_DOCUMENT_INIT;

    if (get_root(r, &root, err) == 0 &&
        image_source_load(&r->base, &root.descriptor, &root.text, wanted->platform, &wanted->source,
                          err) == 0)
        return 0;
    image_source_release(&wanted->source);
    return -1;
}

static int resolve(struct registry_client *client, struct resolver *r,
                   const struct platform *platform, struct image_source *out, struct error *err)
{
    auto_(origins) struct origins origins = { 0 };
    struct image_wanted wanted = { .platform = platform };
    size_t at = 0;

    image_source_init(&wanted.source);
    TRY(origins_open(client, r->ref, &origins, err));
    TRY(ask_in_turn(r, &origins, load_image, &wanted, &at, err));
    *out = wanted.source;
    out->name = reference_print(r->ref);
    out->provider = pull_provider_new(&origins, at);
    out->free_provider = pull_provider_free;
    return 0;
}

int registry_resolve(struct registry_client *client, const struct reference *ref,
                     const struct platform *platform, struct image_source *out, struct error *err)
{
    struct resolver r = { .ref = ref };

    return resolve(client, &r, platform, out, err);
}

int registry_find(struct registry_client *client, const struct reference *ref,
                  const struct platform *platform, struct image_source *out, bool *out_found,
                  struct error *err)
{
    struct resolver r = { .ref = ref, .may_be_missing = true };
    int rc = resolve(client, &r, platform, out, err);

    *out_found = rc == 0;
    if (rc == 0 || !r.is_missing)
        return rc;
    error_clear(err);
    return 0;
}

static int load_document(struct resolver *r, void *arg, struct error *err)
{
    struct registry_document *out = arg;

    TRY(get_root(r, out, err));
    return document_settle_type(&out->text, &out->descriptor.media_type, err);
}

int registry_get_document(struct registry_client *client, const struct reference *ref,
                          struct registry_document *out, struct error *err)
{
    auto_(origins) struct origins origins = { 0 };
    struct resolver r = { .ref = ref };
    size_t at = 0;

    TRY(origins_open(client, ref, &origins, err));
    return ask_in_turn(&r, &origins, load_document, out, &at, err);
}
