/* SPDX-License-Identifier: Apache-2.0 */
/*
 * durable: the marks that store_sync leaves, `durable/<lease>`: what was made under that lease has
 * reached the disk. Each build leaves one, and one is of no use once nothing made under it is left.
 */
#ifndef LIB_STORE_DURABLE_H
#define LIB_STORE_DURABLE_H

#include "lib/store/store.h"

/* Removes the marks of dead leases that no record, image, layer or cache mount names. (Indexes of
 * layers are not asked: one that is not believed after a reboot is made again.) Safe beside others.
 */
int durable_sweep(const struct store *store, struct error *err) MUST_CHECK;

#endif
