/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claims: names that threads work at. Who wants a name that another has waits until it is dropped,
 * and looks then whether the work is done.
 *
 *     claims_take(c, id); ... is it there now? else make it ... claims_drop(c, id);
 */
#ifndef LIB_BASE_CLAIMS_H
#define LIB_BASE_CLAIMS_H

#include <pthread.h>

#include "lib/base/strvec.h"

struct claims {
    pthread_mutex_t lock;
    pthread_cond_t dropped;
    struct strvec names; /* under `lock` */
};

void claims_init(struct claims *c);
void claims_release(struct claims *c);
DEFINE_AUTO(claims, struct claims, claims_release(value))
void claims_take(struct claims *c, const char *name);
void claims_drop(struct claims *c, const char *name);

#endif
