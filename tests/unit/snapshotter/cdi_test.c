/* SPDX-License-Identifier: Apache-2.0 */
/* CDI specifications: which files count, which names lead to which device, what they bring. */
#include "snapshotter/cdi.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/mem.h"

static const char yaml_spec[] = "cdiVersion: 0.5.0\n"
                                "kind: vendor.com/gpu\n"
                                "devices:\n"
                                "- name: \"0\"\n"
                                "  annotations:\n"
                                "    org.mobyproject.buildkit.device.class: fast\n"
                                "  containerEdits:\n"
                                "    deviceNodes:\n"
                                "    - path: /dev/gpu0\n"
                                "    - path: /dev/ctl\n"
                                "      hostPath: /dev/host-ctl\n"
                                "    env: [INDEX=0]\n"
                                "- name: \"1\"\n"
                                "  annotations:\n"
                                "    org.mobyproject.buildkit.device.class: fast\n"
                                "  containerEdits:\n"
                                "    deviceNodes:\n"
                                "    - path: /dev/gpu1\n"
                                "containerEdits:\n"
                                "  env: [VENDOR=yes, broken]\n"
                                "  additionalGids: [0, 44]\n"
                                "  mounts:\n"
                                "  - hostPath: /usr/lib/libgpu.so.1\n"
                                "    containerPath: /usr/lib/libgpu.so.1\n"
                                "    options: [ro, nosuid, bind]\n"
                                "  - hostPath: relative\n"
                                "    containerPath: /x\n"
                                "  - hostPath: tmpfs\n"
                                "    containerPath: /y\n"
                                "    type: tmpfs\n"
                                "  hooks:\n"
                                "  - hookName: createContainer\n"
                                "    path: /usr/bin/nvidia-cdi-hook\n"
                                "    args: [nvidia-cdi-hook, update-ldcache, --folder, /usr/lib]\n";

static const char json_spec[] =
    "{\"cdiVersion\":\"0.6.0\",\"kind\":\"other.com/net\",\"devices\":[{\"name\":\"eth\","
    "\"containerEdits\":{\"env\":[\"NET=a=b\"],\"mounts\":[{\"hostPath\":\"/a\",\"containerPath\":"
    "\"/b\",\"options\":[\"rw\"]}]}}]}";

/* The whole environment. */
static void set_path(const char *value)
{
    static char text[256];
    static char *variables[] = { text, NULL };
    snprintf(text, sizeof text, "MLBUILD_CDI_PATH=%s", value);
    environ = variables;
}

static struct cdi *load(const struct test_dir *d)
{
    test_write_file(d->fd, "a.yaml", yaml_spec);
    test_write_file(d->fd, "b.json", json_spec);
    test_write_file(d->fd, "c.yml", "kind: [");
    test_write_file(d->fd, "ignored.txt", "kind: [");
    auto_free char *path = xasprintf("/none:%s", d->path);
    set_path(path);
    return cdi_load();
}

static void finds(void **state)
{
    struct cdi *cdi = load(*state);
    static const struct {
        const char *name;
        size_t devices, binds;
    } cases[] = {
        { "vendor.com/gpu=0", 1, 3 },
        { "vendor.com/gpu=1", 1, 2 },
        { "vendor.com/gpu", 1, 3 },
        { "vendor.com/gpu=*", 2, 4 },
        { "fast", 2, 4 },
        { "other.com/net=eth", 1, 1 },
        { "vendor.com/gpu=2", 0, 0 },
        { "vendor.com/gp", 0, 0 },
        { "vendor.com/gpus=0", 0, 0 },
        { "slow", 0, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cdi_edits e = { 0 };
        assert_int_equal(cdi_find(cdi, cases[i].name, &e), cases[i].devices > 0);
        assert_int_equal(e.names.count, cases[i].devices);
        assert_int_equal(e.bind_count, cases[i].binds);
        cdi_edits_release(&e);
    }
    cdi_free(cdi);
}

static bool warns(const struct cdi_edits *e, const char *text)
{
    for (size_t i = 0; i < e->warnings.count; i++) {
        if (strstr(e->warnings.items[i], text))
            return true;
    }
    return false;
}

static void brings(void **state)
{
    struct cdi *cdi = load(*state);
    struct cdi_edits e = { 0 };
    assert_true(cdi_find(cdi, "vendor.com/gpu=0", &e));
    assert_true(cdi_find(cdi, "other.com/net=eth", &e));
    assert_int_equal(e.env.count, 3);
    assert_string_equal(e.env.items[0], "VENDOR=yes");
    assert_string_equal(e.env.items[2], "NET=a=b");
    assert_int_equal(e.gid_count, 1);
    assert_int_equal(e.gids[0], 44);
    assert_string_equal(e.binds[0].source, "/usr/lib/libgpu.so.1");
    assert_false(e.binds[0].writable || e.binds[0].is_device);
    assert_string_equal(e.binds[2].source, "/dev/host-ctl");
    assert_string_equal(e.binds[2].target, "/dev/ctl");
    assert_true(e.binds[2].is_device);
    assert_true(e.binds[3].writable);
    assert_true(warns(&e, "hooks are not run: /usr/bin/nvidia-cdi-hook update-ldcache"));
    assert_true(warns(&e, "a mount of type tmpfs is left out"));
    assert_true(warns(&e, "CDI: c.yml:"));
    assert_string_equal(e.names.items[0], "vendor.com/gpu=0");
    cdi_edits_release(&e);
    cdi_free(cdi);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds, test_dir_setup, test_dir_teardown),
        cmocka_unit_test_setup_teardown(brings, test_dir_setup, test_dir_teardown),
    };
    return cmocka_run_group_tests_name("cdi", tests, NULL, NULL);
}
