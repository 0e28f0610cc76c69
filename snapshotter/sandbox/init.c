/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/init.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

static _Noreturn void give_up(const struct init *in, const struct error *err)
{
    packet_send_error(in->fds[RUN_CONTROL], err);
    _exit(1);
}

/* Returns once the zygote has written the id maps. That it is alive is known only after the death
 * signal is set, so it waits for our word before it answers. */
static void wait_for_maps(const struct init *in)
{
    char byte = PACKET_READY;
    int none[WIRE_FDS_MAX];
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
        packet_send(in->zygote_fd, &byte, 1, NULL, 0) < 0 ||
        packet_receive(in->zygote_fd, &byte, 1, none) != 1 || byte != PACKET_GO)
        _exit(1);
}

/* Until then nothing of any step is here, and nobody but the zygote knows of us. */
static void wait_for_request(struct init *in)
{
    char byte = 0;
    if (packet_receive(in->zygote_fd, &byte, 1, in->fds) != 1 || byte != PACKET_GO ||
        in->fds[RUN_CONTROL] < 0)
        _exit(1);
}

/* Everything else in the pid namespace dies, and is gone when this returns: what the step wrote is
 * then final. */
static void end_all(void)
{
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
    }
}

static void obey(int control, pid_t command)
{
    char order = 0;
    int none[WIRE_FDS_MAX];
    ssize_t n = packet_receive(control, &order, 1, none);
    if (n <= 0)
        _exit(1); /* the builder is gone; with us the whole namespace */
    if (order == PACKET_TERMINATE && kill(-command, SIGTERM) < 0)
        kill(command, SIGTERM); /* it has no session of its own yet */
    if (order == PACKET_KILL)
        kill(-1, SIGKILL);
}

/* Reaps what ended; true when the command did, with its status. */
static bool reap(pid_t command, int *out_status)
{
    int status = 0;
    bool ended = false;
    pid_t pid = 0;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != command)
            continue;
        ended = true;
        *out_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return ended;
}

static int supervise(int control, int signal_fd, pid_t command)
{
    struct pollfd fds[] = { { .fd = control, .events = POLLIN },
                            { .fd = signal_fd, .events = POLLIN } };
    int status = 0;
    for (;;) {
        if (poll(fds, COUNT(fds), -1) < 0 && errno != EINTR)
            _exit(1);
        if (fds[1].revents) {
            struct signalfd_siginfo info;
            (void)!read(signal_fd, &info, sizeof info);
            if (reap(command, &status))
                return status;
        }
        if (fds[0].revents)
            obey(control, command);
    }
}

static _Noreturn void command_main(struct init *in)
{
    struct error err = { 0 };
    (void)!steps_exec(in, &err);
    give_up(in, &err);
}

/* Until it becomes another program the command's process works in our memory, and we sleep: a copy
 * would cost more than all that it does. Nobody else is in the namespace yet who could interfere.
 * The analyzer would rather have nothing but an exec there. */
static pid_t start_command(struct init *in)
{
    pid_t pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
    if (pid == 0)
        command_main(in); /* NOLINT(clang-analyzer-unix.Vfork) */
    return pid;
}

static void reset_signals(int *out_fd, struct error *err)
{
    sigset_t set;
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *out_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (*out_fd < 0)
        error_set(err, ERROR_SYSTEM, errno, "signalfd");
}

_Noreturn void init_main(struct init *in)
{
    struct error err = { 0 };
    int signal_fd = -1;
    wait_for_maps(in);
    setsid();
    reset_signals(&signal_fd, &err);
    if (!error_is_set(&err))
        (void)!steps_prepare(in, &err);
    wait_for_request(in);
    if (error_is_set(&err) || request_decode(in->fds[RUN_REQUEST], &in->request, &err) < 0 ||
        steps_enter(in, &err) < 0)
        give_up(in, &err);
    pid_t command = start_command(in);
    if (command < 0) {
        error_set(&err, ERROR_SYSTEM, errno, "fork");
        give_up(in, &err);
    }
    close(in->zygote_fd); /* it may make the next init now */
    /* Only what runs inside may hold the output open. */
    close(in->fds[RUN_OUT]);
    close(in->fds[RUN_ERR]);
    int status = supervise(in->fds[RUN_CONTROL], signal_fd, command);
    end_all();
    packet_send_status(in->fds[RUN_CONTROL], status);
    _exit(0);
}
