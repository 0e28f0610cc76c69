/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/zygote.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "snapshotter/id_map.h"
#include "snapshotter/sandbox/filter.h"
#include "snapshotter/sandbox/init.h"
#include "snapshotter/sandbox/sandbox.h"

enum {
    ZYGOTE_SOCKET = 3,
    NAMESPACES =
        CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
};

struct zygote {
    struct config config;
    struct sock_fprog filter;
    struct strbuf uid_map; /* for every sandbox */
    struct strbuf gid_map;
    int proc_fd; /* the host's /proc, before any image was seen */
    int spare;   /* socket of an init that has been made ahead of its request, or -1 */
    int busy;    /* socket of the init that got the latest one, until its command runs, or -1 */
};

/* Errors made here are told to whoever waits at the other end of `socket`. */
static void tell(int socket, struct error *err)
{
    packet_send_error(socket, err);
    error_clear(err);
}

static int write_map(const struct zygote *z, pid_t pid, const char *name, const struct strbuf *map,
                     struct error *err)
{
    char path[64];
    snprintf(path, sizeof path, "%d/%s", (int)pid, name);
    auto_close int fd = openat(z->proc_fd, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, map->buf, map->len) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "write the sandbox's %s", name);
    return 0;
}

/* The init is alive and will die with us: give it its ids and let it go on. */
static int release_init(const struct zygote *z, pid_t pid, int sync, struct error *err)
{
    char byte = 0;
    int none[WIRE_FDS_MAX];
    if (packet_receive(sync, &byte, 1, none) != 1 || byte != PACKET_READY)
        return error_set(err, ERROR_SYSTEM, 0, "the sandbox ended before it began");
    TRY(write_map(z, pid, "uid_map", &z->uid_map, err));
    TRY(write_map(z, pid, "gid_map", &z->gid_map, err));
    byte = PACKET_GO;
    (void)!packet_send(sync, &byte, 1, NULL, 0);
    return 0;
}

/* Nothing of the zygote's stays open, nor of the request that it may hold for somebody. */
static _Noreturn void become_init(const struct zygote *z, bool own_net, int sync)
{
    struct init in = { .config = &z->config,
                       .filter = &z->filter,
                       .own_net = own_net,
                       .zygote_fd = ZYGOTE_SOCKET,
                       .proc_fd = -1,
                       .dev_fd = -1,
                       .sys_fd = -1 };
    if (dup3(sync, ZYGOTE_SOCKET, O_CLOEXEC) < 0)
        _exit(1);
    close_range(ZYGOTE_SOCKET + 1, ~0U, 0);
    init_main(&in);
}

/* Starts an init, which then waits for a request at the other end of *out_socket. */
static int start_init(const struct zygote *z, bool own_net, int *out_socket, struct error *err)
{
    int pair[2];
    unsigned long flags = (unsigned long)NAMESPACES | (own_net ? CLONE_NEWNET : 0) | SIGCHLD;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "socketpair");
    /* Without a stack of its own it is a fork. */
    pid_t pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
    if (pid == 0)
        become_init(z, own_net, pair[1]);
    int clone_errno = errno;
    close(pair[1]);
    auto_close int sync = pair[0];
    if (pid < 0) {
        error_set(err, ERROR_HOST, clone_errno == ENOSPC ? 0 : clone_errno, "make namespaces");
        if (clone_errno == ENOSPC)
            error_hint(err,
                       "a limit on namespaces is used up; see /proc/sys/user/max_*_namespaces");
        return -1;
    }
    if (release_init(z, pid, sync, err) < 0) {
        kill(pid, SIGKILL);
        return -1;
    }
    *out_socket = take_fd(&sync);
    return 0;
}

static int hand_over(int init, const int *fds)
{
    char go = PACKET_GO;
    size_t count = 0;
    while (count < WIRE_FDS_MAX && fds[count] >= 0)
        count++;
    return packet_send(init, &go, 1, fds, count);
}

static void forget(int *socket)
{
    if (*socket >= 0)
        close(take_fd(socket));
}

/* Gives the request to the spare init, if that has lived to see it, or to a new one. */
static int run(struct zygote *z, const int *fds, bool own_net, struct error *err)
{
    forget(&z->busy);
    z->busy = own_net ? -1 : take_fd(&z->spare);
    if (z->busy >= 0 && hand_over(z->busy, fds) == 0)
        return 0;
    forget(&z->busy);
    TRY(start_init(z, own_net, &z->busy, err));
    if (hand_over(z->busy, fds) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "the sandbox ended before it began");
    return 0;
}

