/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox: runs the process of a RUN step, shut in: new user, mount, pid, ipc, uts and cgroup
 * namespaces (and net, as asked), 14 capabilities, a seccomp filter, /proc, /dev and /sys of its
 * own. It implements lib/solver/executor.h. README.md tells what happens inside.
 *
 * The sandboxes' parent is not the builder but a small process, the zygote: the builder has
 * threads, and a process that a container can look at must not be the program the user has
 * installed.
 *
 *     main():  if (strcmp(argv[0], SANDBOX_ZYGOTE_NAME) == 0)
 *                  return sandbox_zygote_main(argc, argv);
 *
 *     TRY(sandbox_new(&(struct sandbox_options){ 0 }, &executor, err));   before any thread
 *     executor->run(executor, &request, &status, err);                    from any thread
 *     sandbox_free(executor);
 *
 * Nothing survives: when the builder or the zygote dies, by whatever signal, every process of every
 * step dies too. The zygote dies with the thread that called sandbox_new.
 */
#ifndef SNAPSHOTTER_SANDBOX_SANDBOX_H
#define SNAPSHOTTER_SANDBOX_SANDBOX_H

#include "lib/base/error.h"
#include "lib/base/strvec.h"
#include "lib/solver/executor.h"

#define SANDBOX_ZYGOTE_NAME "mlbuild-zygote"

/* Test switches: environment variables that, when set, make the sandbox do without a system call.
 * For openat2 see lib/fs/resolve.c. */
#define TEST_NO_MOUNT_SETATTR  "MLBUILD_TEST_NO_MOUNT_SETATTR"
#define TEST_NO_CLOSE_RANGE    "MLBUILD_TEST_NO_CLOSE_RANGE"
/* As before Linux 6.15: what is mounted nowhere yet cannot be copied, only handed over. */
#define TEST_NO_DETACHED_CLONE "MLBUILD_TEST_NO_DETACHED_CLONE"

/* As for setrlimit; UINT64_MAX is "unlimited". */
struct sandbox_limit {
    int resource;
    uint64_t soft, hard;
};

/* A path of the host that every step sees. */
struct sandbox_volume {
    const char *source; /* absolute; a file, a directory, or with is_device a device node */
    const char *target; /* absolute, clean */
    bool writable;
    bool is_device;
};

/* Replaces lines of the host's resolv.conf; an empty list leaves them. */
struct sandbox_dns {
    struct strvec servers, searches, options;
};

/* All zero is the default. Borrowed while sandbox_new runs. */
struct sandbox_options {
    const char *hostname;    /* NULL: "buildkitsandbox" */
    const char *extra_hosts; /* whole lines for /etc/hosts, or NULL */
    struct sandbox_dns dns;
    unsigned long shm_size; /* bytes of /dev/shm; 0: 64 MiB */
    /* By default 1024 open files (the hard limit stays the caller's) and no core files. */
    const struct sandbox_limit *limits;
    size_t limit_count;
    uint64_t caps_added, caps_dropped; /* bit masks, against the default 14 */
    bool unconfined;                   /* no seccomp filter */
    bool no_new_privs;                 /* set-user-id programs have no effect */
    bool allow_insecure;               /* steps may ask for op_exec.insecure */
    bool allow_all_devices;            /* and for any of op_exec.devices, */
    struct strvec allowed_devices;     /* or for these */
    struct strvec devices;             /* CDI names that every step gets */
    const struct sandbox_volume *volumes;
    size_t volume_count;
};

/* Starts the zygote. The caller is root of the user namespace that the steps get a child of, and
 * has one thread. Environment variables that begin with MLBUILD_TEST_ reach the zygote and the
 * inits, never a step. Errors: SYSTEM, HOST. */
int sandbox_new(const struct sandbox_options *options, struct executor **out,
                struct error *err) MUST_CHECK;
/* Ends the zygote and every step that still runs. NULL is allowed. */
void sandbox_free(struct executor *executor);

/* What main() calls, and only if it was started under SANDBOX_ZYGOTE_NAME. */
int sandbox_zygote_main(int argc, char **argv);

#endif
