/* SPDX-License-Identifier: Apache-2.0 */
/* The steps between fork and exec, in the process that becomes the command. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "snapshotter/id_map.h"
#include "snapshotter/sandbox/init.h"
#include "snapshotter/sandbox/sandbox.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { STATUS_MISSING = 127, STATUS_NOT_EXECUTABLE = 126, CAPS_LAST = 63 };

/* The bounding set, and what root has; as containerd and BuildKit. They count inside only. */
static const unsigned kept_caps[] = {
    CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_FSETID,           CAP_FOWNER,
    CAP_MKNOD,   CAP_NET_RAW,      CAP_SETGID,           CAP_SETUID,
    CAP_SETFCAP, CAP_SETPCAP,      CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT,
    CAP_KILL,    CAP_AUDIT_WRITE,
};

uint64_t command_default_caps(void)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < COUNT(kept_caps); i++)
        mask |= UINT64_C(1) << kept_caps[i];
    return mask;
}

static uint64_t kept_mask(const struct init *in)
{
    return in->request.insecure ? UINT64_MAX : in->config->caps;
}

int command_session(struct init *in, struct error *err)
{
    sigset_t none;
    (void)in;
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(0022);
    return setsid() < 0 ? error_set(err, ERROR_SYSTEM, errno, "setsid") : 0;
}

int command_stdio(struct init *in, struct error *err)
{
    auto_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (null_fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open /dev/null");
    if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(in->fds[RUN_OUT], STDOUT_FILENO) < 0 ||
        dup2(in->fds[RUN_ERR], STDERR_FILENO) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "dup2");
    return 0;
}

/* Only the host's root may raise what it has given this user. */
static int set_limit(const struct wire_limit *l, struct error *err)
{
    struct rlimit now;
    struct rlimit value = { .rlim_cur = l->soft == UINT64_MAX ? RLIM_INFINITY : l->soft,
                            .rlim_max = l->hard == UINT64_MAX ? RLIM_INFINITY : l->hard };
    __rlimit_resource_t resource = (__rlimit_resource_t)l->resource;
    if (setrlimit(resource, &value) == 0)
        return 0;
    if (errno != EPERM || getrlimit(resource, &now) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "set a resource limit");
    return error_set(err, ERROR_USER, 0,
                     "--ulimit: limit %" PRIu64 " cannot be raised to %" PRIu64
                     "; this user may have %" PRIu64 " at most",
                     l->resource, l->hard, (uint64_t)now.rlim_max);
}

int command_limits(struct init *in, struct error *err)
{
    struct rlimit core = { 0, 0 };
    struct rlimit files;
    if (setrlimit(RLIMIT_CORE, &core) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "limit core files");
    files.rlim_cur =
        in->config->open_files < files.rlim_max ? in->config->open_files : files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "limit open files");
    for (size_t i = 0; i < in->config->limit_count; i++)
        TRY(set_limit(&in->config->limits[i], err));
    return 0;
}

int command_drop_bounding(struct init *in, struct error *err)
{
    uint64_t kept = kept_mask(in);
    for (unsigned cap = 0; cap <= CAPS_LAST; cap++) {
        if (kept & (UINT64_C(1) << cap))
            continue;
        /* EINVAL: this kernel has no more capabilities. */
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return errno == EINVAL ? 0 : error_set(err, ERROR_SYSTEM, errno, "capability %u", cap);
    }
    return 0;
}

/* An id that the namespace does not have: say so, and what would give more. */
static int explain_unmapped(const struct init *in, struct error *err)
{
    auto_(id_map) struct id_map map = { 0 };
    struct error ignored = { 0 };
    if (id_map_current(&map, &ignored) == 0 && id_map_is_single(&map)) {
        return error_hint(err, "the user who builds has no subordinate ids; give some with: sudo "
                               "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "
                               "NAME");
    }
    error_clear(&ignored);
    return error_hint(err, "the ids %u:%u are not among those of /etc/subuid and /etc/subgid",
                      in->who.uid, in->who.gid);
}

