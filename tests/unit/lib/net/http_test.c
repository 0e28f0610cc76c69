/* SPDX-License-Identifier: Apache-2.0 */
/* Answers byte by byte as bad servers give them. The numbers are those of the bad inputs, see
 * tests/registry/registry_test.sh. */
#include "lib/net/http.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/net/retry.h"
#include "tests/support/test.h"

enum { PORT_TEXT = 64, REQUEST_MAX = 4096, DRIP_US = 50 * 1000, STALL_S = 1, PATIENCE_S = 10 };

/* What the server does when it has sent its answer. */
enum ending { CLOSES, HOLDS, DRIPS };

static const struct answer {
    const char *name, *text;
    enum ending ending;
    const char *why; /* NULL: a good answer */
    enum error_kind kind;
    const char *body;
} answers[] = {
    { "124: the end of the line is the end", "HTTP/1.1 200 OK\r\n\r\nabc", CLOSES, NULL, 0, "abc" },
    { "124: less than Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", CLOSES,
      "6 bytes remaining", ERROR_NETWORK, NULL },
    { "124: cut in its headers", "HTTP/1.1 200 OK\r\nContent-Type: x", CLOSES,
      "ended in its headers", ERROR_NETWORK, NULL },
    { "124: nothing at all", "", CLOSES, "", ERROR_NETWORK, NULL },
    { "124: without its last chunk",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", CLOSES, "",
      ERROR_NETWORK, NULL },
    { "125: more than Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", CLOSES,
      NULL, 0, "abc" },
    { "127: an encoding", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nabc", CLOSES,
      "Content-Encoding \"gzip\"", ERROR_REMOTE, NULL },
    { "127: no encoding", "HTTP/1.1 200 OK\r\ncontent-encoding: Identity\r\n\r\nabc", CLOSES, NULL,
      0, "abc" },
    { "130: a NUL", "HTTP/1.1 200 OK\r\nLocation: /\0x\r\n\r\n", CLOSES, "", ERROR_NETWORK, NULL },
    { "131: extensions and a trailer",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;a=\"b\r\nabc\r\n0;x\r\nT: y\r\n\r\n",
      HOLDS, NULL, 0, "abc" },
    { "131: a length that is none",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", HOLDS, "", ERROR_NETWORK,
      NULL },
    { "131: a length beyond all",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc", HOLDS, "",
      ERROR_NETWORK, NULL },
    { "132: no answer", "", HOLDS, "", ERROR_NETWORK, NULL },
    { "132: headers drop by drop", "HTTP/1.1 200 OK\r\nX: ", DRIPS, "", ERROR_NETWORK, NULL },
    { "132: half a body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", HOLDS, "",
      ERROR_NETWORK, NULL },
    { "132: a body drop by drop", "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", DRIPS, "",
      ERROR_NETWORK, NULL },
    { "another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n", CLOSES, "not HTTP", ERROR_REMOTE, NULL },
    { "100 before 200",
      "HTTP/1.1 100 Continue\r\nLocation: /x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
      "3\r\n\r\nabc",
      HOLDS, NULL, 0, "abc" },
};

struct server {
    int fd;
    const char *text;
    size_t len;
    enum ending ending;
    pthread_t thread;
    char url[PORT_TEXT];
};

static void send_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

static void *serve(void *arg)
{
    const struct server *s = arg;
    char request[REQUEST_MAX];
    int fd = accept(s->fd, NULL, NULL);

    if (fd < 0)
        return NULL; /* the client did not come */
    (void)!recv(fd, request, sizeof request, 0);
    send_all(fd, s->text, s->len);
    while (s->ending == DRIPS && send(fd, "x", 1, MSG_NOSIGNAL) == 1)
        usleep(DRIP_US);
    while (s->ending == HOLDS && recv(fd, request, sizeof request, 0) > 0)
        continue;
    close(fd);
    return NULL;
}

static void server_start(struct server *s, const char *text, size_t len, enum ending ending)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof address;

    *s = (struct server){ .text = text, .len = len, .ending = ending };
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(s->fd, 1), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &size), 0);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/x", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static int ask(const struct server *s, bool refuse_private, struct http_response *response,
               struct error *err)
{
    struct http_client *client = http_client_new(NULL);
    const struct http_request request = { .method = "GET",
                                          .url = s->url,
                                          .allow_http = true,
                                          .refuse_private = refuse_private,
                                          .bodies.limit = UINT64_MAX,
                                          .stall_s = STALL_S };
    int rc = http_perform(client, &request, response, err);
    http_client_free(client);
    return rc;
}

/* The length of an answer in the table, in which one byte may be NUL. */
static size_t answer_length(const struct answer *a)
{
    size_t len = strlen(a->text);
    return strncmp(a->name, "130: a NUL", 10) == 0 ? len + 1 + strlen(a->text + len + 1) : len;
}

