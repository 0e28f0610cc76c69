/* SPDX-License-Identifier: Apache-2.0 */
/* layer_bench: a store with layers in it, trees and blobs. */
#ifndef TESTS_SUPPORT_LAYER_BENCH_H
#define TESTS_SUPPORT_LAYER_BENCH_H

#include "lib/layer/face.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

struct layer_bench {
    struct test_dir *dir;
    struct store store;
    struct snapshotter *snapshotter; /* native */
    struct thread_pool *pool;
};
int layer_bench_setup(void **state);
int layer_bench_teardown(void **state);
/* Skips the test if the caller is not root: trees need owners and device nodes. */
void layer_bench_need_root(void);

/* Without an epoch; blobs are gzip, if somebody sets `pack`. */
struct face_options layer_bench_faces(const struct layer_bench *b);

/* Fills the directory `fd` with files of all kinds, `depth` levels of them: hard links, attributes,
 * odd names, odd times. */
void random_files(struct random *r, int fd, size_t depth);
/* Writes all that is below `fd`, in order, as COPY would. */
int layer_bench_write(int fd, struct layer_writer *to, struct error *err) MUST_CHECK;

#endif
