/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/credentials.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "tests/support/test.h"

/* "a:1", "b:2", ... in base64 */
#define AUTH(key, encoded) "{\"auths\":{\"" key "\":{\"auth\":\"" encoded "\"}}}"
#define A1                 "YTox"
#define B2                 "Yjoy"
#define C3                 "Yzoz"

static char *put(const char *dir, const char *sub, const char *name, const char *text)
{
    struct error err = { 0 };
    char *path = xasprintf("%s/%s", dir, sub);
    if (mkdir(path, 0700) < 0)
        assert_int_equal(errno, EEXIST);
    auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_ok(atomic_file_write(fd, name, text, strlen(text), 0600, &err), &err);
    return path;
}

/* The user that is found, or "" if none. */
static void assert_user(const struct credential_places *places, const char *host,
                        const char *repository, const char *user)
{
    struct error err = { 0 };
    auto_(credential) struct credential c = { 0 };
    assert_ok(credentials_find(places, host, repository, &c, &err), &err);
    assert_string_equal(c.username ? c.username : "", user);
    assert_true(!c.source == !*user);
}

static void places_have_an_order(void **state)
{
    (void)state;
    char *dir = test_tmpdir();
    auto_free char *home_docker = put(dir, ".docker", "config.json", AUTH("r.io", B2));
    auto_free char *home_docker_file = xasprintf("%s/config.json", home_docker);
    auto_free char *run = put(dir, "containers", "auth.json", AUTH("r.io", C3));
    auto_free char *file_dir = put(dir, "other", "auth", AUTH("r.io", A1));
    auto_free char *file = xasprintf("%s/auth", file_dir);
    auto_free char *config = put(dir, "config", "config.json", AUTH("other.io", A1));
    auto_free char *xdg = xasprintf("%s/xdg", dir);
    auto_free char *in_xdg = put(dir, "xdg", "x", "");
    auto_free char *in_xdg2 = put(dir, "xdg/containers", "auth.json", AUTH("r.io", B2));
    auto_free char *in_home = put(dir, ".config", "x", "");
    auto_free char *in_home2 = put(dir, ".config/containers", "auth.json", AUTH("r.io", A1));
    struct credential_places places = { .home = dir };

    assert_int_equal(unlinkat(AT_FDCWD, home_docker_file, 0), 0);
    assert_user(&places, "r.io", "x", "a");
    places.xdg_config_home = xdg;
    assert_user(&places, "r.io", "x", "b");
    places.home = NULL;
    places.xdg_runtime_dir = dir;
    auto_free char *home_docker2 = put(dir, ".docker", "config.json", AUTH("r.io", B2));

    assert_user(&places, "r.io", "x", "c");
    places.registry_auth_file = file;
    assert_user(&places, "r.io", "x", "a");
    places.home = dir;
    assert_user(&places, "r.io", "x", "b");
    places.docker_auth_config = AUTH("https://r.io/v2/", C3);
    assert_user(&places, "r.io", "x", "c");
    places.docker_auth_config = AUTH("elsewhere", C3);
    assert_user(&places, "r.io", "x", "b");
    places.docker_config = config; /* takes the place of ~/.docker */
    assert_user(&places, "r.io", "x", "a");
    assert_user(&places, "nobody.io", "x", "");
    test_tmpdir_remove(dir);
}

static const struct key_case {
    const char *key, *host, *repository;
    bool matches;
} keys[] = {
    { "https://index.docker.io/v1/", "docker.io", "library/x", true },
    { "docker.io", "docker.io", "library/x", true },
    { "registry-1.docker.io", "docker.io", "library/x", true },
    { "https://r.io", "r.io", "x", true },
    { "https://r.io/v2/", "r.io", "x", true },
    { "r.io/team", "r.io", "team/x", true },
    { "r.io/team", "r.io", "team", true },
    { "r.io/team", "r.io", "teamster/x", false },
    { "r.io/team", "r.io", "x", false },
    { "r.io:5000", "r.io:5000", "x", true },
    { "r.io", "r.io:5000", "x", false },
    { "r.io:5000", "r.io", "x", false },
    { "evil-r.io", "r.io", "x", false },
    { "", "r.io", "x", false },
};

static void key_case(void **state)
{
    const struct key_case *c = *state;
    auto_free char *text = xasprintf("{\"auths\":{\"%s\":{\"auth\":\"" A1 "\"}}}", c->key);
    struct credential_places places = { .docker_auth_config = text };
    assert_user(&places, c->host, c->repository, c->matches ? "a" : "");
}

static void the_longest_key_wins(void **state)
{
    (void)state;
    struct credential_places places = { .docker_auth_config =
                                            "{\"auths\":{\"r.io\":{\"auth\":\"" A1
                                            "\"},\"r.io/t/x\":{\"auth\":\"" C3
                                            "\"},\"r.io/t\":{\"auth\":\"" B2 "\"}}}" };
    assert_user(&places, "r.io", "t/x", "c");
    assert_user(&places, "r.io", "t/y", "b");
    assert_user(&places, "r.io", "u", "a");
}

