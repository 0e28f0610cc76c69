/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire: what builder, zygote and init say to each other. Long things (configuration, requests)
 * travel as a sealed memfd beside a short packet; a packet is one message of a SOCK_SEQPACKET
 * socket. Both ends are the same program, so the layout is nobody else's; it is checked all the
 * same, since the init must not act on half a request.
 */
#ifndef SNAPSHOTTER_SANDBOX_WIRE_H
#define SNAPSHOTTER_SANDBOX_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/strbuf.h"
#include "lib/base/strvec.h"
#include "lib/solver/executor.h"

/* First byte of a packet. */
enum packet {
    PACKET_READY = 'R',     /* zygote: it runs; init: it will die with the zygote */
    PACKET_GO = 'G',        /* zygote to init: the id maps are written */
    PACKET_FAILED = 'F',    /* to the builder, followed by an error */
    PACKET_STATUS = 'S',    /* to the builder, followed by the exit status */
    PACKET_TERMINATE = 'T', /* to the init: SIGTERM to the command */
    PACKET_KILL = 'K',      /* to the init: SIGKILL to all */
};
enum { PACKET_MAX = 8192, WIRE_FDS_MAX = 128 };

/* A resource limit as setrlimit takes it; UINT64_MAX is "unlimited". */
struct wire_limit {
    uint64_t resource, soft, hard;
};

/* What all steps of a build share. */
struct config {
    char *hostname;
    char *hosts;       /* content of /etc/hosts */
    char *resolv_host; /* content of /etc/resolv.conf with the host's network */
    char *resolv_own;  /* and with a network of its own */
    uint64_t shm_size;
    uint64_t open_files;
    uint64_t caps;   /* bit mask: the bounding set, and what root has */
    bool unconfined; /* no seccomp filter */
    bool no_new_privs;
    struct wire_limit *limits;
    size_t limit_count;
};

enum mount_kind {
    MOUNT_TREE,  /* a detached mount that came as a descriptor */
    MOUNT_BELOW, /* a path of one; several mounts may come from the same */
    MOUNT_TMPFS,
    MOUNT_FILE,   /* a file made of `data` */
    MOUNT_HOST,   /* a path of the host */
    MOUNT_DEVICE, /* a device node of the host */
};

/* One mount of a step, beyond those that every step has. */
struct request_mount {
    enum mount_kind kind;
    char *target;            /* absolute, as the image sees it */
    char *source;            /* BELOW: relative, without links; HOST, DEVICE: absolute; else "" */
    uint64_t tree;           /* TREE, BELOW: which of the request's trees */
    uint64_t attrs;          /* MOUNT_ATTR_ flags */
    uint64_t mode, uid, gid; /* FILE */
    uint64_t size;           /* FILE: of `data`; TMPFS: bytes, 0: no limit */
    char *data;
    size_t number; /* in the order in which they were asked for; stays here */
};

struct request {
    struct strvec args;
    struct strvec env;
    char *cwd;
    char *user;
    enum network_mode network;
    bool insecure;
    gid_t *groups; /* in addition to the user's */
    size_t group_count;
    struct request_mount *mounts; /* in the order in which they are made */
    size_t mount_count, mount_cap;
};

void config_release(struct config *c);
void request_release(struct request *r);
DEFINE_AUTO(config, struct config, config_release(value))
DEFINE_AUTO(request, struct request, request_release(value))

/* A sealed memfd with the encoded value; the caller closes it. */
int config_encode(const struct config *c, int *out_fd, struct error *err) MUST_CHECK;
int config_decode(int fd, struct config *out, struct error *err) MUST_CHECK;
int request_encode(const struct request *r, int *out_fd, struct error *err) MUST_CHECK;
int request_decode(int fd, struct request *out, struct error *err) MUST_CHECK;

/* One packet of `len` bytes with `count` descriptors; 0 or -1 with errno set. */
int packet_send(int socket, const void *data, size_t len, const int *fds, size_t count);
/* Receives one packet and up to WIRE_FDS_MAX descriptors (unused ones are -1), which are the
 * caller's. Returns the length, 0 at the other side's end, or -1 with errno set. */
ssize_t packet_receive(int socket, void *data, size_t cap, int fds[static WIRE_FDS_MAX]);

/* An error as a PACKET_FAILED, and back. A text that is too long is cut. */
void packet_send_error(int socket, const struct error *e);
void packet_to_error(const char *data, size_t len, struct error *err);
void packet_send_status(int socket, int status);

#endif
