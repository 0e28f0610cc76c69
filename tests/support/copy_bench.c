/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/copy_bench.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "tests/support/test.h"

static int make_dir(int dir, const char *name)
{
    mkdirat(dir, name, 0755);
    return openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int copy_bench_setup(void **state)
{
    struct error err = { 0 };
    struct copy_bench *b = xcalloc(1, sizeof *b);
    b->path = test_tmpdir();
    auto_free char *store = xasprintf("%s/store", b->path);
    auto_close int dir = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    b->root_fd = make_dir(dir, "root");
    b->context_fd = make_dir(dir, "context");
    b->other_fd = make_dir(dir, "other");
    b->scratch_fd = make_dir(dir, "scratch");
    assert_ok(store_open(&b->store, store, &err), &err);
    assert_ok(store_lease(&b->store, &err), &err);
    assert_ok(cancel_init(&b->cancel, &err), &err);
    fake_snapshotter_init(&b->snapshotter, &b->store, b->root_fd);
    b->snapshotter.scratch_fd = b->scratch_fd;
    fake_executor_init(&b->executor);
    b->pool = thread_pool_new(2);
    b->contexts[0] = (struct local_context){ "context", "/context", b->context_fd, NULL };
    b->contexts[1] = (struct local_context){ "other", "/other", b->other_fd, NULL };
    b->written = (struct strbuf)STRBUF_INIT;
    *state = b;
    return 0;
}

int copy_bench_teardown(void **state)
{
    struct copy_bench *b = *state;
    assert_int_equal(b->snapshotter.open, 0);
    thread_pool_free(b->pool);
    fake_snapshotter_release(&b->snapshotter);
    fake_executor_release(&b->executor);
    graph_release(&b->graph);
    cancel_release(&b->cancel);
    store_close(&b->store);
    strbuf_release(&b->written);
    close(b->root_fd);
    close(b->context_fd);
    close(b->other_fd);
    close(b->scratch_fd);
    test_tmpdir_remove(b->path);
    free(b);
    return 0;
}

static struct vertex *add_context(struct copy_bench *b, const char *name)
{
    struct vertex v = { .kind = OP_LOCAL, .name = name, .local = { name } };
    return graph_add(&b->graph, &v);
}

/* The root is a step's, so that it is no empty one. */
static struct vertex *add_root(struct copy_bench *b)
{
    static const char *const no_env[] = { NULL };
    const char **args = arena_alloc(&b->graph.arena, 3, sizeof *args);
    args[0] = "ok";
    args[1] = arena_printf(&b->graph.arena, "root %zu", b->runs);
    struct vertex v = { .kind = OP_EXEC,
                        .name = "root",
                        .inputs = VERTICES(NULL),
                        .input_count = 1,
                        .exec = { .args = args, .env = no_env, .cwd = "/", .user = "" } };
    return graph_add(&b->graph, &v);
}

/* What the tests make belongs to whoever runs them; that is shown as 0:0. */
static void show_lines(struct copy_bench *b)
{
    auto_free char *mine = xasprintf(" %u:%u ", (unsigned)geteuid(), (unsigned)getegid());
    strbuf_clear(&b->written);
    for (size_t i = 0; i < b->snapshotter.lines.count; i++) {
        const char *line = b->snapshotter.lines.items[i];
        const char *at = strstr(line, mine);
        if (at)
            strbuf_addf(&b->written, "%.*s 0:0 %s\n", (int)(at - line), line, at + strlen(mine));
        else
            strbuf_addf(&b->written, "%s\n", line);
    }
}

static int solve(struct copy_bench *b, const struct vertex *target, struct error *err)
{
    struct solver_options options = { .graph = &b->graph,
                                      .store = &b->store,
                                      .contexts = b->contexts,
                                      .context_count = COUNT(b->contexts),
                                      .cancel = &b->cancel };
    struct solver_workers workers = { &b->snapshotter.base, &b->executor.base, b->pool };
    auto_(solver) struct solver *s = solver_new(&options);
    TRY(solver_plan(s, target, &b->cached, err));
    return b->cached ? 0 : solver_run(s, target, &workers, err);
}

int copy_bench_run(struct copy_bench *b, const struct op_copy *op, struct error *err)
{
    if (b->root_is_new)
        b->runs++;
    struct vertex v = { .kind = OP_COPY,
                        .name = "COPY",
                        .inputs = VERTICES(b->on_scratch ? NULL : add_root(b),
                                           add_context(b, "context"), add_context(b, "other")),
                        .input_count = 3,
                        .no_cache = b->no_cache,
                        .copy = *op };
    strvec_release(&b->snapshotter.entries);
    strvec_release(&b->snapshotter.lines);
    int rc = solve(b, graph_add(&b->graph, &v), err);
    if (cancel_is_raised(&b->cancel)) {
        struct error ignored = { 0 };
        cancel_release(&b->cancel);
        assert_ok(cancel_init(&b->cancel, &ignored), &ignored);
    }
    show_lines(b);
    return rc;
}

static char *next_word(struct str *line)
{
    struct str word = str_cut(line, ' ');
    return xstrndup(word.ptr, word.len);
}

static int make_one(int fd, struct str line)
{
    auto_free char *kind = next_word(&line);
    auto_free char *mode = strchr("df", *kind) ? next_word(&line) : xstrdup("0644");
    auto_free char *path = next_word(&line);
    auto_free char *rest = xstrndup(line.ptr, line.len);
    mode_t bits = (mode_t)strtoul(mode, NULL, 8);
    switch (*kind) {
    case 'd':
        if (mkdirat(fd, path, 0755) < 0)
            return -1;
        return fchmodat(fd, path, bits, 0);
    case 'f': test_write_file(fd, path, rest); return fchmodat(fd, path, bits, 0);
    case 'l': return symlinkat(rest, fd, path);
    case 'h': return linkat(fd, rest, fd, path, 0);
    case 'p': return mkfifoat(fd, path, 0644);
    default: return -1;
    }
}

void tree_make(int fd, const char *lines)
{
    struct str rest = str_of(lines ? lines : "");
    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        if (line.len && make_one(fd, line) < 0)
            fail_msg("cannot make %.*s", (int)line.len, line.ptr);
    }
}
