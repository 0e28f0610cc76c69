/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox, run for real: on a root made of one static busybox, under each kind of id map that
 * this user can have (as root: the identity, sub-ids as an ordinary user has them, and a single
 * id).
 */
#include "snapshotter/sandbox/sandbox.h"

#include "tests/support/busybox_root.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/process.h"
#include "snapshotter/userns.h"

static char *root_path;
static struct executor *executor;
static const struct id_map *current;

struct outcome {
    int rc;
    int status;
    struct strbuf out;
    struct strbuf err;
    struct error error;
};

static void collect(void *arg, int stream, const char *data, size_t len)
{
    struct outcome *o = arg;
    strbuf_add(stream == 1 ? &o->out : &o->err, data, len);
}

static void outcome_release(struct outcome *o)
{
    strbuf_release(&o->out);
    strbuf_release(&o->err);
    error_clear(&o->error);
}
DEFINE_AUTO(outcome, struct outcome, outcome_release(value))
#define OUTCOME_INIT                                                                               \
    {                                                                                              \
        .out = STRBUF_INIT, .err = STRBUF_INIT                                                     \
    }

static void run_op(struct outcome *o, const struct op_exec *op, struct cancel *cancel)
{
    auto_close int root = open_tree(AT_FDCWD, root_path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct exec_request request = {
        .op = op, .root_fd = root, .output = collect, .output_arg = o, .cancel = cancel
    };
    o->rc = executor->run(executor, &request, &o->status, &o->error);
}

static const char *const default_env[] = { "PATH=/bin:/usr/bin", "GREETING=hello world", NULL };

static void run_script(struct outcome *o, const char *script)
{
    const char *argv[] = { "/bin/sh", "-c", script, NULL };
    struct op_exec op = { .args = argv, .env = default_env, .cwd = "/", .user = "" };
    run_op(o, &op, NULL);
}

struct script_case {
    const char *name;
    const char *script;
    const char *user;
    const char *cwd;
    enum network_mode network;
    int status;
    const char *out; /* exact, or NULL */
    bool many_ids;   /* needs more than one id */
};

/* As root, in "/", on the host's network. */
#define PLAIN(name, script, status, out)                                                           \
    {                                                                                              \
        name, script, "", "/", NETWORK_HOST, status, out, false                                    \
    }

static const struct script_case cases[] = {
    PLAIN("exit code", "exit 42", 42, ""),
    PLAIN("125 to 128 are passed on", "exit 128", 128, ""),
    PLAIN("killed by a signal", "kill -9 $$", 137, ""),
    PLAIN("environment", "echo $GREETING; echo $HOME", 0, "hello world\n/root\n"),
    PLAIN("client variables do not leak", "env | cut -d= -f1 | sort | tr '\\n' ' '", 0,
          "GREETING HOME PATH PWD SHLVL "),
    { "working directory", "pwd", "", "/srv/link", NETWORK_HOST, 0, "/srv/real\n", false },
    { "working directory below /dev", "pwd", "", "/dev/shm", NETWORK_HOST, 0, "/dev/shm\n", false },
    PLAIN("root", "id", 0, NULL),
    { "user by name", "id -u; id -g; id -G", "app", "/", NETWORK_HOST, 0,
      "1000\n1001\n1001 50 60\n", true },
    { "user by number", "id -u; id -g; id -G", "1000", "/", NETWORK_HOST, 0,
      "1000\n1001\n1001 50 60\n", true },
    { "unknown number", "id -u; id -g; id -G", "4711", "/", NETWORK_HOST, 0, "4711\n0\n0\n", true },
    { "user and group", "id -u; id -g; id -G", "app:staff", "/", NETWORK_HOST, 0, "1000\n50\n50\n",
      true },
    { "user keeps no capabilities",
      "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f2", "app", "/", NETWORK_HOST, 0,
      "0000000000000000\n0000000000000000\n0000000000000000\n00000000a80425fb\n0000000000000000\n",
      true },
    { "home of the user", "echo $HOME", "app", "/", NETWORK_HOST, 0, "/home/app\n", true },
    PLAIN("host name", "hostname", 0, "buildkitsandbox\n"),
    PLAIN("the command is not pid 1", "test $$ -gt 1 && tr '\\0' ' ' </proc/1/comm", 0,
          "mlbuild-zygote\n"),
    PLAIN("pid 1 is closed",
          "cat /proc/1/environ /proc/1/fd/0 /proc/1/mem; ls /proc/1/cwd/; readlink /proc/1/exe", 1,
          ""),
    PLAIN("capabilities of root", "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f2",
          0,
          "0000000000000000\n00000000a80425fb\n00000000a80425fb\n00000000a80425fb\n0000000000000000"
          "\n"),
    PLAIN("seccomp filters, no_new_privs is off",
          "grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status | cut -f2", 0, "0\n2\n"),
    PLAIN("masked paths are empty",
          "cat /proc/keys /proc/timer_list /proc/kcore /proc/interrupts 2>/dev/null; ls "
          "/sys/firmware "
          "/proc/acpi /proc/scsi 2>/dev/null | grep -v : | grep -v '^$'; true",
          0, ""),
    PLAIN("masks cannot be taken off", "umount /proc/keys 2>/dev/null", 1, ""),
    PLAIN("nothing can be mounted", "mount -t tmpfs none /srv 2>/dev/null", 1, ""),
    PLAIN("no namespaces", "unshare -U true 2>/dev/null", 1, ""),
    PLAIN("no leaked descriptors", "ls -l /proc/self/fd | awk 'NR > 1 { print $9 }' | tr '\\n' ' '",
          0, "0 1 2 3 "),
    PLAIN("standard input is empty", "cat; readlink /proc/self/fd/0", 0, "/dev/null\n"),
    PLAIN("/dev", "cd /dev; echo *", 0,
          "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero\n"),
    PLAIN("/dev/null swallows", "echo x >/dev/null; head -c 3 /dev/zero | od -An -tx1", 0,
          " 00 00 00\n"),
    PLAIN("/dev/pts shows no files of ours", "ls /dev/pts", 0, "ptmx\n"),
    PLAIN("/dev/shm is writable", "echo x >/dev/shm/x && stat -c %a /dev/shm", 0, "1777\n"),
    PLAIN("/proc/sys is read-only", "echo x 2>/dev/null >/proc/sys/kernel/hostname", 1, ""),
    PLAIN("/proc/sysrq-trigger is read-only", "echo x 2>/dev/null >/proc/sysrq-trigger", 1, ""),
    PLAIN("/sys is read-only",
          "test -z \"$(awk '$2 ~ \"^/sys\" && $4 !~ \"^ro\" && $4 !~ \",ro\"' /proc/mounts)\"", 0,
          ""),
    PLAIN("the old root is gone",
          "awk '$2 == \"/\" { n++ } END { print n }' /proc/mounts; ls /proc/1/root/ 2>&- | wc -l",
          0, "1\n0\n"),
    PLAIN("hosts", "cat /etc/hosts | head -1; echo x 2>&- >>/etc/hosts", 1,
          "127.0.0.1\tlocalhost buildkitsandbox\n"),
    PLAIN("resolv.conf cannot be removed", "rm /etc/resolv.conf 2>/dev/null", 1, ""),
    { "set-user-id works", "/bin/su -c 'id -u'", "app", "/", NETWORK_HOST, 0, "0\n", true },
    { "files take owners", "touch /srv/f; chown 1000:50 /srv/f; stat -c %u:%g /srv/f", "", "/",
      NETWORK_HOST, 0, "1000:50\n", true },
    PLAIN("umask", "umask", 0, "0022\n"),
    PLAIN("limits", "ulimit -c; ulimit -n", 0, "0\n1024\n"),
    { "network none has only lo, up",
      "ls /sys/class/net; ping -c1 -w1 127.0.0.1 >/dev/null && echo up", "", "/", NETWORK_NONE, 0,
      "lo\nup\n", false },
    { "network none: fresh sysfs", "ls /sys/firmware | wc -l", "", "/", NETWORK_NONE, 0, "0\n",
      false },
    PLAIN("kill -9 -1 stays inside", "sleep 100 & kill -9 -1; wait $!; echo $?", 0, "137\n"),
    PLAIN("a daemon that keeps the output open ends with the step",
          "(setsid sh -c 'sleep 1000 & sleep 1000' &) ; echo done", 0, "done\n"),
    PLAIN("links and renames across directories",
          "cd /srv; echo x >a; mkdir d; ln a d/b; mv a d/c; cat d/b d/c; rm -r d", 0, "x\nx\n"),
    PLAIN("a device cannot be made", "mknod /srv/mem c 1 1 2>/dev/null", 1, ""),
    PLAIN("a FIFO can be made", "mkfifo /srv/p && rm /srv/p", 0, ""),
    PLAIN("no signal is ignored or blocked", "grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -f2",
          0, "0000000000000000\n0000000000000000\n"),
    PLAIN("session leader", "awk '{ print $1 == $6, $7 }' /proc/$$/stat", 0, "1 0\n"),
};

static void run_case(void **state)
{
    const struct script_case *c = *state;
    const char *argv[] = { "/bin/sh", "-c", c->script, NULL };
    struct op_exec op = {
        .args = argv, .env = default_env, .cwd = c->cwd, .user = c->user, .network = c->network
    };
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    run_op(&o, &op, NULL);
    assert_ok(o.rc, &o.error);
    if (c->out && strcmp(o.out.buf, c->out) != 0)
        fail_msg("said:\n%s\nnot:\n%s\nerrors:\n%s", o.out.buf, c->out, o.err.buf);
    if (o.status != c->status)
        fail_msg("status %d, not %d; said:\n%s%s", o.status, c->status, o.out.buf, o.err.buf);
}

static void missing_program(void **state)
{
    const char *argv[] = { "no-such-program", NULL };
    struct op_exec op = { .args = argv, .env = default_env, .cwd = "/", .user = "" };
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    (void)state;
    run_op(&o, &op, NULL);
    assert_ok(o.rc, &o.error);
    assert_int_equal(o.status, 127);
    assert_string_equal(o.err.buf, "no-such-program: not found in $PATH\n");
}

static void program_of_path(void **state)
{
    const char *argv[] = { "echo", "a b", "c", NULL };
    const char *env[] = { "NOTHING=", NULL };
    struct op_exec op = { .args = argv, .env = env, .cwd = "/", .user = "" };
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    (void)state;
    run_op(&o, &op, NULL);
    assert_ok(o.rc, &o.error);
    assert_int_equal(o.status, 0);
    assert_string_equal(o.out.buf, "a b c\n");
}

static void expect_failure(const char *cwd, const char *user, const char *text)
{
    const char *argv[] = { "/bin/true", NULL };
    struct op_exec op = { .args = argv, .env = default_env, .cwd = cwd, .user = user };
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    run_op(&o, &op, NULL);
    assert_error(o.rc, &o.error, ERROR_USER, text);
}

static void bad_requests(void **state)
{
    (void)state;
    expect_failure("/etc/passwd", "", "the working directory /etc/passwd: Not a directory");
    expect_failure("/proc/self/fd/3", "", "the working directory /proc/self/fd/3: ");
    /* Without openat2 the text of such a link is followed, inside the root. */
    if (!getenv("MLBUILD_TEST_NO_OPENAT2"))
        expect_failure("/proc/self/root", "", "the working directory /proc/self/root: ");
    expect_failure("/", "nobody-here", "unable to find user nobody-here");
    expect_failure("/", "root:nogroup-here", "unable to find group nogroup-here");
    expect_failure("/", "2147483648", "out of range");
}

/* What the image has where we mount or read may be anything. */
static void hostile_root(void **state)
{
    auto_close int root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    (void)state;
    assert_int_equal(renameat(root, "etc/passwd", root, "etc/kept"), 0);
    assert_int_equal(mkfifoat(root, "etc/passwd", 0644), 0);
    expect_failure("/", "app", "/etc/passwd of the image is not a regular file");
    assert_int_equal(renameat(root, "etc/kept", root, "etc/passwd"), 0);

    assert_int_equal(renameat(root, "dev", root, "kept"), 0);
    assert_int_equal(symlinkat("../../../../../../srv/real", root, "dev"), 0);
    assert_int_equal(mkdirat(root, "srv/real/null", 0755), 0);
    run_script(&o, "echo x >/dev/null && readlink /dev && ls /srv/real | wc -l");
    assert_int_equal(unlinkat(root, "dev", 0), 0);
    assert_int_equal(unlinkat(root, "srv/real/null", AT_REMOVEDIR), 0);
    assert_int_equal(renameat(root, "kept", root, "dev"), 0);
    assert_ok(o.rc, &o.error);
    assert_string_equal(o.out.buf, "../../../../../../srv/real\n14\n");
    assert_int_equal(faccessat(root, "srv/real/zero", F_OK, 0), -1);
}

/* The host's mount table is the same after all this, and no descriptor is left open. */
static int count_lines_of(const char *path)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    struct error err = { 0 };
    int lines = 0;
    assert_ok(fd_read_file(AT_FDCWD, path, 1 << 20, &text, &err), &err);
    for (const char *p = text.buf; *p; p++)
        lines += *p == '\n';
    return lines;
}

