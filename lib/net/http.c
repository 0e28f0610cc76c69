/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/http.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/net/address_internal.h"
#include "lib/net/http_library_internal.h"
#include "lib/net/retry.h"
#include "lib/net/url.h"

enum {
    HEADER_BLOCK_MAX = 300 * 1024,
    IDLE_MAX = 8,
    BUFFER_SIZE = 128 * 1024,
    STALL_RATE = 1024,
    AUTHORITIES_MAX = 16 * 1024 * 1024
};

static const char *const header_names[HTTP_HEADER_COUNT] = {
    [HTTP_CONTENT_TYPE] = "Content-Type",
    [HTTP_CONTENT_ENCODING] = "Content-Encoding",
    [HTTP_CONTENT_RANGE] = "Content-Range",
    [HTTP_CONTENT_DIGEST] = "Docker-Content-Digest",
    [HTTP_LOCATION] = "Location",
    [HTTP_AUTHENTICATE] = "WWW-Authenticate",
    [HTTP_RANGE] = "Range",
    [HTTP_CHUNK_MIN_LENGTH] = "OCI-Chunk-Min-Length",
    [HTTP_LINK] = "Link",
    [HTTP_ETAG] = "ETag",
    [HTTP_LAST_MODIFIED] = "Last-Modified",
    [HTTP_BUCKET_REGION] = "x-amz-bucket-region",
    [HTTP_RATE_LIMIT] = "RateLimit-Limit",
};

/* A handle keeps its own connections, which libcurl does not let threads share safely; so an idle
 * handle that talked to the same origin last is the first choice. */
struct handle {
    CURL *easy;
    char *origin;
    struct handle *next;
};

struct http_client {
    const struct cancel *cancel;
    pthread_mutex_t lock; /* guards all below */
    pid_t owner;          /* the process that the idle handles belong to */
    bool is_loaded;
    struct http_library curl;
    struct handle *idle;
    size_t idle_count;
};

/* One request under way. */
struct transfer {
    const struct http_request *request;
    struct http_response *response;
    const struct cancel *cancel;
    struct error *err;
    size_t header_bytes;
    uint64_t sent, received;
    bool headers_ended; /* with an empty line, not with the connection */
    bool headers_done;
    bool is_proxied;
    struct strbuf authorities; /* while libcurl reads them */
    char reason[CURL_ERROR_SIZE];
};

struct http_client *http_client_new(const struct cancel *cancel)
{
    struct http_client *client = xcalloc(1, sizeof *client);

    client->cancel = cancel;
    pthread_mutex_init(&client->lock, NULL);
    return client;
}

static void handle_free(const struct http_library *curl, struct handle *handle)
{
    curl->easy_cleanup(handle->easy);
    free(handle->origin);
    free(handle);
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    while (client->idle && client->owner == getpid()) {
        struct handle *handle = client->idle;
        client->idle = handle->next;
        handle_free(&client->curl, handle);
    }
    pthread_mutex_destroy(&client->lock);
    free(client);
}

/* "https://host:port" of an address. */
static char *origin_of(const char *url)
{
    const char *host = strstr(url, "://");
    size_t start = host ? (size_t)(host + 3 - url) : 0;
    return xstrndup(url, start + strcspn(url + start, "/?#"));
}

static int take_handle(struct http_client *client, const char *url, struct handle **out,
                       struct error *err)
{
    auto_free char *origin = origin_of(url);
    struct handle **best = NULL;
    int rc = 0;

