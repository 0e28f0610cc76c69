/* SPDX-License-Identifier: Apache-2.0 */
/*
 * janitor: clears away what nobody will come back for: trash/, the scratch space of leases whose
 * process is dead (its lock can be had), temporary files that a killed process left. Runs as root
 * of the build's namespace, since trees belong to its ids. Never fails a build.
 */
#ifndef LIB_STORE_JANITOR_H
#define LIB_STORE_JANITOR_H

#include "lib/store/store.h"

void janitor_run(const struct store *store);

#endif
