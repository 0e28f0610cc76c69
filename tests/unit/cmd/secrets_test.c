/* SPDX-License-Identifier: Apache-2.0 */
/* --secret and --ssh: what is read from where, and what is refused. Agents are real ones where the
 * openssh client is installed. */
#include "cmd/secrets.h"

#include "tests/support/test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/base/mem.h"
#include "lib/base/process.h"

/* The whole environment, but for PATH. */
static void set_environment(const char *variable)
{
    static char text[64];
    static char path[] = "PATH=/usr/bin:/bin";
    static char *variables[] = { text, path, NULL };
    snprintf(text, sizeof text, "%s", variable);
    environ = variables;
}

static int change_into(void **state)
{
    assert_int_equal(test_dir_setup(state), 0);
    const struct test_dir *d = *state;
    assert_int_equal(fchdir(d->fd), 0);
    return 0;
}

static int leave(void **state)
{
    (void)!fchdir(open("/", O_RDONLY | O_CLOEXEC));
    return test_dir_teardown(state);
}

static int read_one(const char *secret, const char *ssh, struct secrets *out, struct error *err)
{
    struct strvec secrets = { 0 };
    struct strvec agents = { 0 };
    if (secret)
        strvec_push(&secrets, secret);
    if (ssh)
        strvec_push(&agents, ssh);
    *out = (struct secrets){ 0 };
    int rc = secrets_read(&secrets, &agents, NULL, out, err);
    strvec_release(&secrets);
    strvec_release(&agents);
    return rc;
}

static void expect_lent(const char *text, const char *id, const char *value, size_t size)
{
    struct error err = { 0 };
    struct secrets s;
    assert_ok(read_one(text, NULL, &s, &err), &err);
    assert_int_equal(s.lent.secret_count, 1);
    assert_string_equal(s.lent.secrets[0].id, id);
    assert_int_equal(s.lent.secrets[0].size, size);
    assert_memory_equal(s.lent.secrets[0].data, value, size);
    secrets_release(&s);
}

static void reads_values(void **state)
{
    const struct test_dir *d = *state;
    test_write_file(d->fd, "file", "of the file\n");
    test_write_file(d->fd, "a,b", "comma");
    set_environment("SECRET_FOR_TEST=of the environment");
    expect_lent("id=x,src=file", "x", "of the file\n", 12);
    expect_lent("id=x,source=file", "x", "of the file\n", 12);
    expect_lent("ID=x,type=file,File=file", "x", "of the file\n", 12);
    expect_lent("id=x,\"src=a,b\"", "x", "comma", 5);
    expect_lent("id=file", "file", "of the file\n", 12);
    expect_lent("id=SECRET_FOR_TEST", "SECRET_FOR_TEST", "of the environment", 18);
    expect_lent("id=x,env=SECRET_FOR_TEST", "x", "of the environment", 18);
    expect_lent("id=x,type=env,src=SECRET_FOR_TEST", "x", "of the environment", 18);
    expect_lent("id=x,env=NOT_SET_AT_ALL", "x", "", 0);
}

static void refuses(void **state)
{
    static const struct {
        const char *secret, *ssh, *text;
        enum error_kind kind;
    } cases[] = {
        { "src=file", NULL, "secret missing ID", ERROR_USAGE },
        { "id=x,file", NULL, "invalid field 'file' must be a key=value pair", ERROR_USAGE },
        { "id=x,sorce=file", NULL, "unexpected key 'sorce'", ERROR_USAGE },
        { "id=x,type=vault", NULL, "unsupported secret type \"vault\"", ERROR_USAGE },
        { "id=x,src=file,env=HOME", NULL, "a file and a variable at once", ERROR_USAGE },
        { "id=x,src=missing", NULL, "--secret id=x: missing: No such file", ERROR_USER },
        { "id=x,src=large", NULL, "secret x too big. max size 500KB", ERROR_USER },
        { NULL, "=file", "an id is missing", ERROR_USAGE },
        { NULL, "x=missing", "--ssh x=missing: missing: No such file", ERROR_USER },
        { NULL, "x=socket,file", "only single socket allowed", ERROR_USAGE },
    };
    const struct test_dir *d = *state;
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
    auto_close int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (void *)&address, sizeof address), 0);
    test_write_file(d->fd, "file", "x");
    test_write_file(d->fd, "large", "");
    assert_int_equal(truncate("large", 500 * 1024 + 1), 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = { 0 };
        struct secrets s;
        int rc = read_one(cases[i].secret, cases[i].ssh, &s, &err);
        secrets_release(&s);
        assert_error(rc, &err, cases[i].kind, cases[i].text);
    }
    assert_int_equal(truncate("large", 500 * 1024), 0);
    struct error err = { 0 };
    struct secrets s;
    assert_ok(read_one("id=x,src=large", "y=socket", &s, &err), &err);
    assert_int_equal(s.lent.secrets[0].size, 500 * 1024);
    assert_string_equal(s.lent.agents[0].id, "y");
    assert_string_equal(s.lent.agents[0].socket, "socket");
    secrets_release(&s);
}

static void own_agent(void **state)
{
    struct error err = { 0 };
    struct secrets s;
    (void)state;
    set_environment("SSH_AUTH_SOCK=");
    assert_error(read_one(NULL, "default", &s, &err), &err, ERROR_USER,
                 "make sure SSH_AUTH_SOCK is set");
    secrets_release(&s);
    set_environment("SSH_AUTH_SOCK=/some/where");
    assert_ok(read_one(NULL, "default", &s, &err), &err);
    assert_string_equal(s.lent.agents[0].socket, "/some/where");
    secrets_release(&s);
}

static void agent_of_keys(void **state)
{
    struct process_result result;
    struct stat st;
    struct error err = { 0 };
    struct secrets s;
    const struct test_dir *d = *state;
    const char *make[] = { "ssh-keygen", "-q",       "-t", "ed25519", "-N", "",
                           "-C",         "test-key", "-f", "key",     NULL };
    assert_ok(process_run(make, NULL, &result, &err), &err);
    assert_int_equal(result.status, 0);
    process_result_release(&result);
    assert_ok(read_one(NULL, "x=key", &s, &err), &err);
    auto_free char *socket_path = xstrdup(s.lent.agents[0].socket);
    auto_free char *variable = xasprintf("SSH_AUTH_SOCK=%s", socket_path);
    const char *list[] = { "env", variable, "ssh-add", "-l", NULL };
    assert_ok(process_run(list, NULL, &result, &err), &err);
    assert_non_null(strstr(result.out.buf, "test-key"));
    process_result_release(&result);
    secrets_release(&s);
    assert_int_equal(stat(socket_path, &st), -1);
    test_write_file(d->fd, "no-key", "nothing\n");
    assert_int_equal(chmod("no-key", 0600), 0);
    assert_error(read_one(NULL, "x=no-key", &s, &err), &err, ERROR_USER,
                 "--ssh: the key no-key cannot be used");
    secrets_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_values, change_into, leave),
        cmocka_unit_test_setup_teardown(refuses, change_into, leave),
        cmocka_unit_test_setup_teardown(own_agent, change_into, leave),
        cmocka_unit_test_setup_teardown(agent_of_keys, change_into, leave),
    };
    return cmocka_run_group_tests_name("secrets", tests, NULL, NULL);
}