static void nothing_accumulates(void **state)
{
    (void)state;
    int mounts = count_lines_of("/proc/self/mountinfo");
    int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(before);
    for (int i = 0; i < 5; i++) {
        auto_(outcome) struct outcome o = OUTCOME_INIT;
        run_script(&o, "true");
        assert_ok(o.rc, &o.error);
    }
    int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(after);
    assert_int_equal(before, after);
    assert_int_equal(mounts, count_lines_of("/proc/self/mountinfo"));
}

static void unmapped_user(void **state)
{
    const char *argv[] = { "/bin/true", NULL };
    struct op_exec op = { .args = argv, .env = default_env, .cwd = "/", .user = "2147483646" };
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    (void)state;
    run_op(&o, &op, NULL);
    if (id_extents_has(&current->uids, 2147483646)) {
        assert_ok(o.rc, &o.error);
        return;
    }
    assert_non_null(o.error.hint);
    assert_error(o.rc, &o.error, ERROR_HOST, "2147483646");
}

static void much_output(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    (void)state;
    run_script(&o, "seq 1 150000; echo end >&2");
    assert_ok(o.rc, &o.error);
    assert_int_equal(o.out.len, 938895);
    assert_string_equal(o.out.buf + o.out.len - 7, "150000\n");
    assert_string_equal(o.err.buf, "end\n");
}

