/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "lib/base/fd.h"
#include "lib/fs/resolve.h"
#include "snapshotter/sandbox/init.h"
#include "snapshotter/sandbox/tree.h"

/* Files that only serve as sources of binds are made where devpts will cover them. */
#define HIDDEN_HOSTS  "pts/hosts"
#define HIDDEN_RESOLV "pts/resolv.conf"
#define HIDDEN_EMPTY  "pts/empty"

enum {
    ATTR_CLOSED = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
    ATTR_FIXED = ATTR_CLOSED | MOUNT_ATTR_RDONLY,
};

static int fail(struct error *err, const char *what)
{
    return error_set(err, ERROR_SYSTEM, errno, "%s", what);
}

/* A mount point of the image; `flags` may demand a directory. */
static int open_target(const struct init *in, const char *path, int flags, struct error *err)
{
    int fd = root_open(in->fds[RUN_ROOT], path, O_PATH | flags);
    if (fd < 0)
        error_set(err, ERROR_SYSTEM, errno, "open the mount point %s of the image", path);
    return fd;
}

int rootfs_attach(struct init *in, struct error *err)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return fail(err, "make mounts private");
    auto_close int old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old_root < 0 || tree_attach(in->fds[RUN_ROOT], old_root) < 0)
        return fail(err, "attach");
    return 0;
}

