/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/s3/image.h"

#include <fcntl.h>
#include <stdatomic.h>

#include "lib/base/mem.h"
#include "lib/base/meter.h"
#include "lib/s3/bucket_internal.h"
#include "lib/store/blob.h"

struct s3_image {
    struct document_fetcher fetcher;
    struct blob_provider provider;
    struct s3_bucket *bucket;
    char *blob_prefix;
    bool lacks_document; /* that its manifest names */
};

static struct s3_image *image_of_fetcher(struct document_fetcher *fetcher)
{
    return (void *)((char *)fetcher - offsetof(struct s3_image, fetcher));
}

static struct s3_image *image_of_provider(struct blob_provider *provider)
{
    return (void *)((char *)provider - offsetof(struct s3_image, provider));
}

char *s3_blob_key(const char *blob_prefix, const struct digest *digest)
{
    char text[DIGEST_TEXT_SIZE];
    digest_print(digest, text);
    return xasprintf("%s%s", blob_prefix, text);
}

static int fetch_document(struct document_fetcher *fetcher, const struct descriptor *d,
                          uint64_t limit, struct strbuf *out, struct error *err)
{
    struct s3_image *image = image_of_fetcher(fetcher);
    auto_free char *key = s3_blob_key(image->blob_prefix, &d->digest);
    bool found = false;

    TRY(s3_get_text(image->bucket, key, limit, out, &found, err));
    if (found)
        return 0;
    image->lacks_document = true;
    return error_set(err, ERROR_REMOTE, 0, "%s: %s is not there", image->bucket->host, key);
}

/* A blob on its way into the store. */
struct s3_stream {
    struct blob_stream base;
    struct writer body; /* of an answer */
    struct s3_bucket *bucket;
    char *key;
    struct descriptor blob;
    struct blob_writer file;
    int fd;        /* of what has arrived, to read it */
    uint64_t read; /* so much of it */
    uint64_t end;  /* of the range that is asked for */
    struct meter meter;
    atomic_bool is_interrupted;
};

static int check_interrupt(struct s3_stream *s, struct error *err)
{
    return atomic_load(&s->is_interrupted) ? error_set(err, ERROR_CANCELLED, 0, "interrupted") : 0;
}

static struct s3_stream *stream_of_body(struct writer *body)
{
    return (void *)((char *)body - offsetof(struct s3_stream, body));
}

static int take_body(struct writer *body, const void *data, size_t len, struct error *err)
{
    struct s3_stream *s = stream_of_body(body);

    TRY(check_interrupt(s, err));
    TRY(writer_write(&s->file.base, data, len, err));
    meter_set(&s->meter, s->file.size);
    return 0;
}

static bool is_whole(const struct s3_stream *s)
{
    return s->file.size == 0 && s->end == s->blob.size;
}

static int check_range(void *arg, const struct http_response *response, struct error *err)
{
    const struct s3_stream *s = arg;

    if ((response->status == 200 && !is_whole(s)) ||
        (response->status == 206 && !http_range_starts_at(response, s->file.size)))
        return error_set(err, ERROR_REMOTE, 0, "%s: %s: another range than was asked for",
                         s->bucket->host, s->key);
    return 0;
}

static int get_range(void *arg, long *retry_after_s, struct error *err)
{
    struct s3_stream *s = arg;
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    auto_free char *range = xasprintf("bytes=%llu-%llu", (unsigned long long)s->file.size,
                                      (unsigned long long)s->end - 1);
    const struct s3_request request = { .method = "GET",
                                        .key = s->key,
                                        .range = is_whole(s) ? NULL : range,
                                        .bodies.out = &s->body,
                                        .bodies.limit = s->end - s->file.size,
                                        .bodies.on_headers = check_range,
                                        .bodies.arg = s };

    TRY(check_interrupt(s, err));
    if (s->file.size == s->end)
        return 0;
    TRY(s3_call(s->bucket, &request, &response, err));
    *retry_after_s = response.retry_after_s;
    if (response.status != 200 && response.status != 206) {
        auto_free char *what = xasprintf("read %s", s->key);
        return s3_answer_error(s->bucket, what, &response, err);
    }
    if (s->file.size < s->end)
        return error_set(err, ERROR_NETWORK, 0, "transfer of %s ended after %llu of %llu bytes",
                         s->key, (unsigned long long)s->file.size, (unsigned long long)s->end);
    return 0;
}

/* Up to `end` of the blob; with the last byte it is in the store. */
static int fetch_to(struct s3_stream *s, uint64_t end, struct error *err)
{
    s->end = end < s->blob.size ? end : s->blob.size;
    TRY(s3_try(s->bucket, get_range, s, &s->file.size, err));
    if (s->end < s->blob.size)
        return 0;
    TRY(blob_writer_commit(&s->file, &s->blob.digest, NULL, err));
    meter_end(&s->meter);
    return 0;
}

static ssize_t stream_read(struct reader *base, void *buf, size_t cap, struct error *err)
{
    struct s3_stream *s = (struct s3_stream *)base;

    TRY(check_interrupt(s, err));
    if (s->read == s->end && s->file.fd >= 0)
        TRY(fetch_to(s, s->end + S3_RANGE_SIZE, err));
    uint64_t left = s->end - s->read;
    ssize_t got = 0;
    do
        got = pread(s->fd, buf, left < cap ? (size_t)left : cap, (off_t)s->read);
    while (got < 0 && errno == EINTR);
    if (got < 0 || (got == 0 && left > 0))
        return error_set(err, ERROR_SYSTEM, got < 0 ? errno : EIO, "read behind the transfer of %s",
                         s->key);
    s->read += (uint64_t)got;
    return got;
}

