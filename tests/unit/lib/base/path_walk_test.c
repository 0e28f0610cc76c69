/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/path_walk.h"

#include <errno.h>

#include "tests/support/test.h"

/* A tree in which a component that begins with '>' is a link to what follows, '+' for a slash. */
static int follow(struct path_walk *w)
{
    char name[NAME_MAX + 1];
    int more = 0;
    while ((more = path_walk_next(w, name)) > 0) {
        for (char *c = name; *c; c++)
            *c = *c == '+' ? '/' : *c;
        if (strcmp(name, "..") == 0)
            path_walk_up(w);
        else if (name[0] != '>')
            path_walk_into(w, name);
        else if (path_walk_link(w, name + 1) < 0)
            return -1;
    }
    return more;
}

static const struct followed {
    const char *path, *done;
} followed[] = {
    { "", "" },
    { "/", "" },
    { "a//b/", "a/b" },
    { "../../a", "a" },
    { "a/b/../../..", "" },
    { "a/>b+c/d", "a/b/c/d" },
    { "a/>+b/c", "b/c" },
    { "a/>../c", "c" },
    { "a/b/>..+..+..+x", "x" },
    { "a/>/b", "a/b" },
};

static void leads_where_a_chroot_would(void **state)
{
    const struct followed *f = *state;
    auto_(path_walk) struct path_walk w;
    path_walk_begin(&w, f->path);
    assert_int_equal(follow(&w), 0);
    assert_true(path_walk_is_last(&w));
    assert_string_equal(w.done.buf, f->done);
}

static void forty_links_and_no_more(void **state)
{
    (void)state;
    auto_(strbuf) struct strbuf path = STRBUF_INIT;
    for (int i = 0; i < 40; i++)
        strbuf_addstr(&path, "/>x");
    auto_(path_walk) struct path_walk forty;
    path_walk_begin(&forty, path.buf);
    assert_int_equal(follow(&forty), 0);
    strbuf_addstr(&path, "/>x");
    auto_(path_walk) struct path_walk more;
    path_walk_begin(&more, path.buf);
    assert_int_equal(follow(&more), -1);
    assert_int_equal(errno, ELOOP);
}

static void a_component_has_a_length(void **state)
{
    (void)state;
    char name[NAME_MAX + 1];
    auto_(strbuf) struct strbuf path = STRBUF_INIT;
    for (int i = 0; i < NAME_MAX; i++)
        strbuf_addch(&path, 'n');
    auto_(path_walk) struct path_walk longest;
    path_walk_begin(&longest, path.buf);
    assert_int_equal(path_walk_next(&longest, name), 1);
    assert_string_equal(name, path.buf);
    strbuf_addch(&path, 'n');
    auto_(path_walk) struct path_walk longer;
    path_walk_begin(&longer, path.buf);
    assert_int_equal(path_walk_next(&longer, name), -1);
    assert_int_equal(errno, ENAMETOOLONG);
}

int main(void)
{
    enum { OTHERS = 2 };
    struct CMUnitTest tests[COUNT(followed) + OTHERS] = {
        cmocka_unit_test(forty_links_and_no_more),
        cmocka_unit_test(a_component_has_a_length),
    };
    for (size_t i = 0; i < COUNT(followed); i++)
        tests[OTHERS + i] = (struct CMUnitTest){ followed[i].path, leads_where_a_chroot_would, NULL,
                                                 NULL, (void *)&followed[i] };
    return cmocka_run_group_tests_name("path_walk", tests, NULL, NULL);
}
