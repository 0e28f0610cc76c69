/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init: the first process of a sandbox, pid 1 of its namespace. It sets everything up (steps.c),
 * what it can before it knows for which step, starts the command, reaps, and kills what the command
 * leaves behind. It never becomes another program, and what a container can see of it is closed: it
 * is not dumpable.
 */
#ifndef SNAPSHOTTER_SANDBOX_INIT_H
#define SNAPSHOTTER_SANDBOX_INIT_H

#include <linux/filter.h>

#include "lib/fs/identity.h"
#include "snapshotter/sandbox/wire.h"

/* The descriptors of a request, in the order in which they travel; behind them the trees that
 * mounts come from. */
enum run_fd { RUN_REQUEST, RUN_ROOT, RUN_OUT, RUN_ERR, RUN_CONTROL, RUN_FD_COUNT };
enum { TREES_MAX = WIRE_FDS_MAX - RUN_FD_COUNT };

struct init {
    const struct config *config;
    const struct sock_fprog *filter;
    bool own_net;          /* a network namespace was made, too */
    int zygote_fd;         /* id maps are announced there, then a request comes */
    int fds[WIRE_FDS_MAX]; /* -1 behind the last */
    struct request request;
    struct identity who;
    int *mount_fds; /* the detached mounts of request.mounts, once they are made */
    int proc_fd;    /* the mounts at /proc, /dev and /sys; -1: there is none */
    int dev_fd;
    int sys_fd;
};

struct step {
    const char *name; /* the context of an error: "mount /proc: ..." */
    int (*run)(struct init *in, struct error *err);
};

/* Runs the process from the return of clone to its end. */
_Noreturn void init_main(struct init *in);

/* All the steps that no request is needed for. */
int steps_prepare(struct init *in, struct error *err) MUST_CHECK;
/* All the steps in the init from the request to the start of the command. */
int steps_enter(struct init *in, struct error *err) MUST_CHECK;
/* All the steps in the command's process, then exec. Returns only on failure. A program that is
 * missing is no error of ours: it ends the process with 127 (or 126) and a message on standard
 * error. */
int steps_exec(struct init *in, struct error *err) MUST_CHECK;

/* rootfs.c */
int rootfs_attach(struct init *in, struct error *err) MUST_CHECK;
int rootfs_make_dev(struct init *in, struct error *err) MUST_CHECK;
int rootfs_make_proc(struct init *in, struct error *err) MUST_CHECK;
int rootfs_mount_dev(struct init *in, struct error *err) MUST_CHECK;
int rootfs_bind_devices(struct init *in, struct error *err) MUST_CHECK;
int rootfs_mount_proc(struct init *in, struct error *err) MUST_CHECK;
int rootfs_mount_sys(struct init *in, struct error *err) MUST_CHECK;
int rootfs_bind_network_files(struct init *in, struct error *err) MUST_CHECK;
int rootfs_mask(struct init *in, struct error *err) MUST_CHECK;
int rootfs_protect(struct init *in, struct error *err) MUST_CHECK;
int rootfs_mount_dev_below(struct init *in, struct error *err) MUST_CHECK;
/* Writes a file of ours that only serves as the source of a bind. */
int rootfs_write_hidden(int dev_fd, const char *path, const void *data, size_t len,
                        struct error *err) MUST_CHECK;
int rootfs_pivot(struct init *in, struct error *err) MUST_CHECK;

/* mounts.c: what this step asked for */
int mounts_make(struct init *in, struct error *err) MUST_CHECK;
int mounts_attach(struct init *in, struct error *err) MUST_CHECK;

/* command.c */
uint64_t command_default_caps(void);
int command_session(struct init *in, struct error *err) MUST_CHECK;
int command_stdio(struct init *in, struct error *err) MUST_CHECK;
int command_limits(struct init *in, struct error *err) MUST_CHECK;
int command_drop_bounding(struct init *in, struct error *err) MUST_CHECK;
int command_ids(struct init *in, struct error *err) MUST_CHECK;
int command_capabilities(struct init *in, struct error *err) MUST_CHECK;
int command_close_descriptors(struct init *in, struct error *err) MUST_CHECK;
int command_exec(struct init *in, struct error *err) MUST_CHECK;

#endif
