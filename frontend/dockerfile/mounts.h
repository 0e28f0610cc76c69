/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts: the option language of RUN --mount: comma-separated `key=value` fields and bare words,
 * checked as BuildKit checks them, in their order: `required` and `size` are known only behind the
 * `type` that has them. What the values mean for the graph is lower_mounts.c's.
 */
#ifndef FRONTEND_DOCKERFILE_MOUNTS_H
#define FRONTEND_DOCKERFILE_MOUNTS_H

#include "frontend/dockerfile/ast.h"
#include "lib/graph/graph.h"

enum mount_access { MOUNT_ACCESS_DEFAULT, MOUNT_READ_ONLY, MOUNT_READ_WRITE };

/* One --mount; what was not given is NULL, 0 or false. */
struct mount {
    enum exec_mount_type type;
    const char *from, *source, *target, *id, *env;
    enum mount_access access;
    bool required;
    bool has_sharing;
    enum cache_sharing sharing;
    bool has_mode, has_uid, has_gid;
    unsigned mode;
    uid_t uid;
    gid_t gid;
    uint64_t size;
};

/* Replaces the variables of one value; the result is the arena's. */
typedef int mount_expand_fn(void *arg, const char *value, const char **out, struct error *err);

/* Reads `flag`; strings are what `expand` gave. Errors: USER, without a place. */
int mount_parse(const struct flag *flag, mount_expand_fn *expand, void *arg, struct mount *out,
                struct error *err) MUST_CHECK;
/* What can be known before there are variables: whether the fields can be told apart, and the value
 * of `from`, in which there may be no `$`; NULL if there is none. Errors: USER, without a place. */
int mount_find_from(const struct flag *flag, struct arena *arena, const char **out,
                    struct error *err) MUST_CHECK;
/* "bind", "cache" ... */
const char *mount_type_name(enum exec_mount_type type);

#endif
