/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/filter.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/socket.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "snapshotter/sandbox/bpf.h"

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
};

/* Terminal calls that put words into somebody's mouth; their numbers are the same everywhere. */
enum { IOCTL_TIOCSTI = 0x5412, IOCTL_TIOCLINUX = 0x541c, IOCTL_TIOCCONS = 0x541d };

/* EPERM would make the C library give up where ENOSYS makes it use an older call. */
static void emit_too_new(struct bpf_program *p)
{
    bpf_load(p, offsetof(struct seccomp_data, nr));
    bpf_emit(p, BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 0, 3);
    bpf_emit(p, BPF_ALU | BPF_AND | BPF_K, ~(unsigned)X32_BIT, 0, 0);
    bpf_emit(p, BPF_JMP | BPF_JGT | BPF_K, X32_OWN_LAST, 3, 0);
    bpf_emit(p, BPF_JMP | BPF_JGE | BPF_K, X32_OWN_FIRST, 3, 0);
    bpf_emit(p, BPF_JMP | BPF_JGE | BPF_K, ARM_PRIVATE, 2, 0);
    bpf_emit(p, BPF_JMP | BPF_JGT | BPF_K, NEWEST_KNOWN, 0, 1);
    bpf_answer(p, SECCOMP_RET_ERRNO | ENOSYS);
}

/* The kernel looks at 32 bits of these arguments only, so the comparison must, too; the library's
 * looks at 64. */
static void emit_refusals(struct bpf_program *p)
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
        bpf_load(p, offsetof(struct seccomp_data, arch));
        bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->arch, 0, 7);
        bpf_load(p, offsetof(struct seccomp_data, nr));
        bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->number, 0, 5);
        bpf_load(p, offsetof(struct seccomp_data, args) + r->argument * sizeof(uint64_t));
        bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->values[0], 2, 0);
        bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->values[1], 1, 0);
        bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->values[2], 0, 1);
        bpf_answer(p, SECCOMP_RET_ERRNO | EPERM);
    }
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

/* One architecture as the kernel tells it, with the tables of the library that belong to it. */
static const struct section {
    unsigned arch;
    uint32_t tables[2];
    size_t table_count;
} sections[] = {
#if defined(__x86_64__)
    { AUDIT_ARCH_X86_64, { SCMP_ARCH_X86_64, SCMP_ARCH_X32 }, 2 },
    { AUDIT_ARCH_I386, { SCMP_ARCH_X86 }, 1 },
#elif defined(__aarch64__)
    { AUDIT_ARCH_AARCH64, { SCMP_ARCH_AARCH64 }, 1 },
    { AUDIT_ARCH_ARM, { SCMP_ARCH_ARM }, 1 },
#else
#error "the seccomp filter knows x86-64 and aarch64"
#endif
};

/* Negative: there is no such call, or (i386) only by way of socketcall and ipc. */
static int number_of(uint32_t table, const char *name)
{
    int number = seccomp_syscall_resolve_name_arch(table, name);
    if (number != __NR_SCMP_ERROR)
        return number;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        if (strcmp(name, numbers[i].name) == 0)
            return (int)(numbers[i].number | (table == SCMP_ARCH_X32 ? X32_BIT : 0));
    }
    if (table == SCMP_ARCH_X86_64 && strcmp(name, "uretprobe") == 0)
        return URETPROBE_X86_64;
    return -1;
}

static void add_names(struct bpf_set *set, uint32_t table, const char *names)
{
    struct str rest = str_of(names);
    while (rest.len) {
        struct str word = str_cut(&rest, ' ');
        auto_free char *name = xstrndup(word.ptr, word.len);
        int number = number_of(table, name);
        if (number >= 0)
            bpf_set_add(set, (unsigned)number);
    }
}

/* What socketcall and ipc do, i386 can also do by calls of their own, all of which are allowed; the
 * library does not tell their numbers. */
static void add_direct_calls(struct bpf_set *set)
{
    bpf_set_add(set, 337);                               /* recvmmsg */
    bpf_set_add(set, 345);                               /* sendmmsg */
    for (unsigned number = 359; number <= 373; number++) /* socket to shutdown */
        bpf_set_add(set, number);
    for (unsigned number = 393; number <= 402; number++) /* semget to msgctl */
        bpf_set_add(set, number);
}

/* Calls that depend on their arguments, of which the kernel looks at 32 bits. The number has been
 * loaded, and stays so for what follows. */
static void emit_conditional(struct bpf_program *p, uint32_t table, uint64_t caps)
{
    static const unsigned personalities[] = { 0, 8, 0x20000, 0x20008, 0xffffffff };
    const unsigned count = COUNT(personalities);
    const unsigned namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    const size_t argument = offsetof(struct seccomp_data, args);

    /* Its flags lie in memory where no filter can look. */
    bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number_of(table, "clone3"), 0, 1);
    bpf_answer(p, SECCOMP_RET_ERRNO | ENOSYS);

    bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number_of(table, "personality"), 0, count + 3);
    bpf_load(p, argument);
    for (unsigned i = 0; i < count; i++)
        bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, personalities[i], count - i, 0);
    bpf_answer(p, SECCOMP_RET_ERRNO | EPERM);
    bpf_answer(p, SECCOMP_RET_ALLOW);

    if (caps & (UINT64_C(1) << CAP_SYS_ADMIN))
        return; /* clone is in that list */
    bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number_of(table, "clone"), 0, 4);
    bpf_load(p, argument);
    bpf_emit(p, BPF_JMP | BPF_JSET | BPF_K, namespaces, 0, 1);
    bpf_answer(p, SECCOMP_RET_ERRNO | EPERM);
    bpf_answer(p, SECCOMP_RET_ALLOW);
}

static void emit_section(struct bpf_program *p, const struct section *section, uint64_t caps)
{
    auto_(bpf_set) struct bpf_set set = { 0 };
    bpf_load(p, offsetof(struct seccomp_data, arch));
    bpf_emit(p, BPF_JMP | BPF_JEQ | BPF_K, section->arch, 1, 0);
    size_t jump = bpf_jump_begin(p);
    bpf_load(p, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < section->table_count; i++) {
        uint32_t table = section->tables[i];
        emit_conditional(p, table, caps);
        add_names(&set, table, allowed);
        for (size_t k = 0; k < COUNT(allowed_with); k++) {
            if (caps & (UINT64_C(1) << allowed_with[k].cap))
                add_names(&set, table, allowed_with[k].names);
        }
    }
    if (section->arch == AUDIT_ARCH_I386)
        add_direct_calls(&set);
    bpf_answer_by_set(p, &set, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM);
    bpf_jump_end(p, jump);
}

int filter_compile(uint64_t caps, struct sock_fprog *out, struct error *err)
{
    struct bpf_program p = { 0 };
    emit_too_new(&p);
    emit_refusals(&p);
    for (size_t i = 0; i < COUNT(sections); i++)
        emit_section(&p, &sections[i], caps);
    bpf_answer(&p, SECCOMP_RET_ERRNO | EPERM);
    if (p.count > BPF_MAXINSNS) {
        free(p.items);
        return error_set(err, ERROR_SYSTEM, 0, "the seccomp filter has %zu instructions", p.count);
    }
    *out = (struct sock_fprog){ (unsigned short)p.count, p.items };
    return 0;
}
