/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/userns.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/process.h"
#include "lib/base/str.h"
#include "lib/base/strvec.h"

enum { GRACE_MS = 15000 };

/* What the child says while it prepares itself. */
enum stage {
    STAGE_UNSHARED,
    STAGE_UNSHARE_FAILED,
    STAGE_IDS_FAILED,
    STAGE_MOUNTS_FAILED,
    STAGE_ENTERED,
};
struct report {
    enum stage stage;
    int sys;
};

struct child {
    const struct id_map *map;
    int (*fn)(void *arg);
    void *arg;
    int fd; /* a socket to the other side */
    pid_t pid;
};

static void report(int fd, enum stage stage, int sys)
{
    struct report r = { stage, sys };
    (void)!send(fd, &r, sizeof r, MSG_NOSIGNAL);
}

static _Noreturn void child_fail(const struct child *c, enum stage stage)
{
    report(c->fd, stage, errno);
    _exit(127);
}

/* The child: everything between fork and fn. */
static _Noreturn void child_main(const struct child *c, const sigset_t *mask)
{
    char go = 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        child_fail(c, STAGE_UNSHARE_FAILED);
    report(c->fd, STAGE_UNSHARED, 0);
    if (recv(c->fd, &go, 1, 0) != 1)
        _exit(127);
    /* The group first: afterwards it may be lost. With one id, setgroups is denied and kept. */
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ||
        (!id_map_is_single(c->map) && setgroups(0, NULL) < 0))
        child_fail(c, STAGE_IDS_FAILED);
    /* Another kernel uid makes a process undumpable, and its /proc files root's; the maps of
     * sandboxes are written there. The same change clears the death signal, so that comes after. */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        child_fail(c, STAGE_MOUNTS_FAILED);
    report(c->fd, STAGE_ENTERED, 0);
    /* The planner answers once more: one that died before the death signal was set never does. */
    if (recv(c->fd, &go, 1, 0) != 1)
        _exit(127);
    close(c->fd);
    sigprocmask(SIG_SETMASK, mask, NULL);
    int result = c->fn(c->arg);
    fflush(NULL);
    _exit(result);
}

static long read_sysctl(const char *path)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    struct error ignored = { 0 };
    uint64_t value = 0;
    bool known = fd_read_file(AT_FDCWD, path, 4096, &text, &ignored) == 0 &&
                 str_to_u64(str_trim(str_of(text.buf), " \n"), 10, INT32_MAX, &value);
    error_clear(&ignored);
    return known ? (long)value : -1;
}

static bool has_seccomp_filter(void)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    struct error ignored = { 0 };
    bool filtered = fd_read_file(AT_FDCWD, "/proc/self/status", 65536, &text, &ignored) == 0 &&
                    strstr(text.buf, "\nSeccomp:\t2");
    error_clear(&ignored);
    return filtered;
}

/* "Operation not permitted" has four common causes; name the one that holds here. */
static int explain_eperm(struct error *err)
{
    if (read_sysctl("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") > 0) {
        return error_hint(err,
                          "AppArmor restricts user namespaces on this host; lift it with: sudo "
                          "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (or give "
                          "mlbuild an AppArmor profile with the rule `userns,`)");
    }
    if (read_sysctl("/proc/sys/kernel/unprivileged_userns_clone") == 0)
        return error_hint(err, "unprivileged user namespaces are switched off; lift it with: sudo "
                               "sysctl -w kernel.unprivileged_userns_clone=1");
    if (has_seccomp_filter())
        return error_hint(err, "a seccomp filter of the surrounding container forbids namespaces; "
                               "start that container with: --security-opt seccomp=unconfined");
    return error_hint(err, "a security module or a chroot forbids user namespaces to this process");
}

static int explain_stage(const struct report *r, struct error *err)
{
    static const char *const what[] = {
        [STAGE_UNSHARE_FAILED] = "enter a user namespace",
        [STAGE_IDS_FAILED] = "become root in the user namespace",
        [STAGE_MOUNTS_FAILED] = "make the mounts of the namespace private",
    };
    error_set(err, ERROR_HOST, r->sys == ENOSPC ? 0 : r->sys, "%s%s", what[r->stage],
              r->sys == ENOSPC ? ": no more user namespaces are allowed" : "");
    if (r->sys == EPERM || r->sys == EACCES)
        return explain_eperm(err);
    if (r->sys == ENOSPC) {
        return error_hint(err,
                          "the limit is user.max_user_namespaces = %ld; lift it with: sudo "
                          "sysctl -w user.max_user_namespaces=15000",
                          read_sysctl("/proc/sys/user/max_user_namespaces"));
    }
    if (r->sys == EUSERS)
        return error_hint(err, "user namespaces are nested too deeply here");
    if (r->sys == EINVAL || r->sys == ENOSYS)
        return error_hint(err, "this kernel was built without user namespaces");
    return -1;
}

