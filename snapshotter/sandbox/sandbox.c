/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/process.h"
#include "lib/base/str.h"
#include "snapshotter/sandbox/devices.h"
#include "snapshotter/sandbox/emulator.h"
#include "snapshotter/sandbox/network.h"
#include "snapshotter/sandbox/request.h"
#include "snapshotter/sandbox/tree.h"
#include "snapshotter/sandbox/zygote.h"

#define DEFAULT_HOSTNAME "buildkitsandbox"
#define NS_PER_MS        UINT64_C(1000000)

enum {
    DEFAULT_SHM_SIZE = 64 * 1024 * 1024,
    DEFAULT_OPEN_FILES = 1024,
    GRACE_MS = 10000,  /* from SIGTERM to SIGKILL */
    REAPING_MS = 5000, /* from SIGKILL to giving up on an answer */
    CHUNK = 65536,
};

/* What the caller has mounted for every step. */
struct volume {
    char *source, *target;
    bool writable, is_device;
};

struct sandbox {
    struct executor base; /* first: a sandbox is an executor */
    bool allow_insecure;
    struct devices *devices;
    struct volume *volumes;
    size_t volume_count;
    struct mount_point *points; /* base.mount_points */
    int socket; /* to the zygote; each packet is sent whole, so threads need no lock */
    pid_t zygote;
};

/* One run, as the builder sees it. */
struct run {
    const struct exec_request *request;
    int out[2], err[2], control[2]; /* [0] is ours, [1] the sandbox's */
    int request_fd;
    struct call call;
    bool told;            /* SIGTERM was asked for */
    bool forced;          /* SIGKILL was asked for */
    uint64_t deadline_ns; /* of the present stage of a cancellation */
    bool answered;
    int status;
};

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void run_release(struct run *r)
{
    for (int i = 0; i < 2; i++) {
        close_one(&r->out[i]);
        close_one(&r->err[i]);
        close_one(&r->control[i]);
    }
    close_one(&r->request_fd);
    call_release(&r->call);
}
DEFINE_AUTO(run, struct run, run_release(value))

