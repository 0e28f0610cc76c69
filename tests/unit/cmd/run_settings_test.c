/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line says about RUN steps: what it means, its key, what is refused and how. */
#include "cmd/run_settings.h"

#include "tests/support/test.h"

#include <sys/resource.h>

#include "frontend/dockerfile/lower.h"
#include "lib/base/mem.h"

/* One option with one value. */
struct one {
    const char *option, *value;
};

static struct strvec *list_of(struct run_setting_texts *t, const char *option)
{
    const struct {
        const char *name;
        struct strvec *list;
    } lists[] = { { "add-host", &t->add_hosts },
                  { "ulimit", &t->ulimits },
                  { "dns", &t->dns },
                  { "dns-option", &t->dns_options },
                  { "dns-search", &t->dns_searches },
                  { "cap-add", &t->cap_adds },
                  { "cap-drop", &t->cap_drops },
                  { "security-opt", &t->security_opts },
                  { "device", &t->devices },
                  { "volume", &t->volumes },
                  { "allow", &t->allows } };
    for (size_t i = 0; i < COUNT(lists); i++) {
        if (strcmp(lists[i].name, option) == 0)
            return lists[i].list;
    }
    return NULL;
}

static int read_all(const struct one *options, size_t count, struct run_settings *out,
                    struct error *err)
{
    struct run_setting_texts t = { 0 };
    for (size_t i = 0; i < count; i++) {
        if (strcmp(options[i].option, "shm-size") == 0)
            t.shm_size = options[i].value;
        else
            strvec_push(list_of(&t, options[i].option), options[i].value);
    }
    *out = (struct run_settings){ 0 };
    int rc = run_settings_read(&t, NULL, out, err);
    for (size_t i = 0; i < count; i++) {
        struct strvec *list = list_of(&t, options[i].option);
        if (list)
            strvec_release(list);
    }
    return rc;
}

static const struct key_case {
    struct one option;
    const char *key;   /* NULL: none */
    const char *hosts; /* NULL: none */
} keys[] = {
    { { "add-host", "db:10.0.0.5" }, "host=db\n", "10.0.0.5\tdb\n" },
    { { "add-host", "db=10.0.0.5" }, "host=db\n", "10.0.0.5\tdb\n" },
    { { "add-host", "v6:[2001:db8::5]" }, "host=v6\n", "2001:db8::5\tv6\n" },
    { { "add-host", "v6:2001:db8::5" }, "host=v6\n", "2001:db8::5\tv6\n" },
    { { "add-host", "v6=::1,b:1.2.3.4" }, "host=v6\nhost=b\n", "::1\tv6\n1.2.3.4\tb\n" },
    { { "add-host", "a;b:1.2.3.4" }, "host=a\nhost=b\n", "1.2.3.4\ta\n1.2.3.4\tb\n" },
    { { "add-host", "host.docker.internal:host-gateway" },
      "host=host.docker.internal\n",
      "127.0.0.1\thost.docker.internal\n" },
    { { "shm-size", "128m" }, "shm-size=134217728\n", NULL },
    { { "shm-size", "1KiB" }, "shm-size=1024\n", NULL },
    { { "shm-size", "2gb" }, "shm-size=2147483648\n", NULL },
    { { "shm-size", "4096" }, "shm-size=4096\n", NULL },
    { { "ulimit", "nofile=100:200" }, "ulimit=nofile=100:200\n", NULL },
    { { "cap-add", "sys_ptrace,CAP_NET_ADMIN" }, "cap-add=81000\n", NULL },
    { { "security-opt", "seccomp=unconfined" }, "seccomp=unconfined\n", NULL },
    { { "security-opt", "seccomp:unconfined" }, "seccomp=unconfined\n", NULL },
    { { "security-opt", "no-new-privileges" }, "no-new-privileges\n", NULL },
    { { "security-opt", "label=disable" }, NULL, NULL },
    { { "security-opt", "apparmor=unconfined" }, NULL, NULL },
    { { "dns", "192.0.2.1" }, NULL, NULL },
    { { "device", "vendor.com/gpu=all" }, "device=vendor.com/gpu=all\n", NULL },
    { { "device", "/dev/null:/dev/other:rw" }, "device=/dev/null:/dev/other:rw\n", NULL },
    { { "volume", "/usr/../usr:/x/./y:ro,z" }, "volume=/usr:/x/y:ro\n", NULL },
    { { "allow", "network.host" }, NULL, NULL },
};

static void key_of_one(void **state)
{
    const struct key_case *c = *state;
    struct error err = { 0 };
    struct run_settings s;
    assert_ok(read_all(&c->option, 1, &s, &err), &err);
    assert_string_equal(s.key ? s.key : "(none)", c->key ? c->key : "(none)");
    assert_string_equal(s.sandbox.extra_hosts ? s.sandbox.extra_hosts : "(none)",
                        c->hosts ? c->hosts : "(none)");
    run_settings_release(&s);
}

