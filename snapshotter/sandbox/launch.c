/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/base/fd.h"
#include "lib/base/process.h"
#include "lib/base/str.h"
#include "lib/base/strvec.h"
#include "snapshotter/sandbox/sandbox.h"
#include "snapshotter/sandbox/tree.h"
#include "snapshotter/sandbox/zygote.h"

enum { ZYGOTE_SOCKET = 3 };

/* Our program on a read-only mount of its own, or -1. The path is only trusted if it still leads to
 * the file that runs: the mount of that file is not in this mount namespace. */
static int clone_executable(const struct stat *running)
{
    char path[4096];
    struct stat st;
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return -1;
    path[n] = '\0';
    auto_close int tree = tree_clone(AT_FDCWD, path, false);
    if (tree < 0 || fstat(tree, &st) < 0 || st.st_dev != running->st_dev ||
        st.st_ino != running->st_ino ||
        mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return -1;
    return take_fd(&tree);
}

/* For an older kernel, and a program that was replaced meanwhile: a copy that nobody can write. */
static int copy_executable(int from, const struct stat *running, struct error *err)
{
    auto_close int fd = memfd_create(SANDBOX_ZYGOTE_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "memfd_create");
    TRY(fd_copy(from, fd, (uint64_t)running->st_size, "/proc/self/exe", NULL, err));
    if (fchmod(fd, 0500) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "seal a copy of the program");
    return take_fd(&fd);
}

/* A container may reach the program of its init through /proc/PID/exe and, as its owner, write it
 * as soon as nobody runs it. So the zygote runs from something that cannot be written
 * (CVE-2019-5736). */
static int open_executable(bool by_mount, struct error *err)
{
    struct stat st;
    auto_close int running = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (running < 0 || fstat(running, &st) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open /proc/self/exe");
    int tree = by_mount ? clone_executable(&st) : -1;
    return tree >= 0 ? tree : copy_executable(running, &st, err);
}

static _Noreturn void become_zygote(int socket, int executable, pid_t parent)
{
    char name[] = SANDBOX_ZYGOTE_NAME;
    char *argv[] = { name, NULL };
    auto_(strvec) struct strvec env = { 0 };
    struct error err = { 0 };
    /* The loader may need its path; nothing else of the user's environment is wanted there. */
    for (char **variable = environ; variable && *variable; variable++) {
        if (str_starts_with(*variable, "MLBUILD_TEST_") ||
            str_starts_with(*variable, "LD_LIBRARY_PATH="))
            strvec_push(&env, *variable);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(1);
    /* Number 3 may be the executable's: move that away first. */
    int safe = fcntl(executable, F_DUPFD_CLOEXEC, ZYGOTE_SOCKET + 1);
    if (safe >= 0 &&
        (socket == ZYGOTE_SOCKET ? fcntl(socket, F_SETFD, 0) : dup2(socket, ZYGOTE_SOCKET)) >= 0)
        syscall(SYS_execveat, safe, "", argv, env.items, AT_EMPTY_PATH);
    error_set(&err, ERROR_SYSTEM, errno, "execveat");
    packet_send_error(socket == ZYGOTE_SOCKET ? socket : ZYGOTE_SOCKET, &err);
    _exit(1);
}

static int wait_until_ready(int socket, struct error *err)
{
    char packet[PACKET_MAX];
    int none[WIRE_FDS_MAX];
    ssize_t n = packet_receive(socket, packet, sizeof packet, none);
    if (n > 0 && packet[0] == PACKET_READY)
        return 0;
    if (n > 0 && packet[0] == PACKET_FAILED)
        packet_to_error(packet, (size_t)n, err);
    else
        error_set(err, ERROR_SYSTEM, n < 0 ? errno : 0, "the process ended at once");
    return -1;
}

static int send_config(int socket, const struct config *config, struct error *err)
{
    char go = PACKET_GO;
    auto_close int fd = -1;
    TRY(config_encode(config, &fd, err));
    if (packet_send(socket, &go, 1, &fd, 1) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "send the configuration");
    return 0;
}

int zygote_start(const struct config *config, int *out_socket, pid_t *out_pid, struct error *err)
{
    int pair[2];
    auto_close int executable = open_executable(!getenv(TEST_NO_MOUNT_SETATTR), err);
    if (executable < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "socketpair");
    auto_close int socket = pair[0];
    pid_t self = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become_zygote(pair[1], executable, self);
    int fork_errno = errno;
    close(pair[1]);
    if (pid < 0)
        return error_set(err, ERROR_SYSTEM, fork_errno, "fork");
    if (send_config(socket, config, err) < 0 || wait_until_ready(socket, err) < 0) {
        kill(pid, SIGKILL);
        process_wait(pid);
        return -1;
    }
    *out_socket = take_fd(&socket);
    *out_pid = pid;
    return 0;
}