static void *raise_later(void *arg)
{
    struct timespec pause = { 0, 200 * 1000000L };
    nanosleep(&pause, NULL);
    cancel_raise(arg);
    return NULL;
}

static uint64_t run_cancelled(struct outcome *o, const char *script)
{
    const char *argv[] = { "/bin/sh", "-c", script, NULL };
    struct op_exec op = { .args = argv, .env = default_env, .cwd = "/", .user = "" };
    struct cancel cancel;
    struct error err = { 0 };
    pthread_t thread;
    assert_ok(cancel_init(&cancel, &err), &err);
    pthread_create(&thread, NULL, raise_later, &cancel);
    uint64_t start = clock_monotonic_ns();
    run_op(o, &op, &cancel);
    uint64_t took = (clock_monotonic_ns() - start) / 1000000;
    pthread_join(thread, NULL);
    cancel_release(&cancel);
    return took;
}

static void cancel_ends_it(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    (void)state;
    uint64_t took = run_cancelled(&o, "trap 'echo bye; exit 3' TERM; while :; do sleep 1; done");
    assert_error(o.rc, &o.error, ERROR_CANCELLED, "interrupted");
    assert_string_equal(o.out.buf, "bye\n");
    assert_true(took < 3000);
}

static void cancel_by_force(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    (void)state;
    uint64_t took = run_cancelled(&o, "trap '' TERM; while :; do sleep 1; done");
    assert_error(o.rc, &o.error, ERROR_CANCELLED, "interrupted");
    assert_in_range(took, 9900, 14000);
}