static void answer_case(void **state)
{
    const struct answer *a = *state;
    struct server server;
    struct error err = { 0 };
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    uint64_t begin = clock_monotonic_ns();

    server_start(&server, a->text, answer_length(a), a->ending);
    int rc = ask(&server, false, &response, &err);
    server_stop(&server);
    assert_true(clock_monotonic_ns() - begin < PATIENCE_S * 1000000000ULL);
    if (a->why) {
        assert_error(rc, &err, a->kind, a->why);
        return;
    }
    assert_ok(rc, &err);
    assert_int_equal(response.status, 200);
    assert_string_equal(response.body.buf, a->body);
    assert_null(response.headers[HTTP_LOCATION]);
}

/* 130: all in one line, which libcurl refuses, and in many. */
static void headers_are_bounded(void **state)
{
    (void)state;
    enum { ALL = 320 * 1024, LINE = 1024 };
    for (size_t line = LINE; line <= ALL; line *= ALL / LINE) {
        auto_(strbuf) struct strbuf text = STRBUF_INIT;
        auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
        struct error err = { 0 };
        struct server server;
        strbuf_addstr(&text, "HTTP/1.1 200 OK");
        for (size_t i = 0; i < ALL; i++)
            strbuf_addstr(&text, i % line ? "a" : "\r\nX: ");
        strbuf_addstr(&text, "\r\n\r\n");
        server_start(&server, text.buf, text.len, CLOSES);
        assert_error(ask(&server, false, &response, &err), &err, ERROR_REMOTE,
                     line == ALL ? "malformed answer" : "headers are longer");
        server_stop(&server);
    }
}

/* However much the request lets a good answer have. */
static void a_bad_answer_is_bounded(void **state)
{
    (void)state;
    enum { ALL = 4 * HTTP_BODY_DEFAULT };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    struct error err = { 0 };
    struct server server;
    strbuf_addf(&text, "HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n", ALL);
    memset(strbuf_reserve(&text, ALL), 'x', ALL);
    text.len += ALL;
    server_start(&server, text.buf, text.len, CLOSES);
    assert_ok(ask(&server, false, &response, &err), &err);
    server_stop(&server);
    assert_int_equal(response.body.len, HTTP_BODY_DEFAULT);
}

/* 121 */
static void retry_after(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        long least, most;
    } rows[] = {
        { "", RETRY_AFTER_NONE, RETRY_AFTER_NONE },
        { "Retry-After: 7\r\n", 7, 7 },
        { "Retry-After: 0\r\n", RETRY_AFTER_NONE, RETRY_AFTER_NONE },
        { "Retry-After: -7\r\n", RETRY_AFTER_NONE, RETRY_AFTER_NONE },
        { "Retry-After: soon\r\n", RETRY_AFTER_NONE, RETRY_AFTER_NONE },
        { "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n", RETRY_AFTER_NONE, RETRY_AFTER_NONE },
        { "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n", RETRY_AFTER_MAX_S, INT64_MAX },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_free char *text =
            xasprintf("HTTP/1.1 429 No\r\nContent-Length: 0\r\n%s\r\n", rows[i].header);
        auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
        struct error err = { 0 };
        struct server server;
        server_start(&server, text, strlen(text), CLOSES);
        assert_ok(ask(&server, false, &response, &err), &err);
        server_stop(&server);
        assert_int_equal(response.status, 429);
        if (response.retry_after_s < rows[i].least || response.retry_after_s > rows[i].most)
            fail_msg("%s: %ld", rows[i].header, response.retry_after_s);
    }
}

/* 118 */
static void private_addresses_can_be_refused(void **state)
{
    (void)state;
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    struct error err = { 0 };
    struct server server;

    server_start(&server, "", 0, CLOSES);
    assert_error(ask(&server, true, &response, &err), &err, ERROR_REMOTE, "private address");
    server_stop(&server);
}

static void plain_http_is_asked_for(void **state)
{
    (void)state;
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    struct error err = { 0 };
    struct http_client *client = http_client_new(NULL);
    const struct http_request request = { .method = "GET", .url = "http://127.0.0.1:1/" };

    assert_error(http_perform(client, &request, &response, &err), &err, ERROR_REMOTE,
                 "only https is allowed");
    http_client_free(client);
}

int main(void)
{
    enum { OTHERS = 5 };
    struct CMUnitTest tests[COUNT(answers) + OTHERS] = {
        cmocka_unit_test(headers_are_bounded),
        cmocka_unit_test(a_bad_answer_is_bounded),
        cmocka_unit_test(retry_after),
        cmocka_unit_test(private_addresses_can_be_refused),
        cmocka_unit_test(plain_http_is_asked_for),
    };
    for (size_t i = 0; i < COUNT(answers); i++)
        tests[OTHERS + i] =
            (struct CMUnitTest){ answers[i].name, answer_case, NULL, NULL, (void *)&answers[i] };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
