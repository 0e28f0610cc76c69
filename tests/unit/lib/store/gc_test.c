/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/gc.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/store/blob.h"
#include "lib/store/layer.h"
#include "lib/store/record.h"
#include "lib/store/use.h"
#include "tests/support/store_fixture.h"
#include "tests/support/test.h"

enum { DAY = 24 * 3600, BLOB_SIZE = 100000, BLOBS = 4 };

static const struct gc_policy everything = { 0 };

static void set_age(int dir_fd, const char *name, int64_t age_s)
{
    struct timespec time_of = { .tv_sec = time(NULL) - age_s };
    struct timespec times[2] = { time_of, time_of };
    assert_int_equal(utimensat(dir_fd, name, times, 0), 0);
}

static int64_t age_of(int dir_fd, const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(dir_fd, name, &st, 0), 0);
    return time(NULL) - st.st_mtim.tv_sec;
}

/* Blob `number`, last used `age_s` ago. */
static struct digest old_blob(const struct store *store, int number, int64_t age_s)
{
    struct error err = { 0 };
    struct digest d;
    char hex[DIGEST_HEX_SIZE];
    auto_free char *data = xcalloc(1, BLOB_SIZE);
    data[0] = (char)number;
    assert_ok(blob_put(store, data, BLOB_SIZE, &d, &err), &err);
    digest_hex(&d, hex);
    set_age(store->blobs_fd, hex, age_s);
    return d;
}

/* Is the file there? Not a look-up: that would use it. */
static bool is_there(const struct store *store, const struct digest *d)
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    return faccessat(store->blobs_fd, hex, F_OK, 0) == 0;
}

static void old_layer(const struct store *store, const char *id, int64_t age_s)
{
    struct error err = { 0 };
    char scratch[LAYER_SCRATCH_SIZE];
    const struct layer_info info = { 0 };
    auto_free char *path = xasprintf("%s/layer.json", id);
    assert_ok(layer_begin(store, scratch, &err), &err);
    assert_ok(layer_commit(store, scratch, id, &info, &err), &err);
    set_age(store->layers_fd, path, age_s);
}

static bool layer_is_there(const struct store *store, const char *id)
{
    return faccessat(store->layers_fd, id, F_OK, 0) == 0;
}

/* Another process with a lease in the same store. */
static struct store open_other(const struct store *store)
{
    struct error err = { 0 };
    struct store other;
    assert_ok(store_open(&other, store->path, &err), &err);
    assert_ok(store_lease(&other, &err), &err);
    return other;
}

static void a_build_keeps_what_it_finds_and_makes(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    struct gc_result result;
    bool present = false;
    struct digest found = old_blob(store, 1, 2 * (int64_t)DAY);
    struct digest other = old_blob(store, 2, 2 * (int64_t)DAY);
    struct digest fresh = old_blob(store, 3, USE_PERIOD_S / 2);
    old_layer(store, "found", DAY);
    old_layer(store, "other", DAY);
    struct store build = open_other(store);
    assert_true(blob_exists(&build, &found, 0));
    assert_true(blob_exists(&build, &fresh, 0));
    assert_ok(layer_find(&build, "found", &present, NULL, &err), &err);
    assert_true(present);
    struct digest made;
    assert_ok(blob_put(&build, "made", 4, &made, &err), &err);
    assert_ok(gc_run(store, &everything, &result, &err), &err);
    assert_true(result.was_beside);
    assert_int_equal(result.layers, 1);
    assert_int_equal(result.blobs, 1);
    assert_true(is_there(store, &found) && is_there(store, &fresh) && is_there(store, &made));
    assert_false(is_there(store, &other));
    assert_true(layer_is_there(store, "found"));
    assert_false(layer_is_there(store, "other"));
    store_close(&build);
    assert_ok(gc_run(store, &everything, &result, &err), &err);
    assert_false(result.was_beside);
    assert_false(is_there(store, &found) || is_there(store, &fresh) || is_there(store, &made));
}

static void what_is_there_already_is_used_by_writing_it(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    struct gc_result result;
    struct digest d;
    auto_free char *data = xcalloc(1, BLOB_SIZE);
    struct digest old = old_blob(store, 0, DAY);
    struct store build = open_other(store);
    assert_ok(blob_put(&build, data, BLOB_SIZE, &d, &err), &err);
    assert_ok(gc_run(store, &everything, &result, &err), &err);
    assert_true(is_there(store, &old));
    store_close(&build);
}

static void stamps_are_written_once_in_a_period(void **state)
{
    struct store *store = *state;
    char hex[DIGEST_HEX_SIZE];
    struct digest d = old_blob(store, 1, USE_PERIOD_S - 60);
    digest_hex(&d, hex);
    assert_true(blob_exists(store, &d, 0));
    assert_true(age_of(store->blobs_fd, hex) >= USE_PERIOD_S - 60);
    set_age(store->blobs_fd, hex, USE_PERIOD_S + 60);
    assert_true(blob_exists(store, &d, 0));
    assert_true(age_of(store->blobs_fd, hex) < 60);
}

static void a_look_up_waits_for_a_sweep_and_then_finds_nothing(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    int lock = -1;
    struct stat st;
    char hex[DIGEST_HEX_SIZE];
    struct digest d = old_blob(store, 1, DAY);
    digest_hex(&d, hex);
    assert_int_equal(fstatat(store->blobs_fd, hex, &st, 0), 0);
    assert_ok(store_discard(store, store->blobs_fd, hex, &err), &err);
    assert_false(store_use(store, store->blobs_fd, hex, &st));
    /* Nobody is kept out for longer than that. */
    assert_ok(store_lock_gc(store, LOCK_EX | LOCK_NB, &lock, &err), &err);
    close(lock);
}