    pthread_mutex_lock(&client->lock);
    if (client->owner != getpid()) {
        /* after a fork the connections are still the parent's: to close them would end them there
         */
        client->idle = NULL;
        client->idle_count = 0;
        client->owner = getpid();
    }
    if (!client->is_loaded) {
        rc = http_library_load(&client->curl, err);
        client->is_loaded = rc == 0;
    }
    for (struct handle **at = &client->idle; rc == 0 && *at; at = &(*at)->next)
        if (!best || strcmp((*at)->origin, origin) == 0)
            best = at;
    struct handle *handle = best ? *best : NULL;
    if (handle) {
        *best = handle->next;
        client->idle_count--;
    }
    pthread_mutex_unlock(&client->lock);
    TRY(rc);
    if (!handle) {
        handle = xcalloc(1, sizeof *handle);
        handle->easy = client->curl.easy_init();
        if (!handle->easy) {
            free(handle);
            return error_set(err, ERROR_HOST, 0, "libcurl does not start");
        }
    }
    free(handle->origin);
    handle->origin = take_ptr(origin);
    *out = handle;
    return 0;
}

static void give_handle(struct http_client *client, struct handle *handle)
{
    client->curl.easy_reset(handle->easy); /* forgets options, keeps connections */
    pthread_mutex_lock(&client->lock);
    bool is_kept = client->idle_count < IDLE_MAX;
    if (is_kept) {
        handle->next = client->idle;
        client->idle = handle;
        client->idle_count++;
    }
    pthread_mutex_unlock(&client->lock);
    if (!is_kept)
        handle_free(&client->curl, handle);
}

static void forget_headers(struct http_response *response)
{
    for (size_t i = 0; i < HTTP_HEADER_COUNT; i++)
        free(take_ptr(response->headers[i]));
    response->content_length = -1;
    response->status = 0;
}

static void keep_header(struct http_response *response, struct str name, struct str value)
{
    for (size_t i = 0; i < HTTP_HEADER_COUNT; i++) {
        if (name.len != strlen(header_names[i]) ||
            strncasecmp(name.ptr, header_names[i], name.len) != 0)
            continue;
        char *old = response->headers[i];
        /* challenges may come in several headers; of the others the first counts */
        if (old && i != HTTP_AUTHENTICATE)
            return;
        response->headers[i] = old ? xasprintf("%s, %.*s", old, (int)value.len, value.ptr)
                                   : xstrndup(value.ptr, value.len);
        free(old);
        return;
    }
    uint64_t length = 0;
    if (name.len == strlen("Content-Length") &&
        strncasecmp(name.ptr, "Content-Length", name.len) == 0 &&
        str_to_u64(value, 10, INT64_MAX, &length))
        response->content_length = (int64_t)length;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl says what it looks like. */
static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct str line = { data, size * count };

    t->header_bytes += line.len;
    if (t->header_bytes > HEADER_BLOCK_MAX) {
        error_set(t->err, ERROR_REMOTE, 0, "headers are longer than %d bytes", HEADER_BLOCK_MAX);
        return 0;
    }
    if (line.len > 5 && memcmp(line.ptr, "HTTP/", 5) == 0) {
        /* the answer of a proxy, or "100 Continue", came before */
        forget_headers(t->response);
        t->headers_ended = false;
        struct str status = str_trim(line, "\r\n");
        uint64_t number = 0;
        str_cut(&status, ' ');
        if (str_to_u64(str_cut(&status, ' '), 10, 999, &number))
            t->response->status = (int)number;
        return size * count;
    }
    t->headers_ended |= str_trim(line, "\r\n").len == 0;
    struct str value = line;
    struct str name = str_cut(&value, ':');
    keep_header(t->response, name, str_trim(value, " \t\r\n"));
    return size * count;
}