struct parallel {
    int number;
    bool ok;
};

static void *run_parallel(void *arg)
{
    struct parallel *p = arg;
    p->ok = true;
    for (int i = 0; i < 10; i++) {
        auto_(outcome) struct outcome o = OUTCOME_INIT;
        auto_free char *script = xasprintf("echo %d.%d; exit %d", p->number, i, p->number);
        auto_free char *expected = xasprintf("%d.%d\n", p->number, i);
        run_script(&o, script);
        p->ok = p->ok && o.rc == 0 && o.status == p->number && strcmp(o.out.buf, expected) == 0;
    }
    return NULL;
}

static void concurrent_runs(void **state)
{
    pthread_t threads[8];
    struct parallel runs[COUNT(threads)];
    (void)state;
    for (size_t i = 0; i < COUNT(threads); i++) {
        runs[i] = (struct parallel){ (int)i, false };
        pthread_create(&threads[i], NULL, run_parallel, &runs[i]);
    }
    for (size_t i = 0; i < COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
        assert_true(runs[i].ok);
    }
}

static _Noreturn void victim(int ready)
{
    struct executor *own = NULL;
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    if (sandbox_new(&(struct sandbox_options){ 0 }, &own, &o.error) < 0)
        _exit(1);
    executor = own;
    (void)!write(ready, "x", 1);
    run_script(&o, "sleep 31415 & (setsid sleep 31415 &); sleep 31415");
    _exit(o.rc == 0 ? 0 : 2);
}

