/* SPDX-License-Identifier: Apache-2.0 */
/* cache_mount: how it is shared, made, replaced and removed, by several builders at once. */
#include "lib/store/cache_mount.h"

#include "tests/support/store_fixture.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/fs/dir.h"
#include "lib/store/janitor.h"

static struct cache_mount_request request(const char *id, enum cache_mount_use use)
{
    struct cache_mount_request r = {
        .title = id, .use = use, .mode = 0755, .uid = getuid(), .gid = getgid()
    };
    digest_of(id, strlen(id), &r.key);
    return r;
}

static struct cache_mount open_it(const struct store *store, const struct cache_mount_request *r)
{
    struct error err = { 0 };
    struct cache_mount m = CACHE_MOUNT_INIT;
    assert_ok(cache_mount_open(store, r, NULL, &m, &err), &err);
    return m;
}

static bool is_same(const struct cache_mount *a, const struct cache_mount *b)
{
    struct stat one;
    struct stat two;
    assert_int_equal(fstat(a->data_fd, &one), 0);
    assert_int_equal(fstat(b->data_fd, &two), 0);
    return one.st_ino == two.st_ino;
}

static bool has(const struct cache_mount *m, const char *name)
{
    return faccessat(m->data_fd, name, F_OK, 0) == 0;
}

