/* SPDX-License-Identifier: Apache-2.0 */
/* The solver on fakes: order, overlap, errors, cache. No mounts, no privileges. */
#include "lib/solver/solver.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "tests/support/fake_snapshotter.h"
#include "tests/support/test.h"

/* One build host: a store, a root, a context. */
struct bench {
    char *path;
    struct store store;
    int root_fd, context_fd;
    struct graph graph;
    struct fake_snapshotter snapshotter;
    struct fake_executor executor;
    struct thread_pool *pool;
    struct cancel cancel;
    struct local_context context;
};

static int setup(void **state)
{
    struct error err = { 0 };
    struct bench *b = xcalloc(1, sizeof *b);
    b->path = test_tmpdir();
    auto_free char *store = xasprintf("%s/store", b->path);
    auto_close int dir = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mkdirat(dir, "root", 0755);
    mkdirat(dir, "context", 0755);
    test_write_file(dir, "context/file", "one");
    b->root_fd = openat(dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    b->context_fd = openat(dir, "context", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(store_open(&b->store, store, &err), &err);
    assert_ok(store_lease(&b->store, &err), &err);
    assert_ok(cancel_init(&b->cancel, &err), &err);
    fake_snapshotter_init(&b->snapshotter, &b->store, b->root_fd);
    fake_executor_init(&b->executor);
    b->pool = thread_pool_new(16);
    b->context = (struct local_context){ "context", "/context", b->context_fd, NULL };
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
    close(b->context_fd);
    test_tmpdir_remove(b->path);
    free(b);
    return 0;
}

static struct vertex *add_run(struct bench *b, struct vertex *root, const char *what,
                              const char *name)
{
    const char **args = arena_alloc(&b->graph.arena, 3, sizeof *args);
    static const char *const no_env[] = { NULL };
    args[0] = what;
    args[1] = name;
    struct vertex v = { .kind = OP_EXEC,
                        .name = name,
                        .where = { .line = 7, .end_line = 7 },
                        .inputs = VERTICES(root),
                        .input_count = 1,
                        .exec = { .args = args, .env = no_env, .cwd = "/", .user = "" } };
    return graph_add(&b->graph, &v);
}

static struct vertex *add_copy(struct bench *b, struct vertex *root, struct vertex *from,
                               const char *source)
{
    struct copy_source *sources = arena_alloc(&b->graph.arena, 1, sizeof *sources);
    sources[0] = (struct copy_source){ .input = 1, .path = source };
    struct vertex v = { .kind = OP_COPY,
                        .name = "COPY",
                        .inputs = VERTICES(root, from),
                        .input_count = 2,
                        .copy = { .sources = sources, .source_count = 1, .dest = "/dest/" } };
    return graph_add(&b->graph, &v);
}

static struct vertex *add_context(struct bench *b)
{
    struct vertex v = { .kind = OP_LOCAL, .name = "context", .local = { "context" } };
    return graph_add(&b->graph, &v);
}

static struct solver *new_solver(struct bench *b, bool no_cache)
{
    for (size_t i = 0; i < b->graph.count; i++)
        b->graph.vertices[i]->no_cache = no_cache;
    struct solver_options options = { .graph = &b->graph,
                                      .store = &b->store,
                                      .contexts = &b->context,
                                      .context_count = 1,
                                      .cancel = &b->cancel };
    return solver_new(&options);
}

/* Plans and runs; what ran is in b->executor.ran. */
static int solve(struct bench *b, const struct vertex *target, bool no_cache, bool *out_complete,
                 struct error *err)
{
    auto_(solver) struct solver *s = new_solver(b, no_cache);
    struct solver_workers workers = { &b->snapshotter.base, &b->executor.base, b->pool };
    strvec_release(&b->executor.ran);
    strvec_release(&b->snapshotter.entries);
    TRY(solver_plan(s, target, out_complete, err));
    if (!*out_complete)
        TRY(solver_run(s, target, &workers, err));
    assert_true(solver_result(s, target)->layers.count > 0);
    return 0;
}

static void a_chain_runs_in_order(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool complete = false;
    struct vertex *one = add_run(b, NULL, "ok", "one");
    struct vertex *two = add_run(b, one, "ok", "two");
    struct vertex *three = add_run(b, two, "ok", "three");
    add_run(b, one, "ok", "not needed");
    assert_ok(solve(b, three, false, &complete, &err), &err);
    assert_false(complete);
    assert_int_equal(b->executor.ran.count, 3);
    assert_string_equal(b->executor.ran.items[0], "one");
    assert_string_equal(b->executor.ran.items[1], "two");
    assert_string_equal(b->executor.ran.items[2], "three");
    assert_ok(solve(b, three, false, &complete, &err), &err);
    assert_true(complete);
    assert_int_equal(b->executor.ran.count, 0);
    assert_ok(solve(b, three, true, &complete, &err), &err);
    assert_false(complete);
    assert_int_equal(b->executor.ran.count, 3);
}

static void a_changed_step_runs_with_all_above_it(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool complete = false;
    struct vertex *one = add_run(b, NULL, "ok", "one");
    assert_ok(
        solve(b, add_run(b, add_run(b, one, "ok", "two"), "ok", "three"), false, &complete, &err),
        &err);
    struct vertex *other = add_run(b, add_run(b, one, "ok", "other"), "ok", "three");
    assert_ok(solve(b, other, false, &complete, &err), &err);
    assert_int_equal(b->executor.ran.count, 2);
    assert_string_equal(b->executor.ran.items[0], "other");
}

static void independent_steps_overlap(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool complete = false;
    struct vertex *left = add_run(b, NULL, "meet", "left");
    struct vertex *right = add_run(b, NULL, "meet", "right");
    b->executor.together = 2;
    test_write_file(b->root_fd, "file", "in the stage");
    assert_ok(solve(b, add_copy(b, left, right, "file"), false, &complete, &err), &err);
    assert_int_equal(b->executor.ran.count, 2);
}

static void the_first_error_wins_and_cancels(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool complete = false;
    struct vertex *bad = add_run(b, NULL, "fail", "bad");
    struct vertex *slow = add_run(b, NULL, "wait", "slow");
    struct vertex *above = add_run(b, slow, "ok", "never");
    struct vertex *target = add_copy(b, above, bad, "file");
    int rc = solve(b, target, false, &complete, &err);
    assert_int_equal(err.where.line, 7);
    assert_string_equal(err.detail, "said");
    assert_error(rc, &err, ERROR_RUN_FAILED,
                 "process \"fail bad\" did not complete successfully: "
                 "exit code: 3");
    for (size_t i = 0; i < b->executor.ran.count; i++)
        assert_string_not_equal(b->executor.ran.items[i], "never");
    assert_true(cancel_is_raised(&b->cancel));
}

static void a_failed_step_is_not_remembered(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool complete = false;
    struct vertex *good = add_run(b, NULL, "ok", "good");
    struct vertex *bad = add_run(b, good, "fail", "bad");
    assert_error(solve(b, bad, false, &complete, &err), &err, ERROR_RUN_FAILED, "fail bad");
    cancel_release(&b->cancel);
    assert_ok(cancel_init(&b->cancel, &err), &err);
    assert_error(solve(b, bad, false, &complete, &err), &err, ERROR_RUN_FAILED, "fail bad");
    assert_int_equal(b->executor.ran.count, 1);
    assert_string_equal(b->executor.ran.items[0], "bad");
}

static void a_raised_cancel_starts_nothing(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool complete = false;
    cancel_raise(&b->cancel);
    assert_error(solve(b, add_run(b, NULL, "ok", "x"), false, &complete, &err), &err,
                 ERROR_CANCELLED, "interrupted");
    assert_int_equal(b->executor.ran.count, 0);
}

static void contexts_count_by_content(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool complete = false;
    struct vertex *copy = add_copy(b, NULL, add_context(b), "file");
    assert_ok(solve(b, copy, false, &complete, &err), &err);
    assert_true(b->snapshotter.entries.count > 0);
    test_write_file(b->context_fd, "other", "not copied");
    assert_int_equal(unlinkat(b->context_fd, "file", 0), 0);
    test_write_file(b->context_fd, "file", "one");
    assert_ok(solve(b, copy, false, &complete, &err), &err);
    assert_true(complete);
    test_write_file(b->context_fd, "file", "two");
    assert_ok(solve(b, copy, false, &complete, &err), &err);
    assert_false(complete);
    assert_int_equal(fchmodat(b->context_fd, "file", 0755, 0), 0);
    assert_ok(solve(b, copy, false, &complete, &err), &err);
    assert_false(complete);
    assert_error(solve(b, add_copy(b, NULL, add_context(b), "none"), false, &complete, &err), &err,
                 ERROR_NOT_FOUND, "none");
}

/* A COPY depends on facts of its root, not on the layers below: the step under it ran anew, and its
 * layer is found by its result key. */
static void a_copy_survives_a_new_root(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool complete = false;
    struct vertex *local = add_context(b);
    assert_ok(
        solve(b, add_copy(b, add_run(b, NULL, "ok", "one"), local, "file"), false, &complete, &err),
        &err);
    assert_true(b->snapshotter.entries.count > 0);
    assert_ok(
        solve(b, add_copy(b, add_run(b, NULL, "ok", "two"), local, "file"), false, &complete, &err),
        &err);
    assert_int_equal(b->executor.ran.count, 1);
    assert_int_equal(b->snapshotter.entries.count, 0);
}

/* A linked copy lands on nothing: it is made once, whatever root it is laid on. */
static void a_linked_copy_is_made_once(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool complete = false;
    struct vertex *copy = add_copy(b, NULL, add_context(b), "file");
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = { "one", "two", "two" };
        struct vertex merge = { .kind = OP_MERGE,
                                .name = "LINK",
                                .inputs = VERTICES(add_run(b, NULL, "ok", names[i]), copy),
                                .input_count = 2 };
        struct vertex *above = add_run(b, graph_add(&b->graph, &merge), "ok", "above");
        assert_ok(solve(b, above, false, &complete, &err), &err);
        assert_int_equal(complete, i == 2);
        assert_int_equal(b->executor.ran.count, i == 2 ? 0 : 2);
        assert_int_equal(b->snapshotter.entries.count > 0, i == 0);
    }
}

/* The ways from the target to the first step are 2 to the power of 40. */
static void stages_on_stages_are_planned_at_once(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    bool complete = false;
    struct vertex *stage = add_run(b, NULL, "ok", "one");
    for (int i = 0; i < 40; i++)
        stage = add_copy(b, stage, stage, "file");
    auto_(solver) struct solver *s = new_solver(b, false);
    assert_ok(solver_plan(s, stage, &complete, &err), &err);
    assert_false(complete);
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_chain_runs_in_order),
        BENCH_TEST(a_changed_step_runs_with_all_above_it),
        BENCH_TEST(independent_steps_overlap),
        BENCH_TEST(the_first_error_wins_and_cancels),
        BENCH_TEST(a_failed_step_is_not_remembered),
        BENCH_TEST(a_raised_cancel_starts_nothing),
        BENCH_TEST(contexts_count_by_content),
        BENCH_TEST(a_copy_survives_a_new_root),
        BENCH_TEST(a_linked_copy_is_made_once),
        BENCH_TEST(stages_on_stages_are_planned_at_once),
    };
    return cmocka_run_group_tests_name("solver", tests, NULL, NULL);
}