static int run_open(struct run *r, struct error *err)
{
    if (pipe2(r->out, O_CLOEXEC) < 0 || pipe2(r->err, O_CLOEXEC) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, r->control) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "connect to the sandbox");
    if (fcntl(r->out[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(r->err[0], F_SETFL, O_NONBLOCK) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "fcntl");
    return request_encode(&r->call.request, &r->request_fd, err);
}

/* A detached mount is handed over itself (older kernels copy only attached ones); of an attached
 * one the sandbox gets a copy. */
static int run_send(const struct sandbox *s, struct run *r, struct error *err)
{
    char network = (char)r->request->op->network;
    auto_close int copy = call_clone_root(r->request->root_fd);
    int fds[WIRE_FDS_MAX] = { [RUN_REQUEST] = r->request_fd,
                              [RUN_ROOT] = copy >= 0 ? copy : r->request->root_fd,
                              [RUN_OUT] = r->out[1],
                              [RUN_ERR] = r->err[1],
                              [RUN_CONTROL] = r->control[1] };
    for (size_t i = 0; i < r->call.tree_count; i++)
        fds[RUN_FD_COUNT + i] = r->call.trees[i];
    if (packet_send(s->socket, &network, 1, fds, RUN_FD_COUNT + r->call.tree_count) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "the sandboxes' parent process is gone");
    close_one(&r->out[1]);
    close_one(&r->err[1]);
    close_one(&r->control[1]);
    close_one(&r->request_fd);
    call_release(&r->call); /* the secrets in it, too */
    return 0;
}

/* Hands over what the pipe holds, at most `limit` bytes of it. Closes it at its end. */
static void pass_output(const struct run *r, int *fd, int stream, size_t limit)
{
    char buf[CHUNK];
    while (*fd >= 0 && limit > 0) {
        ssize_t n = read(*fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close_one(fd);
            return;
        }
        if (r->request->output)
            r->request->output(r->request->output_arg, stream, buf, (size_t)n);
        limit -= (size_t)n < limit ? (size_t)n : limit;
    }
}

/* Everybody inside is dead, so all they wrote is in the pipes. Waiting for the end of the pipes
 * would be wrong: a copy may have been passed out to a process of the host. */
static void drain(struct run *r)
{
    pass_output(r, &r->out[0], STDOUT_FILENO, SIZE_MAX);
    pass_output(r, &r->err[0], STDERR_FILENO, SIZE_MAX);
}

/* Reads one message of the sandbox; false at its end. The first error wins, also over a status. */
static bool receive(struct run *r, struct error *err)
{
    char packet[PACKET_MAX];
    int none[WIRE_FDS_MAX];
    ssize_t n = packet_receive(r->control[0], packet, sizeof packet, none);
    if (n <= 0)
        return false;
    if (packet[0] == PACKET_FAILED)
        packet_to_error(packet, (size_t)n, err);
    if (packet[0] == PACKET_STATUS && (size_t)n == 1 + sizeof r->status) {
        memcpy(&r->status, packet + 1, sizeof r->status);
        r->answered = true;
    }
    return true;
}

/* The next stage of a cancellation: ask, then kill, then stop waiting. False: stop. */
static bool press(struct run *r)
{
    char order = r->told ? PACKET_KILL : PACKET_TERMINATE;
    if (r->forced)
        return false;
    r->forced = r->told;
    r->told = true;
    r->deadline_ns = clock_monotonic_ns() + (r->forced ? REAPING_MS : GRACE_MS) * NS_PER_MS;
    (void)!packet_send(r->control[0], &order, 1, NULL, 0);
    return true;
}

static int timeout_ms(const struct run *r)
{
    if (!r->told)
        return -1;
    uint64_t now = clock_monotonic_ns();
    return now >= r->deadline_ns ? 0 : (int)((r->deadline_ns - now) / NS_PER_MS) + 1;
}

/* Until all processes of the step are gone: the init says so with the status, as its last word, or
 * has died, and then all others have. What is left of the sandbox by then, the kernel clears away
 * in its own time. */
static void run_wait(struct run *r, struct error *err)
{
    struct cancel *cancel = r->request->cancel;
    for (;;) {
        struct pollfd fds[] = { { .fd = r->control[0], .events = POLLIN },
                                { .fd = r->out[0], .events = POLLIN },
                                { .fd = r->err[0], .events = POLLIN },
                                { .fd = cancel && !r->told ? cancel->fd : -1, .events = POLLIN } };
        int n = poll(fds, COUNT(fds), timeout_ms(r));
        if (n < 0 && errno != EINTR)
            return;
        if (n < 0)
            continue;
        if (fds[1].revents)
            pass_output(r, &r->out[0], STDOUT_FILENO, CHUNK);
        if (fds[2].revents)
            pass_output(r, &r->err[0], STDERR_FILENO, CHUNK);
        bool overdue = r->told && clock_monotonic_ns() >= r->deadline_ns;
        if ((fds[3].revents || overdue) && !press(r))
            return;
        if (fds[0].revents && (!receive(r, err) || r->answered))
            return;
    }
}

/* The frontend has asked already; that is said twice, since all hangs on it. */
static int check_allowed(const struct sandbox *s, const struct op_exec *op, struct error *err)
{
    if (!op->insecure || s->allow_insecure)
        return 0;
    error_set(err, ERROR_USER, 0, "security.insecure is not allowed");
    return error_hint(err, "allow it with --allow security.insecure");
}

static int check_platform(const struct exec_request *request, struct error *err)
{
    const struct platform host = platform_host();
    const struct platform *p = &request->op->platform;
    return p->arch[0] ? emulator_check(EMULATOR_BINFMT_DIR, &host, p, request->root_fd, err) : 0;
}

static void add_build_mounts(const struct sandbox *s, struct request *r)
{
    for (size_t i = 0; i < s->volume_count; i++)
        request_add_host(r, s->volumes[i].source, s->volumes[i].target, s->volumes[i].writable,
                         s->volumes[i].is_device);
}

static int add_devices(const struct sandbox *s, const struct exec_request *request,
                       struct request *to, struct error *err)
{
    const struct step_devices *devices = NULL;
    TRY(devices_of(s->devices, request->op, &devices, err));
    devices_apply(devices, to);
    for (size_t i = 0; request->warn && i < devices->edits.warnings.count; i++)
        request->warn(request->output_arg, devices->edits.warnings.items[i]);
    return 0;
}

static int sandbox_device_points(struct executor *executor, const struct op_exec *op,
                                 const struct mount_point **out, size_t *out_count,
                                 struct error *err)
{
    const struct sandbox *s = (const struct sandbox *)executor;
    const struct step_devices *devices = NULL;
    TRY(devices_of(s->devices, op, &devices, err));
    *out = devices->points;
    *out_count = devices->edits.bind_count;
    return 0;
}

static int sandbox_run(struct executor *executor, const struct exec_request *request,
                       int *out_status, struct error *err)
{
    const struct sandbox *s = (const struct sandbox *)executor;
    auto_(run) struct run r = { .request = request,
                                .out = { -1, -1 },
                                .err = { -1, -1 },
                                .control = { -1, -1 },
                                .request_fd = -1 };
    TRY(cancel_check(request->cancel, err));
    TRY(check_allowed(s, request->op, err));
    TRY(check_platform(request, err));
    TRY(call_build(request, &r.call, err));
    add_build_mounts(s, &r.call.request);
    TRY(add_devices(s, request, &r.call.request, err));
    request_sort_mounts(&r.call.request);
    TRY(run_open(&r, err));
    TRY(run_send(s, &r, err));
    run_wait(&r, err);
    drain(&r);
    if (r.told) {
        error_clear(err);
        return error_set(err, ERROR_CANCELLED, 0, "interrupted");
    }
    if (error_is_set(err))
        return -1;
    if (!r.answered)
        return error_set(err, ERROR_SYSTEM, 0, "the sandbox was killed from outside");
    *out_status = r.status;
    return 0;
}

static const struct mount_point mount_points[] = {
    { "/proc", true },       { "/dev", true }, { "/sys", true }, { "/etc/resolv.conf", false },
    { "/etc/hosts", false },
};

static char *resolv_conf(const struct sandbox_options *o, bool own_net)
{
    auto_free char *host = network_resolv_host(own_net);
    char *chosen = network_resolv_chosen(host, &o->dns);
    return chosen ? chosen : own_net ? network_resolv_own(host) : take_ptr(host);
}

static void config_init(struct config *c, const struct sandbox_options *o)
{
    const char *hostname = o->hostname ? o->hostname : DEFAULT_HOSTNAME;
    *c = (struct config){
        .hostname = xstrdup(hostname),
        .hosts = network_hosts(hostname, o->extra_hosts),
        .resolv_host = resolv_conf(o, false),
        .resolv_own = resolv_conf(o, true),
        .shm_size = o->shm_size ? o->shm_size : DEFAULT_SHM_SIZE,
        .open_files = DEFAULT_OPEN_FILES,
        .caps = (command_default_caps() | o->caps_added) & ~o->caps_dropped,
        .unconfined = o->unconfined,
        .no_new_privs = o->no_new_privs,
        .limits = xcalloc(o->limit_count, sizeof *c->limits),
        .limit_count = o->limit_count,
    };
    for (size_t i = 0; i < o->limit_count; i++)
        c->limits[i] = (struct wire_limit){ (uint64_t)o->limits[i].resource, o->limits[i].soft,
                                            o->limits[i].hard };
}

/* Mount points of volumes are the image's to have; devices lie in a /dev of ours. */
static int add_volumes(struct sandbox *s, const struct sandbox_options *o, struct error *err)
{
    size_t count = COUNT(mount_points);
    s->points = xcalloc(count + o->volume_count, sizeof *s->points);
    s->volumes = xcalloc(o->volume_count, sizeof *s->volumes);
    memcpy(s->points, mount_points, sizeof mount_points);
    for (size_t i = 0; i < o->volume_count; i++) {
        const struct sandbox_volume *v = &o->volumes[i];
        struct stat st;
        if (stat(v->source, &st) < 0)
            return error_set(err, ERROR_USER, errno, "mount %s of the host", v->source);
        s->volumes[s->volume_count++] =
            (struct volume){ xstrdup(v->source), xstrdup(v->target), v->writable, v->is_device };
        s->points[count++] = (struct mount_point){ s->volumes[i].target, S_ISDIR(st.st_mode) != 0 };
    }
    s->base.mount_points = s->points;
    s->base.mount_point_count = count;
    return 0;
}

int sandbox_new(const struct sandbox_options *options, struct executor **out, struct error *err)
{
    auto_(config) struct config config = { 0 };
    struct sandbox *s = xcalloc(1, sizeof *s);
    *s = (struct sandbox){ .base.run = sandbox_run,
                           .base.device_points = sandbox_device_points,
                           .devices = devices_new(options),
                           .socket = -1,
                           .zygote = -1,
                           .allow_insecure = options->allow_insecure };
    config_init(&config, options);
    int rc = add_volumes(s, options, err);
    if (rc == 0 && zygote_start(&config, &s->socket, &s->zygote, err) < 0)
        rc = error_wrap(err, "start the sandboxes' parent process");
    if (rc < 0) {
        sandbox_free(&s->base);
        return -1;
    }
    *out = &s->base;
    return 0;
}

void sandbox_free(struct executor *executor)
{
    struct sandbox *s = (struct sandbox *)executor;
    if (!s)
        return;
    close_one(&s->socket);
    if (s->zygote > 0)
        process_wait(s->zygote);
    for (size_t i = 0; i < s->volume_count; i++) {
        free(s->volumes[i].source);
        free(s->volumes[i].target);
    }
    devices_free(s->devices);
    free(s->volumes);
    free(s->points);
    free(s);
}