struct map_helper {
    const char *program;
    const struct id_extents *list;
    pid_t pid;
    struct error err;
};

static int run_map_helper(const struct map_helper *h, struct error *err)
{
    auto_(strvec) struct strvec argv = { 0 };
    struct process_result result;
    strvec_push(&argv, h->program);
    strvec_pushf(&argv, "%d", (int)h->pid);
    for (size_t i = 0; i < h->list->count; i++) {
        strvec_pushf(&argv, "%u", h->list->items[i].inside);
        strvec_pushf(&argv, "%u", h->list->items[i].outside);
        strvec_pushf(&argv, "%u", h->list->items[i].count);
    }
    if (process_run((const char *const *)argv.items, NULL, &result, err) < 0) {
        process_result_release(&result);
        err->kind = ERROR_HOST;
        return error_hint(err,
                          "%s comes with the package uidmap (shadow-utils); install it with: "
                          "sudo apt-get install uidmap",
                          h->program);
    }
    struct str said = str_trim(str_of(result.err.buf), " \n");
    if (result.status != 0)
        error_set(err, ERROR_HOST, 0, "%s ended with status %d: %.*s", h->program, result.status,
                  (int)said.len, said.ptr);
    process_result_release(&result);
    if (!error_is_set(err))
        return 0;
    return error_hint(err,
                      "%s must be setuid root (sudo chmod u+s \"$(command -v %s)\") or, inside a "
                      "container, have file capabilities instead (setcap cap_set%cid+ep); it also "
                      "refuses when no_new_privs is set and when /etc/sub%cid lacks the range",
                      h->program, h->program, h->program[3], h->program[3]);
}

static void *map_helper_thread(void *arg)
{
    struct map_helper *h = arg;
    (void)!run_map_helper(h, &h->err);
    return NULL;
}

/* Both programs at once: each takes some milliseconds. */
static int map_by_helpers(const struct child *c, struct error *err)
{
    struct map_helper users = { "newuidmap", &c->map->uids, c->pid, { 0 } };
    struct map_helper groups = { "newgidmap", &c->map->gids, c->pid, { 0 } };
    pthread_t thread;
    bool apart = pthread_create(&thread, NULL, map_helper_thread, &groups) == 0;
    if (!apart)
        map_helper_thread(&groups);
    map_helper_thread(&users);
    if (apart)
        pthread_join(thread, NULL);
    (void)error_first(err, &users.err);
    return error_first(err, &groups.err);
}

static int write_proc_file(const struct child *c, const char *name, const char *text,
                           struct error *err)
{
    auto_free char *path = xasprintf("/proc/%d/%s", (int)c->pid, name);
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        error_set(err, ERROR_HOST, errno, "write the namespace's %s", name);
        return err->sys == EPERM || err->sys == EACCES ? explain_eperm(err) : -1;
    }
    return 0;
}

static int map_directly(const struct child *c, struct error *err)
{
    auto_(strbuf) struct strbuf users = STRBUF_INIT;
    auto_(strbuf) struct strbuf groups = STRBUF_INIT;
    id_extents_print(&c->map->uids, false, &users);
    id_extents_print(&c->map->gids, false, &groups);
    /* The kernel lets an unprivileged process map its group only where groups cannot be dropped. */
    if (geteuid() != 0)
        TRY(write_proc_file(c, "setgroups", "deny", err));
    TRY(write_proc_file(c, "uid_map", users.buf, err));
    return write_proc_file(c, "gid_map", groups.buf, err);
}

static int next_report(const struct child *c, enum stage expected, struct error *err)
{
    struct report r = { STAGE_UNSHARED, 0 };
    ssize_t n = 0;
    do
        n = recv(c->fd, &r, sizeof r, 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof r)
        return error_set(err, ERROR_HOST, 0, "the process for the user namespace ended early");
    return r.stage == expected ? 0 : explain_stage(&r, err);
}

