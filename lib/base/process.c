/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"

struct pipes {
    int in[2], out[2], err[2];
};

static void pipes_close(struct pipes *p)
{
    int *all[] = { p->in, p->out, p->err };
    for (size_t i = 0; i < COUNT(all); i++) {
        for (int end = 0; end < 2; end++) {
            if (all[i][end] >= 0)
                close(all[i][end]);
        }
    }
}

static int pipes_open(struct pipes *p, struct error *err)
{
    *p = (struct pipes){ { -1, -1 }, { -1, -1 }, { -1, -1 } };
    if (pipe2(p->in, O_CLOEXEC) < 0 || pipe2(p->out, O_CLOEXEC) < 0 ||
        pipe2(p->err, O_CLOEXEC) < 0) {
        error_set(err, ERROR_SYSTEM, errno, "pipe");
        pipes_close(p);
        return -1;
    }
    return 0;
}

static bool is_changed(const char *variable, const char *const *changes)
{
    size_t len = strcspn(variable, "=");
    for (; changes && *changes; changes++) {
        if (strcspn(*changes, "=") == len && memcmp(*changes, variable, len) == 0)
            return true;
    }
    return false;
}

/* The strings stay where they are; the caller frees the array. */
static char **make_environment(const char *const *changes)
{
    size_t count = 0;
    size_t kept = 0;
    for (size_t i = 0; environ && environ[i]; i++)
        count++;
    for (size_t i = 0; changes && changes[i]; i++)
        count++;
    char **out = xcalloc(count + 1, sizeof *out);
    for (size_t i = 0; environ && environ[i]; i++) {
        if (!is_changed(environ[i], changes))
            out[kept++] = environ[i];
    }
    for (; changes && *changes; changes++) {
        if (strchr(*changes, '='))
            out[kept++] = (char *)*changes;
    }
    return out;
}

