/* SPDX-License-Identifier: Apache-2.0 */
/* map and arena. */
#include "lib/base/map.h"

#include "lib/base/arena.h"
#include "lib/base/mem.h"
#include "tests/support/test.h"

static void keeps_insertion_order(void **state)
{
    auto_(map) struct map m = { .free_value = free };
    (void)state;
    assert_null(map_find(&m, "missing"));
    for (int i = 0; i < 1000; i++) {
        auto_free char *key = xasprintf("key %d", (i * 7) % 1000);
        map_set(&m, key, xstrdup(key));
    }
    assert_int_equal(m.count, 1000);
    for (int i = 0; i < 1000; i++) {
        auto_free char *key = xasprintf("key %d", (i * 7) % 1000);
        assert_string_equal(m.entries[i].key, key);
        assert_string_equal(map_find(&m, key), key);
    }
    assert_null(map_find(&m, "key 1000"));
}

static void replaces_in_place(void **state)
{
    auto_(map) struct map m = { .free_value = free };
    (void)state;
    map_set(&m, "a", xstrdup("1"));
    map_set(&m, "b", xstrdup("2"));
    map_set(&m, "a", xstrdup("3"));
    assert_int_equal(m.count, 2);
    assert_string_equal(m.entries[0].key, "a");
    assert_string_equal(m.entries[0].value, "3");
    map_set(&m, "b", map_find(&m, "b"));
    assert_string_equal(map_find(&m, "b"), "2");
    map_set(&m, "", xstrdup("empty"));
    assert_string_equal(map_find(&m, ""), "empty");
}

static void is_empty_after_release(void **state)
{
    struct map m = { .free_value = free };
    (void)state;
    map_set(&m, "a", xstrdup("1"));
    map_release(&m);
    assert_null(map_find(&m, "a"));
    map_set(&m, "b", xstrdup("2"));
    assert_string_equal(map_find(&m, "b"), "2");
    map_release(&m);
    map_release(&m);
}

static void arena_memory_is_zeroed_and_aligned(void **state)
{
    struct arena arena = { 0 };
    (void)state;
    for (size_t size = 1; size < 200; size++) {
        unsigned char *p = arena_alloc(&arena, 1, size);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
    }
    unsigned char *large = arena_alloc(&arena, 3, 1 << 20);
    assert_int_equal(large[(3 << 20) - 1], 0);
    memset(large, 0xff, 3 << 20);
    assert_string_equal(arena_printf(&arena, "%s-%d", "a", 5), "a-5");
    assert_string_equal(arena_strndup(&arena, "abc", 2), "ab");
    assert_string_equal(arena_strdup(&arena, ""), "");
    arena_release(&arena);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_insertion_order),
        cmocka_unit_test(replaces_in_place),
        cmocka_unit_test(is_empty_after_release),
        cmocka_unit_test(arena_memory_is_zeroed_and_aligned),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