/* Before the first byte of the body: is it one that the caller wants? */
static int begin_body(struct transfer *t, struct error *err)
{
    const struct http_response *response = t->response;
    const char *encoding = response->headers[HTTP_CONTENT_ENCODING];

    if (t->headers_done)
        return 0;
    t->headers_done = true;
    if (encoding && *encoding && strcasecmp(encoding, "identity") != 0) {
        return error_set(err, ERROR_REMOTE, 0,
                         "the server sent Content-Encoding \"%.40s\" without being asked",
                         encoding);
    }
    if (t->request->bodies.on_headers)
        TRY(t->request->bodies.on_headers(t->request->bodies.arg, response, err));
    return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count;
    bool is_good = t->response->status >= 200 && t->response->status < 300;
    uint64_t limit =
        is_good && t->request->bodies.limit ? t->request->bodies.limit : HTTP_BODY_DEFAULT;

    if (begin_body(t, t->err) < 0)
        return 0;
    if (is_good && t->request->bodies.out) {
        if (len > limit - t->received) {
            error_set(t->err, ERROR_CORRUPT, 0, "answer is longer than the %llu bytes promised",
                      (unsigned long long)limit);
            return 0;
        }
        t->received += len;
        return writer_write(t->request->bodies.out, data, len, t->err) < 0 ? 0 : len;
    }
    if (len > limit - t->response->body.len) {
        if (is_good) {
            error_set(t->err, ERROR_CORRUPT, 0, "answer is longer than %llu bytes",
                      (unsigned long long)limit);
            return 0;
        }
        strbuf_add(&t->response->body, data, limit - t->response->body.len);
        return len;
    }
    strbuf_add(&t->response->body, data, len);
    return len;
}

static size_t on_send(char *buffer, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    const struct http_request *request = t->request;
    uint64_t left = request->bodies.len - t->sent;
    size_t len = size * count < left ? size * count : (size_t)left;

    if (request->bodies.data) {
        memcpy(buffer, (const char *)request->bodies.data + t->sent, len);
        t->sent += len;
        return len;
    }
    ssize_t got;
    do
        got = pread(request->bodies.fd, buffer, len, (off_t)(request->bodies.offset + t->sent));
    while (got < 0 && errno == EINTR);
    if (got < 0 || (got == 0 && len > 0)) {
        error_set(t->err, got < 0 ? ERROR_SYSTEM : ERROR_CORRUPT, got < 0 ? errno : 0,
                  "read what is to be sent");
        return CURL_READFUNC_ABORT;
    }
    t->sent += (size_t)got;
    return (size_t)got;
}

