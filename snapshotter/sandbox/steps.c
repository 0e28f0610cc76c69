/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox is an ordered list of named steps; the name of a step is the context of its error. */
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/base/mem.h"
#include "lib/fs/resolve.h"
#include "snapshotter/sandbox/init.h"

static int become_unreadable(struct init *in, struct error *err)
{
    (void)in;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "prctl");
    umask(0022); /* what we make in /dev */
    return 0;
}

/* Keys of the user's session stay out of reach. A kernel without keys, or a quota of keys that is
 * used up, is no danger: the filter refuses the calls that would look at them. */
static int join_keyring(struct init *in, struct error *err)
{
    (void)in;
    (void)err;
    (void)!syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0);
    return 0;
}

static int set_hostname(struct init *in, struct error *err)
{
    if (sethostname(in->config->hostname, strlen(in->config->hostname)) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "sethostname");
    return 0;
}

static int raise_loopback(struct init *in, struct error *err)
{
    struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    if (!in->own_net)
        return 0;
    auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "lo");
    return 0;
}

static int resolve_user(struct init *in, struct error *err)
{
    const struct request *r = &in->request;
    TRY(identity_load(in->fds[RUN_ROOT], r->user, &in->who, err));
    in->who.groups = xreallocarray(in->who.groups, in->who.group_count + r->group_count + 1,
                                   sizeof *in->who.groups);
    for (size_t i = 0; i < r->group_count; i++)
        in->who.groups[in->who.group_count++] = r->groups[i];
    return 0;
}

/* Makes what is missing of `path` below `dir`, as the user's. */
static int make_directories(const struct init *in, int dir, const char *path)
{
    auto_close int fd = fcntl(dir, F_DUPFD_CLOEXEC, 0);
    auto_free char *copy = xstrdup(path);
    char *rest = NULL;
    for (char *name = strtok_r(copy, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
        if (mkdirat(fd, name, 0755) < 0)
            return -1;
        int below = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (below < 0)
            return -1;
        close(fd);
        fd = below;
        if (fchownat(fd, "", in->who.uid, in->who.gid, AT_EMPTY_PATH) < 0)
            return -1;
    }
    return 0;
}

/* A step may have removed the directory that WORKDIR made. */
static int make_working_directory(struct init *in, struct error *err)
{
    int root = in->fds[RUN_ROOT];
    auto_(resolved) struct resolved r = { 0 };
    auto_close int fd = root_open(root, in->request.cwd, O_PATH);
    if (fd >= 0 || errno != ENOENT)
        return 0;
    TRY(root_resolve(root, in->request.cwd, true, &r, err));
    auto_free char *there = xstrndup(r.path, r.existing);
    auto_close int dir = beneath_open(root, *there ? there : ".", O_PATH | O_DIRECTORY, 0);
    if (dir < 0 || make_directories(in, dir, r.path + r.existing) < 0)
        return error_set(err, ERROR_USER, errno, "create the working directory %s",
                         in->request.cwd);
    return 0;
}

/* Resolved from the root's descriptor and without magic links: "/proc/self/fd/N" leads nowhere. */
static int enter_directory(struct init *in, struct error *err)
{
    char path[4096];
    auto_close int fd = root_open(in->fds[RUN_ROOT], in->request.cwd, O_PATH | O_DIRECTORY);
    if (fd < 0 || fchdir(fd) < 0)
        return error_set(err, ERROR_USER, errno, "the working directory %s", in->request.cwd);
    /* The kernel says "(unreachable)" for a directory outside. */
    if (syscall(SYS_getcwd, path, sizeof path) < 0 || path[0] != '/')
        return error_set(err, ERROR_USER, 0, "the working directory %s is not inside the root",
                         in->request.cwd);
    return 0;
}

/* With the host's network, abstract unix sockets of the user (X11, D-Bus) would answer. */
static int scope_sockets(struct init *in, struct error *err)
{
    struct {
        uint64_t fs, net, scoped;
    } attr = { 0, 0, 1 /* LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, in Linux 6.12 and later */ };
    if (in->request.network == NETWORK_NONE)
        return 0;
    auto_close int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (fd < 0)
        return 0; /* an older kernel */
    if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "landlock");
    return 0;
}

static int load_filter(struct init *in, struct error *err)
{
    if (in->request.insecure || in->config->unconfined)
        return 0;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, in->filter) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "seccomp");
    return 0;
}

static const struct step prepare_steps[] = {
    { "hide from the container", become_unreadable },
    { "join a session keyring", join_keyring },
    { "set the host name", set_hostname },
    { "raise the loopback device", raise_loopback },
    { "make /dev", rootfs_make_dev },
    { "make /proc", rootfs_make_proc }, /* while the old root's is seen, else EPERM */
};

static const struct step enter_steps[] = {
    { "mount the root", rootfs_attach },
    { "find the user", resolve_user },
    { "mount /dev", rootfs_mount_dev },
    { "bind devices", rootfs_bind_devices },
    { "mount /proc", rootfs_mount_proc },
    { "mount /sys", rootfs_mount_sys },
    { "bind network files", rootfs_bind_network_files },
    { "mask paths", rootfs_mask },
    { "make paths read-only", rootfs_protect },
    { "make mounts", mounts_make },
    { "mount below /dev", rootfs_mount_dev_below },
    { "mount", mounts_attach }, /* nothing of ours comes after what the step chose */
    { "pivot root", rootfs_pivot },
    { "make the working directory", make_working_directory },
    { "enter the working directory", enter_directory },
    { "scope abstract sockets", scope_sockets },
    { "load the seccomp filter", load_filter }, /* with CAP_SYS_ADMIN: no_new_privs is off */
};

static const struct step exec_steps[] = {
    { "start a session", command_session },
    { "connect the output", command_stdio },
    { "set limits", command_limits },
    { "drop the bounding set", command_drop_bounding }, /* needs CAP_SETPCAP */
    { "become the user", command_ids },
    { "drop capabilities", command_capabilities },
    { "close descriptors", command_close_descriptors },
    { "exec", command_exec },
};

static int run_steps(const struct step *steps, size_t count, struct init *in, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        /* What the user wrote wrong is said without our inner workings. */
        if (steps[i].run(in, err) < 0)
            return err->kind == ERROR_USER ? -1 : error_wrap(err, "sandbox: %s", steps[i].name);
    }
    return 0;
}

int steps_prepare(struct init *in, struct error *err)
{
    return run_steps(prepare_steps, COUNT(prepare_steps), in, err);
}

int steps_enter(struct init *in, struct error *err)
{
    return run_steps(enter_steps, COUNT(enter_steps), in, err);
}

int steps_exec(struct init *in, struct error *err)
{
    return run_steps(exec_steps, COUNT(exec_steps), in, err);
}