static void its_own_lease_counts_if_it_builds(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    struct gc_result result;
    const struct gc_policy building = { .own_counts = true };
    struct digest used = old_blob(store, 1, DAY);
    struct digest unused = old_blob(store, 2, DAY);
    assert_true(blob_exists(store, &used, 0));
    assert_ok(gc_run(store, &building, &result, &err), &err);
    assert_true(is_there(store, &used));
    assert_false(is_there(store, &unused));
}

static void nothing_goes_while_a_lease_is_of_the_future(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    struct gc_result result;
    struct digest d = old_blob(store, 1, DAY);
    struct store build = open_other(store);
    auto_close int leases = openat(store->fd, "leases", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    set_age(leases, build.lease, -DAY);
    assert_ok(gc_run(store, &everything, &result, &err), &err);
    assert_true(is_there(store, &d));
    store_close(&build);
}

static void the_dead_keep_nothing(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    struct gc_result result;
    struct digest d = old_blob(store, 1, 0);
    auto_close int leases = openat(store->fd, "leases", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    test_write_file(leases, "00000000000000000000000000000dea", "");
    assert_ok(gc_run(store, &everything, &result, &err), &err);
    assert_false(result.was_beside);
    assert_false(is_there(store, &d));
}

static const struct policy_case {
    const char *name;
    struct gc_policy policy;
    size_t removed; /* of BLOBS blobs, used 1, 2, 3, 4 days ago: the oldest */
} policies[] = {
    { "everything", { 0 }, 4 },
    { "unused for two and a half days", { .unused_for_s = 60 * 3600 }, 2 },
    { "unused for a week", { .unused_for_s = 7 * DAY }, 0 },
    { "at most two", { .max_used = 2 * 102400 + 1000 }, 2 },
    { "at most all", { .max_used = 10 * BLOB_SIZE }, 0 },
    { "next to nothing", { .max_used = 1 }, 4 },
    { "three in any case", { .reserved = 3 * 102400 }, 1 },
    { "at most one, but three in any case", { .max_used = 1, .reserved = 3 * 102400 }, 1 },
    { "at most one, unused for two and a half days",
      { .max_used = 102400, .unused_for_s = 60 * 3600 },
      2 },
    { "no more free than can be had", { .min_free = UINT64_MAX / 2 }, 4 },
    { "less free than there is", { .min_free = 1 }, 0 },
    { "free inodes that cannot be had", { .min_free_inodes = UINT64_MAX / 2 }, 4 },
};
enum { POLICIES = sizeof policies / sizeof *policies };

static void the_policy_decides(void **state)
{
    struct error err = { 0 };
    struct gc_result result;
    struct digest blobs[BLOBS];
    for (size_t i = 0; i < POLICIES; i++) {
        const struct policy_case *c = &policies[i];
        struct store *store = *state;
        for (int k = 0; k < BLOBS; k++)
            blobs[k] = old_blob(store, k, (k + 1) * (int64_t)DAY);
        assert_ok(gc_run(store, &c->policy, &result, &err), &err);
        if (result.blobs != c->removed)
            fail_msg("%s: %zu removed, not %zu", c->name, result.blobs, c->removed);
        for (size_t k = 0; k < BLOBS; k++)
            assert_int_equal(is_there(store, &blobs[k]), k < BLOBS - c->removed);
    }
}

/* A layer's blob is as old as the layer, and goes with it. */
static void a_layer_and_its_blob_are_one(void **state)
{
    struct store *store = *state;
    struct error err = { 0 };
    struct gc_result result;
    const struct gc_policy old = { .unused_for_s = 2 * DAY };
    struct digest blob = old_blob(store, 1, 9 * (int64_t)DAY);
    js *record = js_new_object();
    old_layer(store, "layer", DAY);
    js_set_text(record, "layer", "layer");
    js_set_digest(record, "blob", &blob);
    assert_ok(record_put_take(store, &blob, record, &err), &err);
    assert_ok(gc_run(store, &old, &result, &err), &err);
    assert_true(is_there(store, &blob));
    set_age(store->layers_fd, "layer/layer.json", 3 * (int64_t)DAY);
    assert_ok(gc_run(store, &old, &result, &err), &err);
    assert_false(is_there(store, &blob));
    assert_int_equal(result.layers + result.blobs + result.records, 3);
}

#define GC_TEST(test)                                                                              \
    cmocka_unit_test_setup_teardown(test, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GC_TEST(a_build_keeps_what_it_finds_and_makes),
        GC_TEST(what_is_there_already_is_used_by_writing_it),
        GC_TEST(stamps_are_written_once_in_a_period),
        GC_TEST(a_look_up_waits_for_a_sweep_and_then_finds_nothing),
        GC_TEST(its_own_lease_counts_if_it_builds),
        GC_TEST(nothing_goes_while_a_lease_is_of_the_future),
        GC_TEST(the_dead_keep_nothing),
        GC_TEST(the_policy_decides),
        GC_TEST(a_layer_and_its_blob_are_one),
    };
    return cmocka_run_group_tests_name("gc", tests, NULL, NULL);
}
