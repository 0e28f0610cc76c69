/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a step can ask to see: every kind of mount in a real sandbox, and what an image or another
 * step does to mislead it. Under the map that this user has, and with a single id.
 */
#include "tests/support/busybox_root.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/process.h"
#include "lib/fs/dir.h"
#include "snapshotter/sandbox/sandbox.h"
#include "snapshotter/userns.h"

static char *top_path; /* root: the image; tree: what is mounted; cache */
static int top;
static struct executor *executor;
static bool single_id;

struct outcome {
    int rc, status;
    struct strbuf out;
    struct error error;
};

static void collect(void *arg, int stream, const char *data, size_t len)
{
    (void)stream;
    strbuf_add(&((struct outcome *)arg)->out, data, len);
}

static void outcome_release(struct outcome *o)
{
    strbuf_release(&o->out);
    error_clear(&o->error);
}
DEFINE_AUTO(outcome, struct outcome, outcome_release(value))
#define OUTCOME_INIT                                                                               \
    {                                                                                              \
        .out = STRBUF_INIT                                                                         \
    }

static int clone_of(const char *name)
{
    return open_tree(top, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

/* Runs `script` with the mounts; the root is as it was before. */
static void run_on(struct executor *e, struct outcome *o, const char *script, struct op_exec op,
                   const struct exec_source *sources)
{
    const char *argv[] = { "/bin/sh", "-c", script, NULL };
    const char *env[] = { "PATH=/bin", "TOKEN=from the image", NULL };
    auto_close int root = clone_of("root");
    op.args = argv;
    op.env = env;
    op.cwd = op.cwd ? op.cwd : "/";
    struct exec_request request = {
        .op = &op, .root_fd = root, .sources = sources, .output = collect, .output_arg = o
    };
    o->rc = e->run(e, &request, &o->status, &o->error);
}

static void expect(struct outcome *o, const char *out)
{
    assert_ok(o->rc, &o->error);
    if (strcmp(o->out.buf, out) != 0)
        fail_msg("said:\n%s\nnot:\n%s\n(status %d)", o->out.buf, out, o->status);
    assert_int_equal(o->status, 0);
}

#define MOUNT(kind, at, ...)                                                                       \
    {                                                                                              \
        .type = EXEC_MOUNT_##kind, .target = (at), __VA_ARGS__                                     \
    }
#define RUN(o, script, list, sources)                                                              \
    run_on(executor, o, script, (struct op_exec){ .mounts = (list), .mount_count = COUNT(list) },  \
           sources)

static void binds(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    auto_close int tree = clone_of("tree");
    const struct exec_mount mounts[] = { MOUNT(BIND, "/mnt/file"), MOUNT(BIND, "/mnt/all"),
                                         MOUNT(BIND, "/mnt/rw", .writable = true) };
    const struct exec_source sources[] = { { .fd = tree, .path = "dir/file" },
                                           { .fd = tree, .path = "", .is_dir = true },
                                           { .fd = tree, .path = "dir", .is_dir = true } };
    (void)state;
    RUN(&o,
        "cat /mnt/file; ls /mnt/all; echo x 2>&- >/mnt/all/new || echo read-only;"
        "echo x 2>&- >/mnt/file || echo read-only; echo x >/mnt/rw/new && rm /mnt/rw/new;"
        "grep -c tree0 /proc/mounts; ls /dev/pts",
        mounts, sources);
    assert_ok(o.rc, &o.error);
    assert_string_equal(o.out.buf, "text\ndir\nlink\nread-only\nread-only\n0\nptmx\n");
}

static void caches_and_tmpfs(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    auto_close int cache = openat(top, "cache", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const struct exec_mount mounts[] = { MOUNT(CACHE, "/mnt/all", .writable = true),
                                         MOUNT(CACHE, "/mnt/rw"),
                                         MOUNT(TMPFS, "/srv/real", .writable = true, .size = 65536),
                                         MOUNT(TMPFS, "/srv/real/below/it", .writable = true) };
    const struct exec_source sources[] = { { .fd = cache, .is_dir = true },
                                           { .fd = cache, .is_dir = true },
                                           { .fd = -1, .is_dir = true },
                                           { .fd = -1, .is_dir = true } };
    (void)state;
    RUN(&o,
        "echo kept >/mnt/all/kept; cat /mnt/rw/kept; rm /mnt/rw/kept 2>&- || echo read-only;"
        "stat -c %a /srv/real; head -c 100000 /dev/zero >/srv/real/big 2>&- || echo full;"
        "stat -c %s /srv/real/big; touch /srv/real/below/it/x && ls /srv/real/below;"
        "grep /srv/real/below /proc/mounts | grep -c nosuid",
        mounts, sources);
    expect(&o, "kept\nread-only\n1777\nfull\n65536\nit\n1\n");
    auto_free char *text = test_read_file(top, "cache/kept");
    assert_string_equal(text, "kept\n");
    assert_int_equal(faccessat(top, "root/srv/real/big", F_OK, 0), -1);
}

static void secrets(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    const struct exec_mount mounts[] = {
        MOUNT(SECRET, NULL, .env = "TOKEN"),
        MOUNT(SECRET, NULL, .env = "NONE"),
        MOUNT(SECRET, "/mnt/file", .mode = 0400),
        MOUNT(SECRET, "/mnt/missing", .mode = 0400),
        MOUNT(SECRET, "/dev/run/tool", .mode = 0555, .uid = single_id ? 0 : 7, .gid = 0),
    };
    const struct exec_source sources[] = {
        { .fd = -1, .data = "s3cret", .size = 6 },
        { .fd = -1, .absent = true },
        { .fd = -1, .data = "a\0b\n", .size = 4 },
        { .fd = -1, .absent = true },
        { .fd = -1, .data = "#!/bin/sh\necho ran\n", .size = 19 }
    };
    (void)state;
    RUN(&o,
        "echo $TOKEN; echo \"<${NONE-unset}>\"; stat -c %a:%u:%s /mnt/file; test ! -e /mnt/missing;"
        "/dev/run/tool; grep /mnt/file /proc/mounts | cut -d' ' -f4 | tr , '\\n' | grep -E "
        "'^(ro|no)[^r]*$'; chmod 777 /mnt/file 2>&- || echo fixed",
        mounts, sources);
    expect(&o, "s3cret\n<>\n400:0:4\nran\nro\nnosuid\nnodev\nnoexec\nfixed\n");
}

static void inline_files(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    const struct exec_mount mounts[] = { MOUNT(INLINE, "/dev/pipes/EOF", .mode = 0755,
                                               .data = "#!/bin/sh\necho inline\n", .size = 22) };
    const struct exec_source sources[] = { { .fd = -1 } };
    (void)state;
    RUN(&o, "/dev/pipes/EOF; echo x 2>&- >>/dev/pipes/EOF || echo read-only", mounts, sources);
    expect(&o, "inline\nread-only\n");
}

static void sockets(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    auto_close int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/socket", top);
    assert_int_equal(bind(listener, (void *)&address, sizeof address), 0);
    auto_close int fd = openat(top, "socket", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    const struct exec_mount mounts[] = { MOUNT(SSH, "/mnt/missing"), MOUNT(SSH, "/mnt/file") };
    const struct exec_source sources[] = { { .fd = -1, .absent = true }, { .fd = fd } };
    (void)state;
    RUN(&o, "test -S /mnt/file && test ! -e /mnt/missing && echo socket", mounts, sources);
    assert_int_equal(unlinkat(top, "socket", 0), 0);
    expect(&o, "socket\n");
}

static void instead_of_ours(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    auto_close int tree = clone_of("tree");
    const struct exec_mount mounts[] = { MOUNT(TMPFS, "/dev/shm", .writable = true, .size = 4096),
                                         MOUNT(BIND, "/etc/hosts"),
                                         MOUNT(BIND, "/sys", .writable = true) };
    const struct exec_source sources[] = { { .fd = -1, .is_dir = true },
                                           { .fd = tree, .path = "dir/file" },
                                           { .fd = tree, .path = "dir", .is_dir = true } };
    (void)state;
    RUN(&o, "cat /etc/hosts; ls /sys; head -c 9000 /dev/zero >/dev/shm/x 2>&- || echo small",
        mounts, sources);
    expect(&o, "text\nfile\nsmall\n");
}

static void expect_refused(const struct exec_mount *mount, int fd, const char *path, bool is_dir,
                           const char *text)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    const struct exec_source source = { .fd = fd, .path = path, .is_dir = is_dir };
    run_on(executor, &o, "true", (struct op_exec){ .mounts = mount, .mount_count = 1 }, &source);
    assert_error(o.rc, &o.error, ERROR_USER, text);
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *target, *source, *text;
        bool is_dir;
    } bad[] = {
        { "/proc", "dir", "invalid mount target \"/proc\": it is inside /proc", true },
        { "/proc/sys", "dir", "it is inside /proc", true },
        { "/to-proc/self", "dir", "it is inside /proc", true },
        { "/to-root", "dir", "invalid mount target \"/to-root\": it is the root", true },
        { "/etc/passwd", "dir", "a directory cannot be mounted on what is a file", true },
        { "/mnt/all", "dir/file", "a file cannot be mounted on what is a directory", false },
        { "/etc/passwd/below", "dir", "mount on /etc/passwd/below: Not a directory", true },
        { "/nowhere", "dir", "the mount point /nowhere leads to /nowhere, which is not", true },
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        auto_close int tree = clone_of("tree");
        struct exec_mount m = MOUNT(BIND, bad[i].target);
        expect_refused(&m, tree, bad[i].source, bad[i].is_dir, bad[i].text);
    }
    struct exec_mount m = MOUNT(TMPFS, "/mnt/all");
    struct exec_mount both[] = { m, m };
    const struct exec_source sources[] = { { .fd = -1, .is_dir = true },
                                           { .fd = -1, .is_dir = true } };
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    both[1].target = "/mnt/all/below";
    RUN(&o, "true", both, sources);
    assert_non_null(o.error.hint);
    assert_error(o.rc, &o.error, ERROR_USER, "create the mount point /mnt/all/below: Read-only");
}

/* A source is a path without links; one that another step swapped for a link leads nowhere. */
static void swapped_source(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    auto_close int tree = clone_of("tree");
    const struct exec_mount mounts[] = { MOUNT(BIND, "/mnt/all") };
    const struct exec_source sources[] = { { .fd = tree, .path = "link", .is_dir = true } };
    (void)state;
    RUN(&o, "true", mounts, sources);
    assert_int_equal(o.rc, -1);
}

/* A link in a mount that leads back into the image must not make anything there. */
static void link_back(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    auto_close int cache = openat(top, "cache", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const struct exec_mount mounts[] = { MOUNT(CACHE, "/mnt/all", .writable = true),
                                         MOUNT(TMPFS, "/mnt/all/out/made", .writable = true) };
    const struct exec_source sources[] = { { .fd = cache, .is_dir = true },
                                           { .fd = -1, .is_dir = true } };
    (void)state;
    assert_int_equal(symlinkat("/srv", top, "cache/out"), 0);
    RUN(&o, "true", mounts, sources);
    assert_int_equal(unlinkat(top, "cache/out", 0), 0);
    assert_error(o.rc, &o.error, ERROR_USER, "leads to /srv/made, which is not there");
    assert_int_equal(faccessat(top, "root/srv/made", F_OK, 0), -1);
}

#define SEE_PRIVILEGES                                                                             \
    "grep -E '^Seccomp:' /proc/self/status | cut -f2; mount -t tmpfs none /srv 2>&- && echo "      \
    "mounted;"                                                                                     \
    "hostname other && hostname"

static void insecure(void **state)
{
    auto_(outcome) struct outcome no = OUTCOME_INIT;
    auto_(outcome) struct outcome yes = OUTCOME_INIT;
    struct executor *allowing = NULL;
    struct error err = { 0 };
    struct op_exec op = { .insecure = true };
    (void)state;
    run_on(executor, &no, "true", op, NULL);
    assert_error(no.rc, &no.error, ERROR_USER, "security.insecure is not allowed");
    assert_ok(sandbox_new(&(struct sandbox_options){ .allow_insecure = true }, &allowing, &err),
              &err);
    run_on(allowing, &yes, SEE_PRIVILEGES, op, NULL);
    sandbox_free(allowing);
    expect(&yes, "0\nmounted\nother\n");
}

static void build_options(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    struct executor *other = NULL;
    struct error err = { 0 };
    auto_free char *source = xasprintf("%s/tree/dir", top_path);
    const struct sandbox_limit limits[] = { { 7, 100, 200 }, { 4, 0, 0 } };
    const struct sandbox_volume volumes[] = { { source, "/mnt/all", false, false },
                                              { "/dev/null", "/dev/other", false, true } };
    struct sandbox_options options = { .limits = limits,
                                       .limit_count = COUNT(limits),
                                       .volumes = volumes,
                                       .volume_count = COUNT(volumes),
                                       .shm_size = 8192,
                                       .caps_added = UINT64_C(1) << 21,
                                       .caps_dropped = UINT64_C(1) << 1,
                                       .unconfined = true,
                                       .no_new_privs = true };
    (void)state;
    strvec_push(&options.dns.servers, "192.0.2.1");
    strvec_push(&options.dns.searches, "a.example");
    strvec_push(&options.dns.searches, "b.example");
    strvec_push(&options.dns.options, "ndots:2");
    assert_ok(sandbox_new(&options, &other, &err), &err);
    run_on(other, &o,
           "ulimit -n; ulimit -Hn; cat /mnt/all/file; echo x 2>&- >/mnt/all/file || echo read-only;"
           "echo x >/dev/other && wc -c </dev/other; head -c 9000 /dev/zero 2>&- >/dev/shm/x;"
           "stat -c %s /dev/shm/x; grep CapBnd /proc/self/status | cut -f2; cat /etc/resolv.conf;"
           "grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status | cut -f2",
           (struct op_exec){ 0 }, NULL);
    sandbox_free(other);
    strvec_release(&options.dns.servers);
    strvec_release(&options.dns.searches);
    strvec_release(&options.dns.options);
    expect(&o, "100\n200\ntext\nread-only\n0\n8192\n00000000a82425f9\nnameserver 192.0.2.1\n"
               "search a.example b.example\noptions ndots:2\n1\n0\n");
}

/* Calls that the filter refuses are allowed with their capability. */
static void caps_open_the_filter(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    struct executor *other = NULL;
    struct error err = { 0 };
    const struct sandbox_options options = { .caps_added = UINT64_C(1) << 21 }; /* SYS_ADMIN */
    (void)state;
    assert_ok(sandbox_new(&options, &other, &err), &err);
    run_on(other, &o, SEE_PRIVILEGES "; unshare -m true && echo unshared", (struct op_exec){ 0 },
           NULL);
    sandbox_free(other);
    expect(&o, "2\nmounted\nother\nunshared\n");
}

/* The init that waits for the next step may die before it gets one. */
static void killed_spare_is_replaced(void **state)
{
    auto_(outcome) struct outcome o = OUTCOME_INIT;
    auto_free char *script = xasprintf("z=$(pgrep -P %d -x mlbuild-zygote)\n"
                                       "until spare=$(pgrep -P $z); do sleep 0.01; done\n"
                                       "kill -KILL $spare\n"
                                       "while kill -0 $spare; do sleep 0.01; done",
                                       (int)getpid());
    const char *argv[] = { "sh", "-c", script, NULL };
    struct process_result result;
    struct error err = { 0 };
    (void)state;
    assert_ok(process_run(argv, NULL, &result, &err), &err);
    process_result_release(&result);
    run_on(executor, &o, "echo alive", (struct op_exec){ 0 }, NULL);
    expect(&o, "alive\n");
}

static int run_group(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binds),
        cmocka_unit_test(caches_and_tmpfs),
        cmocka_unit_test(secrets),
        cmocka_unit_test(inline_files),
        cmocka_unit_test(sockets),
        cmocka_unit_test(instead_of_ours),
        cmocka_unit_test(refused),
        cmocka_unit_test(swapped_source),
        cmocka_unit_test(link_back),
        cmocka_unit_test(insecure),
        cmocka_unit_test(build_options),
        cmocka_unit_test(caps_open_the_filter),
        cmocka_unit_test(killed_spare_is_replaced),
    };
    return _cmocka_run_group_tests(name, tests, COUNT(tests), NULL, NULL);
}

static void make_files(void)
{
    static const char *const dirs[] = { "root",     "tree",         "tree/dir",   "cache",
                                        "root/mnt", "root/mnt/all", "root/mnt/rw" };
    for (size_t i = 0; i < COUNT(dirs); i++)
        mkdirat(top, dirs[i], 0755);
    auto_close int root = openat(top, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    busybox_root_build(root);
    (void)!symlinkat("busybox", root, "bin/chmod");
    (void)!symlinkat("/proc", root, "to-proc");
    (void)!symlinkat("..", root, "to-root");
    test_write_file(top, "tree/dir/file", "text\n");
    test_write_file(root, "mnt/file", "the image's\n");
    (void)!symlinkat("dir", top, "tree/link");
}

/* Inside the namespace: 0:0, one thread. */
static int suite(void *arg)
{
    struct error err = { 0 };
    top = open(top_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return 1;
    make_files();
    if (sandbox_new(&(struct sandbox_options){ 0 }, &executor, &err) < 0) {
        print_error("%s\n", err.message);
        return 1;
    }
    int failed = run_group(arg);
    sandbox_free(executor);
    test_tmpdir_remove(top_path); /* here, where the owners of its files are known */
    return failed != 0;
}

static int run_suite(const struct id_map *map, char *name)
{
    struct error err = { 0 };
    int status = 1;
    top_path = test_tmpdir();
    single_id = id_map_is_single(map);
    if (chmod(top_path, 0755) < 0 || (geteuid() == 0 && chown(top_path, map->uids.items[0].outside,
                                                              map->gids.items[0].outside) < 0))
        return 1;
    if (userns_run(map, &(struct userns_job){ .fn = suite, .arg = (void *)name }, NULL, &status,
                   &err) < 0) {
        print_error("%s: %s (%s)\n", name, err.message, err.hint ? err.hint : "");
        error_clear(&err);
        status = 1;
    }
    free(top_path);
    return status;
}

int main(int argc, char **argv)
{
    if (strcmp(argv[0], SANDBOX_ZYGOTE_NAME) == 0)
        return sandbox_zygote_main(argc, argv);
    struct error err = { 0 };
    char names[][16] = { "own map", "single id", "sub-ids" };
    auto_(id_map) struct id_map own = { 0 };
    auto_(id_map) struct id_map single = { 0 };
    auto_(id_map) struct id_map many = { 0 };
    bool is_root = geteuid() == 0;
    if (access(BUSYBOX, X_OK) < 0) {
        print_error("not installed: " BUSYBOX " (package busybox-static)\n");
        return 1;
    }
    if (id_map_for_user(geteuid(), getegid(), &own, &err) < 0)
        return 1;
    id_extents_append(&single.uids, is_root ? 61000 : geteuid(), 1);
    id_extents_append(&single.gids, is_root ? 61000 : getegid(), 1);
    int failed = run_suite(&own, names[0]) + run_suite(&single, names[1]);
    if (is_root) {
        id_extents_append(&many.uids, 61000, 1);
        id_extents_append(&many.uids, 700000, 65536);
        id_extents_append(&many.gids, 61000, 1);
        id_extents_append(&many.gids, 700000, 65536);
        failed += run_suite(&many, names[2]);
    }
    return failed != 0;
}
