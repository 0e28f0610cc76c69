/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/oci_layout.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/store/blob.h"
#include "tests/support/test.h"

static void a_raised_cancel_stops_the_export(void **state)
{
    struct error err = { 0 };
    struct cancel cancel;
    struct store store;
    struct image_record image = { .has_manifest = true, .manifest_type = (char *)"" };
    const struct layout_item item = { .image = &image };
    struct layout_export e = {
        .store = &store, .items = &item, .item_count = 1, .cancel = &cancel
    };
    char *path = test_tmpdir();
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_free char *store_path = xasprintf("%s/store", path);
    (void)state;
    assert_ok(store_open(&store, store_path, &err), &err);
    assert_ok(store_lease(&store, &err), &err);
    assert_ok(blob_put(&store, "{}", 2, &image.manifest, &err), &err);
    image.config = image.manifest;
    assert_ok(cancel_init(&cancel, &err), &err);
    cancel_raise(&cancel);
    assert_error(layout_write_dir(&e, dir, &err), &err, ERROR_CANCELLED, "interrupted");
    assert_int_equal(faccessat(dir, "index.json", F_OK, 0), -1);
    cancel_release(&cancel);
    store_close(&store);
    close(dir);
    test_tmpdir_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_raised_cancel_stops_the_export),
    };
    return cmocka_run_group_tests_name("oci_layout", tests, NULL, NULL);
}
