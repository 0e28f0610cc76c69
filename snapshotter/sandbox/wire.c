/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/wire.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"

enum { MESSAGE_MAX = 64 * 1024 * 1024, LIMITS_MAX = 64 };

static void put_number(struct strbuf *out, uint64_t n)
{
    strbuf_add(out, &n, sizeof n);
}

static void put_text(struct strbuf *out, const char *s)
{
    strbuf_add(out, s, strlen(s) + 1);
}

static void put_list(struct strbuf *out, const struct strvec *list)
{
    put_number(out, list->count);
    for (size_t i = 0; i < list->count; i++)
        put_text(out, list->items[i]);
}

struct cursor {
    const char *ptr;
    size_t left;
    bool broken;
};

static uint64_t get_number(struct cursor *c)
{
    uint64_t n = 0;
    if (c->left < sizeof n) {
        c->broken = true;
        return 0;
    }
    memcpy(&n, c->ptr, sizeof n);
    c->ptr += sizeof n;
    c->left -= sizeof n;
    return n;
}

static const char *get_text(struct cursor *c)
{
    const char *text = c->ptr;
    const char *end = c->left ? memchr(c->ptr, '\0', c->left) : NULL;
    if (!end) {
        c->broken = true;
        return "";
    }
    c->left -= (size_t)(end - c->ptr) + 1;
    c->ptr = end + 1;
    return text;
}

static void get_list(struct cursor *c, struct strvec *out)
{
    uint64_t count = get_number(c);
    for (uint64_t i = 0; i < count && !c->broken; i++)
        strvec_push(out, get_text(c));
}

/* `len` bytes and a terminator; the caller frees them. */
static char *get_bytes(struct cursor *c, uint64_t len)
{
    if (len > c->left) {
        c->broken = true;
        len = 0;
    }
    char *bytes = xstrndup(c->ptr, (size_t)len);
    c->ptr += len;
    c->left -= (size_t)len;
    return bytes;
}

static int seal(const struct strbuf *text, const char *name, int *out_fd, struct error *err)
{
    auto_close int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "memfd_create");
    TRY(fd_write_all(fd, text->buf, text->len, name, err));
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "seal %s", name);
    *out_fd = take_fd(&fd);
    return 0;
}

/* Reads from the start, wherever the sender's offset stands. */
static int unseal(int fd, struct strbuf *text, struct error *err)
{
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "seek in a message");
    return fd_read_all(fd, MESSAGE_MAX, "a message", text, err);
}

int config_encode(const struct config *c, int *out_fd, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    put_number(&text, c->shm_size);
    put_number(&text, c->open_files);
    put_number(&text, c->caps);
    put_number(&text, c->unconfined);
    put_number(&text, c->no_new_privs);
    put_number(&text, c->limit_count);
    strbuf_add(&text, c->limits, c->limit_count * sizeof *c->limits);
    put_text(&text, c->hostname);
    put_text(&text, c->hosts);
    put_text(&text, c->resolv_host);
    put_text(&text, c->resolv_own);
    return seal(&text, "mlbuild-config", out_fd, err);
}

int config_decode(int fd, struct config *out, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    TRY(unseal(fd, &text, err));
    struct cursor c = { text.buf, text.len, false };
    out->shm_size = get_number(&c);
    out->open_files = get_number(&c);
    out->caps = get_number(&c);
    out->unconfined = get_number(&c) != 0;
    out->no_new_privs = get_number(&c) != 0;
    out->limit_count = (size_t)get_number(&c);
    if (out->limit_count > LIMITS_MAX)
        return error_set(err, ERROR_CORRUPT, 0, "the zygote got half a message");
    out->limits = (struct wire_limit *)get_bytes(&c, out->limit_count * sizeof *out->limits);
    out->hostname = xstrdup(get_text(&c));
    out->hosts = xstrdup(get_text(&c));
    out->resolv_host = xstrdup(get_text(&c));
    out->resolv_own = xstrdup(get_text(&c));
    return c.broken ? error_set(err, ERROR_CORRUPT, 0, "the zygote got half a message") : 0;
}

static void put_mount(struct strbuf *out, const struct request_mount *m)
{
    put_number(out, m->kind);
    put_text(out, m->target);
    put_text(out, m->source);
    put_number(out, m->tree);
    put_number(out, m->attrs);
    put_number(out, m->mode);
    put_number(out, m->uid);
    put_number(out, m->gid);
    put_number(out, m->size);
    if (m->kind == MOUNT_FILE)
        strbuf_add(out, m->data, (size_t)m->size);
}

static void get_mount(struct cursor *c, struct request_mount *out)
{
    out->kind = (enum mount_kind)get_number(c);
    out->target = xstrdup(get_text(c));
    out->source = xstrdup(get_text(c));
    out->tree = get_number(c);
    out->attrs = get_number(c);
    out->mode = get_number(c);
    out->uid = get_number(c);
    out->gid = get_number(c);
    out->size = get_number(c);
    if (out->kind == MOUNT_FILE)
        out->data = get_bytes(c, out->size);
}

