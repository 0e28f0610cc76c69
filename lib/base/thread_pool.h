/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread_pool: the program's only threads. Jobs may block (a RUN step waits in one), so a thread is
 * added whenever a job finds none idle, up to `max_threads`; whoever submits work that burns a core
 * bounds how much of it is under way (thread_pool_cores tells for how much there is room).
 *
 *     struct job_group group;
 *     job_group_init(&group, pool);
 *     job_group_submit(&group, fn, arg);     any number, also from inside a job
 *     job_group_wait(&group);                all of this group have ended
 *
 * Whoever waits for a group does what of it no thread has begun: so jobs may wait for jobs of their
 * own, to any depth and with any number of threads.
 *
 * All signals are blocked in the threads. A pool does not survive fork: free it before.
 */
#ifndef LIB_BASE_THREAD_POOL_H
#define LIB_BASE_THREAD_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"

struct thread_pool;

typedef void job_fn(void *arg);

struct thread_pool *thread_pool_new(size_t max_threads);
/* Waits for every job, then for every thread. NULL is allowed. */
void thread_pool_free(struct thread_pool *pool);
/* Cores this process may use (its affinity mask), at least 1. */
size_t thread_pool_cores(void);

struct job_group {
    struct thread_pool *pool;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    size_t running; /* under `lock` */
};

void job_group_init(struct job_group *group, struct thread_pool *pool);
void job_group_submit(struct job_group *group, job_fn *fn, void *arg);
void job_group_wait(struct job_group *group);
/* Does one job of the group that no thread has begun; false if there is none. For those that wait
 * for what a job does and not for its end. */
bool job_group_help(struct job_group *group);
/* Waits `timeout_ms` at most; true once all have ended. job_group_wait must follow in any case. */
bool job_group_wait_for(struct job_group *group, unsigned timeout_ms);

typedef void parallel_fn(void *arg, size_t index);
/* Calls fn(arg, 0..count - 1), at most `width` at a time, and waits for all. `pool` NULL: one after
 * the other in the caller's thread. */
void parallel_for(struct thread_pool *pool, size_t count, size_t width, parallel_fn *fn, void *arg);

#endif