static void stream_interrupt(struct blob_stream *base)
{
    atomic_store(&((struct s3_stream *)base)->is_interrupted, true);
}

static void stream_close(struct blob_stream *base)
{
    struct s3_stream *s = (struct s3_stream *)base;

    blob_writer_release(&s->file);
    if (s->fd >= 0)
        close(s->fd);
    free(s->key);
    free(s);
}

static int open_file(struct s3_stream *s, struct error *err)
{
    TRY(blob_writer_open(s->bucket->options.store, &s->file, err));
    s->fd = fcntl(s->file.fd, F_DUPFD_CLOEXEC, 0);
    return s->fd < 0 ? error_set(err, ERROR_SYSTEM, errno, "follow a blob") : 0;
}

static int open_stream(struct blob_provider *provider, const struct descriptor *blob,
                       struct thread_pool *pool, unsigned vertex, struct blob_stream **out,
                       struct error *err)
{
    const struct s3_image *image = image_of_provider(provider);
    struct s3_stream *s = xcalloc(1, sizeof *s);
    char name[DIGEST_TEXT_SIZE];

    (void)pool;
    s->base = (struct blob_stream){ { stream_read }, stream_interrupt, stream_close };
    s->body = (struct writer){ take_body, NULL };
    s->bucket = image->bucket;
    s->key = s3_blob_key(image->blob_prefix, &blob->digest);
    s->blob = *blob;
    s->fd = s->file.fd = -1;
    digest_print(&blob->digest, name);
    name[19] = '\0';
    meter_start(&s->meter, image->bucket->options.progress, vertex, name, blob->size);
    if (open_file(s, err) < 0) {
        stream_close(&s->base);
        return -1;
    }
    *out = &s->base;
    return 0;
}

static int fetch_claimed(struct blob_provider *provider, const struct descriptor *blob,
                         unsigned vertex, struct error *err)
{
    const struct s3_image *image = image_of_provider(provider);
    struct blob_stream *stream = NULL;

    if (blob_exists(image->bucket->options.store, &blob->digest, blob->size))
        return 0;
    TRY(open_stream(provider, blob, NULL, vertex, &stream, err));
    int rc = fetch_to((struct s3_stream *)stream, blob->size, err);
    stream->close(stream);
    /* bytes that are not those that were promised: a fault of the server's */
    if (rc < 0 && err->kind == ERROR_CORRUPT)
        err->kind = ERROR_REMOTE;
    return rc;
}

static int fetch(struct blob_provider *provider, const struct descriptor *blob, unsigned vertex,
                 struct error *err)
{
    const struct s3_image *image = image_of_provider(provider);
    auto_free char *key = s3_blob_key(image->blob_prefix, &blob->digest);

    claims_take(&image->bucket->claims, key);
    int rc = fetch_claimed(provider, blob, vertex, err);
    claims_drop(&image->bucket->claims, key);
    return rc;
}

static void image_free(struct s3_image *image)
{
    if (!image)
        return;
    free(image->blob_prefix);
    free(image);
}
DEFINE_AUTO(image, struct s3_image *, image_free(*value))

static void provider_free(struct blob_provider *provider)
{
    image_free(image_of_provider(provider));
}

static struct s3_image *image_new(struct s3_bucket *bucket, const char *blob_prefix)
{
    struct s3_image *image = xcalloc(1, sizeof *image);

    image->fetcher.fetch = fetch_document;
    image->provider.fetch = fetch;
    image->provider.open = open_stream;
    image->bucket = bucket;
    image->blob_prefix = xstrdup(blob_prefix);
    return image;
}

/* Buckets often have a rule that removes what is old, blobs before what names them. */
static int has_layers(const struct s3_image *image, const struct manifest *manifest,
                      bool *out_has_all, struct error *err)
{
    struct s3_bucket *b = image->bucket;

    *out_has_all = true;
    for (size_t i = 0; *out_has_all && i < manifest->layer_count; i++) {
        const struct descriptor *layer = &manifest->layers[i];
        auto_free char *key = s3_blob_key(image->blob_prefix, &layer->digest);
        if (!blob_exists(b->options.store, &layer->digest, layer->size))
            TRY(s3_look(b, key, layer->size, out_has_all, err));
    }
    return 0;
}

int s3_image_find(struct s3_bucket *bucket, const char *key, const char *blob_prefix,
                  const struct platform *platform, struct image_source *out, bool *out_found,
                  struct error *err)
{
    struct descriptor root = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(image_source) struct image_source source;
    auto_(image) struct s3_image *image = image_new(bucket, blob_prefix);

    image_source_init(&source);
    TRY(s3_get_text(bucket, key, OCI_DOCUMENT_MAX, &text, out_found, err));
    if (!*out_found)
        return 0;
    root.size = text.len;
    digest_of(text.buf, text.len, &root.digest);
    if (image_source_load(&image->fetcher, &root, &text, platform, &source, err) < 0) {
        *out_found = !image->lacks_document;
        if (*out_found)
            return -1;
        error_clear(err);
        return 0;
    }
    TRY(has_layers(image, &source.manifest, out_found, err));
    if (!*out_found)
        return 0;
    source.name = xasprintf("%s/%s", bucket->base, key);
    source.provider = &image->provider;
    source.free_provider = provider_free;
    *out = source;
    image_source_init(&source);
    (void)take_ptr(image);
    return 0;
}
