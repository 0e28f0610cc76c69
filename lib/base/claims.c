/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/claims.h"

#include <string.h>

void claims_init(struct claims *c)
{
    *c = (struct claims){ .names = { 0 } };
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->dropped, NULL);
}

void claims_release(struct claims *c)
{
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->dropped);
    strvec_release(&c->names);
}

static size_t place_of(const struct claims *c, const char *name)
{
    size_t i = 0;
    while (i < c->names.count && strcmp(c->names.items[i], name) != 0)
        i++;
    return i;
}

void claims_take(struct claims *c, const char *name)
{
    pthread_mutex_lock(&c->lock);
    while (place_of(c, name) < c->names.count)
        pthread_cond_wait(&c->dropped, &c->lock);
    strvec_push(&c->names, name);
    pthread_mutex_unlock(&c->lock);
}

void claims_drop(struct claims *c, const char *name)
{
    pthread_mutex_lock(&c->lock);
    size_t i = place_of(c, name);
    free(c->names.items[i]);
    c->names.items[i] = c->names.items[--c->names.count];
    pthread_cond_broadcast(&c->dropped);
    pthread_mutex_unlock(&c->lock);
}
