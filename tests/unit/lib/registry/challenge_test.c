/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/challenge.h"

#include <string.h>

#include "tests/support/test.h"

/* 113, 114 of the bad inputs */
static const struct challenge_case {
    const char *header;
    enum challenge_scheme scheme;
    const char *realm, *service, *scope; /* NULL: not there */
} cases[] = {
    { "Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x:pull\"", CHALLENGE_BEARER,
      "https://a/t", "s", "repository:x:pull" },
    { "bearer REALM=https://a/t , Service=s", CHALLENGE_BEARER, "https://a/t", "s", NULL },
    { "Basic realm=\"x\"", CHALLENGE_BASIC, "x", NULL, NULL },
    { "Basic", CHALLENGE_BASIC, NULL, NULL, NULL },
    { "Basic realm=x, Bearer realm=y", CHALLENGE_BEARER, "y", NULL, NULL },
    { "Bearer realm=y, Basic realm=x", CHALLENGE_BEARER, "y", NULL, NULL },
    { "Negotiate YII==, Basic realm=\"a \\\"b\\\" \\\\, c\"", CHALLENGE_BASIC, "a \"b\" \\, c",
      NULL, NULL },
    { "Bearer service=s", CHALLENGE_NONE, NULL, NULL, NULL },
    { "Bearer service=s, Basic realm=x", CHALLENGE_BASIC, "x", NULL, NULL },
    { "Bearer realm=a,realm=b", CHALLENGE_BEARER, "a", NULL, NULL },
    { "Bearer realm = \"a\" , scope = \"b\"", CHALLENGE_BEARER, "a", NULL, "b" },
    { "Bearer realm=\"unterminated", CHALLENGE_BEARER, "unterminated", NULL, NULL },
    { "Bearer realm=\"a\\", CHALLENGE_BEARER, "a\\", NULL, NULL },
    { "Digest realm=x", CHALLENGE_NONE, NULL, NULL, NULL },
    { "", CHALLENGE_NONE, NULL, NULL, NULL },
    { NULL, CHALLENGE_NONE, NULL, NULL, NULL },
    { "=\"=,,\"\"==", CHALLENGE_NONE, NULL, NULL, NULL },
    { "realm=x", CHALLENGE_NONE, NULL, NULL, NULL },
    { ",, , Basic ,,", CHALLENGE_BASIC, NULL, NULL, NULL },
};

static void equal_or_null(const char *got, const char *want)
{
    if (want && got)
        assert_string_equal(got, want);
    else
        assert_true(!want == !got);
}

static void challenge_case(void **state)
{
    const struct challenge_case *c = *state;
    auto_(challenge) struct challenge got = { 0 };

    challenge_parse(c->header, &got);
    assert_int_equal(got.scheme, c->scheme);
    equal_or_null(got.realm, c->realm);
    equal_or_null(got.service, c->service);
    equal_or_null(got.scope, c->scope);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(cases)];
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[i] = (struct CMUnitTest){ cases[i].header ? cases[i].header : "none", challenge_case,
                                        NULL, NULL, (void *)&cases[i] };
    return cmocka_run_group_tests_name("challenge", tests, NULL, NULL);
}