static int enter(const struct child *c, struct error *err)
{
    TRY(next_report(c, STAGE_UNSHARED, err));
    if (geteuid() == 0 || id_map_is_single(c->map))
        TRY(map_directly(c, err));
    else
        TRY(map_by_helpers(c, err));
    (void)!send(c->fd, "g", 1, MSG_NOSIGNAL);
    TRY(next_report(c, STAGE_ENTERED, err));
    (void)!send(c->fd, "g", 1, MSG_NOSIGNAL);
    return 0;
}

/* The stop signals that this process does not ignore (nohup ignores SIGHUP). */
static void stop_signals(sigset_t *set)
{
    static const int all[] = { SIGINT, SIGTERM, SIGHUP };
    sigemptyset(set);
    for (size_t i = 0; i < COUNT(all); i++) {
        struct sigaction action;
        if (sigaction(all[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(set, all[i]);
    }
}

struct wait_state {
    int told;             /* the signal that was sent; 0: none yet */
    uint64_t deadline_ns; /* then it is killed */
    bool killed;
};

static void child_stop(struct wait_state *w, pid_t pid, int signal, bool by_force)
{
    if (!w->told) {
        w->told = signal;
        w->deadline_ns = clock_monotonic_ns() + GRACE_MS * 1000000ULL;
        kill(pid, signal);
    }
    if (by_force || clock_monotonic_ns() >= w->deadline_ns) {
        w->killed = true;
        kill(pid, SIGKILL);
    }
}

static int poll_timeout(const struct wait_state *w)
{
    if (!w->told || w->killed)
        return -1;
    uint64_t now = clock_monotonic_ns();
    return now >= w->deadline_ns ? 0 : (int)((w->deadline_ns - now) / 1000000) + 1;
}

static void child_wait(const struct child *c, int signal_fd, struct cancel *cancel,
                       struct wait_state *w)
{
    auto_close int pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    struct pollfd fds[] = { { .fd = pid_fd, .events = POLLIN },
                            { .fd = signal_fd, .events = POLLIN },
                            { .fd = cancel ? cancel->fd : -1, .events = POLLIN } };
    while (pid_fd >= 0) {
        int n = poll(fds, COUNT(fds), poll_timeout(w));
        if (n < 0 && errno != EINTR)
            return;
        if (n < 0)
            continue;
        if (fds[0].revents)
            return;
        if (fds[1].revents) {
            struct signalfd_siginfo info = { .ssi_signo = SIGTERM };
            (void)!read(signal_fd, &info, sizeof info);
            bool again = w->told != 0;
            if (cancel)
                cancel_raise(cancel);
            child_stop(w, c->pid, (int)info.ssi_signo, again);
        }
        if (fds[2].revents) {
            fds[2].fd = -1; /* it stays readable */
            child_stop(w, c->pid, SIGTERM, false);
        }
        if (n == 0)
            child_stop(w, c->pid, SIGTERM, true);
    }
}

static int start(struct child *c, const sigset_t *mask, struct error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "socketpair");
    fflush(NULL); /* else both would print what is still buffered */
    c->pid = fork();
    if (c->pid < 0) {
        error_set(err, ERROR_SYSTEM, errno, "fork");
        close(pair[0]);
        close(pair[1]);
        return -1;
    }
    if (c->pid == 0) {
        close(pair[0]);
        c->fd = pair[1];
        child_main(c, mask);
    }
    close(pair[1]);
    c->fd = pair[0];
    return 0;
}

int userns_run(const struct id_map *map, const struct userns_job *job, struct cancel *cancel,
               int *out_status, struct error *err)
{
    struct child c = { map, job->fn, job->arg, -1, -1 };
    struct wait_state w = { 0 };
    sigset_t stop;
    sigset_t before;
    stop_signals(&stop);
    pthread_sigmask(SIG_BLOCK, &stop, &before);
    auto_close int signal_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
    int rc = start(&c, &before, err);
    if (rc == 0) {
        rc = enter(&c, err);
        close(c.fd); /* a child that still prepares itself ends on this */
        if (rc == 0 && job->beside)
            job->beside(job->arg);
        if (rc == 0)
            child_wait(&c, signal_fd, cancel, &w);
        /* What a child that never got to `fn` ended with is no status of `fn`. */
        int status = process_wait(c.pid);
        if (rc == 0)
            *out_status = w.killed ? 128 + w.told : status;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0 && w.killed)
        return error_set(err, ERROR_CANCELLED, 0, "interrupted");
    return rc;
}