/* The namespaces of the next step are made while the command of this one runs, not before: the
 * kernel makes one at a time. If they cannot be made, the next step will try, and say why. */
static void make_spare(struct zygote *z)
{
    auto_(error) struct error ignored = { 0 };
    forget(&z->busy);
    if (z->spare < 0)
        (void)!start_init(z, false, &z->spare, &ignored);
}

/* False once the builder has ended. */
static bool serve_one(struct zygote *z, const struct error *broken)
{
    struct error err = { 0 };
    char network = NETWORK_HOST;
    int fds[WIRE_FDS_MAX];
    ssize_t n = packet_receive(ZYGOTE_SOCKET, &network, 1, fds);
    if (n <= 0)
        return false;
    if (error_is_set(broken))
        packet_send_error(fds[RUN_CONTROL], broken);
    else if (fds[RUN_CONTROL] >= 0 && run(z, fds, network == NETWORK_NONE, &err) < 0)
        tell(fds[RUN_CONTROL], &err);
    for (int i = 0; i < WIRE_FDS_MAX; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    return true;
}

static void serve(struct zygote *z, const struct error *broken)
{
    if (!error_is_set(broken))
        make_spare(z);
    for (;;) {
        struct pollfd fds[] = { { .fd = ZYGOTE_SOCKET, .events = POLLIN }, { .fd = z->busy } };
        if (poll(fds, COUNT(fds), -1) < 0 && errno != EINTR)
            return;
        if (fds[0].revents && !serve_one(z, broken))
            return;
        if (!fds[0].revents && fds[1].revents)
            make_spare(z);
    }
}

/* Nothing of the builder's terminal or output may stay open in the sandboxes' inits. */
static int settle(struct error *err)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGCHLD, SIG_IGN); /* the inits report by their own socket; nobody waits for them */
    signal(SIGPIPE, SIG_IGN);
    setsid(); /* out of the reach of the terminal's signals */
    prctl(PR_SET_NAME, SANDBOX_ZYGOTE_NAME, 0, 0, 0);
    close_range(ZYGOTE_SOCKET + 1, ~0U, 0); /* what the user's shell left open */
    auto_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(null_fd, 2) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open /dev/null");
    if (chdir("/") < 0 || fcntl(ZYGOTE_SOCKET, F_SETFD, FD_CLOEXEC) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "settle");
    return 0;
}

static int prepare(struct zygote *z, struct error *err)
{
    char go = 0;
    int fds[WIRE_FDS_MAX];
    auto_(id_map) struct id_map map = { 0 };
    TRY(settle(err));
    if (packet_receive(ZYGOTE_SOCKET, &go, 1, fds) != 1 || fds[0] < 0)
        return error_set(err, ERROR_SYSTEM, 0, "no configuration came");
    auto_close int config_fd = fds[0];
    TRY(config_decode(config_fd, &z->config, err));
    TRY(id_map_current(&map, err));
    /* The inner namespace repeats the outer's extents: one may not span two of its parent. */
    id_extents_print(&map.uids, true, &z->uid_map);
    id_extents_print(&map.gids, true, &z->gid_map);
    z->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (z->proc_fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open /proc");
    return 0;
}

int sandbox_zygote_main(int argc, char **argv)
{
    struct zygote z = {
        .uid_map = STRBUF_INIT, .gid_map = STRBUF_INIT, .proc_fd = -1, .spare = -1, .busy = -1
    };
    struct error err = { 0 };
    char ready = PACKET_READY;
    (void)argc;
    (void)argv;
    if (prepare(&z, &err) < 0) {
        tell(ZYGOTE_SOCKET, &err);
        return 1;
    }
    if (packet_send(ZYGOTE_SOCKET, &ready, 1, NULL, 0) < 0)
        return 1;
    /* Takes longer than all the rest; the builder has something to do meanwhile. A failure is told
     * to every request. */
    (void)!filter_compile(z.config.caps, &z.filter, &err);
    /* Else each init would tidy up its copy of what the compiler has left behind. */
    malloc_trim(0);
    serve(&z, &err);
    return 0;
}