static void other_forms(void **state)
{
    (void)state;
    struct error err = { 0 };
    struct credential c = { 0 };
    struct credential_places places = {
        .docker_auth_config = "{\"auths\":{\"r.io\":{\"identitytoken\":\"tok\"},"
                              "\"s.io\":{\"username\":\"u\",\"password\":\"p\"},\"t.io\":{}}}"
    };
    assert_ok(credentials_find(&places, "r.io", "x", &c, &err), &err);
    assert_string_equal(c.identity_token, "tok");
    credential_release(&c);
    assert_ok(credentials_find(&places, "s.io", "x", &c, &err), &err);
    assert_string_equal(c.secret, "p");
    credential_release(&c);
    assert_user(&places, "t.io", "x", "");
}

static void bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        { "{", "$DOCKER_AUTH_CONFIG" },
        { AUTH("r.io", "!!"), "not base64" },
        { AUTH("r.io", "YQ=="), "not base64" },
        { "{\"credsStore\":\"../../bin/sh\"}", "not the name of a credential helper" },
        { "{\"credHelpers\":{\"r.io\":\"a b\"}}", "not the name of a credential helper" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error err = { 0 };
        struct credential c = { 0 };
        struct credential_places places = { .docker_auth_config = rows[i].text };
        assert_error(credentials_find(&places, "r.io", "x", &c, &err), &err, ERROR_USER,
                     rows[i].why);
    }
}

static void kept_and_forgotten(void **state)
{
    (void)state;
    struct error err = { 0 };
    char *dir = test_tmpdir();
    auto_free char *config = put(dir, "config", "config.json",
                                 "{\"auths\":{\"r.io\":{\"auth\":\"" A1
                                 "\"},\"https://r.io/v2/\":{},\"s.io\":{\"auth\":\"" B2
                                 "\"}},\"x\":{\"y\":[1,2.5,\"\\u00e9<\"]}}");
    struct credential_places places = { .docker_config = config };
    struct credential c = { .username = (char *)"u", .secret = (char *)"p:q" };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_free char *path = xasprintf("%s/config.json", config);
    auto_free char *where = NULL;
    size_t count = 0;

    assert_ok(credentials_store(&places, "r.io", &c, &where, &err), &err);
    assert_string_equal(where, path);
    assert_user(&places, "r.io", "x", "u");
    assert_user(&places, "s.io", "x", "b");
    free(take_ptr(where));
    assert_ok(credentials_store(&places, "docker.io", &c, &where, &err), &err);
    assert_user(&places, "docker.io", "library/x", "u");
    assert_ok(fd_read_file(AT_FDCWD, path, 10000, &text, &err), &err);
    assert_non_null(strstr(text.buf, "\"https://index.docker.io/v1/\""));
    assert_non_null(strstr(text.buf, "2.5"));
    assert_ok(credentials_erase(&places, "r.io", &count, &err), &err);
    assert_int_equal(count, 1);
    assert_user(&places, "r.io", "x", "");
    assert_ok(credentials_erase(&places, NULL, &count, &err), &err);
    assert_int_equal(count, 2);
    assert_user(&places, "s.io", "x", "");
    assert_ok(credentials_erase(&places, NULL, &count, &err), &err);
    assert_int_equal(count, 0);
    places.docker_config = NULL;
    free(take_ptr(where));
    assert_error(credentials_store(&places, "r.io", &c, &where, &err), &err, ERROR_USER, "$HOME");
    test_tmpdir_remove(dir);
}

static void a_missing_helper_is_noted(void **state)
{
    (void)state;
    struct error err = { 0 };
    auto_(credential) struct credential c = { 0 };
    struct credential_places places = {
        .docker_auth_config = "{\"credHelpers\":{\"r.io\":\"surely-not-installed\"}}"
    };
    assert_ok(credentials_find(&places, "r.io", "x", &c, &err), &err);
    assert_null(c.source);
    assert_non_null(strstr(c.note, "docker-credential-surely-not-installed"));
}

int main(void)
{
    enum { OTHERS = 6 };
    struct CMUnitTest tests[COUNT(keys) + OTHERS] = {
        cmocka_unit_test(places_have_an_order),
        cmocka_unit_test(the_longest_key_wins),
        cmocka_unit_test(other_forms),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(a_missing_helper_is_noted),
        cmocka_unit_test(kept_and_forgotten),
    };
    for (size_t i = 0; i < COUNT(keys); i++)
        tests[OTHERS + i] =
            (struct CMUnitTest){ keys[i].key, key_case, NULL, NULL, (void *)&keys[i] };
    return cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
}
