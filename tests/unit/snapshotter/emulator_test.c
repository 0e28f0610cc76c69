/* SPDX-License-Identifier: Apache-2.0 */
/* Emulators: which entries of binfmt_misc are good for which platform. */
#include "snapshotter/sandbox/emulator.h"

#include "tests/support/test.h"

#include <fcntl.h>

#include "lib/base/mem.h"

#define ARM64_MAGIC "7f454c460201010000000000000000000200b700"
#define ARM64_MASK  "ffffffffffffff00fffffffffffffffffeffffff"
#define ENTRY(state, flags, magic, mask)                                                           \
    state "\ninterpreter /qemu\nflags: " flags "\noffset 0\nmagic " magic "\nmask " mask "\n"
#define ARM64(state, flags) ENTRY(state, flags, ARM64_MAGIC, ARM64_MASK)

static const struct emulator_case {
    const char *name;
    const char *host, *wanted;
    const char *status, *entry; /* NULL: there is no such file */
    bool is_in_image;           /* the interpreter */
    const char *missing;        /* NULL: it runs */
} cases[] = {
    { "itself", "linux/amd64", "linux/amd64", NULL, NULL, false, NULL },
    { "another level of it", "linux/amd64", "linux/amd64/v3", NULL, NULL, false, NULL },
    { "386 on amd64", "linux/amd64", "linux/386", NULL, NULL, false, NULL },
    { "arm on arm64", "linux/arm64", "linux/arm/v7", NULL, NULL, false, NULL },
    { "amd64 on 386", "linux/386", "linux/amd64", "enabled\n", NULL, false, "no emulator" },
    { "open", "linux/amd64", "linux/arm64", "enabled\n", ARM64("enabled", "PF"), false, NULL },
    { "of another", "linux/amd64", "linux/arm", "enabled\n", ARM64("enabled", "F"), false,
      "no emulator" },
    { "big endian", "linux/amd64", "linux/s390x", "enabled\n",
      ENTRY("enabled", "F", "7f454c4602020100000000000000000000020016",
            "ffffffffffffff00fffffffffffffffffffeffff"),
      false, NULL },
    { "not open", "linux/amd64", "linux/arm64", "enabled\n", ARM64("enabled", ""), false,
      "without flag F" },
    { "in the image", "linux/amd64", "linux/arm64", "enabled\n", ARM64("enabled", ""), true, NULL },
    { "disabled", "linux/amd64", "linux/arm64", "enabled\n", ARM64("disabled", "F"), false,
      "disabled" },
    { "all disabled", "linux/amd64", "linux/arm64", "disabled\n", ARM64("enabled", "F"), false,
      "switched off" },
    { "not mounted", "linux/amd64", "linux/arm64", NULL, NULL, false, "not mounted" },
    { "by extension", "linux/amd64", "linux/arm64", "enabled\n",
      "enabled\ninterpreter /x\nflags: F\nextension .exe\n", false, "no emulator" },
    { "matches all", "linux/amd64", "linux/arm64", "enabled\n", ENTRY("enabled", "F", "7f", "ff"),
      false, "no emulator" },
    { "odd hex", "linux/amd64", "linux/arm64", "enabled\n",
      ENTRY("enabled", "F", "7f454c4602010100000000000000000000zz", "ff"), false, "no emulator" },
    { "no machine code", "linux/amd64", "linux/wasm", "enabled\n", NULL, false, "nothing" },
    { "no linux", "linux/amd64", "windows/amd64", "enabled\n", NULL, false, "nothing" },
};

static void an_emulator_is_found(void **state)
{
    const struct emulator_case *c = *state;
    struct error err = { 0 };
    struct platform host;
    struct platform wanted;
    char *root = test_tmpdir();
    char *binfmt = test_tmpdir();
    auto_close int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int binfmt_fd = open(binfmt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_ok(platform_parse(c->host, &host, &err), &err);
    assert_ok(platform_parse(c->wanted, &wanted, &err), &err);
    if (c->status)
        test_write_file(binfmt_fd, "status", c->status);
    if (c->entry)
        test_write_file(binfmt_fd, "an-entry", c->entry);
    if (c->is_in_image)
        test_write_file(root_fd, "qemu", "");
    int rc = emulator_check(binfmt, &host, &wanted, root_fd, &err);
    if (c->missing)
        assert_error(rc, &err, ERROR_HOST, c->missing);
    else
        assert_ok(rc, &err);
    test_tmpdir_remove(root);
    test_tmpdir_remove(binfmt);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(cases)];

    for (size_t i = 0; i < COUNT(cases); i++)
        tests[i] = (struct CMUnitTest){ cases[i].name, an_emulator_is_found, NULL, NULL,
                                        (void *)&cases[i] };
    return cmocka_run_group_tests_name("emulator", tests, NULL, NULL);
}
