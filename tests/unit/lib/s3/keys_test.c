/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/s3/keys.h"

#include <fcntl.h>

#include "lib/base/fd.h"
#include "tests/support/test.h"

static const struct row {
    const char *name;
    const char *profile; /* NULL: none is named */
    const char *text;    /* of the file */
    const char *id, *secret, *token;
    const char *message; /* NULL: they are found */
} rows[] = {
    { "a profile", NULL, "[default]\naws_access_key_id = A\naws_secret_access_key=B=\n", "A",
      "B=", NULL, NULL },
    { "a session", "x y",
      "; c\r\n[default]\r\naws_access_key_id=Z\r\n[ x y ]\r\n# c\r\naws_access_key_id=A\r\n"
      "aws_secret_access_key=B\r\naws_session_token=C\r\nother=D\r\n",
      "A", "B", "C", NULL },
    { "no such profile", "none", "[default]\naws_access_key_id=A\naws_secret_access_key=B\n", NULL,
      NULL, NULL, "no keys for S3 were found" },
    { "half of a key", NULL, "[default]\naws_secret_access_key=B\n", NULL, NULL, NULL,
      "belong together" },
    { "an empty value", NULL, "[default]\naws_access_key_id=\naws_secret_access_key=B\n", NULL,
      NULL, NULL, "belong together" },
    { "no section", NULL, "aws_access_key_id=A\naws_secret_access_key=B\n[", NULL, NULL, NULL,
      "no keys for S3 were found" },
    { "nothing", NULL, "", NULL, NULL, NULL, "no keys for S3 were found" },
};

static void write_file(const char *path, const char *text)
{
    auto_(error) struct error err = { 0 };
    auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_ok(fd_write_all(fd, text, strlen(text), path, &err), &err);
}

static void same_text(const char *got, const char *want)
{
    if (want)
        assert_string_equal(got, want);
    else
        assert_null(got);
}

static void reads_files(void **state)
{
    const struct row *row = *state;
    char path[] = "/tmp/mlbuild-keys.XXXXXX";
    auto_close int fd = mkstemp(path);
    auto_(error) struct error err = { 0 };
    auto_(s3_keys) struct s3_keys keys = { 0 };
    assert_true(fd >= 0);
    write_file(path, row->text);
    const struct s3_key_places places = { .profile = row->profile, .file = path };
    int rc = s3_keys_find(&places, &keys, &err);
    unlink(path);
    if (row->message) {
        assert_error(rc, &err, ERROR_USER, row->message);
        return;
    }
    assert_ok(rc, &err);
    same_text(keys.id, row->id);
    same_text(keys.secret, row->secret);
    same_text(keys.token, row->token);
}

static void the_environment_comes_first(void **state)
{
    (void)state;
    auto_(error) struct error err = { 0 };
    auto_(s3_keys) struct s3_keys keys = { 0 };
    const struct s3_key_places places = {
        .id = "A", .secret = "B", .source = "here", .file = "/nowhere"
    };
    assert_ok(s3_keys_find(&places, &keys, &err), &err);
    same_text(keys.secret, "B");
    same_text(keys.token, NULL);
    same_text(keys.source, "here");
}

static void half_of_an_environment_is_an_error(void **state)
{
    (void)state;
    auto_(error) struct error err = { 0 };
    auto_(s3_keys) struct s3_keys keys = { 0 };
    const struct s3_key_places places = { .id = "A", .source = "here" };
    assert_error(s3_keys_find(&places, &keys, &err), &err, ERROR_USER, "belong together");
}

int main(void)
{
    enum { OTHERS = 2 };
    struct CMUnitTest tests[COUNT(rows) + OTHERS] = {
        cmocka_unit_test(the_environment_comes_first),
        cmocka_unit_test(half_of_an_environment_is_an_error),
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        tests[OTHERS + i] =
            (struct CMUnitTest){ rows[i].name, reads_files, NULL, NULL, (void *)&rows[i] };
    return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