static const struct bad_case {
    struct one option;
    enum error_kind kind;
    const char *text;
} bad[] = {
    { { "add-host", "db" }, ERROR_USAGE, "--add-host db: invalid host" },
    { { "add-host", "db:" }, ERROR_USAGE, "invalid host" },
    { { "add-host", ":1.2.3.4" }, ERROR_USAGE, "invalid host" },
    { { "add-host", "db:1.2.3" }, ERROR_USAGE, "invalid host" },
    { { "add-host", "a\n1.2.3.4 evil:1.2.3.4" }, ERROR_USAGE, "invalid host" },
    { { "add-host", "a#b:1.2.3.4" }, ERROR_USAGE, "invalid host" },
    { { "shm-size", "many" }, ERROR_USAGE, "--shm-size many: not a size" },
    { { "shm-size", "0" }, ERROR_USAGE, "not a size" },
    { { "shm-size", "1x" }, ERROR_USAGE, "not a size" },
    { { "shm-size", "9000000000g" }, ERROR_USAGE, "not a size" },
    { { "ulimit", "nofiles=1" }, ERROR_USAGE, "invalid ulimit type: nofiles" },
    { { "ulimit", "nofile" }, ERROR_USAGE, "invalid ulimit argument" },
    { { "ulimit", "nofile=2:1" }, ERROR_USAGE, "soft limit must be less than or equal" },
    { { "ulimit", "nofile=-2" }, ERROR_USAGE, "invalid ulimit argument" },
    { { "cap-add", "SYS_PTRACES" }, ERROR_USAGE, "no capability is called that" },
    { { "security-opt", "seccomp=my.json" }, ERROR_UNSUPPORTED, "there is one seccomp filter" },
    { { "security-opt", "label=type:x" }, ERROR_UNSUPPORTED, "label that mlbuild itself" },
    { { "security-opt", "apparmor=x" }, ERROR_UNSUPPORTED, "profile and label" },
    { { "security-opt", "color=blue" }, ERROR_USAGE, "unknown" },
    { { "dns", "one.one.one.one" }, ERROR_USAGE, "not an address" },
    { { "dns-search", "a b" }, ERROR_USAGE, "not a name" },
    { { "device", "/dev/none-such" }, ERROR_USER, "--device /dev/none-such: No such file" },
    { { "volume", "/usr" }, ERROR_USAGE, "what is to be mounted where?" },
    { { "volume", "/usr:relative" }, ERROR_USAGE, "what is to be mounted where?" },
    { { "volume", "/none-such:/x" }, ERROR_USER, "--volume /none-such:/x: No such file" },
    { { "volume", "/usr:/x:O" }, ERROR_UNSUPPORTED, "O is not done" },
    { { "allow", "network.hosts" }, ERROR_USAGE, "invalid entitlement" },
    { { "allow", "network.host=x" }, ERROR_USAGE, "invalid entitlement" },
};

static void refuses(void **state)
{
    const struct bad_case *c = *state;
    struct error err = { 0 };
    struct run_settings s;
    int rc = read_all(&c->option, 1, &s, &err);
    run_settings_release(&s);
    assert_error(rc, &err, c->kind, c->text);
}

static void values(void **state)
{
    struct error err = { 0 };
    struct run_settings s;
    const struct one options[] = {
        { "ulimit", "core=-1" },   { "ulimit", "nproc=5" },   { "cap-drop", "all" },
        { "cap-add", "chown" },    { "allow", "device" },     { "allow", "security.insecure" },
        { "volume", "/usr:/mnt" }, { "device", "/dev/null" }, { "allow", "device=a/b=c" },
    };
    (void)state;
    assert_ok(read_all(options, COUNT(options), &s, &err), &err);
    const struct sandbox_options *o = &s.sandbox;
    assert_int_equal(o->limit_count, 2);
    assert_int_equal(o->limits[0].resource, RLIMIT_CORE);
    assert_true(o->limits[0].soft == UINT64_MAX && o->limits[0].hard == UINT64_MAX);
    assert_true(o->limits[1].soft == 5 && o->limits[1].hard == 5);
    assert_int_equal(o->caps_added, 1);
    assert_true(o->caps_dropped == ~UINT64_C(1));
    assert_int_equal(s.allow, ALLOW_DEVICE | ALLOW_SECURITY_INSECURE);
    assert_true(o->allow_insecure && o->allow_all_devices);
    assert_string_equal(o->allowed_devices.items[0], "a/b=c");
    assert_int_equal(o->volume_count, 2);
    assert_true(o->volumes[0].is_device);
    assert_string_equal(o->volumes[0].target, "/dev/null");
    assert_true(o->volumes[1].writable && !o->volumes[1].is_device);
    assert_string_equal(o->volumes[1].target, "/mnt");
    run_settings_release(&s);
}

static void host_name(void **state)
{
    struct error err = { 0 };
    struct run_settings s = { 0 };
    struct run_setting_texts none = { 0 };
    struct map args = { 0 };
    char good[] = "builder";
    char wrong[] = "two words";
    (void)state;
    map_set(&args, "BUILDKIT_SANDBOX_HOSTNAME", good);
    assert_ok(run_settings_read(&none, &args, &s, &err), &err);
    assert_string_equal(s.sandbox.hostname, "builder");
    assert_string_equal(s.key, "hostname=builder\n");
    run_settings_release(&s);
    map_set(&args, "BUILDKIT_SANDBOX_HOSTNAME", wrong);
    int rc = run_settings_read(&none, &args, &s, &err);
    run_settings_release(&s);
    map_release(&args);
    assert_error(rc, &err, ERROR_USER, "not a host name");
}

int main(void)
{
    struct CMUnitTest tests[COUNT(keys) + COUNT(bad) + 2];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(keys); i++)
        tests[n++] = (struct CMUnitTest){ keys[i].option.value, key_of_one, NULL, NULL,
                                          (void *)(uintptr_t)&keys[i] };
    for (size_t i = 0; i < COUNT(bad); i++)
        tests[n++] = (struct CMUnitTest){ bad[i].option.value, refuses, NULL, NULL,
                                          (void *)(uintptr_t)&bad[i] };
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(values);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(host_name);
    return _cmocka_run_group_tests("run_settings", tests, n, NULL, NULL);
}
