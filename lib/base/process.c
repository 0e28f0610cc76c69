/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
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

static int spawn(const char *const *argv, const struct pipes *p, pid_t *out_pid, struct error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    sigset_t defaults;
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
    int rc = posix_spawnp(out_pid, argv[0], &actions, &attr, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0)
        return error_set(err, rc == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM, rc, "run %s", argv[0]);
    return 0;
}

/* Moves what is ready between the pipes and the buffers until both outputs are closed. */
static void pump(struct pipes *p, const char *input, struct process_result *result)
{
    size_t left = input ? strlen(input) : 0;
    struct pollfd fds[3] = { { .fd = p->out[0], .events = POLLIN },
                             { .fd = p->err[0], .events = POLLIN },
                             { .fd = left ? p->in[1] : -1, .events = POLLOUT } };
    struct strbuf *sinks[2] = { &result->out, &result->err };
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (poll(fds, COUNT(fds), -1) < 0 && errno != EINTR)
            return;
        for (int i = 0; i < 2; i++) {
            char buf[8192];
            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            ssize_t n = read(fds[i].fd, buf, sizeof buf);
            if (n == 0 || (n < 0 && errno != EINTR))
                fds[i].fd = -1;
            if (n > 0 && sinks[i]->len + (size_t)n <= PROCESS_OUTPUT_MAX)
                strbuf_add(sinks[i], buf, (size_t)n);
        }
        if (fds[2].fd >= 0 && fds[2].revents) {
            ssize_t n = write(fds[2].fd, input, left);
            if (n > 0) {
                input += n;
                left -= (size_t)n;
            }
            if (left == 0 || (n < 0 && errno != EINTR)) {
                close(p->in[1]);
                p->in[1] = fds[2].fd = -1;
            }
        }
    }
}

int process_run(const char *const *argv, const char *input, struct process_result *result,
                struct error *err)
{
    struct pipes p;
    pid_t pid = -1;
    *result = (struct process_result){ .out = STRBUF_INIT, .err = STRBUF_INIT };
    TRY(pipes_open(&p, err));
    if (spawn(argv, &p, &pid, err) < 0) {
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