int request_encode(const struct request *r, int *out_fd, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    put_number(&text, r->network);
    put_number(&text, r->insecure);
    put_list(&text, &r->args);
    put_list(&text, &r->env);
    put_text(&text, r->cwd);
    put_text(&text, r->user);
    put_number(&text, r->group_count);
    for (size_t i = 0; i < r->group_count; i++)
        put_number(&text, r->groups[i]);
    put_number(&text, r->mount_count);
    for (size_t i = 0; i < r->mount_count; i++)
        put_mount(&text, &r->mounts[i]);
    return seal(&text, "mlbuild-request", out_fd, err);
}

int request_decode(int fd, struct request *out, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    TRY(unseal(fd, &text, err));
    struct cursor c = { text.buf, text.len, false };
    out->network = get_number(&c) == NETWORK_NONE ? NETWORK_NONE : NETWORK_HOST;
    out->insecure = get_number(&c) != 0;
    get_list(&c, &out->args);
    get_list(&c, &out->env);
    out->cwd = xstrdup(get_text(&c));
    out->user = xstrdup(get_text(&c));
    for (uint64_t left = get_number(&c); left > 0 && !c.broken; left--) {
        out->groups = xreallocarray(out->groups, out->group_count + 1, sizeof *out->groups);
        out->groups[out->group_count++] = (gid_t)get_number(&c);
    }
    for (uint64_t left = get_number(&c); left > 0 && !c.broken; left--) {
        GROW(out->mounts, out->mount_count, out->mount_cap);
        out->mounts[out->mount_count] = (struct request_mount){ 0 };
        get_mount(&c, &out->mounts[out->mount_count++]);
    }
    if (c.broken || out->args.count == 0)
        return error_set(err, ERROR_CORRUPT, 0, "the sandbox got half a request");
    return 0;
}

void config_release(struct config *c)
{
    free(c->hostname);
    free(c->hosts);
    free(c->resolv_host);
    free(c->resolv_own);
    free(c->limits);
    *c = (struct config){ 0 };
}

void request_release(struct request *r)
{
    strvec_release(&r->args);
    strvec_release(&r->env);
    free(r->cwd);
    free(r->user);
    free(r->groups);
    for (size_t i = 0; i < r->mount_count; i++) {
        free(r->mounts[i].target);
        free(r->mounts[i].source);
        free(r->mounts[i].data);
    }
    free(r->mounts);
    *r = (struct request){ 0 };
}

union fd_space {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
};

int packet_send(int socket, const void *data, size_t len, const int *fds, size_t count)
{
    union fd_space space = { 0 };
    struct iovec iov = { (void *)data, len };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (count) {
        msg.msg_control = space.bytes;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        space.align.cmsg_level = SOL_SOCKET;
        space.align.cmsg_type = SCM_RIGHTS;
        space.align.cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(&space.align), fds, sizeof(int) * count);
    }
    ssize_t n = 0;
    do
        n = sendmsg(socket, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

ssize_t packet_receive(int socket, void *data, size_t cap, int fds[static WIRE_FDS_MAX])
{
    union fd_space space = { 0 };
    struct iovec iov = { data, cap };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = space.bytes,
                          .msg_controllen = sizeof space.bytes };
    for (int i = 0; i < WIRE_FDS_MAX; i++)
        fds[i] = -1;
    ssize_t n = 0;
    do
        n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    return n;
}

void packet_send_error(int socket, const struct error *e)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    strbuf_addch(&text, PACKET_FAILED);
    put_number(&text, e->kind);
    put_number(&text, (uint64_t)e->sys);
    strbuf_addf(&text, "%.4000s", e->message ? e->message : "unknown failure");
    strbuf_addch(&text, '\0');
    strbuf_addf(&text, "%.3000s", e->hint ? e->hint : "");
    strbuf_addch(&text, '\0');
    (void)!packet_send(socket, text.buf, text.len, NULL, 0);
}

void packet_to_error(const char *data, size_t len, struct error *err)
{
    struct cursor c = { data + 1, len - 1, false };
    uint64_t kind = get_number(&c);
    int sys = (int)get_number(&c);
    const char *message = get_text(&c);
    const char *hint = get_text(&c);
    if (c.broken || kind == ERROR_NONE || kind > ERROR_CANCELLED) {
        error_set(err, ERROR_CORRUPT, 0, "the sandbox sent an unreadable message");
        return;
    }
    /* The message has the errno's text already. */
    error_set(err, (enum error_kind)kind, 0, "%s", message);
    err->sys = sys;
    if (*hint)
        error_hint(err, "%s", hint);
}

void packet_send_status(int socket, int status)
{
    char packet[1 + sizeof status] = { PACKET_STATUS };
    memcpy(packet + 1, &status, sizeof status);
    (void)!packet_send(socket, packet, sizeof packet, NULL, 0);
}
