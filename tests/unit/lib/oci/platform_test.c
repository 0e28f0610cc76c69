/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/platform.h"

#include <string.h>

#include "tests/support/test.h"

static const struct {
    const char *text, *printed; /* NULL: must be rejected */
} parses[] = {
    { "linux/amd64", "linux/amd64" },
    { "linux/x86_64", "linux/amd64" },
    { "amd64", "linux/amd64" },
    { "aarch64", "linux/arm64" },
    { "linux/arm64/v8", "linux/arm64" },
    { "linux/arm", "linux/arm/v7" },
    { "linux/arm/6", "linux/arm/v6" },
    { "linux/armhf", "linux/arm/v7" },
    { "linux/amd64/v3", "linux/amd64/v3" },
    { "LINUX/AMD64", "linux/amd64" },
    { "windows/amd64", "windows/amd64" },
    { "", NULL },
    { "linux/", NULL },
    { "/amd64", NULL },
    { "linux/a/b/c", NULL },
    { "linux/am d64", NULL },
    { "unheardof", NULL },
    { "linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL },
};

static void platforms_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(parses); i++) {
        struct error err = { 0 };
        struct platform p;
        char text[PLATFORM_TEXT_SIZE];
        if (!parses[i].printed) {
            assert_error(platform_parse(parses[i].text, &p, &err), &err, ERROR_USER, "");
            continue;
        }
        assert_ok(platform_parse(parses[i].text, &p, &err), &err);
        platform_print(&p, text);
        assert_string_equal(text, parses[i].printed);
    }
}

static void one_word_means_the_host(void **state)
{
    (void)state;
    struct error err = { 0 };
    struct platform host = platform_host();
    struct platform p;

    assert_ok(platform_parse("linux", &p, &err), &err);
    assert_int_equal(platform_match(&host, &p), platform_match(&host, &host));
    assert_ok(platform_parse("local", &p, &err), &err);
    assert_string_equal(p.arch, host.arch);
}

/* Each row: `better` must win over `worse`; "" is no match at all. */
static const struct {
    const char *wanted, *better, *worse;
} matches[] = {
    { "linux/arm/v7", "linux/arm/v7", "linux/arm/v6" },
    { "linux/arm/v7", "linux/arm/v6", "linux/arm/v5" },
    { "linux/arm/v7", "linux/arm/v5", "" },
    { "linux/arm/v6", "linux/arm/v6", "linux/arm/v7" },
    { "linux/amd64", "linux/amd64", "linux/amd64/v2" },
    { "linux/amd64/v3", "linux/amd64/v2", "linux/amd64" },
    { "linux/arm64", "linux/arm64/v8", "linux/amd64" },
    { "linux/amd64", "linux/amd64", "windows/amd64" },
};

static void platforms_match(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(matches); i++) {
        struct error err = { 0 };
        struct platform wanted;
        struct platform better;
        struct platform worse;
        int worse_score = 0;
        assert_ok(platform_parse(matches[i].wanted, &wanted, &err), &err);
        assert_ok(platform_parse(matches[i].better, &better, &err), &err);
        if (matches[i].worse[0]) {
            assert_ok(platform_parse(matches[i].worse, &worse, &err), &err);
            worse_score = platform_match(&wanted, &worse);
        }
        if (platform_match(&wanted, &better) <= worse_score)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(platforms_parse),
        cmocka_unit_test(one_word_means_the_host),
        cmocka_unit_test(platforms_match),
    };
    return cmocka_run_group_tests_name("platform", tests, NULL, NULL);
}
