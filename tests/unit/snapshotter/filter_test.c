/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/filter.h"

#include "tests/support/test.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "lib/base/mem.h"
#include "lib/base/process.h"
#include "snapshotter/sandbox/bpf.h"

/* What the kernel would do, for the instructions that the programs have. */
static unsigned judge(const struct sock_filter *program, size_t count,
                      const struct seccomp_data *data)
{
    unsigned a = 0;
    for (size_t pc = 0; pc < count;) {
        const struct sock_filter *i = &program[pc++];
        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS: memcpy(&a, (const char *)data + i->k, sizeof a); break;
        case BPF_ALU | BPF_AND | BPF_K: a &= i->k; break;
        case BPF_JMP | BPF_JA: pc += i->k; break;
        case BPF_JMP | BPF_JEQ | BPF_K: pc += a == i->k ? i->jt : i->jf; break;
        case BPF_JMP | BPF_JGT | BPF_K: pc += a > i->k ? i->jt : i->jf; break;
        case BPF_JMP | BPF_JGE | BPF_K: pc += a >= i->k ? i->jt : i->jf; break;
        case BPF_JMP | BPF_JSET | BPF_K: pc += a & i->k ? i->jt : i->jf; break;
        case BPF_RET | BPF_K: return i->k;
        default: fail_msg("instruction %x", i->code);
        }
    }
    fail_msg("the program has no end");
    return 0;
}

/* Runs in a process of its own, since a filter cannot be taken off: 0, or the number of the check.
 */
static int try_filter(void)
{
    struct sock_fprog filter;
    struct error err = { 0 };
    int zero = 0;
    if (filter_compile(0, &filter, &err) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)
        return 1;
#define REFUSED(call, with) ((call) == -1 && errno == (with))
    if (!REFUSED(ioctl(0, TIOCSTI, "x"), EPERM) || !REFUSED(ioctl(0, TIOCLINUX, &zero), EPERM))
        return 2;
    if (!REFUSED(syscall(SYS_ioctl, 0, 0x100005412UL, "x"), EPERM))
        return 3;
    if (REFUSED(ioctl(0, FIONREAD, &zero), EPERM))
        return 4;
    if (!REFUSED(syscall(999, 0), ENOSYS) || !REFUSED(syscall(467, 0), ENOSYS))
        return 5;
    if (!REFUSED(syscall(SYS_clone3, NULL, 0), ENOSYS))
        return 6;
    if (!REFUSED(syscall(SYS_unshare, CLONE_NEWUSER), EPERM) ||
        !REFUSED(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM))
        return 7;
    if (!REFUSED(syscall(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0), EPERM) ||
        !REFUSED(syscall(SYS_socket, 0x100000000UL | AF_ALG, SOCK_SEQPACKET, 0), EPERM) ||
        !REFUSED(syscall(SYS_socket, AF_VSOCK, SOCK_STREAM, 0), EPERM))
        return 8;
    if (socket(AF_UNIX, SOCK_STREAM, 0) < 0)
        return 9;
    if (!REFUSED(syscall(SYS_keyctl, 0, 0, 0), EPERM) ||
        !REFUSED(syscall(SYS_bpf, 0, 0, 0), EPERM) ||
        !REFUSED(syscall(SYS_mount, 0, 0, 0, 0, 0), EPERM) ||
        !REFUSED(syscall(SYS_io_uring_setup, 0, 0), EPERM))
        return 10;
    /* Known to the list, not to libseccomp 2.5: whatever the kernel says, it is not the filter. */
    if (REFUSED(syscall(462 /* mseal */, 1, 1, 1), EPERM) ||
        REFUSED(syscall(464 /* getxattrat */, -1, NULL, 0, NULL, NULL, 0), EPERM))
        return 11;
    return getpid() > 0 ? 0 : 12;
#undef REFUSED
}

static void filter_decides(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(try_filter());
    assert_int_equal(process_wait(pid), 0);
}

#define NO  (SECCOMP_RET_ERRNO | EPERM)
#define NEW (SECCOMP_RET_ERRNO | ENOSYS)
#define YES SECCOMP_RET_ALLOW
#define X32 0x40000000

/* Programs of other architectures than that of the machine, too; checked once, number by number,
 * against the program that libseccomp makes of the same list. */
