/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/thread_pool.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/mem.h"

struct job {
    struct job *next;
    job_fn *fn;
    void *arg;
    struct job_group *group;
};

struct thread_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first, **last; /* the queue */
    size_t queued, idle;
    pthread_t *threads;
    size_t thread_count, max_threads;
    bool closing;
};

static void job_done(struct job *job)
{
    struct job_group *group = job->group;
    free(job);
    pthread_mutex_lock(&group->lock);
    if (--group->running == 0)
        pthread_cond_broadcast(&group->idle);
    pthread_mutex_unlock(&group->lock);
}

static struct job *next_job(struct thread_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->closing) {
        pool->idle++;
        pthread_cond_wait(&pool->work, &pool->lock);
        pool->idle--;
    }
    struct job *job = pool->first;
    if (job) {
        pool->first = job->next;
        pool->queued--;
        if (!pool->first)
            pool->last = &pool->first;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *thread_main(void *arg)
{
    struct thread_pool *pool = arg;
    for (struct job *job = next_job(pool); job; job = next_job(pool)) {
        job->fn(job->arg);
        job_done(job);
    }
    return NULL;
}

/* With every signal blocked in the new thread, they all reach the main thread. */
static void add_thread(struct thread_pool *pool)
{
    sigset_t all;
    sigset_t saved;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    int rc = pthread_create(&pool->threads[pool->thread_count], NULL, thread_main, pool);
    if (rc == 0) {
        pool->thread_count++;
    } else if (pool->thread_count == 0) {
        fprintf(stderr,
                "ERROR: no thread can be started: %s\nhint: ulimit -u, or the memory limit of the "
                "cgroup\n",
                strerror(rc));
        _exit(EXIT_FAILURE);
    }
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
}

struct thread_pool *thread_pool_new(size_t max_threads)
{
    struct thread_pool *pool = xcalloc(1, sizeof *pool);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pool->last = &pool->first;
    pool->max_threads = max_threads;
    pool->threads = xcalloc(max_threads, sizeof *pool->threads);
    return pool;
}

void thread_pool_free(struct thread_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
}

size_t thread_pool_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (size_t)count : 1;
}

void job_group_init(struct job_group *group, struct thread_pool *pool)
{
    group->pool = pool;
    group->running = 0;
    pthread_mutex_init(&group->lock, NULL);
    pthread_cond_init(&group->idle, NULL);
}

void job_group_submit(struct job_group *group, job_fn *fn, void *arg)
{
    struct thread_pool *pool = group->pool;
    struct job *job = xcalloc(1, sizeof *job);
    *job = (struct job){ .fn = fn, .arg = arg, .group = group };

    pthread_mutex_lock(&group->lock);
    group->running++;
    pthread_mutex_unlock(&group->lock);

    pthread_mutex_lock(&pool->lock);
    *pool->last = job;
    pool->last = &job->next;
    pool->queued++;
    if (pool->queued > pool->idle && pool->thread_count < pool->max_threads)
        add_thread(pool);
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

bool job_group_wait_for(struct job_group *group, unsigned timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)timeout_ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&group->lock);
    int rc = 0;
    while (group->running && rc == 0)
        rc = pthread_cond_timedwait(&group->idle, &group->lock, &until);
    bool done = group->running == 0;
    pthread_mutex_unlock(&group->lock);
    return done;
}

/* Takes a job of `group` out of the queue. */
static struct job *take_back(const struct job_group *group)
{
    struct thread_pool *pool = group->pool;
    pthread_mutex_lock(&pool->lock);
    struct job **at = &pool->first;
    while (*at && (*at)->group != group)
        at = &(*at)->next;
    struct job *job = *at;
    if (job) {
        *at = job->next;
        pool->queued--;
        if (pool->last == &job->next)
            pool->last = at;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

bool job_group_help(struct job_group *group)
{
    pthread_mutex_lock(&group->lock);
    bool is_idle = group->running == 0;
    pthread_mutex_unlock(&group->lock);
    struct job *job = is_idle ? NULL : take_back(group);
    if (!job)
        return false;
    job->fn(job->arg);
    job_done(job);
    return true;
}

void job_group_wait(struct job_group *group)
{
    while (job_group_help(group))
        ;
    pthread_mutex_lock(&group->lock);
    while (group->running)
        pthread_cond_wait(&group->idle, &group->lock);
    pthread_mutex_unlock(&group->lock);
    pthread_cond_destroy(&group->idle);
    pthread_mutex_destroy(&group->lock);
}

struct parallel {
    atomic_size_t next;
    size_t count;
    parallel_fn *fn;
    void *arg;
};

static void parallel_run(void *arg)
{
    struct parallel *p = arg;
    for (size_t i = atomic_fetch_add(&p->next, 1); i < p->count; i = atomic_fetch_add(&p->next, 1))
        p->fn(p->arg, i);
}

void parallel_for(struct thread_pool *pool, size_t count, size_t width, parallel_fn *fn, void *arg)
{
    struct parallel p = { .count = count, .fn = fn, .arg = arg };
    atomic_init(&p.next, 0);
    if (!pool || count == 1) {
        parallel_run(&p);
        return;
    }
    struct job_group group;
    job_group_init(&group, pool);
    for (size_t i = 0; i < count && i < width; i++)
        job_group_submit(&group, parallel_run, &p);
    job_group_wait(&group);
}
