/* SPDX-License-Identifier: Apache-2.0 */
/* store, blob, layer, record, image_store, gc, janitor. */
#include "lib/store/store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "lib/fs/dir.h"
#include "lib/store/blob.h"
#include "lib/store/gc.h"
#include "lib/store/image_store.h"
#include "lib/store/janitor.h"
#include "lib/store/layer.h"
#include "lib/store/record.h"
#include "tests/support/store_fixture.h"
#include "tests/support/test.h"

static void is_an_oci_layout_of_its_owner(void **state)
{
    const struct store *store = *state;
    struct stat st;
    auto_free char *layout = test_read_file(store->fd, "oci-layout");
    auto_free char *index = test_read_file(store->fd, "index.json");
    assert_string_equal(layout, "{\"imageLayoutVersion\":\"1.0.0\"}");
    assert_non_null(strstr(index, "\"manifests\":[]"));
    assert_int_equal(fstat(store->fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void refuses_what_is_open_or_foreign(void **state)
{
    const struct store *store = *state;
    struct error err = { 0 };
    struct store other;
    assert_int_equal(fchmod(store->fd, 0750), 0);
    assert_error(store_open(&other, store->path, &err), &err, ERROR_USER, "open to other users");
    store_close(&other);
    assert_int_equal(fchmod(store->fd, 0700), 0);
    test_write_file(store->fd, "version", "99\n");
    assert_error(store_open(&other, store->path, &err), &err, ERROR_USER, "another version");
    store_close(&other);
    test_write_file(store->fd, "version", "1\n");
    if (geteuid() != 0)
        return;
    assert_int_equal(fchown(store->fd, 12345, 0), 0);
    assert_error(store_open(&other, store->path, &err), &err, ERROR_USER, "belongs to user 12345");
    store_close(&other);
    assert_int_equal(fchown(store->fd, 0, 0), 0);
}

static size_t names_in(int dir_fd)
{
    struct error err = { 0 };
    auto_(strvec) struct strvec names = { 0 };
    assert_ok(dir_list(dir_fd, ".", &names, &err), &err);
    return names.count;
}

static void blobs_are_what_they_are_called(void **state)
{
    const struct store *store = *state;
    struct error err = { 0 };
    struct digest d;
    struct digest other;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(blob_writer) struct blob_writer w = { .fd = -1 };
    assert_ok(blob_put(store, "hello", 5, &d, &err), &err);
    assert_ok(blob_put(store, "hello", 5, &d, &err), &err);
    assert_true(blob_exists(store, &d, 0));
    assert_ok(blob_read(store, &d, 5, &text, &err), &err);
    assert_string_equal(text.buf, "hello");
    assert_error(blob_read(store, &d, 4, &text, &err), &err, ERROR_USER, "larger");
    digest_of("other", 5, &other);
    assert_error(blob_read(store, &other, 9, &text, &err), &err, ERROR_NOT_FOUND, "open blob");
    assert_ok(blob_writer_open(store, &w, &err), &err);
    assert_ok(writer_write(&w.base, "junk", 4, &err), &err);
    assert_error(blob_writer_commit(&w, &other, NULL, &err), &err, ERROR_CORRUPT, "as promised");
    assert_false(blob_exists(store, &other, 0));
    assert_ok(blob_writer_open(store, &w, &err), &err);
    assert_ok(writer_write(&w.base, "junk", 4, &err), &err);
    assert_ok(blob_writer_restart(&w, &err), &err);
    assert_ok(writer_write(&w.base, "other", 5, &err), &err);
    assert_ok(blob_writer_commit(&w, &other, NULL, &err), &err);
    assert_int_equal(names_in(store->blobs_fd), 2);
    assert_ok(blob_writer_open(store, &w, &err), &err);
    assert_ok(writer_write(&w.base, "dropped", 7, &err), &err);
    blob_writer_release(&w);
    assert_int_equal(names_in(store->blobs_fd), 2);
}

static void damage_is_noticed(void **state)
{
    const struct store *store = *state;
    struct error err = { 0 };
    struct digest d;
    char hex[DIGEST_HEX_SIZE];
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    assert_ok(blob_put(store, "hello", 5, &d, &err), &err);
    digest_hex(&d, hex);
    assert_int_equal(unlinkat(store->blobs_fd, hex, 0), 0);
    test_write_file(store->blobs_fd, hex, "hellO");
    assert_error(blob_read(store, &d, 100, &text, &err), &err, ERROR_CORRUPT, "is damaged");
}

static void make_layer(const struct store *store, const char *id, const char *file)
{
    struct error err = { 0 };
    char scratch[LAYER_SCRATCH_SIZE];
    struct layer_info info = { .created = (char *)"2020-01-01T00:00:00Z" };
    assert_ok(layer_begin(store, scratch, &err), &err);
    auto_free char *path = xasprintf("%s/fs/%s", scratch, file);
    test_write_file(store->scratch_fd, path, file);
    assert_ok(layer_commit(store, scratch, id, &info, &err), &err);
}

static bool has_layer(const struct store *store, const char *id)
{
    struct error err = { 0 };
    bool present = false;
    assert_ok(layer_find(store, id, &present, NULL, &err), &err);
    return present;
}

static void the_first_layer_stays(void **state)
{
    const struct store *store = *state;
    struct error err = { 0 };
    auto_close int tree = -1;
    assert_false(has_layer(store, "id"));
    make_layer(store, "id", "first");
    make_layer(store, "id", "second");
    assert_true(has_layer(store, "id"));
    assert_ok(layer_open_tree(store, "id", &tree, &err), &err);
    assert_int_equal(faccessat(tree, "first", F_OK, 0), 0);
    assert_int_equal(faccessat(tree, "second", F_OK, 0), -1);
    assert_int_equal(names_in(store->scratch_fd), 0);
}

/* Puts another boot's id into what a record or layer was stamped with. */
static void pretend_reboot(struct store *store)
{
    memset(store->boot_id, 'f', sizeof store->boot_id - 1);
}

static void a_reboot_forgets_what_was_not_synced(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    struct digest key;
    struct image_record image = { .name = (char *)"docker.io/library/x:latest",
                                  .created = (char *)"2020-01-01T00:00:00Z" };
    struct image_record found = { 0 };
    digest_of("key", 3, &key);
    make_layer(store, "lost", "file");
    assert_ok(record_put_take(store, &key, js_new_object(), &err), &err);
    assert_ok(image_store_put(store, &image, &err), &err);
    pretend_reboot(store);
    assert_false(has_layer(store, "lost"));
    assert_null(record_find(store, &key));
    assert_error(image_store_find(store, image.name, &found, &err), &err, ERROR_NOT_FOUND,
                 "no image");
    /* What is there half gives way to what is made anew. */
    make_layer(store, "lost", "again");
    assert_true(has_layer(store, "lost"));
}

static void a_sync_survives_a_reboot(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    struct digest key;
    digest_of("key", 3, &key);
    make_layer(store, "kept", "file");
    assert_ok(record_put_take(store, &key, js_new_object(), &err), &err);
    assert_true(store_sync_is_due(store));
    assert_ok(store_sync(store, &err), &err);
    assert_false(store_sync_is_due(store));
    pretend_reboot(store);
    assert_true(has_layer(store, "kept"));
    auto_(js) js *body = record_find(store, &key);
    assert_non_null(body);
    assert_false(store_is_durable(store, "../../../../../../../../../../../etc", 1));
    assert_false(store_is_durable(store, "", 1));
}

/* A build stands on what others made, who may have been interrupted before they could sync. */
static void a_sync_is_for_what_others_made_too(void **state)
{
    struct store *store = *state;
    struct store other;
    struct error err = { 0 };
    assert_ok(store_open(&other, store->path, &err), &err);
    assert_ok(store_lease(&other, &err), &err);
    make_layer(&other, "theirs", "file");
    assert_ok(store_sync(store, &err), &err);
    make_layer(&other, "later", "file");
    store_close(&other);
    pretend_reboot(store);
    assert_true(has_layer(store, "theirs"));
    assert_false(has_layer(store, "later"));
}

static void torn_records_are_absent(void **state)
{
    struct store *store = *state;
    struct digest key;
    char hex[DIGEST_HEX_SIZE];
    digest_of("torn", 4, &key);
    digest_hex(&key, hex);
    static const char *const texts[] = { "", "{", "[]", "{\"boot\":1}", "null" };
    for (size_t i = 0; i < COUNT(texts); i++) {
        test_write_file(store->cache_fd, hex, texts[i]);
        assert_null(record_find(store, &key));
    }
}

static int count_images(void *arg, const struct image_record *image, struct error *err)
{
    (void)image;
    (void)err;
    ++*(int *)arg;
    return 0;
}

static void tags_have_any_name(void **state)
{
    const struct store *store = *state;
    struct error err = { 0 };
    int count = 0;
    auto_free char *longest = xasprintf("registry.example/%0300d/x:latest", 1);
    const char *const names[] = { "docker.io/library/img:latest", "localhost:5000/a/b:v1.0",
                                  "h/a%2fb:x", ".hidden:x", longest };
    for (size_t i = 0; i < COUNT(names); i++) {
        struct image_record image = { .name = (char *)names[i],
                                      .created = (char *)"2020-01-01T00:00:00Z" };
        auto_(image_record) struct image_record found = { 0 };
        image.config.bytes[0] = (unsigned char)i;
        assert_ok(image_store_put(store, &image, &err), &err);
        assert_ok(image_store_find(store, names[i], &found, &err), &err);
        assert_string_equal(found.name, names[i]);
        assert_int_equal(found.config.bytes[0], i);
    }
    test_write_file(store->images_fd, "junk", "no record");
    assert_ok(image_store_each(store, count_images, &count, &err), &err);
    assert_int_equal(count, COUNT(names));
    assert_ok(image_store_remove(store, names[0], &err), &err);
    assert_error(image_store_remove(store, names[0], &err), &err, ERROR_NOT_FOUND, "no image");
}

static void gc_keeps_what_images_need(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    const struct gc_policy everything = { 0 };
    struct gc_result result;
    struct digest config;
    struct digest unused;
    struct image_record_layer layer = { .id = "needed" };
    assert_ok(blob_put(store, "config", 6, &config, &err), &err);
    assert_ok(blob_put(store, "unused!", 7, &unused, &err), &err);
    make_layer(store, "needed", "a");
    make_layer(store, "garbage", "a");
    struct image_record image = { .name = (char *)"x",
                                  .created = (char *)"2020-01-01T00:00:00Z",
                                  .config = config,
                                  .layers = &layer,
                                  .layer_count = 1 };
    assert_ok(image_store_put(store, &image, &err), &err);
    js *record = js_new_object();
    js_set_text(record, "layer", "garbage");
    assert_ok(record_put_take(store, &unused, record, &err), &err);
    record = js_new_object();
    js_set_text(record, "layer", "needed");
    assert_ok(record_put_take(store, &config, record, &err), &err);
    assert_ok(gc_run(store, &everything, &result, &err), &err);
    assert_int_equal(result.layers, 1);
    assert_int_equal(result.blobs, 1);
    assert_true(result.bytes >= 4096);
    assert_false(result.was_beside);
    assert_int_equal(result.records, 1);
    assert_true(has_layer(store, "needed"));
    assert_true(blob_exists(store, &config, 0));
}

static void the_janitor_buries_the_dead(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    struct store living;
    assert_ok(store_open(&living, store->path, &err), &err);
    assert_ok(store_lease(&living, &err), &err);
    auto_close int leases = openat(store->fd, "leases", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    test_write_file(leases, "00000000000000000000000000000dea", "");
    assert_int_equal(mkdirat(store->tmp_fd, "00000000000000000000000000000dea", 0700), 0);
    test_write_file(store->tmp_fd, "00000000000000000000000000000dea/half", "x");
    assert_ok(store_discard(store, store->tmp_fd, "none", &err), &err);
    test_write_file(store->trash_fd, "old", "x");
    janitor_run(store);
    assert_int_equal(names_in(leases), 2);
    assert_int_equal(names_in(store->tmp_fd), 2);
    assert_int_equal(names_in(store->trash_fd), 0);
    store_close(&living);
    assert_int_equal(names_in(leases), 1);
    assert_int_equal(names_in(store->tmp_fd), 1);
}

#define STORE_TEST(name)                                                                           \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(is_an_oci_layout_of_its_owner),
        STORE_TEST(refuses_what_is_open_or_foreign),
        STORE_TEST(blobs_are_what_they_are_called),
        STORE_TEST(damage_is_noticed),
        STORE_TEST(the_first_layer_stays),
        STORE_TEST(a_reboot_forgets_what_was_not_synced),
        STORE_TEST(a_sync_survives_a_reboot),
        STORE_TEST(a_sync_is_for_what_others_made_too),
        STORE_TEST(torn_records_are_absent),
        STORE_TEST(tags_have_any_name),
        STORE_TEST(gc_keeps_what_images_need),
        STORE_TEST(the_janitor_buries_the_dead),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