/* In the child, until exec: nothing that another thread may have locked. */
static _Noreturn void become(const char *const *argv, char **environment, const struct pipes *p,
                             int report_fd)
{
    static const int defaults[] = { SIGPIPE, SIGINT, SIGTERM };
    sigset_t none;
    for (size_t i = 0; i < COUNT(defaults); i++)
        signal(defaults[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(p->in[0], STDIN_FILENO) >= 0 && dup2(p->out[1], STDOUT_FILENO) >= 0 &&
        dup2(p->err[1], STDERR_FILENO) >= 0)
        execvpe(argv[0], (char *const *)argv, environment);
    int sys = errno;
    (void)!write(report_fd, &sys, sizeof sys);
    _exit(127);
}

static void end_group(int sig)
{
    (void)sig;
    kill(0, SIGKILL);
}

/* Between the builder and a program that starts others, as git does: they are a session, which ends
 * with the builder, however that ends. Without a terminal nobody in it can ask anything. */
static void guard(pid_t parent, struct pipes *p, int report_fd)
{
    sigset_t none;
    sigemptyset(&none);
    if (setsid() < 0)
        _exit(127);
    signal(SIGTERM, end_group);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(127);
    pid_t pid = fork();
    if (pid == 0)
        return;
    pipes_close(p);
    close(report_fd);
    (void)close_range(STDERR_FILENO + 1, ~0U, 0);
    _exit(pid < 0 ? 127 : process_wait(pid));
}

static int spawn(const char *const *argv, const char *const *changes, struct pipes *p,
                 bool is_session, pid_t *out_pid, struct error *err)
{
    int report[2];
    int sys = 0;
    pid_t parent = getpid();
    auto_free char **environment = make_environment(changes);
    if (pipe2(report, O_CLOEXEC) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "pipe");
    *out_pid = fork();
    if (*out_pid == 0 && is_session)
        guard(parent, p, report[1]);
    if (*out_pid == 0)
        become(argv, environment, p, report[1]);
    int failed = errno;
    close(report[1]);
    bool is_running = *out_pid > 0 && fd_read_full(report[0], &sys, sizeof sys) == 0;
    close(report[0]);
    if (is_running)
        return 0;
    if (*out_pid > 0)
        process_wait(*out_pid);
    else
        sys = failed;
    return error_set(err, sys == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM, sys, "run %s", argv[0]);
}

/* Takes what one output has ready; false at its end. */
static bool drain(int fd, struct strbuf *sink)
{
    char buf[8192];
    ssize_t n = read(fd, buf, sizeof buf);
    if (n > 0 && sink->len + (size_t)n <= PROCESS_OUTPUT_MAX)
        strbuf_add(sink, buf, (size_t)n);
    return n > 0 || (n < 0 && errno == EINTR);
}

/* Gives what the pipe takes of *input; false when there is no more to give, or nobody to take it.
 */
static bool feed(int fd, const char **input)
{
    ssize_t n = write(fd, *input, strlen(*input));
    if (n > 0)
        *input += n;
    return **input && (n >= 0 || errno == EINTR || errno == EAGAIN);
}

/* Moves what is ready between the pipes and the buffers until both outputs are closed, or all is to
 * end. */
static void pump(struct pipes *p, const char *input, const struct cancel *cancel,
                 struct process_result *result)
{
    struct pollfd fds[] = { { .fd = p->out[0], .events = POLLIN },
                            { .fd = p->err[0], .events = POLLIN },
                            { .fd = p->in[1], .events = POLLOUT },
                            { .fd = cancel ? cancel->fd : -1, .events = POLLIN } };
    struct strbuf *sinks[2] = { &result->out, &result->err };
    while ((fds[0].fd >= 0 || fds[1].fd >= 0) && !cancel_is_raised(cancel)) {
        if (poll(fds, COUNT(fds), -1) < 0) {
            if (errno != EINTR)
                return;
            continue;
        }
        for (int i = 0; i < 2; i++) {
            if (fds[i].fd >= 0 && fds[i].revents && !drain(fds[i].fd, sinks[i]))
                fds[i].fd = -1;
        }
        if (fds[2].fd >= 0 && fds[2].revents && !feed(fds[2].fd, &input)) {
            close(p->in[1]);
            p->in[1] = fds[2].fd = -1;
        }
    }
}

int process_run(const char *const *argv, const char *input, struct process_result *result,
                struct error *err)
{
    return process_run_env(argv, NULL, input, NULL, result, err);
}

int process_run_env(const char *const *argv, const char *const *changes, const char *input,
                    const struct cancel *cancel, struct process_result *result, struct error *err)
{
    struct pipes p;
    pid_t pid = -1;
    *result = (struct process_result){ .out = STRBUF_INIT, .err = STRBUF_INIT };
    TRY(pipes_open(&p, err));
    if (spawn(argv, changes, &p, cancel != NULL, &pid, err) < 0) {
        pipes_close(&p);
        return -1;
    }
    close(p.in[0]);
    close(p.out[1]);
    close(p.err[1]);
    p.in[0] = p.out[1] = p.err[1] = -1;
    if (!input || !*input) {
        close(p.in[1]);
        p.in[1] = -1;
    } else {
        /* The program may want to be heard before it listens. */
        (void)fcntl(p.in[1], F_SETFL, O_NONBLOCK);
    }
    pump(&p, input, cancel, result);
    pipes_close(&p);
    if (cancel_is_raised(cancel))
        kill(-pid, SIGKILL);
    result->status = process_wait(pid);
    return cancel_check(cancel, err);
}

int process_feed_start(const char *const *argv, struct process_feed *out, struct error *err)
{
    struct pipes p = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
    *out = (struct process_feed)PROCESS_FEED_INIT;
    /* A file takes all that the program says, whoever is writing. */
    out->said_fd = memfd_create("said", MFD_CLOEXEC);
    p.out[1] = fcntl(out->said_fd, F_DUPFD_CLOEXEC, 0);
    p.err[1] = fcntl(out->said_fd, F_DUPFD_CLOEXEC, 0);
    int rc = pipe2(p.in, O_CLOEXEC) < 0 || p.out[1] < 0 || p.err[1] < 0
                 ? error_set(err, ERROR_SYSTEM, errno, "pipe")
                 : spawn(argv, NULL, &p, false, &out->pid, err);
    if (rc == 0)
        out->in_fd = take_fd(&p.in[1]);
    else
        close(take_fd(&out->said_fd));
    pipes_close(&p);
    return rc;
}

int process_feed_end(struct process_feed *feed, bool is_broken, struct strbuf *said)
{
    auto_(error) struct error too_much = { 0 };
    if (is_broken)
        kill(feed->pid, SIGTERM);
    close(take_fd(&feed->in_fd));
    int status = process_wait(feed->pid);
    if (lseek(feed->said_fd, 0, SEEK_SET) == 0)
        (void)!fd_read_all(feed->said_fd, PROCESS_OUTPUT_MAX, "output", said, &too_much);
    close(take_fd(&feed->said_fd));
    return status;
}

void process_result_release(struct process_result *result)
{
    strbuf_release(&result->out);
    strbuf_release(&result->err);
}

int process_wait(int pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return 255;
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
