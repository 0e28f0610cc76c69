/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a step has asked to see: every mount is first made, detached from everything, then put on
 * its target. Targets are looked up inside the root as it then is, so one mount may lie in another.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/fs/resolve.h"
#include "snapshotter/sandbox/init.h"
#include "snapshotter/sandbox/tree.h"

/* Below the directory that devpts covers, see rootfs.c. */
#define HIDDEN_DIR "pts/"

static int fail(struct error *err, const struct request_mount *m)
{
    return error_set(err, ERROR_SYSTEM, errno, "%s", m->target);
}

/* A tree that several paths are taken from is attached where nobody will look. */
static int attach_hidden(struct init *in, uint64_t tree, struct error *err)
{
    char path[32];
    snprintf(path, sizeof path, HIDDEN_DIR "tree%u", (unsigned)tree);
    if (mkdirat(in->dev_fd, path, 0700) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "create a mount point");
    auto_close int dir = openat(in->dev_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || tree_attach(in->fds[RUN_FD_COUNT + tree], dir) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "attach the source of a mount");
    return 0;
}

/* Only an attached mount can be taken apart by older kernels. */
static int clone_below(struct init *in, const struct request_mount *m, bool *attached,
                       struct error *err)
{
    int root = in->fds[RUN_FD_COUNT + m->tree];
    if (!attached[m->tree]) {
        TRY(attach_hidden(in, m->tree, err));
        attached[m->tree] = true;
    }
    auto_close int source = beneath_open(root, m->source, O_PATH, 0);
    int tree = source < 0 ? -1 : tree_clone(source, "", false);
    return tree < 0 ? fail(err, m) : tree;
}

/* The trees' own mounts have served. */
static int detach_hidden(struct init *in, const bool *attached, struct error *err)
{
    for (int i = 0; i < TREES_MAX; i++) {
        if (!attached[i])
            continue;
        if (fchdir(in->fds[RUN_FD_COUNT + i]) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
            return error_set(err, ERROR_SYSTEM, errno, "detach the source of a mount");
    }
    return 0;
}

static int make_tmpfs(const struct request_mount *m, struct error *err)
{
    char size[32];
    const char *options[] = { "mode", "1777", m->size ? "size" : NULL, size, NULL };
    snprintf(size, sizeof size, "%lu", (unsigned long)m->size);
    int tree = tree_new("tmpfs", options, MOUNT_ATTR_NOSUID);
    return tree < 0 ? fail(err, m) : tree;
}

static int make_file(struct init *in, const struct request_mount *m, size_t number,
                     struct error *err)
{
    char path[32];
    snprintf(path, sizeof path, HIDDEN_DIR "file%zu", number);
    TRY(rootfs_write_hidden(in->dev_fd, path, m->data, (size_t)m->size, err));
    if (fchownat(in->dev_fd, path, (uid_t)m->uid, (gid_t)m->gid, AT_SYMLINK_NOFOLLOW) < 0) {
        error_set(err, ERROR_USER, errno, "give %s to %lu:%lu", m->target, (unsigned long)m->uid,
                  (unsigned long)m->gid);
        return error_hint(err, "ids that a build can use are those of /etc/subuid and /etc/subgid");
    }
    if (fchmodat(in->dev_fd, path, (mode_t)m->mode, 0) < 0)
        return fail(err, m);
    int tree = tree_clone(in->dev_fd, path, false);
    return tree < 0 ? fail(err, m) : tree;
}

/* The host's path is the caller's own word; the host's root is still there. */
static int clone_host(const struct request_mount *m, struct error *err)
{
    struct stat st;
    auto_close int source = open(m->source, O_PATH | O_CLOEXEC);
    if (source < 0 || fstat(source, &st) < 0)
        return error_set(err, ERROR_USER, errno, "mount %s of the host", m->source);
    if (m->kind == MOUNT_DEVICE && !S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
        return error_set(err, ERROR_USER, 0, "%s of the host is not a device", m->source);
    int tree = tree_clone(source, "", true);
    return tree < 0 ? fail(err, m) : tree;
}

static int make_one(struct init *in, size_t number, bool *attached, struct error *err)
{
    const struct request_mount *m = &in->request.mounts[number];
    bool has_tree = m->tree < TREES_MAX && in->fds[RUN_FD_COUNT + m->tree] >= 0;
    switch (m->kind) {
    case MOUNT_TREE:
    case MOUNT_BELOW:
        if (!has_tree)
            return error_set(err, ERROR_CORRUPT, 0, "a mount came without its tree");
        return m->kind == MOUNT_TREE ? in->fds[RUN_FD_COUNT + m->tree]
                                     : clone_below(in, m, attached, err);
    case MOUNT_TMPFS: return make_tmpfs(m, err);
    case MOUNT_FILE: return make_file(in, m, number, err);
    case MOUNT_HOST:
    case MOUNT_DEVICE: return clone_host(m, err);
    }
    return error_set(err, ERROR_CORRUPT, 0, "a mount of no known kind");
}

int mounts_make(struct init *in, struct error *err)
{
    bool attached[TREES_MAX] = { false };
    in->mount_fds = xcalloc(in->request.mount_count, sizeof *in->mount_fds);
    for (size_t i = 0; i < in->request.mount_count; i++) {
        in->mount_fds[i] = make_one(in, i, attached, err);
        if (in->mount_fds[i] < 0)
            return -1;
    }
    return detach_hidden(in, attached, err);
}

static uint64_t mount_id_of(int fd)
{
    struct statx st = { 0 };
    if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &st) < 0)
        return 0;
    return st.stx_mnt_id;
}