int rootfs_write_hidden(int dev_fd, const char *path, const void *data, size_t len,
                        struct error *err)
{
    auto_close int fd = openat(dev_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return fail(err, path);
    return fd_write_all(fd, data, len, path, err);
}

static int write_hidden(int dev_fd, const char *path, const char *text, struct error *err)
{
    return rootfs_write_hidden(dev_fd, path, text, strlen(text), err);
}

static const struct device {
    const char *path;
    const char *name;
    unsigned major_id, minor_id;
} devices[] = {
    { "/dev/null", "null", 1, 3 },       { "/dev/zero", "zero", 1, 5 },
    { "/dev/full", "full", 1, 7 },       { "/dev/random", "random", 1, 8 },
    { "/dev/urandom", "urandom", 1, 9 }, { "/dev/tty", "tty", 5, 0 },
};

static int populate_dev(int dev_fd, struct error *err)
{
    static const char *const dirs[] = { "pts", "shm", "mqueue", HIDDEN_EMPTY };
    static const char *const links[][2] = {
        { "/proc/self/fd", "fd" },       { "/proc/self/fd/0", "stdin" },
        { "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
        { "pts/ptmx", "ptmx" },
    };
    for (size_t i = 0; i < COUNT(dirs); i++) {
        if (mkdirat(dev_fd, dirs[i], 0755) < 0)
            return fail(err, dirs[i]);
    }
    for (size_t i = 0; i < COUNT(links); i++) {
        if (symlinkat(links[i][0], dev_fd, links[i][1]) < 0)
            return fail(err, links[i][1]);
    }
    for (size_t i = 0; i < COUNT(devices); i++) {
        if (mknodat(dev_fd, devices[i].name, S_IFREG | 0666, 0) < 0)
            return fail(err, devices[i].name);
    }
    return 0;
}

/* What the image has in /dev is never looked at: the whole directory is made beside and put on top.
 */
int rootfs_make_dev(struct init *in, struct error *err)
{
    static const char *const options[] = { "mode", "755", "size", "65536k", NULL };
    const struct config *c = in->config;
    in->dev_fd = tree_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
    if (in->dev_fd < 0)
        return fail(err, "tmpfs");
    TRY(populate_dev(in->dev_fd, err));
    TRY(write_hidden(in->dev_fd, HIDDEN_HOSTS, c->hosts, err));
    return write_hidden(in->dev_fd, HIDDEN_RESOLV, in->own_net ? c->resolv_own : c->resolv_host,
                        err);
}

static int attach_at(const struct init *in, int tree, const char *path, struct error *err)
{
    auto_close int target = open_target(in, path, O_DIRECTORY, err);
    if (target < 0)
        return -1;
    return tree_attach(tree, target) < 0 ? fail(err, "attach") : 0;
}

int rootfs_mount_dev(struct init *in, struct error *err)
{
    return attach_at(in, in->dev_fd, "/dev", err);
}

/* A copy of the mount of a host device, once it is known to be that device. */
static int clone_device(const struct device *d, struct error *err)
{
    struct stat st;
    auto_close int tree = tree_clone(AT_FDCWD, d->path, false);
    if (tree < 0 || fstat(tree, &st) < 0)
        return fail(err, d->path);
    if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(d->major_id, d->minor_id))
        return error_set(err, ERROR_HOST, 0, "%s of this host is not the device %u:%u", d->path,
                         d->major_id, d->minor_id);
    return take_fd(&tree);
}

int rootfs_bind_devices(struct init *in, struct error *err)
{
    for (size_t i = 0; i < COUNT(devices); i++) {
        auto_close int tree = clone_device(&devices[i], err);
        if (tree < 0)
            return -1;
        auto_close int target =
            openat(in->dev_fd, devices[i].name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (target < 0 || tree_attach(tree, target) < 0)
            return fail(err, devices[i].path);
    }
    return 0;
}

int rootfs_make_proc(struct init *in, struct error *err)
{
    in->proc_fd = tree_new("proc", NULL, ATTR_CLOSED);
    if (in->proc_fd >= 0)
        return 0;
    fail(err, "procfs");
    return error_hint(err, "a container around this build hides parts of /proc; start it with: "
                           "--security-opt systempaths=unconfined (Kubernetes: procMount: "
                           "Unmasked)");
}

int rootfs_mount_proc(struct init *in, struct error *err)
{
    return attach_at(in, in->proc_fd, "/proc", err);
}

/* A fresh sysfs shows the network namespace that its mounter owns; with the host's network only a
 * copy of the host's mounts can be had, and that must be read-only to its last corner, or not at
 * all. */
int rootfs_mount_sys(struct init *in, struct error *err)
{
    auto_close int target = root_open(in->fds[RUN_ROOT], "/sys", O_PATH | O_DIRECTORY);
    if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (target < 0)
        return fail(err, "open the mount point /sys of the image");
    bool own_net = in->own_net;
    unsigned attrs = in->request.insecure ? ATTR_CLOSED : ATTR_FIXED;
    auto_close int tree =
        own_net ? tree_new("sysfs", NULL, attrs) : tree_clone(AT_FDCWD, "/sys", true);
    if (tree < 0 || tree_attach_restricted(tree, target, attrs, !own_net) < 0)
        return 0;
    in->sys_fd = take_fd(&tree);
    return 0;
}

int rootfs_bind_network_files(struct init *in, struct error *err)
{
    static const char *const files[][2] = {
        { HIDDEN_RESOLV, "/etc/resolv.conf" },
        { HIDDEN_HOSTS, "/etc/hosts" },
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        auto_close int target = open_target(in, files[i][1], 0, err);
        if (target < 0)
            return -1;
        auto_close int tree = tree_clone(in->dev_fd, files[i][0], false);
        if (tree < 0 || tree_attach_restricted(tree, target, ATTR_FIXED, false) < 0)
            return fail(err, files[i][1]);
    }
    return 0;
}

/* Covers one path below a mount of ours. A path that this kernel does not have needs no cover. */
static int mask_one(struct init *in, int mount_fd, const char *path, struct error *err)
{
    struct stat st;
    auto_close int target = openat(mount_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (target < 0 && errno == ENOENT)
        return 0;
    if (target < 0 || fstat(target, &st) < 0)
        return fail(err, path);
    auto_close int tree = S_ISDIR(st.st_mode) ? tree_clone(in->dev_fd, HIDDEN_EMPTY, false)
                                              : clone_device(&devices[0], err);
    if (tree < 0)
        return fail(err, path);
    uint64_t attrs = S_ISDIR(st.st_mode) ? ATTR_FIXED : MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    if (tree_attach_restricted(tree, target, attrs, false) < 0)
        return fail(err, path);
    return 0;
}

int rootfs_mask(struct init *in, struct error *err)
{
    static const char *const proc[] = { "acpi",        "asound",        "interrupts", "kcore",
                                        "keys",        "latency_stats", "timer_list", "timer_stats",
                                        "sched_debug", "scsi" };
    static const char *const sys[] = { "firmware", "devices/virtual/powercap" };
    if (in->request.insecure)
        return 0;
    for (size_t i = 0; i < COUNT(proc); i++)
        TRY(mask_one(in, in->proc_fd, proc[i], err));
    for (size_t i = 0; in->sys_fd >= 0 && i < COUNT(sys); i++)
        TRY(mask_one(in, in->sys_fd, sys[i], err));
    return 0;
}

/* Root of the host owns these files, and a plain owner check guards most of them. */
int rootfs_protect(struct init *in, struct error *err)
{
    static const char *const paths[] = { "bus", "fs", "irq", "sys", "sysrq-trigger" };
    for (size_t i = 0; i < COUNT(paths) && !in->request.insecure; i++) {
        auto_close int target = openat(in->proc_fd, paths[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (target < 0 && errno == ENOENT)
            continue;
        auto_close int tree = target < 0 ? -1 : tree_clone(target, "", true);
        if (tree < 0 || tree_attach_restricted(tree, target, ATTR_FIXED, false) < 0)
            return fail(err, paths[i]);
    }
    return 0;
}

static int mount_below_dev(struct init *in, const char *name, int tree, struct error *err)
{
    auto_close int owned = tree;
    auto_close int target = openat(in->dev_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (owned < 0 || target < 0 || tree_attach(owned, target) < 0)
        return fail(err, name);
    return 0;
}

/* Last of all: /dev/pts covers the files that the binds above came from. */
int rootfs_mount_dev_below(struct init *in, struct error *err)
{
    char size[32];
    snprintf(size, sizeof size, "%lu", (unsigned long)in->config->shm_size);
    const char *pts[] = { "ptmxmode", "0666", "mode", "0620", "gid", "5", NULL };
    const char *shm[] = { "mode", "1777", "size", size, NULL };
    unsigned pts_attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    int tree = tree_new("devpts", pts, pts_attrs);
    if (tree < 0) {
        pts[4] = NULL; /* the group tty has no id here */
        tree = tree_new("devpts", pts, pts_attrs);
    }
    TRY(mount_below_dev(in, "pts", tree, err));
    TRY(mount_below_dev(in, "shm", tree_new("tmpfs", shm, ATTR_CLOSED), err));
    return mount_below_dev(in, "mqueue", tree_new("mqueue", NULL, ATTR_CLOSED), err);
}

/* Both roots are "." for a moment: the old one lies on top of the new and is taken off. */
int rootfs_pivot(struct init *in, struct error *err)
{
    auto_close int old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old_root < 0 || fchdir(in->fds[RUN_ROOT]) < 0)
        return fail(err, "enter the new root");
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return fail(err, "pivot_root");
    if (fchdir(old_root) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return fail(err, "detach the old root");
    return 0;
}