static void wait_for_count(const char *text, bool some)
{
    for (int i = 0; i < 100; i++) {
        struct timespec pause = { 0, 50 * 1000000L };
        auto_free char *pattern = xasprintf("%s", text);
        const char *argv[] = { "pgrep", "-f", pattern, NULL };
        struct process_result result;
        struct error err = { 0 };
        assert_ok(process_run(argv, NULL, &result, &err), &err);
        bool found = result.out.len > 0;
        process_result_release(&result);
        if (found == some)
            return;
        nanosleep(&pause, NULL);
    }
    fail_msg("processes of the step %s", some ? "did not start" : "are left");
}

static pid_t start_victim(void)
{
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0)
        victim(ready[1]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    wait_for_count("sleep 31415", true);
    return pid;
}

static void killed_builder_leaves_nothing(void **state)
{
    (void)state;
    pid_t pid = start_victim();
    kill(pid, SIGKILL);
    process_wait(pid);
    wait_for_count("sleep 31415", false);
}

static void killed_zygote_leaves_nothing(void **state)
{
    (void)state;
    pid_t pid = start_victim();
    auto_free char *parent = xasprintf("%d", (int)pid);
    const char *argv[] = { "pkill", "-9", "-P", parent, NULL };
    struct process_result result;
    struct error err = { 0 };
    assert_ok(process_run(argv, NULL, &result, &err), &err);
    process_result_release(&result);
    assert_int_equal(process_wait(pid), 2);
    wait_for_count("sleep 31415", false);
}

static void options_are_used(void **state)
{
    struct executor *shared = executor;
    struct error err = { 0 };
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    (void)state;
    assert_ok(sandbox_new(&(struct sandbox_options){ .hostname = "other" }, &executor, &err), &err);
    run_script(&o, "hostname; grep other /etc/hosts");
    sandbox_free(executor);
    executor = shared;
    assert_ok(o.rc, &o.error);
    assert_string_equal(o.out.buf, "other\n127.0.0.1\tlocalhost other\n");
}

/* Not a test of correctness: prints what one step costs. */
static void measure(void **state)
{
    const char *argv[] = { "/bin/true", NULL };
    struct op_exec op = { .args = argv, .env = default_env, .cwd = "/", .user = "" };
    enum { ROUNDS = 50 };
    (void)state;
    uint64_t start = clock_monotonic_ns();
    for (int i = 0; i < ROUNDS; i++) {
        auto_(outcome) struct outcome o = OUTCOME_INIT;
        run_op(&o, &op, NULL);
        assert_ok(o.rc, &o.error);
    }
    uint64_t each_us = (clock_monotonic_ns() - start) / ROUNDS / 1000;
    print_message("%u runs of `true`: %u us each\n", (unsigned)ROUNDS, (unsigned)each_us);
}