static void filter_knows_architectures(void **state)
{
    static const uint64_t admin = UINT64_C(1) << CAP_SYS_ADMIN;
    static const struct {
        uint64_t caps;
        unsigned arch;
        unsigned number;
        uint64_t argument;
        unsigned expected;
    } calls[] = {
#if defined(__x86_64__)
        { 0, AUDIT_ARCH_X86_64, 0, 0, YES },  /* read */
        { 0, AUDIT_ARCH_X86_64, 165, 0, NO }, /* mount */
        { admin, AUDIT_ARCH_X86_64, 165, 0, YES },
        { 0, AUDIT_ARCH_X86_64, 335, 0, YES }, /* uretprobe */
        { 0, AUDIT_ARCH_X86_64, 336, 0, NO },
        { 0, AUDIT_ARCH_X86_64, X32, 0, YES },
        { 0, AUDIT_ARCH_X86_64, X32 | 462, 0, YES }, /* mseal */
        { 0, AUDIT_ARCH_X86_64, X32 | 545, 0, YES }, /* execveat */
        { 0, AUDIT_ARCH_X86_64, X32 | 548, 0, NEW },
        { 0, AUDIT_ARCH_X86_64, 135, 0x20008, YES }, /* personality */
        { 0, AUDIT_ARCH_X86_64, 135, 0x40000, NO },
        { 0, AUDIT_ARCH_X86_64, 56, CLONE_NEWUSER, NO },
        { 0, AUDIT_ARCH_X86_64, 56, CLONE_VM | SIGCHLD, YES },
        { admin, AUDIT_ARCH_X86_64, 56, CLONE_NEWUSER, YES },
        { admin, AUDIT_ARCH_X86_64, 435, 0, NEW }, /* clone3 */
        { 0, AUDIT_ARCH_X86_64, 0xffffffff, 0, NEW },
        { 0, AUDIT_ARCH_I386, 3, 0, YES }, /* read */
        { 0, AUDIT_ARCH_I386, 21, 0, NO }, /* mount */
        { 0, AUDIT_ARCH_I386, 120, CLONE_NEWNS, NO },
        { 0, AUDIT_ARCH_I386, 102, 0, YES }, /* socketcall, and what it does */
        { 0, AUDIT_ARCH_I386, 337, 0, YES },
        { 0, AUDIT_ARCH_I386, 345, 0, YES },
        { 0, AUDIT_ARCH_I386, 359, AF_INET, YES },
        { 0, AUDIT_ARCH_I386, 359, AF_ALG, NO },
        { 0, AUDIT_ARCH_I386, 373, 0, YES },
        { 0, AUDIT_ARCH_I386, 402, 0, YES }, /* msgctl */
        { 0, AUDIT_ARCH_I386, 425, 0, NO },  /* io_uring_setup */
        { 0, AUDIT_ARCH_AARCH64, 63, 0, NO },
#endif
        { 0, AUDIT_ARCH_PPC64LE, 3, 0, NO },
        { ~UINT64_C(0), AUDIT_ARCH_PPC64LE, 462, 0, NO },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++) {
        struct sock_fprog filter;
        struct error err = { 0 };
        struct seccomp_data data = { .nr = (int)calls[i].number, .arch = calls[i].arch };
        data.args[0] = calls[i].argument;
        assert_ok(filter_compile(calls[i].caps, &filter, &err), &err);
        unsigned action = judge(filter.filter, filter.len, &data);
        if (action != calls[i].expected)
            fail_msg("call %u of %x: %x", calls[i].number, calls[i].arch, action);
        free(filter.filter);
    }
}

/* Sets of all sizes, so that short and long jumps occur. */
static void sets_are_searched(void **state)
{
    unsigned seed = 12345;
    (void)state;
    for (unsigned size = 0; size < 600; size += 1 + size / 3) {
        auto_(bpf_set) struct bpf_set set = { 0 };
        struct bpf_program p = { 0 };
        bool in[1000] = { false };
        for (unsigned i = 0; i < size; i++) {
            seed = seed * 1103515245 + 12345;
            unsigned number = (seed >> 16) % COUNT(in);
            in[number] = true;
            bpf_set_add(&set, number);
        }
        bpf_load(&p, offsetof(struct seccomp_data, nr));
        bpf_answer_by_set(&p, &set, YES, NO);
        for (int number = -1; number <= (int)COUNT(in); number++) {
            struct seccomp_data data = { .nr = number };
            bool expected = number >= 0 && number < (int)COUNT(in) && in[number];
            assert_int_equal(judge(p.items, p.count, &data), expected ? YES : NO);
        }
        free(p.items);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(filter_decides),
                                        cmocka_unit_test(filter_knows_architectures),
                                        cmocka_unit_test(sets_are_searched) };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
