/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/wait.h>

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

static int spawn(const char *const *argv, const char *const *changes, const struct pipes *p,
                 pid_t *out_pid, struct error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    sigset_t defaults;
    auto_free char **environment = make_environment(changes);
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGTERM);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, p->in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, p->out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, p->err[1], STDERR_FILENO);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    int rc = posix_spawnp(out_pid, argv[0], &actions, &attr, (char *const *)argv, environment);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0)
        return error_set(err, rc == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM, rc, "run %s", argv[0]);
    return 0;
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

/* Moves what is ready between the pipes and the buffers until both outputs are closed. */
static void pump(struct pipes *p, const char *input, struct process_result *result)
{
    struct pollfd fds[3] = { { .fd = p->out[0], .events = POLLIN },
                             { .fd = p->err[0], .events = POLLIN },
                             { .fd = p->in[1], .events = POLLOUT } };
    struct strbuf *sinks[2] = { &result->out, &result->err };
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
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
    return process_run_env(argv, NULL, input, result, err);
}

int process_run_env(const char *const *argv, const char *const *changes, const char *input,
                    struct process_result *result, struct error *err)
{
    struct pipes p;
    pid_t pid = -1;
    *result = (struct process_result){ .out = STRBUF_INIT, .err = STRBUF_INIT };
    TRY(pipes_open(&p, err));
    if (spawn(argv, changes, &p, &pid, err) < 0) {
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
    pump(&p, input, result);
    pipes_close(&p);
    result->status = process_wait(pid);
    return 0;
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
