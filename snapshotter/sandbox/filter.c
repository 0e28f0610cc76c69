/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

/* From moby/profiles 0.2.3 (Apache-2.0): always allowed, and what its conditions allow to a
 * container with our capabilities. Names that another architecture has are for its 32-bit programs.
 * For ioctl and socket see emit_refusals. */
static const char allowed[] =
    "accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown "
    "chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime "
    "clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect "
    "copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old "
    "epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit "
    "exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir "
    "fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr "
    "flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 "
    "fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv "
    "futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid "
    "geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp "
    "getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 "
    "getrlimit get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid "
    "gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init "
    "inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents "
    "io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule "
    "landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat "
    "listen listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr "
    "lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore "
    "mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr "
    "mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
    "mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock "
    "munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat openat2 "
    "pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll "
    "ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 "
    "pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv "
    "recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat "
    "rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction "
    "rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
    "rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam "
    "sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval "
    "sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam "
    "sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop "
    "semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 "
    "setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority "
    "setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 "
    "setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid "
    "setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd "
    "signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 "
    "statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time "
    "timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime "
    "timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime "
    "timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat "
    "uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid "
    "write writev process_vm_readv process_vm_writev ptrace socket arm_fadvise64_64 "
    "arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls arch_prctl modify_ldt "
    "chroot ";

/* Calls that came after the libseccomp in use. From 424 on a number is the same on all
 * architectures. */
static const struct {
    const char *name;
    unsigned number;
} numbers[] = {
    { "memfd_secret", 447 },  { "process_mrelease", 448 }, { "futex_waitv", 449 },
    { "cachestat", 451 },     { "fchmodat2", 452 },        { "map_shadow_stack", 453 },
    { "futex_wake", 454 },    { "futex_wait", 455 },       { "futex_requeue", 456 },
    { "statmount", 457 },     { "listmount", 458 },        { "mseal", 462 },
    { "setxattrat", 463 },    { "getxattrat", 464 },       { "listxattrat", 465 },
    { "removexattrat", 466 },
};

enum {
    NEWEST_KNOWN = 466,
    URETPROBE_X86_64 = 335,
    X32_BIT = 0x40000000,
    X32_OWN_FIRST = 512, /* numbers that only x32 has */
    X32_OWN_LAST = 547,
    ARM_PRIVATE = 0xf0000, /* set_tls and the like of 32-bit ARM */
    PROGRAM_MAX = 4096,
};

/* Terminal calls that put words into somebody's mouth; their numbers are the same everywhere. */
enum { IOCTL_TIOCSTI = 0x5412, IOCTL_TIOCLINUX = 0x541c, IOCTL_TIOCCONS = 0x541d };

struct program {
    struct sock_filter *items;
    size_t count;
    size_t cap;
};

static void emit(struct program *p, unsigned code, unsigned k, unsigned if_true, unsigned if_false)
{
    GROW(p->items, p->count, p->cap);
    p->items[p->count++] = (struct sock_filter){ (unsigned short)code, (unsigned char)if_true,
                                                 (unsigned char)if_false, k };
}

static void load(struct program *p, size_t offset)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS, (unsigned)offset, 0, 0);
}

static void answer(struct program *p, unsigned action)
{
    emit(p, BPF_RET | BPF_K, action, 0, 0);
}

static void emit_unknown_to_library(struct program *p)
{
    load(p, offsetof(struct seccomp_data, nr));
    emit(p, BPF_ALU | BPF_AND | BPF_K, ~(unsigned)X32_BIT, 0, 0);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        if (seccomp_syscall_resolve_name(numbers[i].name) != __NR_SCMP_ERROR)
            continue;
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, numbers[i].number, 0, 1);
        answer(p, SECCOMP_RET_ALLOW);
    }
    load(p, offsetof(struct seccomp_data, arch));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3);
    load(p, offsetof(struct seccomp_data, nr));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, URETPROBE_X86_64, 0, 1);
    answer(p, SECCOMP_RET_ALLOW);
}

