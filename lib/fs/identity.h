/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity: who a step runs as: the text of USER and the image's passwd(5) and group(5) make user,
 * group, further groups and home. Digits are always a number, never a name. The name service of the
 * host is not asked, that of the image not loaded.
 */
#ifndef LIB_FS_IDENTITY_H
#define LIB_FS_IDENTITY_H

#include <sys/types.h>

#include "lib/base/error.h"

struct identity {
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* `gid` is among them */
    size_t group_count;
    char *home; /* "/" if the image does not say */
};

/* Larger files than that are none of users. */
enum { IDENTITY_FILE_MAX = 10 * 1024 * 1024 };

void identity_release(struct identity *id);
DEFINE_AUTO(identity, struct identity, identity_release(value))

/* Resolves `user` ("user[:group]", "" is root) by the two texts (NULL: there is no such file).
 * Errors: USER. */
int identity_resolve(const char *user, const char *passwd, const char *group, struct identity *out,
                     struct error *err) MUST_CHECK;
/* The same, with the files of the image. They must be regular files of at most 10 MiB. */
int identity_load(int root_fd, const char *user, struct identity *out,
                  struct error *err) MUST_CHECK;

#endif
