/* SPDX-License-Identifier: Apache-2.0 */
/* One blob on its way up: in one request, or in parts side by side. */
#include <stdatomic.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/meter.h"
#include "lib/s3/bucket_internal.h"
#include "lib/store/blob.h"

enum { PARTS_MAX = 10000, PARTS_LEAST = 3, ANSWER_MAX = 64 * 1024, READ_SIZE = 128 * 1024 };

struct upload {
    struct s3_bucket *bucket;
    const char *key;
    const struct s3_put *put;
    struct descriptor blob;
    int fd;
    struct meter meter;
    /* In parts: */
    char *id; /* escaped; NULL: there is no upload */
    uint64_t part_size;
    size_t part_count;
    char **tags; /* what the server calls the parts */
    atomic_bool has_failed;
    pthread_mutex_t lock;
    struct error first; /* under `lock` */
};

static int upload_failed(const struct upload *u, const struct http_response *response,
                         struct error *err)
{
    auto_free char *what = xasprintf("write %s", u->key);
    return s3_answer_error(u->bucket, what, response, err);
}

static void on_progress(void *arg, uint64_t sent, uint64_t received)
{
    struct upload *u = arg;
    (void)received;
    if (sent < u->blob.size)
        meter_set(&u->meter, sent);
}

static int put_whole(void *arg, long *retry_after_s, struct error *err)
{
    struct upload *u = arg;
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    const struct s3_request request = { .method = "PUT",
                                        .key = u->key,
                                        .digest = &u->blob.digest,
                                        .bodies.fd = u->fd,
                                        .bodies.len = u->blob.size,
                                        .bodies.on_progress = on_progress,
                                        .bodies.arg = u };

    TRY(s3_call(u->bucket, &request, &response, err));
    *retry_after_s = response.retry_after_s;
    return response.status == 200 ? 0 : upload_failed(u, &response, err);
}

static int begin_parts(void *arg, long *retry_after_s, struct error *err)
{
    struct upload *u = arg;
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    const struct s3_request request = { .method = "POST",
                                        .key = u->key,
                                        .query = "uploads=",
                                        .bodies.data = "",
                                        .bodies.limit = ANSWER_MAX };

    TRY(s3_call(u->bucket, &request, &response, err));
    *retry_after_s = response.retry_after_s;
    if (response.status != 200)
        return upload_failed(u, &response, err);
    auto_free char *id = s3_answer_element(&response, "UploadId");
    if (!id)
        return error_set(err, ERROR_REMOTE, 0, "%s: write %s: the answer has no UploadId",
                         u->bucket->host, u->key);
    u->id = url_escape(id);
    return 0;
}

struct part {
    struct upload *upload;
    size_t index;
    uint64_t offset, len;
    struct digest digest;
};