static int run_group(const char *name)
{
    struct CMUnitTest tests[COUNT(cases) + 16];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (cases[i].many_ids && id_map_is_single(current))
            continue;
        tests[n++] = (struct CMUnitTest){ cases[i].name, run_case, NULL, NULL,
                                          (void *)(uintptr_t)&cases[i] };
    }
    const struct CMUnitTest others[] = {
        cmocka_unit_test(missing_program),
        cmocka_unit_test(program_of_path),
        cmocka_unit_test(bad_requests),
        cmocka_unit_test(unmapped_user),
        cmocka_unit_test(hostile_root),
        cmocka_unit_test(nothing_accumulates),
        cmocka_unit_test(much_output),
        cmocka_unit_test(cancel_ends_it),
        cmocka_unit_test(cancel_by_force),
        cmocka_unit_test(concurrent_runs),
        cmocka_unit_test(killed_builder_leaves_nothing),
        cmocka_unit_test(killed_zygote_leaves_nothing),
        cmocka_unit_test(options_are_used),
        cmocka_unit_test(measure),
    };
    for (size_t i = 0; i < COUNT(others); i++)
        tests[n++] = others[i];
    return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

/* Inside the namespace: 0:0, one thread. */
static int suite(void *arg)
{
    struct error err = { 0 };
    auto_close int root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return 1;
    busybox_root_build(root);
    if (sandbox_new(&(struct sandbox_options){ 0 }, &executor, &err) < 0) {
        print_error("%s\n", err.message);
        return 1;
    }
    int failed = run_group(arg);
    sandbox_free(executor);
    test_tmpdir_remove(root_path); /* here, where the owners of its files are known */
    return failed != 0;
}

static int run_suite(const struct id_map *map, const char *title)
{
    struct error err = { 0 };
    int status = 1;
    auto_free char *name = xstrdup(title);
    root_path = test_tmpdir();
    current = map;
    if (chmod(root_path, 0755) < 0 ||
        (geteuid() == 0 &&
         chown(root_path, map->uids.items[0].outside, map->gids.items[0].outside) < 0))
        return 1;
    if (userns_run(map, &(struct userns_job){ .fn = suite, .arg = (void *)name }, NULL, &status,
                   &err) < 0) {
        print_error("%s: %s (%s)\n", name, err.message, err.hint ? err.hint : "");
        error_clear(&err);
        status = 1;
    }
    free(root_path);
    return status;
}

int main(int argc, char **argv)
{
    if (strcmp(argv[0], SANDBOX_ZYGOTE_NAME) == 0)
        return sandbox_zygote_main(argc, argv);
    struct error err = { 0 };
    auto_(id_map) struct id_map own = { 0 };
    auto_(id_map) struct id_map single = { 0 };
    auto_(id_map) struct id_map many = { 0 };
    bool is_root = geteuid() == 0;
    int failed = 0;
    if (access(BUSYBOX, X_OK) < 0) {
        print_error("not installed: " BUSYBOX " (package busybox-static)\n");
        return 1;
    }
    if (id_map_for_user(geteuid(), getegid(), &own, &err) < 0)
        return 1;
    id_extents_append(&single.uids, is_root ? 61000 : geteuid(), 1);
    id_extents_append(&single.gids, is_root ? 61000 : getegid(), 1);
    failed += run_suite(&own, "sandbox, own map");
    failed += run_suite(&single, "sandbox, single id");
    if (is_root) {
        id_extents_append(&many.uids, 61000, 1);
        id_extents_append(&many.uids, 700000, 65536);
        id_extents_append(&many.gids, 61000, 1);
        id_extents_append(&many.gids, 700000, 65536);
        failed += run_suite(&many, "sandbox, sub-ids");
    }
    return failed != 0;
}
