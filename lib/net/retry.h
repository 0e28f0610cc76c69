/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry: how long to wait before asking again. Full jitter (a random part of an exponentially
 * growing span), so that many builders that failed together do not come back together; a server's
 * Retry-After is honoured up to two minutes.
 *
 *     const struct retry_task task = { .policy = &retry_policy_default, .attempt = send, ... };
 *     TRY(retry_run(&task, err));
 */
#ifndef LIB_NET_RETRY_H
#define LIB_NET_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/cancel.h"
#include "lib/base/error.h"

struct retry_policy {
    unsigned max_tries; /* the first one included */
    unsigned base_ms;   /* span before the second try; doubles from try to try */
    unsigned cap_ms;    /* the span grows no further */
    unsigned budget_ms; /* no try begins later than this after the first */
};
extern const struct retry_policy retry_policy_default;

enum { RETRY_AFTER_NONE = -1, RETRY_AFTER_MAX_S = 120 };

struct retry {
    const struct retry_policy *policy; /* borrowed */
    const struct cancel *cancel;       /* borrowed; may be NULL */
    uint64_t started_ns;
    unsigned tries;
};

struct retry retry_init(const struct retry_policy *policy, const struct cancel *cancel);
/* Milliseconds to wait after try number `tries` (from 1); `random` is any 64 random bits. */
unsigned retry_delay_ms(const struct retry_policy *policy, unsigned tries, long retry_after_s,
                        uint64_t random);
/* Waits; false at once if tries or time are used up, and as soon as the build is cancelled. */
bool retry_wait(struct retry *retry, long retry_after_s);

/* May say in *retry_after_s how long the server wants us to wait. */
typedef int retry_attempt_fn(void *arg, long *retry_after_s, struct error *err);

struct retry_task {
    const struct retry_policy *policy;
    const struct cancel *cancel; /* may be NULL */
    retry_attempt_fn *attempt;
    void *arg;
    /* Moved on by attempts: whenever one came a good deal further than any before, the tries count
     * anew. May be NULL. */
    const uint64_t *position;
    long wait_max_s; /* who wants us to wait for longer is not asked again */
    /* Told why there is another try, for --debug; may be NULL. */
    void (*explain)(void *arg, const char *text);
    void *explain_arg;
};

/* Does something until it works, is hopeless, or time is up: only what fails with NETWORK is done
 * again. Errors: the last attempt's, CANCELLED. */
int retry_run(const struct retry_task *task, struct error *err) MUST_CHECK;

#endif