/* libcurl sends a request again by itself if a connection that was used before breaks off. Of a
 * body that is sent twice to an upload nobody knows what became of the first. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct transfer *t = arg;

    if (t->sent > 0 || origin != SEEK_SET || offset < 0 ||
        (uint64_t)offset > t->request->bodies.len)
        return CURL_SEEKFUNC_FAIL;
    t->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static int on_transfer(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    struct transfer *t = arg;

    (void)down_total;
    (void)up_total;
    if (t->cancel && cancel_is_raised(t->cancel))
        return 1;
    if (t->request->bodies.on_progress)
        t->request->bodies.on_progress(t->request->bodies.arg, (uint64_t)up, (uint64_t)down);
    return 0;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *t = arg;
    bool is_private = address_is_private(&address->addr);

    (void)purpose;
    /* with a proxy the address is the proxy's, which the user chose */
    if (is_private && t->request->refuse_private && !t->is_proxied) {
        error_set(t->err, ERROR_REMOTE, 0,
                  "a public server may not send mlbuild to a private address");
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool environment_has_proxy(void)
{
    static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy",
                                         "ALL_PROXY" };
    for (size_t i = 0; i < COUNT(names); i++)
        if (getenv(names[i]))
            return true;
    return false;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* What libcurl leaves out that others do: HTTP_PROXY in capitals (it fears CGI), and that nobody
 * means this host when they set a proxy. */
static void set_proxy(const struct http_library *curl, CURL *easy, const struct http_request *r)
{
    const char *host = strstr(r->url, "://");
    auto_free char *name = xstrndup(host ? host + 3 : "", host ? strcspn(host + 3, "/?#") : 0);

    if (url_host_is_loopback(name))
        curl->easy_setopt(easy, CURLOPT_NOPROXY, "*");
    else if (str_starts_with(r->url, "http://") && !environment("http_proxy") &&
             environment("HTTP_PROXY") && !getenv("REQUEST_METHOD"))
        curl->easy_setopt(easy, CURLOPT_PROXY, environment("HTTP_PROXY"));
}

/* Authorities beside those of the system: libcurl takes either a file or a text. */
static void set_authorities(const struct http_library *curl, CURL *easy, const char *bundle,
                            struct transfer *t)
{
    auto_(error) struct error ignored = { 0 };
    const struct strbuf *more = &t->request->trust->authorities;
    char *own = NULL;

    if (!bundle && curl->easy_getinfo(easy, CURLINFO_CAINFO, &own) == CURLE_OK)
        bundle = own;
    if (bundle && fd_read_file(AT_FDCWD, bundle, AUTHORITIES_MAX, &t->authorities, &ignored) == 0)
        strbuf_addch(&t->authorities, '\n');
    strbuf_add(&t->authorities, more->buf, more->len);
    struct curl_blob blob = { t->authorities.buf, t->authorities.len, CURL_BLOB_NOCOPY };
    curl->easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
}

static void set_trust(const struct http_library *curl, CURL *easy, struct transfer *t)
{
    const struct http_trust *trust = t->request->trust;
    const char *bundle = environment("CURL_CA_BUNDLE");
    const char *directory = environment("SSL_CERT_DIR");

    if (!bundle)
        bundle = environment("SSL_CERT_FILE");
    if (trust && trust->authorities.len)
        set_authorities(curl, easy, bundle, t);
    else if (bundle)
        curl->easy_setopt(easy, CURLOPT_CAINFO, bundle);
    if (directory)
        curl->easy_setopt(easy, CURLOPT_CAPATH, directory);
    if (trust && trust->certificate) {
        curl->easy_setopt(easy, CURLOPT_SSLCERT, trust->certificate);
        curl->easy_setopt(easy, CURLOPT_SSLKEY, trust->key);
    }
    if (t->request->skip_verify) {
        curl->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static int set_security(const struct http_library *curl, CURL *easy, struct transfer *t,
                        struct error *err)
{
    /* libcurl would speak file:// and more if this were not heeded */
    if (curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                          t->request->allow_http ? "https,http" : "https") != CURLE_OK)
        return error_set(err, ERROR_HOST, 0, "libcurl is too old: mlbuild needs 7.85");
    curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl->easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl->easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
    set_proxy(curl, easy, t->request);
    set_trust(curl, easy, t);
    return 0;
}

static void set_method(const struct http_library *curl, CURL *easy, struct transfer *t)
{
    const struct http_request *request = t->request;

    if (strcmp(request->method, "HEAD") == 0) {
        curl->easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (strcmp(request->method, "GET") != 0) {
        curl->easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
        curl->easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->bodies.len);
        curl->easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
        curl->easy_setopt(easy, CURLOPT_READDATA, t);
        curl->easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
        curl->easy_setopt(easy, CURLOPT_SEEKDATA, t);
    }
}

static void set_transfer(const struct http_library *curl, CURL *easy, struct transfer *t)
{
    const struct http_request *request = t->request;

    curl->easy_setopt(easy, CURLOPT_URL, request->url);
    curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(easy, CURLOPT_USERAGENT, "mlbuild/" MLBUILD_VERSION);
    curl->easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER_SIZE);
    curl->easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER_SIZE);
    curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, t->reason);
    curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)HTTP_CONNECT_S);
    curl->easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_RATE);
    curl->easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                      (long)(request->stall_s ? request->stall_s : HTTP_STALL_S));
    curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl->easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl->easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl->easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl->easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_transfer);
    curl->easy_setopt(easy, CURLOPT_XFERINFODATA, t);
}

/* libcurl's code as one of our kinds; an error that a callback has set stays. */
static int explain(const struct http_library *curl, const struct transfer *t, CURLcode code,
                   struct error *err)
{
    const char *reason = t->reason[0] ? t->reason : curl->easy_strerror(code);
    enum error_kind kind = ERROR_NETWORK;

