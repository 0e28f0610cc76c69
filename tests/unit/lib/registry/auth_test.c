/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/auth.h"

#include <string.h>

#include "lib/codec/base64.h"
#include "lib/registry/tags.h"
#include "tests/support/test.h"

static const struct {
    const char *registry, *realm;
    bool is_trusted;
} realms[] = {
    { "https://registry-1.docker.io", "https://auth.docker.io/token", true },
    { "https://registry-1.docker.io", "http://auth.docker.io/token", false },
    { "https://ghcr.io", "https://ghcr.io/token", true },
    { "https://registry.gitlab.com", "https://gitlab.com/jwt/auth", true },
    { "https://registry.corp.example", "https://login.corp.example/t", true },
    { "https://ghcr.io", "https://evil.io/token", false },
    { "https://ghcr.io", "https://ghcr.io.evil.com/token", false },
    { "https://registry.example.co.uk", "https://evil.co.uk/", false },
    { "https://registry.example.co.uk", "https://auth.example.co.uk/", true },
    { "https://a.amazonaws.com", "https://b.amazonaws.com/", false },
    { "https://me.azurecr.io", "https://you.azurecr.io/", false },
    { "https://me.azurecr.io", "https://me.azurecr.io/oauth2", true },
    { "https://10.0.0.1", "https://20.0.0.1/", false },
    { "https://10.0.0.1:5000", "https://10.0.0.1/", true },
    { "https://[::1]", "https://[::2]/", false },
    { "https://registry", "https://evil/", false },
    { "http://localhost:5000", "http://localhost:6000/", true },
    { "http://localhost:5000", "http://127.0.0.1:5000/", false },
    { "https://example.com", "http://example.com/", false },
};

/* 111, 112 of the bad inputs */
static void realm_trust(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(realms); i++) {
        struct error err = { 0 };
        auto_(url) struct url registry = { 0 };
        auto_(url) struct url realm = { 0 };
        assert_ok(url_parse(realms[i].registry, &registry, &err), &err);
        assert_ok(url_parse(realms[i].realm, &realm, &err), &err);
        if (auth_realm_is_trusted(&registry, &realm) != realms[i].is_trusted)
            fail_msg("%s -> %s", realms[i].registry, realms[i].realm);
    }
}

static void base64_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *encoded;
    } rows[] = { { "", "" },
                 { "f", "Zg==" },
                 { "fo", "Zm8=" },
                 { "foo", "Zm9v" },
                 { "foob", "Zm9vYg==" },
                 { "fooba", "Zm9vYmE=" },
                 { "\xff\xfe", "//4=" } };
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_(strbuf) struct strbuf encoded = STRBUF_INIT;
        auto_(strbuf) struct strbuf plain = STRBUF_INIT;
        base64_encode(rows[i].plain, strlen(rows[i].plain), &encoded);
        assert_string_equal(encoded.buf, rows[i].encoded);
        assert_true(base64_decode(encoded.buf, &plain));
        assert_string_equal(plain.buf, rows[i].plain);
    }
    static const char *const bad[] = { "A", "Zm9v!", "Zm 9v", "Zg==x", "Zm9vA" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        auto_(strbuf) struct strbuf plain = STRBUF_INIT;
        assert_false(base64_decode(bad[i], &plain));
    }
}

static void near_tags_come_first(void **state)
{
    (void)state;
    auto_(strvec) struct strvec tags = { 0 };
    static const char *const all[] = { "latest", "3.10", "3.12-slim", "3.11", "2.7" };
    for (size_t i = 0; i < COUNT(all); i++)
        strvec_push(&tags, all[i]);
    assert_int_equal(tags_rank(&tags, "3.11x", 2), 2);
    assert_string_equal(tags.items[0], "3.11");
    assert_string_equal(tags.items[1], "3.10");
    assert_int_equal(tags_rank(&tags, "x", 99), COUNT(all));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(realm_trust),
        cmocka_unit_test(base64_both_ways),
        cmocka_unit_test(near_tags_come_first),
    };
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
