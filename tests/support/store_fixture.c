/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/store_fixture.h"

#include "lib/base/mem.h"
#include "tests/support/test.h"

#define PLACE "/a/store"

int store_fixture_setup(void **state)
{
    struct error err = { 0 };
    struct store *store = xcalloc(1, sizeof *store);
    auto_free char *dir = test_tmpdir();
    auto_free char *path = xasprintf("%s%s", dir, PLACE);
    assert_ok(store_open(store, path, &err), &err);
    assert_ok(store_lease(store, &err), &err);
    *state = store;
    return 0;
}

int store_fixture_teardown(void **state)
{
    struct store *store = *state;
    char *dir = xstrndup(store->path, strlen(store->path) - strlen(PLACE));
    store_close(store);
    free(store);
    test_tmpdir_remove(dir);
    return 0;
}
