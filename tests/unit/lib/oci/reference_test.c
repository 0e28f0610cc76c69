/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/reference.h"

#include "tests/support/test.h"

#define HEX16  "0123456789abcdef"
#define DIGEST "sha256:" HEX16 HEX16 HEX16 HEX16
#define A64    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct parse_case {
    const char *text;
    const char *full; /* NULL: must be rejected, `brief` is in the message */
    const char *brief;
} cases[] = {
    { "alpine", "docker.io/library/alpine:latest", "alpine:latest" },
    { "alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20" },
    { "user/app", "docker.io/user/app:latest", "user/app:latest" },
    { "docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest" },
    { "index.docker.io/user/app:1", "docker.io/user/app:1", "user/app:1" },
    { "docker.io/foo.bar/x", "docker.io/foo.bar/x:latest", "docker.io/foo.bar/x:latest" },
    { "localhost/x", "localhost/x:latest", "localhost/x:latest" },
    { "localhost:5000/x/y:z", "localhost:5000/x/y:z", "localhost:5000/x/y:z" },
    { "[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest" },
    { "ghcr.io/a/b/c@" DIGEST, "ghcr.io/a/b/c@" DIGEST, "ghcr.io/a/b/c@" DIGEST },
    { "alpine:3@" DIGEST, "docker.io/library/alpine:3@" DIGEST, "alpine:3@" DIGEST },
    { "a__b/c---d/e_f.g", "docker.io/a__b/c---d/e_f.g:latest", "a__b/c---d/e_f.g:latest" },
    { "Foo.Example/x", "Foo.Example/x:latest", "Foo.Example/x:latest" },
    { "", NULL, "no name" },
    { ":3.20", NULL, "invalid reference" },
    { "Alpine", NULL, "must be lowercase" },
    { "a//b", NULL, "no part of a repository name" },
    { "a/", NULL, "no part of a repository name" },
    { "/a", NULL, "no part of a repository name" },
    { "a..b", NULL, "no part of a repository name" },
    { "a___b", NULL, "no part of a repository name" },
    { "-a", NULL, "no part of a repository name" },
    { "a b", NULL, "no part of a repository name" },
    { "../x", NULL, "is not a host" },
    { "example.com:99999/x", NULL, "is not a host" },
    { "[::1/x.y/z", NULL, "is not a host" },
    { "alpine:", NULL, "is not a tag" },
    { "alpine:-x", NULL, "is not a tag" },
    { "alpine:a b", NULL, "is not a tag" },
    { "alpine:" A64 A64 "a", NULL, "is not a tag" },
    { "alpine@sha256:short", NULL, "is not a digest" },
    { "alpine@", NULL, "is not a digest" },
    { "alpine@sha256:" A64 "A", NULL, "is not a digest" },
    { "alpine@sha512:" A64 A64, NULL, "only sha256" },
    { A64, NULL, "image id" },
};

static void reference_case(void **state)
{
    const struct parse_case *c = *state;
    struct error err = { 0 };
    struct reference ref;

    if (!c->full) {
        if (reference_parse(c->text, &ref, &err) == 0)
            fail_msg("\"%s\" was accepted", c->text);
        if (!strstr(err.message, c->brief))
            fail_msg("\"%s\" is not in \"%s\"", c->brief, err.message);
        error_clear(&err);
        return;
    }
    assert_ok(reference_parse(c->text, &ref, &err), &err);
    char *full = reference_print(&ref);
    char *brief = reference_print_short(&ref);
    assert_string_equal(full, c->full);
    assert_string_equal(brief, c->brief);
    reference_release(&ref);

    struct reference again;
    assert_ok(reference_parse(brief, &again, &err), &err);
    char *same = reference_print(&again);
    assert_string_equal(same, full);
    reference_release(&again);
    free(same);
    free(full);
    free(brief);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(cases)];
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[i] =
            (struct CMUnitTest){ cases[i].text, reference_case, NULL, NULL, (void *)&cases[i] };
    return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
