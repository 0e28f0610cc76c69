/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/registries.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/mem.h"
#include "lib/base/strbuf.h"
#include "tests/support/test.h"

static void put(const char *dir, const char *sub, const char *name, const char *text)
{
    struct error err = { 0 };
    auto_free char *path = xasprintf("%s/%s", dir, sub);
    if (mkdir(path, 0700) < 0)
        assert_int_equal(errno, EEXIST);
    auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    if (name)
        assert_ok(atomic_file_write(fd, name, text, strlen(text), 0600, &err), &err);
}

/* "host/repository host/repository! ..." in the order in which they are asked; ! is insecure. */
static char *sources_of(const struct registries *r, const char *name)
{
    struct error err = { 0 };
    auto_(reference) struct reference ref = { 0 };
    auto_(registries_sources) struct registries_sources sources = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    assert_ok(reference_parse(name, &ref, &err), &err);
    assert_ok(registries_sources(r, &ref, &sources, &err), &err);
    for (size_t i = 0; i < sources.count; i++) {
        strbuf_addf(&text, "%s%s/%s%s", i ? " " : "", sources.items[i].host,
                    sources.items[i].repository, sources.items[i].insecure ? "!" : "");
    }
    return strbuf_detach(&text);
}

#define DIGEST    "@sha256:0000000000000000000000000000000000000000000000000000000000000000"
#define REWRITTEN "[[registry]]\nprefix = \"r.io/team\"\nlocation = \"s.io/other/\"\n"
#define MIRRORS                                                                                    \
    "[[registry]]\nlocation = \"r.io\"\n[[registry.mirror]]\nlocation = \"m1:5000\"\n"             \
    "insecure = true\n[[registry.mirror]]\nlocation = \"m2.io/cache\"\n"

static const struct source_case {
    const char *name, *conf, *reference, *sources;
} cases[] = {
    { "nothing said", "", "x", "docker.io/library/x" },
    { "short names are docker.io", "unqualified-search-registries = [\"quay.io\"]", "x",
      "docker.io/library/x" },
    { "mirrors in order", MIRRORS, "r.io/a/b:1", "m1:5000/a/b! m2.io/cache/a/b r.io/a/b" },
    { "another registry", MIRRORS, "r.io.evil/a", "r.io.evil/a" },
    { "docker.io",
      "[[registry]]\nprefix='docker.io'\n[[registry.mirror]]\nlocation='mirror.gcr.io'", "python:3",
      "mirror.gcr.io/library/python docker.io/library/python" },
    { "a single word is a host",
      "[[registry]]\nlocation='docker.io'\n[[registry.mirror]]\nlocation='cache'", "x",
      "cache/library/x docker.io/library/x" },
    { "another location", REWRITTEN, "r.io/team/x:1", "s.io/other/x" },
    { "the prefix itself", REWRITTEN, "r.io/team:1", "s.io/other" },
    { "not the prefix", REWRITTEN, "r.io/teamster:1", "r.io/teamster" },
    { "the longest prefix",
      "[[registry]]\nprefix='r.io'\nlocation='a.io'\n[[registry]]\nprefix='r.io/t/"
      "u'\nlocation='b.io'\n"
      "[[registry]]\nprefix='r.io/t'\nlocation='c.io'",
      "r.io/t/u/v", "b.io/v" },
    { "a wildcard", "[[registry]]\nprefix='*.corp.io'\ninsecure=true", "a.b.corp.io/x",
      "a.b.corp.io/x!" },
    { "not the wildcard", "[[registry]]\nprefix='*.corp.io'\ninsecure=true", "corp.io/x",
      "corp.io/x" },
    { "a wildcard moved", "[[registry]]\nprefix='*.corp.io'\nlocation='z.io/p'", "a.corp.io/x",
      "z.io/p/x" },
    { "by tag only", MIRRORS "pull-from-mirror = \"tag-only\"", "r.io/a" DIGEST,
      "m1:5000/a! r.io/a" },
    { "by tag only: a tag", MIRRORS "pull-from-mirror = \"tag-only\"", "r.io/a:1",
      "m1:5000/a! m2.io/cache/a r.io/a" },
    { "by digest only: a tag", MIRRORS "pull-from-mirror = \"digest-only\"", "r.io/a:1",
      "m1:5000/a! r.io/a" },
    { "all by digest only",
      "[[registry]]\nlocation='r.io'\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation='m."
      "io'",
      "r.io/a:1", "r.io/a" },
    { "the last of equal prefixes",
      "[[registry]]\nlocation='r.io'\n[[registry]]\nprefix='r.io'\nlocation='n.io'", "r.io/a",
      "n.io/a" },
};

