/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "lib/base/cleanup.h"
#include "snapshotter/sandbox/sandbox.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

int tree_clone(int dir_fd, const char *path, bool recursive)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW;
    if (!*path)
        flags |= AT_EMPTY_PATH;
    return open_tree(dir_fd, path, recursive ? flags | AT_RECURSIVE : flags);
}

int tree_new(const char *type, const char *const *options, unsigned attrs)
{
    auto_close int fs = fsopen(type, FSOPEN_CLOEXEC);
    if (fs < 0)
        return -1;
    for (; options && options[0]; options += 2) {
        if (fsconfig(fs, FSCONFIG_SET_STRING, options[0], options[1], 0) < 0)
            return -1;
    }
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -1;
    return fsmount(fs, FSMOUNT_CLOEXEC, attrs);
}

int tree_attach(int tree_fd, int target_fd)
{
    return move_mount(tree_fd, "", target_fd, "",
                      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* A remount states all flags anew, and the kernel refuses to drop the locked ones: repeat them. */
static int remount_restricted(int tree_fd, uint64_t attrs)
{
    static const struct {
        unsigned long has, attr, flag;
    } flags[] = {
        { ST_RDONLY, MOUNT_ATTR_RDONLY, MS_RDONLY },
        { ST_NOSUID, MOUNT_ATTR_NOSUID, MS_NOSUID },
        { ST_NODEV, MOUNT_ATTR_NODEV, MS_NODEV },
        { ST_NOEXEC, MOUNT_ATTR_NOEXEC, MS_NOEXEC },
        { ST_NOATIME, 0, MS_NOATIME },
        { ST_NODIRATIME, 0, MS_NODIRATIME },
        { ST_RELATIME, 0, MS_RELATIME },
    };
    char path[32];
    struct statvfs st;
    unsigned long set = MS_REMOUNT | MS_BIND;
    if (fstatvfs(tree_fd, &st) < 0)
        return -1;
    for (size_t i = 0; i < COUNT(flags); i++) {
        if ((st.f_flag & flags[i].has) || (attrs & flags[i].attr))
            set |= flags[i].flag;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", tree_fd);
    return mount(NULL, path, NULL, set, NULL);
}

int tree_attach_restricted(int tree_fd, int target_fd, uint64_t attrs, bool recursive)
{
    struct mount_attr attr = { .attr_set = attrs };
    unsigned flags = recursive ? AT_EMPTY_PATH | AT_RECURSIVE : AT_EMPTY_PATH;
    int rc = -1;
    if (getenv(TEST_NO_MOUNT_SETATTR))
        errno = ENOSYS;
    else
        rc = mount_setattr(tree_fd, "", flags, &attr, sizeof attr);
    if (rc == 0)
        return tree_attach(tree_fd, target_fd);
    if (errno != ENOSYS || recursive)
        return -1;
    /* Without mount_setattr only an attached mount can change. */
    return tree_attach(tree_fd, target_fd) < 0 ? -1 : remount_restricted(tree_fd, attrs);
}
