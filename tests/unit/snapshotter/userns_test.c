/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/userns.h"

#include "tests/support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"

enum { NOBODY = 65534 };

static const struct subid_case {
    const char *name;
    const char *text;
    const char *result; /* as in uid_map, after 0 -> 1000 */
} subids[] = {
    { "by name", "alice:100000:65536\n", "1 100000 65536\n" },
    { "by number", "1000:100000:65536\n", "1 100000 65536\n" },
    { "no newline at the end", "alice:100000:10", "1 100000 10\n" },
    { "several ranges", "alice:100000:10\nbob:5:5\n1000:300000:5\nalice:200000:20\n",
      "1 100000 10\n11 300000 5\n16 200000 20\n" },
    { "nobody's", "bob:100000:65536\n10000:5:5\n", "" },
    { "a longer name", "alice2:100000:65536\nalic:1:1\n", "" },
    { "empty", "", "" },
    { "comments and blank lines", "# alice:1:1\n\n\n:::\nalice:100000:10\n", "1 100000 10\n" },
    { "missing fields", "alice\nalice:\nalice:5\nalice:5:\nalice::5\n", "" },
    { "not numbers", "alice:x:5\nalice:5:-1\nalice:+5:5\nalice:0x10:5\nalice: 5:5\n", "" },
    { "empty range", "alice:100000:0\n", "" },
    { "carriage return", "alice:100000:10\r\n", "1 100000 10\n" },
    { "too large a number", "alice:4294967296:1\nalice:99999999999999999999:1\n", "" },
    { "past the last id", "alice:4294967290:10\n", "" },
    { "up to the last id", "alice:4294967290:5\n", "1 4294967290 5\n" },
    { "overlap among ranges", "alice:100000:10\nalice:100009:10\nalice:100010:1\n",
      "1 100000 10\n11 100010 1\n" },
    { "overlap with the own id", "alice:900:200\nalice:2000:1\n", "1 2000 1\n" },
    { "extra fields", "alice:100000:10:5\n", "" },
};

static void subids_parse(void **state)
{
    const struct subid_case *c = *state;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(strbuf) struct strbuf expected = STRBUF_INIT;
    struct id_map map = { 0 };
    id_extents_append(&map.uids, 1000, 1);
    id_extents_parse_subids(&map.uids, c->text, "alice", 1000);
    id_extents_print(&map.uids, false, &text);
    strbuf_addf(&expected, "0 1000 1\n%s", c->result);
    assert_string_equal(text.buf, expected.buf);
    id_map_release(&map);
}

static void root_keeps_its_own_id(void **state)
{
    struct id_map map = { 0 };
    (void)state;
    id_extents_append(&map.uids, 0, 1);
    assert_true(id_map_is_identity(&map));
    id_extents_parse_subids(&map.uids, "root:100000:65536\n", "root", 0);
    assert_int_equal(map.uids.items[0].outside, 0);
    assert_int_equal(map.uids.items[1].inside, 1);
    assert_false(id_map_is_identity(&map));
    id_map_release(&map);
}

static void extents_have_a_limit(void **state)
{
    struct id_map map = { 0 };
    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        id_extents_append(&map.uids, 100000 + 2 * i, 1);
    assert_int_equal(map.uids.count, ID_EXTENTS_MAX);
    assert_true(id_extents_has(&map.uids, 0));
    assert_true(id_extents_has(&map.uids, ID_EXTENTS_MAX - 1));
    assert_false(id_extents_has(&map.uids, ID_EXTENTS_MAX));
    id_map_release(&map);
}

static void proc_maps_parse(void **state)
{
    struct id_map map = { 0 };
    struct error err = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    (void)state;
    assert_ok(id_extents_parse_proc(&map.uids,
                                    "         0       1000          1\n"
                                    "         1     100000      65536\n",
                                    &err),
              &err);
    id_extents_print(&map.uids, true, &text);
    assert_string_equal(text.buf, "0 0 1\n1 1 65536\n");
    assert_error(id_extents_parse_proc(&map.gids, "", &err), &err, ERROR_CORRUPT, "empty");
    assert_error(id_extents_parse_proc(&map.gids, "0 x 1\n", &err), &err, ERROR_CORRUPT,
                 "unreadable");
    id_map_release(&map);
}

