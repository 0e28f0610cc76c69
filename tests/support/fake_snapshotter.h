/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_snapshotter and fake_executor: the solver's two seams without mounts and privileges. A layer
 * is a committed, empty tree of a real store; every root is one directory of the caller's, and that
 * of no layers may be another.
 */
#ifndef TESTS_SUPPORT_FAKE_SNAPSHOTTER_H
#define TESTS_SUPPORT_FAKE_SNAPSHOTTER_H

#include <pthread.h>

#include "lib/base/strvec.h"
#include "lib/layer/snapshotter.h"
#include "lib/solver/executor.h"
#include "lib/store/store.h"

struct fake_snapshotter {
    struct snapshotter base;
    const struct store *store;
    int root_fd;    /* what every snapshot shows; borrowed */
    int scratch_fd; /* what one without layers shows; 0: the same; borrowed */
    pthread_mutex_t lock;
    struct strvec entries; /* paths written by layer writers; under `lock` */
    struct strvec lines;   /* the same with all that they say, as "f 0644 0:0 a/b =content" */
    size_t committed;      /* layers; under `lock` */
    int open;              /* snapshots and writers that have not ended; under `lock` */
};
void fake_snapshotter_init(struct fake_snapshotter *f, const struct store *store, int root_fd);
void fake_snapshotter_release(struct fake_snapshotter *f);

/* What a step of the fake does is its argv[0]: "ok"; "fail" (status 3); "wait" (until cancelled, at
 * most 10 s); "meet" (until `together` steps are there). */
struct fake_executor {
    struct executor base;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct strvec ran; /* argv[1] of the steps, in order of their start; under `lock` */
    size_t together, waiting;
    /* Called in each step, with what it was asked for. May be NULL. */
    void (*look)(void *arg, const struct exec_request *request);
    void *look_arg;
};
void fake_executor_init(struct fake_executor *f);
void fake_executor_release(struct fake_executor *f);

#endif