static int hash_part(struct part *p, struct error *err)
{
    auto_free char *buffer = xmalloc(READ_SIZE);
    auto_(hasher) struct hasher *hasher = hasher_new();

    for (uint64_t done = 0; done < p->len;) {
        size_t want = p->len - done < READ_SIZE ? (size_t)(p->len - done) : READ_SIZE;
        ssize_t got = pread(p->upload->fd, buffer, want, (off_t)(p->offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_set(err, ERROR_SYSTEM, got < 0 ? errno : EIO, "read a blob of the store");
        hasher_add(hasher, buffer, (size_t)got);
        done += (uint64_t)got;
    }
    hasher_finish(hasher, &p->digest);
    return 0;
}

static int put_part(void *arg, long *retry_after_s, struct error *err)
{
    struct part *p = arg;
    struct upload *u = p->upload;
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    auto_free char *query = xasprintf("partNumber=%zu&uploadId=%s", p->index + 1, u->id);
    const struct s3_request request = { .method = "PUT",
                                        .key = u->key,
                                        .query = query,
                                        .digest = &p->digest,
                                        .bodies.fd = u->fd,
                                        .bodies.offset = p->offset,
                                        .bodies.len = p->len };

    TRY(s3_call(u->bucket, &request, &response, err));
    *retry_after_s = response.retry_after_s;
    const char *tag = response.headers[HTTP_ETAG];
    if (response.status != 200 || !tag)
        return upload_failed(u, &response, err);
    u->tags[p->index] = xstrdup(tag);
    return 0;
}

static void send_part(void *arg, size_t index)
{
    struct upload *u = arg;
    struct error why = { 0 };
    struct part p = { .upload = u, .index = index, .offset = index * u->part_size };

    if (atomic_load(&u->has_failed))
        return;
    p.len = u->blob.size - p.offset < u->part_size ? u->blob.size - p.offset : u->part_size;
    if (hash_part(&p, &why) == 0 && s3_try(u->bucket, put_part, &p, NULL, &why) == 0) {
        meter_add(&u->meter, p.len);
        return;
    }
    atomic_store(&u->has_failed, true);
    pthread_mutex_lock(&u->lock);
    (void)error_first(&u->first, &why);
    pthread_mutex_unlock(&u->lock);
}

static void print_parts(const struct upload *u, struct strbuf *out)
{
    strbuf_addstr(out, "<CompleteMultipartUpload "
                       "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; i < u->part_count; i++) {
        strbuf_addf(out, "<Part><PartNumber>%zu</PartNumber><ETag>%s</ETag></Part>", i + 1,
                    u->tags[i]);
    }
    strbuf_addstr(out, "</CompleteMultipartUpload>");
}

static int end_parts(void *arg, long *retry_after_s, struct error *err)
{
    const struct upload *u = arg;
    struct digest digest;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    auto_free char *query = xasprintf("uploadId=%s", u->id);

    print_parts(u, &text);
    digest_of(text.buf, text.len, &digest);
    const struct s3_request request = { .method = "POST",
                                        .key = u->key,
                                        .query = query,
                                        .digest = &digest,
                                        .bodies.data = text.buf,
                                        .bodies.len = text.len,
                                        .bodies.limit = ANSWER_MAX };
    TRY(s3_call(u->bucket, &request, &response, err));
    *retry_after_s = response.retry_after_s;
    /* the status is sent before the server knows: an error may follow it */
    auto_free char *code = s3_answer_element(&response, "Code");
    return response.status == 200 && !code ? 0 : upload_failed(u, &response, err);
}

/* Parts that belong to nothing are paid for until somebody removes them. */
static void drop_parts(const struct upload *u)
{
    auto_(error) struct error ignored = { 0 };
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    auto_free char *query = xasprintf("uploadId=%s", u->id);
    const struct s3_request request = {
        .method = "DELETE", .key = u->key, .query = query, .bodies.data = "", .is_cleaning = true
    };
    (void)!s3_call(u->bucket, &request, &response, &ignored);
}

/* If the answer got lost, the upload is unknown at the next try, and the object is there. */
static int finish_parts(struct upload *u, struct error *err)
{
    bool is_there = false;
    auto_(error) struct error ignored = { 0 };

    if (s3_try(u->bucket, end_parts, u, NULL, err) == 0)
        return 0;
    if (s3_look(u->bucket, u->key, u->blob.size, &is_there, &ignored) < 0 || !is_there)
        return -1;
    error_clear(err);
    return 0;
}

static int send_parts(struct upload *u, struct error *err)
{
    size_t width = u->put->width ? u->put->width : S3_PARALLEL_DEFAULT;

    parallel_for(u->put->pool, u->part_count, width, send_part, u);
    if (error_first(err, &u->first) < 0)
        return -1;
    return finish_parts(u, err);
}

static int put_in_parts(struct upload *u, struct error *err)
{
    uint64_t least = u->blob.size / PARTS_MAX + 1;

    u->part_size = u->bucket->options.part_size;
    if (u->part_size < least)
        u->part_size = least;
    u->part_count = (size_t)((u->blob.size + u->part_size - 1) / u->part_size);
    u->tags = xcalloc(u->part_count, sizeof *u->tags);
    TRY(s3_try(u->bucket, begin_parts, u, NULL, err));
    if (send_parts(u, err) == 0)
        return 0;
    drop_parts(u);
    return -1;
}

static void upload_release(struct upload *u)
{
    for (size_t i = 0; u->tags && i < u->part_count; i++)
        free(u->tags[i]);
    free(u->tags);
    free(u->id);
    if (u->fd >= 0)
        close(u->fd);
    error_clear(&u->first);
    pthread_mutex_destroy(&u->lock);
}
DEFINE_AUTO(upload, struct upload, upload_release(value))

static int send(struct upload *u, struct error *err)
{
    char name[DIGEST_TEXT_SIZE];
    uint64_t size = 0;

    TRY(blob_open(u->bucket->options.store, &u->blob.digest, &u->fd, &size, err));
    if (size != u->blob.size)
        return error_set(err, ERROR_CORRUPT, 0, "a blob of the store has %llu bytes, not %llu",
                         (unsigned long long)size, (unsigned long long)u->blob.size);
    digest_print(&u->blob.digest, name);
    name[19] = '\0';
    meter_start(&u->meter, u->bucket->options.progress, u->put->vertex, name, size);
    if (size / PARTS_LEAST < u->bucket->options.part_size)
        TRY(s3_try(u->bucket, put_whole, u, NULL, err));
    else
        TRY(put_in_parts(u, err));
    meter_end(&u->meter);
    return 0;
}

static int put_unless_there(struct s3_bucket *b, const char *key, const struct descriptor *blob,
                            const struct s3_put *put, struct error *err)
{
    bool is_there = false;
    auto_(
        upload) struct upload u = { .bucket = b, .key = key, .put = put, .blob = *blob, .fd = -1 };

    pthread_mutex_init(&u.lock, NULL);
    TRY(s3_look(b, key, blob->size, &is_there, err));
    if (is_there)
        return 0;
    TRY(send(&u, err));
    s3_remember(b, key);
    return 0;
}

int s3_put_blob(struct s3_bucket *b, const char *key, const struct descriptor *blob,
                const struct s3_put *put, struct error *err)
{
    claims_take(&b->claims, key);
    int rc = put_unless_there(b, key, blob, put, err);
    claims_drop(&b->claims, key);
    return rc;
}
