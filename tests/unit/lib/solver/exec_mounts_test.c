/* SPDX-License-Identifier: Apache-2.0 */
/* What steps mount, on fakes: which sources, when a change of them runs a step again, caches,
 * secrets, agents. */
#include "lib/solver/solver.h"

#include "tests/support/fake_snapshotter.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/fs/dir.h"
#include "lib/solver/ssh_proxy.h"

struct bench {
    char *path;
    struct store store;
    int root_fd;
    struct graph graph;
    struct fake_snapshotter snapshotter;
    struct fake_executor executor;
    struct thread_pool *pool;
    struct cancel cancel;
    struct lent lent;
    struct strbuf seen; /* a line for each source of each step */
};

static void look(void *arg, const struct exec_request *request)
{
    struct bench *b = arg;
    for (size_t i = 0; i < request->op->mount_count; i++) {
        const struct exec_source *s = &request->sources[i];
        strbuf_addf(&b->seen, "%s%s%s%.*s%s\n", s->absent ? "absent" : "", s->is_dir ? "dir " : "",
                    s->path ? s->path : "", (int)s->size, s->data ? s->data : "",
                    s->fd >= 0 ? " open" : "");
    }
}

static int setup(void **state)
{
    struct error err = { 0 };
    struct bench *b = xcalloc(1, sizeof *b);
    b->path = test_tmpdir();
    b->seen = (struct strbuf)STRBUF_INIT;
    auto_free char *store = xasprintf("%s/store", b->path);
    auto_close int dir = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mkdirat(dir, "root", 0755);
    b->root_fd = openat(dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mkdirat(b->root_fd, "sub", 0755);
    test_write_file(b->root_fd, "sub/file", "one");
    (void)!symlinkat("sub/file", b->root_fd, "link");
    assert_ok(store_open(&b->store, store, &err), &err);
    assert_ok(store_lease(&b->store, &err), &err);
    assert_ok(cancel_init(&b->cancel, &err), &err);
    fake_snapshotter_init(&b->snapshotter, &b->store, b->root_fd);
    fake_executor_init(&b->executor);
    b->executor.look = look;
    b->executor.look_arg = b;
    b->pool = thread_pool_new(8);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    assert_int_equal(b->snapshotter.open, 0);
    thread_pool_free(b->pool);
    fake_snapshotter_release(&b->snapshotter);
    fake_executor_release(&b->executor);
    graph_release(&b->graph);
    cancel_release(&b->cancel);
    store_close(&b->store);
    close(b->root_fd);
    strbuf_release(&b->seen);
    test_tmpdir_remove(b->path);
    free(b);
    return 0;
}

static const char *const no_env[] = { NULL };

static struct vertex *add_run(struct bench *b, const char *what, const char *name,
                              struct vertex *from, const struct exec_mount *mounts, size_t count)
{
    const char **args = arena_alloc(&b->graph.arena, 3, sizeof *args);
    args[0] = what;
    args[1] = name;
    struct vertex v = {
        .kind = OP_EXEC,
        .name = name,
        .where = { .line = 3, .end_line = 3 },
        .inputs = VERTICES(NULL, from),
        .input_count = from ? 2 : 1,
        .exec = { .args = args, .env = no_env, .cwd = "/", .mounts = mounts, .mount_count = count }
    };
    return graph_add(&b->graph, &v);
}

static int solve(struct bench *b, const struct vertex *target, struct error *err)
{
    bool complete = false;
    struct solver_options options = {
        .graph = &b->graph, .store = &b->store, .cancel = &b->cancel, .lent = &b->lent
    };
    auto_(solver) struct solver *s = solver_new(&options);
    struct solver_workers workers = { &b->snapshotter.base, &b->executor.base, b->pool };
    strvec_release(&b->executor.ran);
    strbuf_clear(&b->seen);
    TRY(solver_plan(s, target, &complete, err));
    return complete ? 0 : solver_run(s, target, &workers, err);
}

static bool ran(const struct bench *b, const char *name)
{
    for (size_t i = 0; i < b->executor.ran.count; i++) {
        if (strcmp(b->executor.ran.items[i], name) == 0)
            return true;
    }
    return false;
}

/* The step runs again when what it mounts has changed, and only then. */
static void binds_count_by_content(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    static const struct exec_mount mounts[] = {
        { .type = EXEC_MOUNT_BIND, .target = "/a", .input = 1, .source = "/sub" },
        { .type = EXEC_MOUNT_BIND,
          .target = "/b",
          .input = 1,
          .source = "/link",
          .writable = true },
        { .type = EXEC_MOUNT_BIND, .target = "/c", .source = "/" },
    };
    struct vertex *one = add_run(b, "ok", "one", NULL, NULL, 0);
    struct vertex *two = add_run(b, "ok", "two", NULL, NULL, 0);
    struct vertex *three = add_run(b, "ok", "three", NULL, NULL, 0);
    assert_ok(solve(b, add_run(b, "ok", "step", one, mounts, 3), &err), &err);
    assert_true(ran(b, "one") && ran(b, "step"));
    assert_non_null(strstr(b->seen.buf, "dir sub open\nsub/file open\ndir  open\n"));
    assert_ok(solve(b, add_run(b, "ok", "step", one, mounts, 3), &err), &err);
    assert_int_equal(b->executor.ran.count, 0);
    assert_ok(solve(b, add_run(b, "ok", "step", two, mounts, 3), &err), &err);
    assert_true(ran(b, "two") && !ran(b, "step"));
    assert_int_equal(fchmodat(b->root_fd, "sub", 0700, 0), 0);
    assert_ok(solve(b, add_run(b, "ok", "step", three, mounts, 3), &err), &err);
    assert_true(ran(b, "three") && ran(b, "step"));
}

static void a_missing_source_is_named(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    static const struct exec_mount mounts[] = {
        { .type = EXEC_MOUNT_BIND, .target = "/a", .input = 1, .source = "/sub/fil" }
    };
    struct vertex *one = add_run(b, "ok", "one", NULL, NULL, 0);
    int rc = solve(b, add_run(b, "ok", "step", one, mounts, 1), &err);
    assert_int_equal(err.where.line, 3);
    assert_string_equal(err.hint, "did you mean /sub/file?");
    assert_error(rc, &err, ERROR_NOT_FOUND,
                 "--mount=type=bind,source=/sub/fil,target=/a: \"/sub/fil\": not found");
}

static struct lent_secret password = { (char *)"password", (char *)"hunter2", 7 };

static void secrets(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    static const struct exec_mount lent[] = {
        { .type = EXEC_MOUNT_SECRET, .target = "/a", .id = "password", .required = true },
        { .type = EXEC_MOUNT_SECRET, .target = "/b", .id = "other" },
        { .type = EXEC_MOUNT_SSH, .target = "/c", .id = "default" },
    };
    static const struct exec_mount required[] = {
        { .type = EXEC_MOUNT_SECRET, .env = "X", .id = "other", .required = true }
    };
    static const struct exec_mount agent[] = {
        { .type = EXEC_MOUNT_SSH, .target = "/c", .id = "default", .required = true }
    };
    b->lent = (struct lent){ .secrets = &password, .secret_count = 1 };
    assert_ok(solve(b, add_run(b, "ok", "step", NULL, lent, 3), &err), &err);
    assert_string_equal(b->seen.buf, "hunter2\nabsent\nabsent\n");
    password.data = (char *)"changed";
    assert_ok(solve(b, add_run(b, "ok", "step", NULL, lent, 3), &err), &err);
    assert_int_equal(b->executor.ran.count, 0);
    assert_error(solve(b, add_run(b, "ok", "step", NULL, required, 1), &err), &err, ERROR_NOT_FOUND,
                 "secret other: not found");
    cancel_release(&b->cancel);
    assert_ok(cancel_init(&b->cancel, &err), &err);
    assert_error(solve(b, add_run(b, "ok", "step", NULL, agent, 1), &err), &err, ERROR_NOT_FOUND,
                 "no SSH key \"default\" forwarded from the client");
}

/* What the steps leave in their caches, by hand. */
static void leave_mark(void *arg, const struct exec_request *request)
{
    struct bench *b = arg;
    for (size_t i = 0; i < request->op->mount_count; i++) {
        int fd = request->sources[i].fd;
        strbuf_addf(&b->seen, "%s%s ", faccessat(fd, "mark", F_OK, 0) == 0 ? "marked" : "new",
                    faccessat(fd, "file", F_OK, 0) == 0 ? "+file" : "");
        (void)!mkdirat(fd, "mark", 0755);
    }
}

static void caches(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    const struct exec_mount cache = { .type = EXEC_MOUNT_CACHE,
                                      .target = "/a",
                                      .id = "id",
                                      .mode = 0755,
                                      .uid = getuid(),
                                      .gid = getgid(),
                                      .writable = true };
    struct exec_mount twice[] = { cache, cache };
    struct exec_mount other[] = { cache, cache };
    twice[1].target = "/b";
    twice[1].sharing = CACHE_LOCKED;
    other[0].input = 1;
    other[0].source = "/sub";
    b->executor.look = leave_mark;
    struct vertex *one = add_run(b, "ok", "one", NULL, twice, 2);
    struct vertex *two = add_run(b, "ok", "two", one, other, 2);
    assert_ok(solve(b, two, &err), &err);
    assert_string_equal(b->seen.buf, "new marked new+file marked ");
    struct vertex *anew = add_run(b, "ok", "three", NULL, twice, 2);
    anew->no_cache = true;
    assert_ok(solve(b, anew, &err), &err);
    assert_string_equal(b->seen.buf, "new marked ");
}

static void locked_steps_take_turns(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    struct exec_mount locked[] = { { .type = EXEC_MOUNT_CACHE,
                                     .target = "/a",
                                     .id = "x",
                                     .sharing = CACHE_LOCKED,
                                     .mode = 0755,
                                     .uid = getuid(),
                                     .gid = getgid() },
                                   { .type = EXEC_MOUNT_CACHE,
                                     .target = "/b",
                                     .id = "y",
                                     .sharing = CACHE_LOCKED,
                                     .mode = 0755,
                                     .uid = getuid(),
                                     .gid = getgid() } };
    struct exec_mount swapped[] = { locked[1], locked[0] };
    struct vertex *inputs[9] = { NULL };
    for (size_t i = 1; i < COUNT(inputs); i++) {
        char *name = arena_strdup(&b->graph.arena, "step 0");
        name[5] = (char)('0' + i);
        inputs[i] = add_run(b, "ok", name, NULL, i % 2 ? locked : swapped, 2);
    }
    static const char *const args[] = { "ok", "join", NULL };
    struct vertex join = { .kind = OP_EXEC,
                           .name = "join",
                           .inputs = inputs,
                           .input_count = COUNT(inputs),
                           .exec = { .args = args, .env = no_env, .cwd = "/" } };
    assert_ok(solve(b, graph_add(&b->graph, &join), &err), &err);
    assert_int_equal(b->executor.ran.count, COUNT(inputs));
}

/* An agent of two answers: keys, signatures. Anything else it never gets to see. */
struct agent {
    int listener;
    unsigned char asked[8];
    size_t count;
};

static void *agent_main(void *arg)
{
    struct agent *a = arg;
    unsigned char message[64];
    auto_close int fd = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC);
    while (fd >= 0 && fd_read_full(fd, message, 4) == 4 &&
           fd_read_full(fd, message + 4, message[3]) == message[3]) {
        a->asked[a->count++] = message[4];
        message[4]++;
        if (write(fd, message, 4U + message[3]) < 0)
            break;
    }
    return NULL;
}