static int cannot_create(const struct request_mount *m, struct error *err)
{
    int sys = errno;
    error_set(err, ERROR_USER, sys, "create the mount point %s", m->target);
    return sys == EROFS ? error_hint(err, "it lies in another mount, which is read-only and has "
                                          "nothing of that name: make it there, or mount that rw")
                        : -1;
}

static int make_component(int dir, const char *name, bool is_dir)
{
    int rc = is_dir ? mkdirat(dir, name, 0755) : mknodat(dir, name, S_IFREG | 0644, 0);
    return rc < 0 && errno != EEXIST ? -1 : 0;
}

/* Makes what is missing of `rest` below `dir` (owned) and opens its end. No link is followed: what
 * was not there when it was looked up is ours or an attacker's. */
static int make_below(int dir, const char *rest, bool is_dir)
{
    auto_free char *copy = xstrdup(rest);
    int fd = dir;
    for (char *name = copy; *name;) {
        size_t len = strcspn(name, "/");
        char *next = name + len + strspn(name + len, "/");
        bool last = *next == '\0';
        name[len] = '\0';
        int below = make_component(fd, name, !last || is_dir) < 0
                        ? -1
                        : openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        int saved = errno;
        close(fd);
        errno = saved;
        if (below < 0)
            return -1;
        fd = below;
        name = next;
    }
    return fd;
}

/* The root has every mount point that it needs; what is missing lies in a mount of ours, and is
 * made there. */
static int make_target(const struct init *in, const struct request_mount *m, bool is_dir,
                       struct error *err)
{
    int root = in->fds[RUN_ROOT];
    auto_(resolved) struct resolved r = { 0 };
    TRY(root_resolve(root, m->target, true, &r, err));
    auto_free char *there = xstrndup(r.path, r.existing);
    auto_close int dir = beneath_open(root, there, O_PATH | O_DIRECTORY, 0);
    if (dir < 0)
        return cannot_create(m, err);
    if (mount_id_of(dir) == mount_id_of(root))
        return error_set(err, ERROR_USER, 0, "the mount point %s leads to /%s, which is not there",
                         m->target, r.path);
    const char *rest = r.path + r.existing;
    int fd = make_below(take_fd(&dir), rest + strspn(rest, "/"), is_dir);
    return fd < 0 ? cannot_create(m, err) : fd;
}

static int check_target(const struct init *in, const struct request_mount *m, int fd, bool is_dir,
                        struct error *err)
{
    struct stat root;
    struct stat st;
    struct statfs fs;
    if (fstat(in->fds[RUN_ROOT], &root) < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
        return fail(err, m);
    if (st.st_dev == root.st_dev && st.st_ino == root.st_ino)
        return error_set(err, ERROR_USER, 0, "invalid mount target \"%s\": it is the root",
                         m->target);
    if (fs.f_type == PROC_SUPER_MAGIC)
        return error_set(err, ERROR_USER, 0, "invalid mount target \"%s\": it is inside /proc",
                         m->target);
    if (S_ISDIR(st.st_mode) == is_dir)
        return 0;
    return error_set(err, ERROR_USER, 0, "mount on %s: %s", m->target,
                     is_dir ? "a directory cannot be mounted on what is a file in the image"
                            : "a file cannot be mounted on what is a directory in the image");
}

static int attach_one(const struct init *in, const struct request_mount *m, int tree,
                      struct error *err)
{
    struct stat st;
    if (fstat(tree, &st) < 0)
        return fail(err, m);
    bool is_dir = S_ISDIR(st.st_mode);
    auto_close int target = root_open(in->fds[RUN_ROOT], m->target, O_PATH);
    if (target < 0 && errno == ENOENT)
        target = make_target(in, m, is_dir, err);
    else if (target < 0)
        error_set(err, ERROR_USER, errno, "mount on %s", m->target);
    if (target < 0)
        return -1;
    TRY(check_target(in, m, target, is_dir, err));
    bool below = m->kind == MOUNT_HOST && is_dir;
    return tree_attach_restricted(tree, target, m->attrs, below) < 0 ? fail(err, m) : 0;
}

int mounts_attach(struct init *in, struct error *err)
{
    for (size_t i = 0; i < in->request.mount_count; i++)
        TRY(attach_one(in, &in->request.mounts[i], in->mount_fds[i], err));
    return 0;
}