static void names_are_found(void **state)
{
    static const char text[] =
        "junk\n:x:1000:\nbob:x:1001:1::/:\nalice:x:1000:1::/:\nother:x:1000:\n";
    (void)state;
    char *name = passwd_name_of(text, 1000);
    assert_string_equal(name, "alice");
    free(name);
    assert_null(passwd_name_of(text, 5));
}

static void own_map(struct id_map *map)
{
    struct error err = { 0 };
    *map = (struct id_map){ 0 };
    assert_ok(id_map_for_user(geteuid(), getegid(), map, &err), &err);
}

static int is_root_inside(void *arg)
{
    struct id_map map = { 0 };
    struct error err = { 0 };
    const struct id_map *expected = arg;
    int death_signal = 0;
    auto_(strbuf) struct strbuf mounts = STRBUF_INIT;
    if (getuid() != 0 || geteuid() != 0 || getgid() != 0 || getegid() != 0)
        return 1;
    if (id_map_current(&map, &err) < 0 || map.uids.count != expected->uids.count ||
        map.gids.count != expected->gids.count)
        return 2;
    if (prctl(PR_GET_PDEATHSIG, &death_signal) < 0 || death_signal != SIGKILL)
        return 3;
    if (prctl(PR_GET_DUMPABLE) != 1)
        return 4;
    if (fd_read_file(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &mounts, &err) < 0 ||
        strstr(mounts.buf, " shared:"))
        return 5;
    return 42;
}

static void child_is_root(void **state)
{
    struct id_map map;
    struct error err = { 0 };
    int status = 0;
    (void)state;
    own_map(&map);
    assert_ok(userns_run(&map, &(struct userns_job){ .fn = is_root_inside, .arg = &map }, NULL,
                         &status, &err),
              &err);
    assert_int_equal(status, 42);
    map.uids.count = map.gids.count = 1;
    map.uids.items[0].count = map.gids.items[0].count = 1;
    assert_ok(userns_run(&map, &(struct userns_job){ .fn = is_root_inside, .arg = &map }, NULL,
                         &status, &err),
              &err);
    assert_int_equal(status, 42);
    id_map_release(&map);
}

/* Both ends of a pipe, and who wrote into it. */
struct beside {
    int pipe[2];
    pid_t writer;
};

static int wait_for_the_planner(void *arg)
{
    const struct beside *b = arg;
    char byte = 0;
    return read(b->pipe[0], &byte, 1) == 1 && b->writer == 0 ? byte : 1;
}

static void write_beside(void *arg)
{
    struct beside *b = arg;
    b->writer = getpid();
    assert_int_equal(write(b->pipe[1], "*", 1), 1);
}

static void the_planner_works_beside(void **state)
{
    struct id_map map;
    struct error err = { 0 };
    struct beside b = { 0 };
    int status = 0;
    (void)state;
    own_map(&map);
    assert_int_equal(pipe2(b.pipe, O_CLOEXEC), 0);
    const struct userns_job job = { wait_for_the_planner, write_beside, &b };
    assert_ok(userns_run(&map, &job, NULL, &status, &err), &err);
    assert_int_equal(status, '*');
    assert_int_equal(b.writer, getpid());
    close(b.pipe[0]);
    close(b.pipe[1]);
    id_map_release(&map);
}

static int die(void *arg)
{
    (void)arg;
    raise(SIGKILL);
    return 0;
}

static void killed_child_is_told(void **state)
{
    struct id_map map;
    struct error err = { 0 };
    int status = 0;
    (void)state;
    own_map(&map);
    assert_ok(userns_run(&map, &(struct userns_job){ .fn = die }, NULL, &status, &err), &err);
    assert_int_equal(status, 128 + SIGKILL);
    id_map_release(&map);
}