int command_ids(struct init *in, struct error *err)
{
    const struct identity *who = &in->who;
    bool is_plain_root = who->uid == 0 && who->gid == 0 && who->group_count == 1;
    /* With a single id in the namespace groups cannot be set; root's are right as they are. */
    if (setgroups(who->group_count, who->groups) < 0 && !(is_plain_root && errno == EPERM)) {
        error_set(err, ERROR_HOST, errno, "set the groups of user %u", who->uid);
        return explain_unmapped(in, err);
    }
    if (setresgid(who->gid, who->gid, who->gid) < 0 ||
        setresuid(who->uid, who->uid, who->uid) < 0) {
        error_set(err, ERROR_HOST, errno, "become user %u:%u", who->uid, who->gid);
        return explain_unmapped(in, err);
    }
    /* A change of user restores whatever fs.suid_dumpable says. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "become undumpable");
    return 0;
}

int command_capabilities(struct init *in, struct error *err)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2] = { 0 };
    uint64_t kept = in->who.uid == 0 ? kept_mask(in) : 0;
    if (syscall(SYS_capget, &header, data) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "capget");
    for (int i = 0; i < 2; i++) {
        data[i].permitted &= (uint32_t)(kept >> (32 * i));
        data[i].effective = data[i].permitted;
        data[i].inheritable = 0;
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
        syscall(SYS_capset, &header, data) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "capset");
    if (in->config->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "no_new_privs");
    return 0;
}

static int close_by_listing(struct error *err)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry = NULL;
    if (!dir)
        return error_set(err, ERROR_SYSTEM, errno, "open /proc/self/fd");
    while ((entry = readdir(dir))) {
        uint64_t fd = 0;
        if (str_to_u64(str_of(entry->d_name), 10, INT32_MAX, &fd) && fd > STDERR_FILENO)
            fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    }
    closedir(dir);
    return 0;
}

int command_close_descriptors(struct init *in, struct error *err)
{
    (void)in;
    bool forced = getenv(TEST_NO_CLOSE_RANGE) != NULL;
    if (!forced && close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return 0;
    if (!forced && errno != ENOSYS && errno != EPERM)
        return error_set(err, ERROR_SYSTEM, errno, "close_range");
    return close_by_listing(err);
}

static const char *variable(const struct strvec *env, const char *name)
{
    size_t len = strlen(name);
    const char *value = NULL;
    for (size_t i = 0; i < env->count; i++) {
        if (strncmp(env->items[i], name, len) == 0 && env->items[i][len] == '=')
            value = env->items[i] + len + 1;
    }
    return value;
}

/* Tries every directory of PATH, as a shell does; the errno that says most survives. */
static void exec_in_path(char *const *argv, const char *path, char *const *env)
{
    struct str rest = str_of(path);
    int worth_telling = ENOENT;
    while (rest.len) {
        struct str dir = str_cut(&rest, ':');
        auto_free char *file = dir.len ? xasprintf("%.*s/%s", (int)dir.len, dir.ptr, argv[0])
                                       : xasprintf("./%s", argv[0]);
        execve(file, argv, env);
        if (errno != ENOENT && errno != ENOTDIR)
            worth_telling = errno;
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            break;
    }
    errno = worth_telling;
}

static _Noreturn void report_missing(const char *program, int sys)
{
    bool is_path = strchr(program, '/') != NULL;
    struct stat st;
    const char *why = strerror(sys);
    if (sys == ENOENT && !is_path)
        why = "not found in $PATH";
    else if (sys == ENOENT && stat(program, &st) == 0)
        why = "its interpreter or loader is missing in the image";
    else if (sys == ENOEXEC)
        why = "not a program of this machine's kind, and no script with a #! line";
    dprintf(STDERR_FILENO, "%s: %s\n", program, why);
    _exit(sys == ENOENT || sys == ENOTDIR ? STATUS_MISSING : STATUS_NOT_EXECUTABLE);
}

int command_exec(struct init *in, struct error *err)
{
    struct strvec *env = &in->request.env;
    char **argv = in->request.args.items;
    (void)err;
    if (!variable(env, "PATH"))
        strvec_push(env, "PATH=" DEFAULT_PATH);
    if (!variable(env, "HOME"))
        strvec_pushf(env, "HOME=%s", in->who.home);
    if (strchr(argv[0], '/'))
        execve(argv[0], argv, env->items);
    else
        exec_in_path(argv, variable(env, "PATH"), env->items);
    report_missing(argv[0], errno);
}