/* EPERM would make the C library give up where ENOSYS makes it use an older call. */
static void emit_too_new(struct program *p)
{
    load(p, offsetof(struct seccomp_data, nr));
    emit(p, BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 0, 3);
    emit(p, BPF_ALU | BPF_AND | BPF_K, ~(unsigned)X32_BIT, 0, 0);
    emit(p, BPF_JMP | BPF_JGT | BPF_K, X32_OWN_LAST, 3, 0);
    emit(p, BPF_JMP | BPF_JGE | BPF_K, X32_OWN_FIRST, 3, 0);
    emit(p, BPF_JMP | BPF_JGE | BPF_K, ARM_PRIVATE, 2, 0);
    emit(p, BPF_JMP | BPF_JGT | BPF_K, NEWEST_KNOWN, 0, 1);
    answer(p, SECCOMP_RET_ERRNO | ENOSYS);
}

/* The kernel looks at 32 bits of these arguments only, so the comparison must, too; the library's
 * looks at 64. */
static void emit_refusals(struct program *p)
{
    static const struct refusal {
        unsigned arch, number, argument;
        unsigned values[3];
    } refusals[] = {
#define TERMINAL_CALLS { IOCTL_TIOCSTI, IOCTL_TIOCLINUX, IOCTL_TIOCCONS }
        { AUDIT_ARCH_X86_64, 16, 1, TERMINAL_CALLS },
        { AUDIT_ARCH_X86_64, X32_BIT | 514, 1, TERMINAL_CALLS },
        { AUDIT_ARCH_I386, 54, 1, TERMINAL_CALLS },
        { AUDIT_ARCH_AARCH64, 29, 1, TERMINAL_CALLS },
        { AUDIT_ARCH_ARM, 54, 1, TERMINAL_CALLS },
#undef TERMINAL_CALLS
#define SOCKET_FAMILIES { AF_ALG, AF_VSOCK, AF_VSOCK }
        { AUDIT_ARCH_X86_64, 41, 0, SOCKET_FAMILIES },
        { AUDIT_ARCH_X86_64, X32_BIT | 41, 0, SOCKET_FAMILIES },
        { AUDIT_ARCH_I386, 359, 0, SOCKET_FAMILIES },
        { AUDIT_ARCH_AARCH64, 198, 0, SOCKET_FAMILIES },
        { AUDIT_ARCH_ARM, 281, 0, SOCKET_FAMILIES },
#undef SOCKET_FAMILIES
    };
    for (size_t i = 0; i < COUNT(refusals); i++) {
        const struct refusal *r = &refusals[i];
        load(p, offsetof(struct seccomp_data, arch));
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->arch, 0, 7);
        load(p, offsetof(struct seccomp_data, nr));
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->number, 0, 5);
        load(p, offsetof(struct seccomp_data, args) + r->argument * sizeof(uint64_t));
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->values[0], 2, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->values[1], 1, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->values[2], 0, 1);
        answer(p, SECCOMP_RET_ERRNO | EPERM);
    }
}

static int library_failed(struct error *err, int rc, const char *what)
{
    return error_set(err, ERROR_SYSTEM, rc < 0 ? -rc : 0, "seccomp filter: %s", what);
}

/* Calls that only make sense with a capability that steps do not have by default. */
static const struct {
    unsigned cap;
    const char *names;
} allowed_with[] = {
    { CAP_DAC_READ_SEARCH, "open_by_handle_at" },
    { CAP_SYS_MODULE, "delete_module init_module finit_module" },
    { CAP_SYS_RAWIO, "iopl ioperm" },
    { CAP_SYS_PTRACE, "kcmp pidfd_getfd process_madvise" },
    { CAP_SYS_PACCT, "acct" },
    { CAP_SYS_ADMIN, "bpf clone fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount "
                     "mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd "
                     "setdomainname sethostname setns syslog umount umount2 unshare" },
    { CAP_SYS_BOOT, "reboot" },
    { CAP_SYS_NICE, "get_mempolicy mbind set_mempolicy" },
    { CAP_SYS_TIME, "settimeofday stime clock_settime clock_settime64" },
    { CAP_SYS_TTY_CONFIG, "vhangup" },
    { CAP_SYSLOG, "syslog" },
    { CAP_PERFMON, "perf_event_open" },
    { CAP_BPF, "bpf" },
};