static int load(const char *dir, const char *conf, struct registries *out, struct error *err)
{
    auto_free char *path = xasprintf("%s/x.conf", dir);
    put(dir, ".", "x.conf", conf);
    struct registry_places places = { .registries_conf = path };
    return registries_load(&places, out, err);
}

static void source_case(void **state)
{
    const struct source_case *c = *state;
    struct error err = { 0 };
    char *dir = test_tmpdir();
    auto_(registries) struct registries r = { 0 };
    assert_ok(load(dir, c->conf, &r, &err), &err);
    auto_free char *sources = sources_of(&r, c->reference);
    assert_string_equal(sources, c->sources);
    test_tmpdir_remove(dir);
}

static void bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *conf, *why;
    } rows[] = {
        { "[registries.search]\nregistries = []", "version 1" },
        { "[registry]\nlocation='x'", "list of tables" },
        { "[[registry]]\ninsecure=true", "neither prefix nor location" },
        { "[[registry]]\nlocation='https://x'", "no scheme" },
        { "[[registry]]\nlocation=1", "x.conf" },
        { "[[registry]]\nprefix='a*b'", "at the front" },
        { "[[registry]]\nlocation='x'\n[[registry.mirror]]\ninsecure=true", "without location" },
        { "[[registry]]\nlocation='x'\n[[registry.mirror]]\nlocation='m'\npull-from-mirror='no'",
          "digest-only" },
        { "[[registry]", "line 1" },
    };
    char *dir = test_tmpdir();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error err = { 0 };
        auto_(registries) struct registries r = { 0 };
        assert_error(load(dir, rows[i].conf, &r, &err), &err, ERROR_USER, rows[i].why);
    }
    struct error err = { 0 };
    auto_(registries) struct registries r = { 0 };
    struct registry_places places = { .registries_conf = "/nowhere/x.conf" };
    assert_error(registries_load(&places, &r, &err), &err, ERROR_USER, "no such file");
    test_tmpdir_remove(dir);
}

static void blocked(void **state)
{
    (void)state;
    struct error err = { 0 };
    char *dir = test_tmpdir();
    auto_(registries) struct registries r = { 0 };
    auto_(registries_sources) struct registries_sources sources = { 0 };
    auto_(reference) struct reference ref = { 0 };
    assert_ok(load(dir, "[[registry]]\nprefix='docker.io'\nblocked=true", &r, &err), &err);
    assert_ok(reference_parse("x", &ref, &err), &err);
    assert_error(registries_sources(&r, &ref, &sources, &err), &err, ERROR_USER,
                 "blocks docker.io");
    test_tmpdir_remove(dir);
}

static void which_files_count(void **state)
{
    (void)state;
    struct error err = { 0 };
    char *dir = test_tmpdir();
    auto_free char *etc = xasprintf("%s/etc", dir);
    struct registry_places places = { .home = dir, .etc = etc };
    struct registries r = { 0 };

    put(dir, "etc", NULL, NULL);
    put(dir, "etc/containers", "registries.conf", "[[registry]]\nprefix='a'\nlocation='etc'");
    put(dir, "etc/containers/registries.conf.d", "1.conf",
        "[[registry]]\nprefix='b.io'\nlocation='one'");
    put(dir, "etc/containers/registries.conf.d", "2.conf",
        "[[registry]]\nprefix='b.io'\nlocation='two'");
    put(dir, "etc/containers/registries.conf.d", "3.txt", "not read");
    assert_ok(registries_load(&places, &r, &err), &err);
    auto_free char *by_etc = sources_of(&r, "b.io/x");
    assert_string_equal(by_etc, "two/x");
    registries_release(&r);

    put(dir, ".config", NULL, NULL);
    put(dir, ".config/containers", NULL, NULL);
    put(dir, ".config/containers/registries.conf.d", "0.conf",
        "[[registry]]\nprefix='b.io'\nlocation='mine'");
    assert_ok(registries_load(&places, &r, &err), &err);
    assert_int_equal(r.count, 2);
    auto_free char *by_drop_in = sources_of(&r, "b.io/x");
    assert_string_equal(by_drop_in, "mine/x");
    registries_release(&r);

    put(dir, ".config/containers", "registries.conf", "");
    assert_ok(registries_load(&places, &r, &err), &err);
    assert_int_equal(r.count, 1);
    registries_release(&r);
    test_tmpdir_remove(dir);
}

int main(void)
{
    enum { OTHERS = 3 };
    struct CMUnitTest tests[COUNT(cases) + OTHERS] = {
        cmocka_unit_test(bad_files),
        cmocka_unit_test(blocked),
        cmocka_unit_test(which_files_count),
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[OTHERS + i] =
            (struct CMUnitTest){ cases[i].name, source_case, NULL, NULL, (void *)&cases[i] };
    return cmocka_run_group_tests_name("registries", tests, NULL, NULL);
}
