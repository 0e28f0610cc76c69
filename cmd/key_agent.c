/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/key_agent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#include "lib/base/mem.h"
#include "lib/base/process.h"
#include "lib/base/str.h"

#define SOCKET_VARIABLE "SSH_AUTH_SOCK="

enum { ANSWER_MAX = 4096, START_MS = 10000 };
enum { LIFE = 3, ANSWER = 4 }; /* the keeper's descriptors */

static void default_signals(void)
{
    sigset_t none;
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Nothing of ours may stay open in it, locks of the store least of all. */
static void keep_only(int life, int answer)
{
    int safe_life = fcntl(life, F_DUPFD, ANSWER + 1);
    int safe_answer = fcntl(answer, F_DUPFD, ANSWER + 1);
    int null_fd = open("/dev/null", O_RDWR);
    if (safe_life < 0 || safe_answer < 0 || null_fd < 0 || dup2(safe_life, LIFE) < 0 ||
        dup2(safe_answer, ANSWER) < 0)
        _exit(1);
    for (int fd = 0; fd < LIFE; fd++)
        dup2(null_fd, fd);
    close_range(ANSWER + 1, ~0U, 0);
}

static _Noreturn void become_agent(void)
{
    char *argv[] = { (char *)"ssh-agent", (char *)"-s", (char *)"-D", NULL };
    close(LIFE);
    dup2(ANSWER, STDOUT_FILENO);
    close(ANSWER);
    execvp(argv[0], argv);
    _exit(127);
}

/* Ends the agent when the last of us is gone. */
static _Noreturn void keeper_main(int life, int answer)
{
    char byte = 0;
    setsid(); /* out of the reach of the terminal's signals */
    default_signals();
    keep_only(life, answer);
    prctl(PR_SET_NAME, "mlbuild-agent", 0, 0, 0);
    pid_t agent = fork();
    if (agent == 0)
        become_agent();
    close(ANSWER);
    while (read(LIFE, &byte, 1) < 0 && errno == EINTR) {
    }
    if (agent > 0) {
        kill(agent, SIGTERM);
        process_wait(agent);
    }
    _exit(0);
}

/* What the agent says when it is ready: "SSH_AUTH_SOCK=/path; export SSH_AUTH_SOCK;". */
static char *read_socket(int fd)
{
    char text[ANSWER_MAX];
    size_t len = 0;
    for (;;) {
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        if (poll(&ready, 1, START_MS) <= 0)
            return NULL;
        ssize_t n = read(fd, text + len, sizeof text - 1 - len);
        if (n <= 0)
            return NULL;
        len += (size_t)n;
        text[len] = '\0';
        const char *start = strstr(text, SOCKET_VARIABLE);
        const char *end = start ? strchr(start, ';') : NULL;
        if (end)
            return xstrndup(start + strlen(SOCKET_VARIABLE),
                            (size_t)(end - start) - strlen(SOCKET_VARIABLE));
    }
}

static int start(struct key_agent *agent, struct error *err)
{
    int life[2];
    int answer[2];
    if (pipe2(life, O_CLOEXEC) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "pipe");
    agent->life_fd = life[1];
    auto_close int life_end = life[0];
    if (pipe2(answer, O_CLOEXEC) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "pipe");
    auto_close int answer_start = answer[0];
    agent->keeper = fork();
    if (agent->keeper == 0) {
        close(life[1]);
        keeper_main(life[0], answer[1]);
    }
    close(answer[1]);
    if (agent->keeper < 0)
        return error_set(err, ERROR_SYSTEM, errno, "fork");
    agent->socket = read_socket(answer_start);
    if (agent->socket)
        return 0;
    error_set(err, ERROR_USER, 0, "--ssh with key files needs ssh-agent, which does not start");
    return error_hint(err, "install the openssh client, or forward an agent that runs: --ssh "
                           "default");
}

/* By env(1), since the environment of a process with a build in it is not to be changed. */
static int add_key(const struct key_agent *agent, const char *path, struct error *err)
{
    struct process_result result;
    auto_free char *variable = xasprintf(SOCKET_VARIABLE "%s", agent->socket);
    const char *argv[] = { "env", variable, "ssh-add", "-q", path, NULL };
    TRY(process_run(argv, NULL, &result, err));
    if (result.status) {
        struct str said = str_trim((struct str){ result.err.buf, result.err.len }, " \t\r\n");
        error_set(err, ERROR_USER, 0, "--ssh: the key %s cannot be used: %.*s", path, (int)said.len,
                  said.ptr);
        error_hint(err, "add a key with a passphrase to your agent, and forward that: --ssh "
                        "default");
    }
    process_result_release(&result);
    return error_is_set(err) ? -1 : 0;
}

int key_agent_start(const char *const *paths, struct key_agent *out, struct error *err)
{
    struct key_agent agent = { .life_fd = -1, .keeper = -1 };
    int rc = start(&agent, err);
    for (; rc == 0 && *paths; paths++)
        rc = add_key(&agent, *paths, err);
    if (rc < 0) {
        key_agent_stop(&agent);
        return -1;
    }
    *out = agent;
    return 0;
}

void key_agent_stop(struct key_agent *agent)
{
    if (agent->life_fd >= 0)
        close(take_fd(&agent->life_fd));
    if (agent->keeper > 0)
        process_wait(agent->keeper);
    agent->keeper = -1;
    free(take_ptr(agent->socket));
}