static int allow_names(scmp_filter_ctx ctx, const char *names, struct error *err)
{
    struct str rest = str_of(names);
    while (rest.len) {
        struct str word = str_cut(&rest, ' ');
        auto_free char *name = xstrndup(word.ptr, word.len);
        int number = word.len ? seccomp_syscall_resolve_name(name) : __NR_SCMP_ERROR;
        if (number == __NR_SCMP_ERROR)
            continue;
        int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0);
        if (rc < 0)
            return library_failed(err, rc, name);
    }
    return 0;
}

static int allow_conditional(scmp_filter_ctx ctx, struct error *err)
{
    static const unsigned personalities[] = { 0, 8, 0x20000, 0x20008, 0xffffffff };
    const unsigned namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    int rc = 0;
    for (size_t i = 0; i < COUNT(personalities) && rc == 0; i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1,
                              SCMP_A0(SCMP_CMP_EQ, personalities[i], 0));
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, 0));
    /* Its flags lie in memory where no filter can look. */
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return rc < 0 ? library_failed(err, rc, "conditional rule") : 0;
}

static int add_architectures(scmp_filter_ctx ctx, struct error *err)
{
#if defined(__x86_64__)
    static const uint32_t others[] = { SCMP_ARCH_X86, SCMP_ARCH_X32 };
#elif defined(__aarch64__)
    static const uint32_t others[] = { SCMP_ARCH_ARM };
#else
#error "the seccomp filter knows x86-64 and aarch64"
#endif
    for (size_t i = 0; i < COUNT(others); i++) {
        int rc = seccomp_arch_add(ctx, others[i]);
        if (rc < 0)
            return library_failed(err, rc, "architecture");
    }
    return 0;
}

static int export_program(scmp_filter_ctx ctx, struct program *p, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_close int fd = memfd_create("mlbuild-filter", MFD_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "memfd_create");
    int rc = seccomp_export_bpf(ctx, fd);
    if (rc < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return library_failed(err, rc, "export");
    TRY(fd_read_all(fd, PROGRAM_MAX * sizeof *p->items, "the filter", &text, err));
    size_t count = text.len / sizeof *p->items;
    if (count == 0 || p->count + count > PROGRAM_MAX)
        return library_failed(err, 0, "unexpected size");
    p->items = xreallocarray(p->items, p->count + count, sizeof *p->items);
    memcpy(p->items + p->count, text.buf, count * sizeof *p->items);
    p->count += count;
    return 0;
}

static int compile_with(scmp_filter_ctx ctx, uint64_t caps, struct program *p, struct error *err)
{
    int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
    /* A tree instead of a chain; an older library has only the chain. */
    (void)!seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (rc < 0)
        return library_failed(err, rc, "default for unknown architectures");
    TRY(add_architectures(ctx, err));
    TRY(allow_names(ctx, allowed, err));
    TRY(allow_conditional(ctx, err));
    for (size_t i = 0; i < COUNT(allowed_with); i++) {
        if (caps & (UINT64_C(1) << allowed_with[i].cap))
            TRY(allow_names(ctx, allowed_with[i].names, err));
    }
    return export_program(ctx, p, err);
}

int filter_compile(uint64_t caps, struct sock_fprog *out, struct error *err)
{
    struct program p = { 0 };
    emit_unknown_to_library(&p);
    emit_too_new(&p);
    emit_refusals(&p);
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int rc = ctx ? compile_with(ctx, caps, &p, err) : library_failed(err, 0, "init");
    seccomp_release(ctx);
    if (rc < 0) {
        free(p.items);
        return -1;
    }
    *out = (struct sock_fprog){ (unsigned short)p.count, p.items };
    return 0;
}