static int connect_fd(int socket_fd)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", socket_fd);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (void *)&address, sizeof address), 0);
    return fd;
}

static unsigned char ask(int fd, unsigned char type)
{
    const unsigned char question[] = { 0, 0, 0, 3, type, 7, 7 };
    unsigned char answer[16] = { 0 };
    assert_int_equal(write(fd, question, sizeof question), sizeof question);
    assert_int_equal(fd_read_full(fd, answer, 4), 4);
    assert_int_equal(fd_read_full(fd, answer + 4, answer[3]), answer[3]);
    return answer[4];
}

static void agents_are_guarded(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    struct agent a = { 0 };
    struct stat st;
    struct ssh_proxy *proxy = NULL;
    pthread_t thread;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s/agent", b->path);
    a.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(a.listener, (void *)&address, sizeof address), 0);
    assert_int_equal(listen(a.listener, 1), 0);
    pthread_create(&thread, NULL, agent_main, &a);
    assert_ok(ssh_proxy_start(b->store.scratch_fd, address.sun_path, 0620, getuid(), getgid(),
                              &proxy, &err),
              &err);
    assert_int_equal(fstat(ssh_proxy_fd(proxy), &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0620);
    auto_close int fd = connect_fd(ssh_proxy_fd(proxy));
    assert_int_equal(ask(fd, 11), 12);
    assert_int_equal(ask(fd, 17), 5); /* add a key */
    assert_int_equal(ask(fd, 27), 5); /* an extension */
    assert_int_equal(ask(fd, 13), 14);
    auto_close int greedy = connect_fd(ssh_proxy_fd(proxy));
    const unsigned char endless[] = { 0xff, 0xff, 0xff, 0xff, 11 };
    unsigned char byte = 0;
    assert_int_equal(write(greedy, endless, sizeof endless), sizeof endless);
    assert_true(read(greedy, &byte, 1) <= 0);
    auto_close int idle = connect_fd(ssh_proxy_fd(proxy));
    ssh_proxy_stop(proxy);
    assert_true(read(idle, &byte, 1) <= 0);
    close(a.listener);
    pthread_join(thread, NULL);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.asked[0], 11);
    assert_int_equal(a.asked[1], 13);
    auto_(strvec) struct strvec left = { 0 };
    assert_ok(dir_list(b->store.scratch_fd, ".", &left, &err), &err);
    assert_int_equal(left.count, 0);
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(binds_count_by_content),
        BENCH_TEST(a_missing_source_is_named),
        BENCH_TEST(secrets),
        BENCH_TEST(caches),
        BENCH_TEST(locked_steps_take_turns),
        BENCH_TEST(agents_are_guarded),
    };
    return cmocka_run_group_tests_name("exec_mounts", tests, NULL, NULL);
}
