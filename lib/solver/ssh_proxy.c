/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/solver/ssh_proxy.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/base/mem.h"
#include "lib/store/store.h"

enum {
    MESSAGE_MAX = 256 * 1024, /* as OpenSSH's own */
    CONNECTIONS_MAX = 64,
    RETRY_MS = 100, /* after no descriptor was left */
    LENGTH_SIZE = 4,
    AGENT_FAILURE = 5,
    AGENT_LIST_KEYS = 11,
    AGENT_SIGN = 13,
};

struct ssh_proxy {
    int dir_fd; /* borrowed */
    char name[LEASE_SIZE];
    char *agent;
    int listen_fd, file_fd;
    int stop_fd; /* an eventfd, readable once all shall end */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned connections; /* under `lock` */
};

struct connection {
    struct ssh_proxy *proxy;
    int client;
};

/* Waits until `fd` is ready; false if all shall end. */
static bool wait_for(const struct ssh_proxy *p, int fd, short events)
{
    struct pollfd fds[] = { { .fd = fd, .events = events },
                            { .fd = p->stop_fd, .events = POLLIN } };
    int n = 0;
    do
        n = poll(fds, COUNT(fds), -1);
    while (n < 0 && errno == EINTR);
    return n > 0 && !fds[1].revents;
}

static bool read_whole(const struct ssh_proxy *p, int fd, unsigned char *to, size_t len)
{
    while (len > 0) {
        if (!wait_for(p, fd, POLLIN))
            return false;
        ssize_t n = read(fd, to, len);
        if (n <= 0 && !(n < 0 && (errno == EINTR || errno == EAGAIN)))
            return false;
        to += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_whole(const struct ssh_proxy *p, int fd, const unsigned char *from, size_t len)
{
    while (len > 0) {
        if (!wait_for(p, fd, POLLOUT))
            return false;
        ssize_t n = send(fd, from, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        from += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* One message with its length in front; `buffer` has room for the longest. */
static bool read_message(const struct ssh_proxy *p, int fd, unsigned char *buffer, size_t *out_len)
{
    if (!read_whole(p, fd, buffer, LENGTH_SIZE))
        return false;
    size_t len = (size_t)buffer[0] << 24 | (size_t)buffer[1] << 16 | (size_t)buffer[2] << 8 |
                 (size_t)buffer[3];
    if (len == 0 || len > MESSAGE_MAX)
        return false;
    *out_len = LENGTH_SIZE + len;
    return read_whole(p, fd, buffer + LENGTH_SIZE, len);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    return take_fd(&fd);
}

static void serve(const struct ssh_proxy *p, int client)
{
    static const unsigned char failure[] = { 0, 0, 0, 1, AGENT_FAILURE };
    auto_free unsigned char *buffer = xmalloc(LENGTH_SIZE + MESSAGE_MAX);
    auto_close int agent = connect_to(p->agent);
    size_t len = 0;
    while (agent >= 0 && read_message(p, client, buffer, &len)) {
        unsigned char type = buffer[LENGTH_SIZE];
        bool allowed = type == AGENT_LIST_KEYS || type == AGENT_SIGN;
        if (allowed &&
            (!write_whole(p, agent, buffer, len) || !read_message(p, agent, buffer, &len) ||
             !write_whole(p, client, buffer, len)))
            return;
        if (!allowed && !write_whole(p, client, failure, sizeof failure))
            return;
    }
}

static void *connection_main(void *arg)
{
    struct connection *c = arg;
    struct ssh_proxy *p = c->proxy;
    serve(p, c->client);
    close(c->client);
    free(c);
    pthread_mutex_lock(&p->lock);
    p->connections--;
    pthread_cond_signal(&p->ended);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void take_connection(struct ssh_proxy *p, int client)
{
    pthread_t thread;
    struct connection *c = xmalloc(sizeof *c);
    *c = (struct connection){ p, client };
    pthread_mutex_lock(&p->lock);
    bool taken =
        p->connections < CONNECTIONS_MAX && pthread_create(&thread, NULL, connection_main, c) == 0;
    if (taken) {
        p->connections++;
        pthread_detach(thread);
    }
    pthread_mutex_unlock(&p->lock);
    if (taken)
        return;
    close(client);
    free(c);
}

static void *listen_main(void *arg)
{
    struct ssh_proxy *p = arg;
    while (wait_for(p, p->listen_fd, POLLIN)) {
        int client = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0)
            take_connection(p, client);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            (void)!poll(&(struct pollfd){ .fd = p->stop_fd, .events = POLLIN }, 1, RETRY_MS);
    }
    return NULL;
}

/* By the descriptor of its directory: the path of a store may be longer than an address. */
static int make_socket(struct ssh_proxy *p, unsigned mode, uid_t uid, gid_t gid, struct error *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%.32s", p->dir_fd,
             p->name);
    p->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->listen_fd < 0 ||
        bind(p->listen_fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "make a socket for the ssh agent");
    if (fchownat(p->dir_fd, p->name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0) {
        error_set(err, ERROR_USER, errno, "give the socket of the ssh agent to %u:%u", uid, gid);
        return error_hint(err, "ids that a build can use are those of /etc/subuid and /etc/subgid");
    }
    p->file_fd = openat(p->dir_fd, p->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (p->file_fd < 0 || fchmodat(p->dir_fd, p->name, mode & 0777, 0) < 0 ||
        listen(p->listen_fd, CONNECTIONS_MAX) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "make a socket for the ssh agent");
    return 0;
}

static void proxy_free(struct ssh_proxy *p)
{
    if (p->listen_fd >= 0)
        unlinkat(p->dir_fd, p->name, 0);
    const int fds[] = { p->listen_fd, p->file_fd, p->stop_fd };
    for (size_t i = 0; i < COUNT(fds); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->ended);
    free(p->agent);
    free(p);
}

int ssh_proxy_start(int dir_fd, const char *agent, unsigned mode, uid_t uid, gid_t gid,
                    struct ssh_proxy **out, struct error *err)
{
    struct ssh_proxy *p = xcalloc(1, sizeof *p);
    *p = (struct ssh_proxy){
        .dir_fd = dir_fd, .agent = xstrdup(agent), .listen_fd = -1, .file_fd = -1
    };
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->ended, NULL);
    store_random_id(p->name);
    p->stop_fd = eventfd(0, EFD_CLOEXEC);
    int rc = p->stop_fd < 0 ? error_set(err, ERROR_SYSTEM, errno, "eventfd")
                            : make_socket(p, mode, uid, gid, err);
    if (rc == 0 && pthread_create(&p->thread, NULL, listen_main, p) != 0)
        rc = error_set(err, ERROR_SYSTEM, 0, "start a thread for the ssh agent");
    if (rc < 0) {
        proxy_free(p);
        return -1;
    }
    *out = p;
    return 0;
}

int ssh_proxy_fd(const struct ssh_proxy *p)
{
    return p->file_fd;
}

void ssh_proxy_stop(struct ssh_proxy *p)
{
    const uint64_t one = 1;
    if (!p)
        return;
    (void)!write(p->stop_fd, &one, sizeof one);
    pthread_join(p->thread, NULL);
    pthread_mutex_lock(&p->lock);
    while (p->connections > 0)
        pthread_cond_wait(&p->ended, &p->lock);
    pthread_mutex_unlock(&p->lock);
    proxy_free(p);
}