static void on_signal(int sig)
{
    _exit(sig == SIGTERM ? 77 : 78);
}

static int wait_for_signal(void *arg)
{
    (void)arg;
    while (pause() < 0) {
    }
    return 0;
}

static void *raise_later(void *arg)
{
    struct timespec wait = { 0, 100 * 1000000L };
    nanosleep(&wait, NULL);
    cancel_raise(arg);
    return NULL;
}

static void cancel_reaches_the_child(void **state)
{
    struct id_map map;
    struct error err = { 0 };
    struct cancel cancel;
    pthread_t thread;
    int status = 0;
    (void)state;
    own_map(&map);
    assert_ok(cancel_init(&cancel, &err), &err);
    signal(SIGTERM, on_signal);
    pthread_create(&thread, NULL, raise_later, &cancel);
    assert_ok(
        userns_run(&map, &(struct userns_job){ .fn = wait_for_signal }, &cancel, &status, &err),
        &err);
    pthread_join(thread, NULL);
    assert_int_equal(status, 77);
    cancel_release(&cancel);
    id_map_release(&map);
}

static void *interrupt_later(void *arg)
{
    struct timespec wait = { 0, 100 * 1000000L };
    nanosleep(&wait, NULL);
    kill(*(pid_t *)arg, SIGINT);
    return NULL;
}

static void signals_reach_the_child(void **state)
{
    struct id_map map;
    struct error err = { 0 };
    struct cancel cancel;
    pthread_t thread;
    sigset_t interrupt;
    pid_t self = getpid();
    int status = 0;
    (void)state;
    own_map(&map);
    assert_ok(cancel_init(&cancel, &err), &err);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigaddset(&interrupt, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &interrupt, NULL); /* the helper thread must not take it */
    pthread_create(&thread, NULL, interrupt_later, &self);
    pthread_sigmask(SIG_UNBLOCK, &interrupt, NULL);
    assert_ok(
        userns_run(&map, &(struct userns_job){ .fn = wait_for_signal }, &cancel, &status, &err),
        &err);
    pthread_join(thread, NULL);
    assert_int_equal(status, 78); /* SIGINT, as the planner got it */
    assert_true(cancel_is_raised(&cancel));
    cancel_release(&cancel);
    id_map_release(&map);
}

static void bad_maps_are_explained(void **state)
{
    struct id_map map = { 0 };
    struct error err = { 0 };
    int status = 0;
    (void)state;
    /* Root is given every map by the kernel itself; it stands back for a user who has to ask. */
    bool is_root = geteuid() == 0;
    if (is_root) {
        assert_int_equal(setresgid(NOBODY, NOBODY, 0), 0);
        assert_int_equal(setresuid(NOBODY, NOBODY, 0), 0);
        assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
    }
    id_extents_append(&map.uids, geteuid(), 1);
    id_extents_append(&map.uids, 3000000000U, 5);
    id_extents_append(&map.gids, getegid(), 1);
    id_extents_append(&map.gids, 3000000000U, 5);
    int rc = userns_run(&map, &(struct userns_job){ .fn = die }, NULL, &status, &err);
    if (is_root) {
        assert_int_equal(setresuid(0, 0, 0), 0);
        assert_int_equal(setresgid(0, 0, 0), 0);
    }
    assert_int_equal(rc, -1);
    assert_non_null(err.hint);
    assert_error(rc, &err, ERROR_HOST, "newuidmap");
    id_map_release(&map);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(subids) + 10];
    size_t n = 0;
    for (; n < COUNT(subids); n++)
        tests[n] = (struct CMUnitTest){ subids[n].name, subids_parse, NULL, NULL,
                                        (void *)(uintptr_t)&subids[n] };
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(root_keeps_its_own_id);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(extents_have_a_limit);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(proc_maps_parse);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(names_are_found);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(child_is_root);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(the_planner_works_beside);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(killed_child_is_told);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(cancel_reaches_the_child);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(signals_reach_the_child);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(bad_maps_are_explained);
    return _cmocka_run_group_tests("userns", tests, n, NULL, NULL);
}
