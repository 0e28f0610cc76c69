/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/url.h"

#include <string.h>

#include "tests/support/test.h"

static const char base[] = "https://Host.example:5000/v2/a/b?x=y";

static const struct resolve_case {
    const char *reference;
    const char *result; /* NULL: must be rejected */
} cases[] = {
    { "https://other/x?y#z", "https://other/x?y" },
    { "HTTP://Other:80/", "http://other/" },
    { "http://other:443/", "http://other:443/" },
    { "https://other", "https://other/" },
    { "https://other?q", "https://other/?q" },
    { "//other/x", "https://other/x" },
    { "/x/y?z=1&w=%20", "https://host.example:5000/x/y?z=1&w=%20" },
    { "c", "https://host.example:5000/v2/a/c" },
    { "../c/./d", "https://host.example:5000/v2/c/d" },
    { "../../../../c", "https://host.example:5000/c" },
    { "c/..", "https://host.example:5000/v2/a/" },
    { "/a//b", "https://host.example:5000/a//b" },
    { "?digest=x", "https://host.example:5000/v2/a/b?digest=x" },
    { "", "https://host.example:5000/v2/a/b" },
    { "https://[::1]:5000/x", "https://[::1]:5000/x" },
    { "file:///etc/passwd", NULL },
    { "ftp://x/", NULL },
    { "gopher:x", NULL },
    { "javascript:x", NULL },
    { "https://user:pass@host/", NULL },
    { "https:///x", NULL },
    { "https://", NULL },
    { "https://h:0/", NULL },
    { "https://h:65536/", NULL },
    { "https://h:x/", NULL },
    { "https://a b/", NULL },
    { "https://h/\r\nX: y", NULL },
    { "https://h/\x7f", NULL },
    { "https://h\xc3\xa9/", NULL },
    { "https://h%00/", NULL },
};

/* 110, 116, 119, 130 of the bad inputs */
static void resolve_case(void **state)
{
    const struct resolve_case *c = *state;
    struct error err = { 0 };
    auto_(url) struct url from = { 0 };
    auto_(url) struct url url = { 0 };

    assert_ok(url_parse(base, &from, &err), &err);
    if (!c->result) {
        assert_error(url_resolve(&from, c->reference, &url, &err), &err, ERROR_CORRUPT, "address");
        return;
    }
    assert_ok(url_resolve(&from, c->reference, &url, &err), &err);
    auto_free char *text = url_print(&url);
    assert_string_equal(text, c->result);
}

static void origins(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        { "https://h/x", "https://H:443/y?z", true }, { "http://h/", "http://h:80", true },
        { "https://h/", "http://h/", false },         { "https://h/", "https://h:444/", false },
        { "https://h/", "https://h.x/", false },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error err = { 0 };
        auto_(url) struct url a = { 0 };
        auto_(url) struct url b = { 0 };
        assert_ok(url_parse(rows[i].a, &a, &err), &err);
        assert_ok(url_parse(rows[i].b, &b, &err), &err);
        assert_int_equal(url_same_origin(&a, &b), rows[i].same);
    }
}

static void loopback(void **state)
{
    (void)state;
    static const char *const yes[] = { "localhost",   "localhost:5000", "LOCALHOST", "127.0.0.1",
                                       "127.9.8.7:1", "[::1]",          "[::1]:5000" };
    static const char *const no[] = { "localhost.evil.com",
                                      "127.0.0.1.evil.com",
                                      "127.evil.com",
                                      "128.0.0.1",
                                      "[::2]",
                                      "[::1].x",
                                      "127.0.0",
                                      "",
                                      "127.0.0.256" };
    for (size_t i = 0; i < COUNT(yes); i++)
        if (!url_host_is_loopback(yes[i]))
            fail_msg("%s", yes[i]);
    for (size_t i = 0; i < COUNT(no); i++)
        if (url_host_is_loopback(no[i]))
            fail_msg("%s", no[i]);
}

static void escapes(void **state)
{
    (void)state;
    auto_free char *text = url_escape("a/b:c d&\xff~");
    assert_string_equal(text, "a%2Fb%3Ac%20d%26%FF~");
}

int main(void)
{
    enum { OTHERS = 3 };
    struct CMUnitTest tests[COUNT(cases) + OTHERS] = {
        cmocka_unit_test(origins),
        cmocka_unit_test(loopback),
        cmocka_unit_test(escapes),
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[OTHERS + i] =
            (struct CMUnitTest){ cases[i].reference, resolve_case, NULL, NULL, (void *)&cases[i] };
    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
