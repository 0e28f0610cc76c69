/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/retry.h"

#include <poll.h>
#include <sys/random.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum {
    UNREACHABLE_TRIES = 3, /* for a host that nobody answers for */
    WORTH_GOING_ON = 1024 * 1024,
};

const struct retry_policy retry_policy_default = {
    .max_tries = 7,
    .base_ms = 500,
    .cap_ms = 30 * 1000,
    .budget_ms = 5 * 60 * 1000,
};

struct retry retry_init(const struct retry_policy *policy, const struct cancel *cancel)
{
    return (struct retry){ .policy = policy, .cancel = cancel, .started_ns = clock_monotonic_ns() };
}

unsigned retry_delay_ms(const struct retry_policy *policy, unsigned tries, long retry_after_s,
                        uint64_t random)
{
    uint64_t span = policy->base_ms;

    if (retry_after_s > RETRY_AFTER_MAX_S)
        retry_after_s = RETRY_AFTER_MAX_S;
    for (unsigned i = 1; i < tries && span < policy->cap_ms; i++)
        span *= 2;
    if (span > policy->cap_ms)
        span = policy->cap_ms;
    unsigned jitter = (unsigned)(random % (span + 1));
    return retry_after_s > 0 ? (unsigned)retry_after_s * 1000 + jitter : jitter;
}

/* Sleeps unless the build is cancelled meanwhile. */
static bool sleep_ms(const struct cancel *cancel, unsigned ms)
{
    struct pollfd raised = { .fd = cancel ? cancel->fd : -1, .events = POLLIN };
    uint64_t end = clock_monotonic_ns() + (uint64_t)ms * 1000000U;

    for (;;) {
        uint64_t now = clock_monotonic_ns();
        if (now >= end)
            return true;
        int left = (int)((end - now + 999999U) / 1000000U);
        if (poll(&raised, 1, left) > 0)
            return false;
    }
}

bool retry_wait(struct retry *retry, long retry_after_s)
{
    uint64_t random = 0;

    retry->tries++;
    if (retry->tries >= retry->policy->max_tries ||
        (retry->cancel && cancel_is_raised(retry->cancel)))
        return false;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = clock_monotonic_ns();
    unsigned delay = retry_delay_ms(retry->policy, retry->tries, retry_after_s, random);
    uint64_t spent_ms = (clock_monotonic_ns() - retry->started_ns) / 1000000U;
    if (spent_ms + delay > retry->policy->budget_ms)
        return false;
    return sleep_ms(retry->cancel, delay);
}

/* Who is told to come back in an hour does not come back in two minutes. */
static bool is_hopeless(const struct retry_task *task, const struct error *why, unsigned tries,
                        long retry_after_s)
{
    return why->kind != ERROR_NETWORK || retry_after_s > task->wait_max_s ||
           (why->sys == EHOSTUNREACH && tries + 1 >= UNREACHABLE_TRIES);
}

static void explain(const struct retry_task *task, const struct error *why)
{
    if (!task->explain)
        return;
    auto_free char *text = xasprintf("once more: %s", why->message);
    task->explain(task->explain_arg, text);
}

int retry_run(const struct retry_task *task, struct error *err)
{
    struct retry retry = retry_init(task->policy, task->cancel);
    uint64_t farthest = task->position ? *task->position : 0;

    for (;;) {
        struct error why = { 0 };
        long retry_after_s = RETRY_AFTER_NONE;
        if (task->attempt(task->arg, &retry_after_s, &why) == 0)
            return 0;
        if (task->position && *task->position > farthest &&
            *task->position - farthest >= WORTH_GOING_ON) {
            farthest = *task->position;
            retry = retry_init(task->policy, task->cancel);
        }
        if (!is_hopeless(task, &why, retry.tries, retry_after_s)) {
            explain(task, &why);
            if (retry_wait(&retry, retry_after_s)) {
                error_clear(&why);
                continue;
            }
        }
        if (task->cancel && cancel_is_raised(task->cancel)) {
            error_clear(&why);
            return cancel_check(task->cancel, err);
        }
        if (retry.tries > 1)
            error_wrap(&why, "after %u tries", retry.tries);
        error_move(err, &why);
        return -1;
    }
}
