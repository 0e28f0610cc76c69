/* SPDX-License-Identifier: Apache-2.0 */
/* graph, and the keys of lib/cache. */
#include "lib/graph/graph.h"

#include <sys/stat.h>

#include "lib/cache/cache.h"
#include "tests/support/test.h"

static const char *const echo[] = { "echo", "a", NULL };
static const char *const echo_b[] = { "echo", "b", NULL };
static const char *const env[] = { "A=1", NULL };
static const char *const proxy[] = { "http_proxy=x", NULL };
static const char *const none[] = { NULL };

static struct vertex run_of(const char *const *args)
{
    return (struct vertex){ .kind = OP_EXEC,
                            .name = "run",
                            .exec = { .args = args, .env = none, .cwd = "/", .user = "" } };
}

static void equal_steps_are_one(void **state)
{
    struct graph g = { 0 };
    struct vertex v = run_of(echo);
    (void)state;
    struct vertex *first = graph_add(&g, &v);
    v.name = "another name";
    v.where.line = 9;
    v.exec.private_env = proxy;
    assert_ptr_equal(graph_add(&g, &v), first);
    v.inputs = VERTICES(first);
    v.input_count = 1;
    struct vertex *second = graph_add(&g, &v);
    assert_ptr_not_equal(second, first);
    assert_true(digest_equal(&second->digest, &first->digest));
    assert_int_equal(g.count, 2);
    assert_int_equal(second->index, 1);
    graph_release(&g);
}

static struct vertex copy_of(const struct copy_source *sources, size_t count, const char *dest)
{
    return (struct vertex){ .kind = OP_COPY,
                            .copy = { .sources = sources, .source_count = count, .dest = dest } };
}

static void every_field_counts(void **state)
{
    static const char *const patterns[] = { "*.o", NULL };
    static const struct copy_source two[] = { { .input = 1, .path = "a" },
                                              { .input = 1, .path = "b" } };
    static const struct copy_source other[] = { { .input = 2, .path = "a" } };
    static const struct copy_source unpacked[] = { { .input = 1, .path = "a", .unpack = true } };
    static const struct copy_source inlined[] = { { .path = "a", .data = "text", .size = 4 } };
    static const struct exec_mount cache[] = { { .type = EXEC_MOUNT_CACHE, .target = "/c" } };
    static const struct exec_mount tmpfs[] = { { .type = EXEC_MOUNT_TMPFS, .target = "/c" } };
    static const struct exec_device device[] = { { "vendor.com/gpu=0", true } };
    struct graph g = { 0 };
    (void)state;
    struct vertex all[] = {
        run_of(echo),
        run_of(echo_b),
        run_of(echo),
        run_of(echo),
        run_of(echo),
        run_of(echo),
        run_of(echo),
        run_of(echo),
        run_of(echo),
        run_of(echo),
        run_of(echo),
        copy_of(two, 1, "/b"),
        copy_of(two, 2, "/b"),
        copy_of(two, 1, "/b/"),
        copy_of(two, 1, "/b"),
        copy_of(two, 1, "/b"),
        copy_of(two, 1, "/b"),
        copy_of(two, 1, "/b"),
        copy_of(other, 1, "/b"),
        copy_of(unpacked, 1, "/b"),
        copy_of(inlined, 1, "/b"),
        { .kind = OP_MERGE },
        { .kind = OP_MKDIR, .mkdir = { "/b", "" } },
        { .kind = OP_MKDIR, .mkdir = { "/b", "1" } },
        { .kind = OP_MKDIR, .mkdir = { "/c", "" } },
        { .kind = OP_LOCAL, .local = { "context" } },
        { .kind = OP_LOCAL, .local = { "other" } },
        run_of(echo),
        run_of(echo),
        run_of(echo),
    };
    struct vertex *of_platform = &all[COUNT(all) - 3];
    all[2].exec.env = env;
    all[3].exec.cwd = "/x";
    all[4].exec.user = "app";
    all[5].exec.network = NETWORK_NONE;
    all[6].exec.insecure = true;
    all[7].exec.mounts = cache;
    all[8].exec.mounts = tmpfs;
    all[7].exec.mount_count = all[8].exec.mount_count = 1;
    all[9].exec.devices = device;
    all[9].exec.device_count = 1;
    all[10].exec.settings = "hostname x";
    of_platform[0].exec.platform = (struct platform){ "linux", "amd64", "" };
    of_platform[1].exec.platform = (struct platform){ "linux", "arm", "v6" };
    of_platform[2].exec.platform = (struct platform){ "linux", "arm", "v7" };
    all[14].copy.chmod = "0";
    all[15].copy.chown = "";
    all[16].copy.parents = true;
    all[17].copy.exclude = patterns;
    for (size_t i = 0; i < COUNT(all); i++)
        graph_add(&g, &all[i]);
    assert_int_equal(g.count, COUNT(all));
    for (size_t i = 0; i < g.count; i++) {
        for (size_t k = 0; k < i; k++)
            assert_false(digest_equal(&g.vertices[i]->digest, &g.vertices[k]->digest));
    }
    graph_release(&g);
}

static void keys_tell_their_recipe(void **state)
{
    struct digest a;
    struct digest b;
    struct cache_key one = cache_key_begin("result");
    struct cache_key two = cache_key_begin("definition");
    (void)state;
    cache_key_add_text(&one, "layer", "x");
    cache_key_add_text(&two, "layer", "x");
    assert_string_equal(one.recipe.items[0], "layer x");
    cache_key_finish(&one, &a);
    cache_key_finish(&two, &b);
    assert_false(digest_equal(&a, &b));
    cache_key_release(&one);
    cache_key_release(&two);
}

static void records_need_their_layer(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    struct store store;
    struct digest key;
    struct digest value;
    struct digest found;
    struct strvec recipe = { 0 };
    struct cache_record r = { .layer = "gone", .created = (char *)"2020-01-01T00:00:00Z" };
    struct cache_record out = { 0 };
    assert_int_equal(chmod(dir->path, 0700), 0);
    assert_ok(store_open(&store, dir->path, &err), &err);
    assert_ok(store_lease(&store, &err), &err);
    digest_of("k", 1, &key);
    digest_of("v", 1, &value);
    assert_false(cache_find(&store, &key, &out));
    assert_ok(cache_put(&store, &key, &r, &recipe, &err), &err);
    assert_false(cache_find(&store, &key, &out));
    snprintf(r.layer, sizeof r.layer, "../x");
    assert_ok(cache_put(&store, &key, &r, &recipe, &err), &err);
    assert_false(cache_find(&store, &key, &out));
    assert_false(cache_find_digest(&store, &value, &found));
    assert_ok(cache_put_digest(&store, &value, &key, &err), &err);
    assert_true(cache_find_digest(&store, &value, &found));
    assert_true(digest_equal(&found, &key));
    store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_steps_are_one),
        cmocka_unit_test(every_field_counts),
        cmocka_unit_test(keys_tell_their_recipe),
        cmocka_unit_test_setup_teardown(records_need_their_layer, test_dir_setup,
                                        test_dir_teardown),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