    if (error_is_set(err))
        return -1;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return error_set(err, ERROR_CANCELLED, 0, "interrupted");
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
        error_set(err, ERROR_REMOTE, 0, "%s", reason);
        return error_hint(err, "name the authority's certificate in SSL_CERT_FILE, or put it into "
                               "~/.config/containers/certs.d/HOST:PORT/ca.crt; check the date of "
                               "this machine");
    }
    if (code == CURLE_OUT_OF_MEMORY) /* what libcurl says of a header line above 100 KB */
        return error_set(err, ERROR_REMOTE, 0, "malformed answer");
    if (code == CURLE_UNSUPPORTED_PROTOCOL) { /* also what libcurl says of an answer of HTTP/0.9 */
        return error_set(err, ERROR_REMOTE, 0, "%s",
                         t->request->allow_http || str_starts_with(t->request->url, "https:")
                             ? "the answer is not HTTP"
                             : "only https is allowed here");
    }
    if (code == CURLE_URL_MALFORMAT)
        kind = ERROR_REMOTE;
    error_set(err, kind, 0, "%s", reason);
    /* Nobody was reached at all: more than a hiccup, as a rule. */
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
        code == CURLE_COULDNT_CONNECT) {
        err->sys = EHOSTUNREACH;
        error_hint(err, "is there a network, or a proxy to set? without one, give the image by "
                        "--build-context NAME=oci-layout://DIR");
    }
    return -1;
}

static struct curl_slist *make_headers(const struct http_library *curl,
                                       const struct strvec *headers)
{
    /* "Expect" costs a round trip, and a second with servers that do not know it */
    struct curl_slist *list = curl->slist_append(NULL, "Expect:");

    for (size_t i = 0; headers && i < headers->count; i++)
        list = curl->slist_append(list, headers->items[i]);
    return list;
}

static void finish(const struct http_library *curl, CURL *easy, struct http_response *response)
{
    const char *address = NULL;
    curl_off_t retry_after = 0;

    if (curl->easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address) == CURLE_OK && address)
        response->peer_is_private = address_text_is_private(address);
    response->retry_after_s = RETRY_AFTER_NONE;
    if (curl->easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK && retry_after > 0)
        response->retry_after_s = retry_after > LONG_MAX ? LONG_MAX : (long)retry_after;
}

int http_perform(struct http_client *client, const struct http_request *request,
                 struct http_response *response, struct error *err)
{
    struct transfer t = { .request = request,
                          .response = response,
                          .cancel = client->cancel,
                          .err = err,
                          .authorities = STRBUF_INIT,
                          .is_proxied = environment_has_proxy() };
    struct handle *handle = NULL;

    TRY(cancel_check(client->cancel, err));
    TRY(take_handle(client, request->url, &handle, err));
    const struct http_library *curl = &client->curl;
    struct curl_slist *headers = make_headers(curl, request->headers);
    forget_headers(response);
    strbuf_clear(&response->body);
    free(response->url);
    response->url = xstrdup(request->url);
    set_transfer(curl, handle->easy, &t);
    set_method(curl, handle->easy, &t);
    curl->easy_setopt(handle->easy, CURLOPT_HTTPHEADER, headers);

    int rc = set_security(curl, handle->easy, &t, err);
    if (rc == 0) {
        CURLcode code = curl->easy_perform(handle->easy);
        finish(curl, handle->easy, response);
        rc = code != CURLE_OK ? explain(curl, &t, code, err)
             : t.headers_ended
                 ? begin_body(&t, err)
                 : error_set(err, ERROR_NETWORK, 0, "the answer ended in its headers");
    }
    curl->slist_free_all(headers);
    give_handle(client, handle);
    strbuf_release(&t.authorities);
    return rc;
}

void http_trust_release(struct http_trust *trust)
{
    strbuf_release(&trust->authorities);
    free(take_ptr(trust->certificate));
    free(take_ptr(trust->key));
}

void http_response_release(struct http_response *response)
{
    forget_headers(response);
    free(take_ptr(response->url));
    strbuf_release(&response->body);
}