static size_t count_in(const struct store *store, const char *folder)
{
    auto_(strvec) struct strvec names = { 0 };
    struct error err = { 0 };
    auto_close int fd = openat(store->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(dir_list(fd, folder, &names, &err), &err);
    return names.count;
}

static void is_kept(void **state)
{
    struct stat st;
    struct cache_mount_request r = request("a", CACHE_MOUNT_SHARED);
    struct cache_mount_request other = request("b", CACHE_MOUNT_SHARED);
    r.mode = 01700;
    struct cache_mount m = open_it(*state, &r);
    assert_int_equal(fstat(m.data_fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 01700);
    assert_int_equal(mkdirat(m.data_fd, "kept", 0755), 0);
    cache_mount_close(&m);
    cache_mount_close(&m);
    r.mode = 0755;
    m = open_it(*state, &r);
    assert_true(has(&m, "kept"));
    assert_int_equal(fstat(m.data_fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 01700);
    struct cache_mount n = open_it(*state, &other);
    assert_false(has(&n, "kept"));
    cache_mount_close(&m);
    cache_mount_close(&n);
}

static void sharing(void **state)
{
    const struct cache_mount_request shared = request("a", CACHE_MOUNT_SHARED);
    const struct cache_mount_request private = request("a", CACHE_MOUNT_PRIVATE);
    struct cache_mount one = open_it(*state, &shared);
    struct cache_mount two = open_it(*state, &shared);
    struct cache_mount three = open_it(*state, &private);
    struct cache_mount four = open_it(*state, &private);
    assert_true(is_same(&one, &two));
    assert_false(is_same(&one, &three));
    assert_false(is_same(&three, &four));
    assert_int_equal(mkdirat(three.data_fd, "mine", 0755), 0);
    cache_mount_close(&three);
    struct cache_mount five = open_it(*state, &private);
    assert_true(has(&five, "mine"));
    cache_mount_close(&one);
    cache_mount_close(&two);
    struct cache_mount six = open_it(*state, &private);
    assert_false(is_same(&six, &four) || is_same(&six, &five));
    assert_int_equal(count_in(*state, "mounts"), 3);
    cache_mount_close(&four);
    cache_mount_close(&five);
    cache_mount_close(&six);
}

struct waiter {
    const struct store *store;
    struct cancel *cancel;
    struct cache_mount mount;
    struct error err;
    atomic_int told;
    int rc;
};

static void note(void *arg)
{
    atomic_fetch_add(&((struct waiter *)arg)->told, 1);
}

static void *wait_for_it(void *arg)
{
    struct waiter *w = arg;
    struct cache_mount_request r = request("a", CACHE_MOUNT_LOCKED);
    r.waiting = note;
    r.waiting_arg = w;
    w->mount = (struct cache_mount)CACHE_MOUNT_INIT;
    w->rc = cache_mount_open(w->store, &r, w->cancel, &w->mount, &w->err);
    return NULL;
}

static void until_told(struct waiter *w)
{
    struct timespec pause = { .tv_nsec = 1000000 };
    while (atomic_load(&w->told) == 0)
        nanosleep(&pause, NULL);
}

static void locked_waits(void **state)
{
    const struct cache_mount_request r = request("a", CACHE_MOUNT_LOCKED);
    struct waiter w = { .store = *state };
    pthread_t thread;
    struct cache_mount m = open_it(*state, &r);
    pthread_create(&thread, NULL, wait_for_it, &w);
    until_told(&w);
    assert_int_equal(mkdirat(m.data_fd, "first", 0755), 0);
    cache_mount_close(&m);
    pthread_join(thread, NULL);
    assert_ok(w.rc, &w.err);
    assert_true(has(&w.mount, "first"));
    assert_int_equal(atomic_load(&w.told), 1);
    cache_mount_close(&w.mount);
}

static void a_wait_can_be_cancelled(void **state)
{
    const struct cache_mount_request r = request("a", CACHE_MOUNT_SHARED);
    struct error err = { 0 };
    struct cancel cancel;
    pthread_t thread;
    struct waiter w = { .store = *state, .cancel = &cancel };
    assert_ok(cancel_init(&cancel, &err), &err);
    struct cache_mount m = open_it(*state, &r);
    pthread_create(&thread, NULL, wait_for_it, &w);
    until_told(&w);
    cancel_raise(&cancel);
    pthread_join(thread, NULL);
    assert_error(w.rc, &w.err, ERROR_CANCELLED, "interrupted");
    cache_mount_close(&m);
    cancel_release(&cancel);
}

/* A fresh one is what the next finds; who has the old one keeps it, and it is swept afterwards. */
static void fresh(void **state)
{
    struct error err = { 0 };
    const struct cache_mount_request r = request("a", CACHE_MOUNT_LOCKED);
    struct cache_mount old = open_it(*state, &r);
    assert_int_equal(mkdirat(old.data_fd, "old", 0755), 0);
    assert_ok(cache_mount_renew(*state, &r.key, &err), &err);
    struct cache_mount new = open_it(*state, &r);
    assert_false(has(&new, "old"));
    assert_int_equal(mkdirat(new.data_fd, "new", 0755), 0);
    cache_mount_sweep(*state);
    assert_true(has(&old, "old"));
    assert_int_equal(count_in(*state, "mounts"), 2);
    cache_mount_close(&old);
    cache_mount_close(&new);
    janitor_run(*state);
    assert_int_equal(count_in(*state, "mounts"), 1);
    assert_int_equal(count_in(*state, "trash"), 0);
    new = open_it(*state, &r);
    assert_true(has(&new, "new"));
    cache_mount_close(&new);
}

static void all_of_a_key_are_renewed(void **state)
{
    struct error err = { 0 };
    const struct cache_mount_request r = request("a", CACHE_MOUNT_PRIVATE);
    struct cache_mount pair[2];
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(pair); i++) {
            pair[i] = open_it(*state, &r);
            assert_false(has(&pair[i], "old"));
            assert_int_equal(mkdirat(pair[i].data_fd, "old", 0755), 0);
        }
        assert_ok(cache_mount_renew(*state, &r.key, &err), &err);
        cache_mount_close(&pair[0]);
        cache_mount_close(&pair[1]);
    }
}

static int fill_with_file(void *arg, int dir_fd, struct error *err)
{
    int *calls = arg;
    ++*calls;
    if (*calls > 1)
        return error_set(err, ERROR_USER, 0, "cannot fill");
    test_write_file(dir_fd, "initial", "text");
    return 0;
}

static void initial_content(void **state)
{
    int calls = 0;
    struct error err = { 0 };
    struct cache_mount_request r = request("a", CACHE_MOUNT_SHARED);
    struct cache_mount_request bad = request("b", CACHE_MOUNT_SHARED);
    bad.fill = r.fill = fill_with_file;
    bad.fill_arg = r.fill_arg = &calls;
    struct cache_mount m = open_it(*state, &r);
    cache_mount_close(&m);
    m = open_it(*state, &r);
    assert_true(has(&m, "initial"));
    assert_int_equal(calls, 1);
    cache_mount_close(&m);
    assert_error(cache_mount_open(*state, &bad, NULL, &m, &err), &err, ERROR_USER, "cannot fill");
    assert_int_equal(count_in(*state, "mounts"), 1);
}

/* What was torn is made anew. */
static void torn(void **state)
{
    const struct store *store = *state;
    const struct cache_mount_request r = request("a", CACHE_MOUNT_SHARED);
    char hex[DIGEST_HEX_SIZE];
    digest_hex(&r.key, hex);
    static const char *const texts[] = { "", "{\"boot\":\"other\",\"at\":1,\"title\":\"a\"}" };
    for (size_t i = 0; i < COUNT(texts); i++) {
        auto_free char *info = xasprintf("mounts/%s/mount.json", hex);
        struct cache_mount m = open_it(store, &r);
        assert_int_equal(mkdirat(m.data_fd, "kept", 0755), 0);
        cache_mount_close(&m);
        assert_int_equal(unlinkat(store->fd, info, 0), 0);
        test_write_file(store->fd, info, texts[i]);
        m = open_it(store, &r);
        assert_false(has(&m, "kept"));
        cache_mount_close(&m);
    }
}

static void remove_unused(void **state)
{
    size_t count = 0;
    struct error err = { 0 };
    const struct cache_mount_request a = request("a", CACHE_MOUNT_SHARED);
    const struct cache_mount_request b = request("b", CACHE_MOUNT_LOCKED);
    struct cache_mount m = open_it(*state, &a);
    struct cache_mount n = open_it(*state, &b);
    cache_mount_close(&n);
    assert_ok(cache_mount_remove_unused(*state, time(NULL) - 60, &count, &err), &err);
    assert_int_equal(count, 0);
    assert_ok(cache_mount_remove_unused(*state, INT64_MAX, &count, &err), &err);
    assert_int_equal(count, 1);
    assert_int_equal(count_in(*state, "mounts"), 1);
    cache_mount_close(&m);
    assert_ok(cache_mount_remove_unused(*state, INT64_MAX, &count, &err), &err);
    assert_int_equal(count_in(*state, "mounts"), 0);
}

/* Many at once: each of them counts under the lock, none is lost. */
static void *count_up(void *arg)
{
    const struct store *store = arg;
    const struct cache_mount_request r = request("a", CACHE_MOUNT_LOCKED);
    struct error err = { 0 };
    struct cache_mount m = CACHE_MOUNT_INIT;
    char name[32];
    if (cache_mount_open(store, &r, NULL, &m, &err) < 0)
        return arg;
    for (int i = 0;; i++) {
        snprintf(name, sizeof name, "%d", i);
        if (faccessat(m.data_fd, name, F_OK, 0) == 0)
            continue;
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        if (mkdirat(m.data_fd, name, 0755) < 0)
            err.kind = ERROR_SYSTEM;
        break;
    }
    cache_mount_close(&m);
    return err.kind ? arg : NULL;
}

static void one_at_a_time(void **state)
{
    pthread_t threads[8];
    const struct cache_mount_request r = request("a", CACHE_MOUNT_SHARED);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_create(&threads[i], NULL, count_up, *state);
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    struct cache_mount m = open_it(*state, &r);
    assert_true(has(&m, "7"));
    cache_mount_close(&m);
}

#define STORE_TEST(name)                                                                           \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(is_kept),         STORE_TEST(sharing),
        STORE_TEST(locked_waits),    STORE_TEST(a_wait_can_be_cancelled),
        STORE_TEST(fresh),           STORE_TEST(all_of_a_key_are_renewed),
        STORE_TEST(initial_content), STORE_TEST(torn),
        STORE_TEST(remove_unused),   STORE_TEST(one_at_a_time),
    };
    return cmocka_run_group_tests_name("cache_mount", tests, NULL, NULL);
}
