/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/cancel.h"

#include <stdint.h>
#include <sys/eventfd.h>

int cancel_init(struct cancel *c, struct error *err)
{
    atomic_init(&c->raised, false);
    c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "eventfd");
    return 0;
}

void cancel_release(struct cancel *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

void cancel_raise(struct cancel *c)
{
    uint64_t one = 1;
    atomic_store(&c->raised, true);
    (void)!write(c->fd, &one, sizeof one);
}

bool cancel_is_raised(const struct cancel *c)
{
    return c && atomic_load(&c->raised);
}

int cancel_check(const struct cancel *c, struct error *err)
{
    return cancel_is_raised(c) ? error_set(err, ERROR_CANCELLED, 0, "interrupted") : 0;
}
