/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_bench: one COPY on fakes: a context, a root it lands on, a second context that stands for
 * another input, and what was written as lines.
 *
 *     struct copy_bench *b = *state;                 copy_bench_setup, copy_bench_teardown
 *     tree_make(b->context_fd, "d 0755 dir\nf 0644 dir/file text\nl dir/link file\n");
 *     copy_bench_run(b, &op, &err)                   b->written.buf: "f 0644 0:0 dest/file =text\n"
 */
#ifndef TESTS_SUPPORT_COPY_BENCH_H
#define TESTS_SUPPORT_COPY_BENCH_H

#include "lib/base/strbuf.h"
#include "lib/solver/solver.h"
#include "tests/support/fake_snapshotter.h"

struct copy_bench {
    char *path;
    struct store store;
    int root_fd, context_fd, other_fd, scratch_fd;
    struct graph graph;
    struct fake_snapshotter snapshotter;
    struct fake_executor executor;
    struct thread_pool *pool;
    struct cancel cancel;
    struct local_context contexts[2]; /* "context" is input 1, "other" input 2 */
    bool no_cache, on_scratch;
    size_t runs;           /* makes the root of each run another one */
    bool root_is_new;      /* the next run has another root, with the same files */
    bool cached;           /* nothing was left to run */
    struct strbuf written; /* by the last run; sorted by nothing: as written */
};

int copy_bench_setup(void **state);
int copy_bench_teardown(void **state);
/* Solves an OP_COPY with both contexts as inputs. */
int copy_bench_run(struct copy_bench *b, const struct op_copy *op, struct error *err) MUST_CHECK;

/* Makes files: "d MODE PATH", "f MODE PATH TEXT", "l PATH TARGET", "h PATH FIRST", "p PATH", a line
 * each. */
void tree_make(int fd, const char *lines);

#endif
