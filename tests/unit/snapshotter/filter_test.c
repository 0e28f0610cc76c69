/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/filter.h"

#include "tests/support/test.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "lib/base/process.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(filter_decides) };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
