/* SPDX-License-Identifier: Apache-2.0 */
/* store_fixture: a fresh, leased store for each test of a group; *state is the `struct store *`. */
#ifndef TESTS_SUPPORT_STORE_FIXTURE_H
#define TESTS_SUPPORT_STORE_FIXTURE_H

#include "lib/store/store.h"

/* For cmocka_unit_test_setup_teardown. The store lies two folders below a directory that is removed
 * with it, so that its parent is made too. */
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);

#endif
