/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/mount_api.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "lib/base/strbuf.h"

enum { MOUNT_OPTIONS_MAX = 4095 };

static int set_dir(int fs, enum overlay_form form, const char *key, int dir_fd)
{
    char path[32];
    if (form == OVERLAY_BY_FD)
        return fsconfig(fs, FSCONFIG_SET_FD, key, NULL, dir_fd);
    snprintf(path, sizeof path, "/proc/self/fd/%d", dir_fd);
    return fsconfig(fs, FSCONFIG_SET_STRING, key, path, 0);
}

static int configure(int fs, const struct overlay_mount *m, enum overlay_form form)
{
    for (size_t i = 0; i < m->lower_count; i++) {
        if (set_dir(fs, form, "lowerdir+", m->lower_fds[i]) < 0)
            return -1;
    }
    if (m->upper_fd >= 0 && (set_dir(fs, form, "upperdir", m->upper_fd) < 0 ||
                             set_dir(fs, form, "workdir", m->work_fd) < 0 ||
                             fsconfig(fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0))
        return -1;
    if (fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
        return -1;
    return fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

/* What the kernel wrote into the context's log, "e overlay: ...", or nothing. */
static void read_log(int fs, char *text, size_t size)
{
    ssize_t n = read(fs, text, size - 1);
    text[n > 0 ? n : 0] = '\0';
}

static int mount_by_context(const struct overlay_mount *m, enum overlay_form form, int *out_fd,
                            struct error *err)
{
    auto_close int fs = fsopen("overlay", FSOPEN_CLOEXEC);
    if (fs < 0)
        return error_set(err, ERROR_HOST, errno, "open overlayfs");
    if (configure(fs, m, form) < 0) {
        char log[256];
        int saved = errno;
        read_log(fs, log, sizeof log);
        return error_set(err, ERROR_HOST, saved, "configure overlayfs with %zu layers%s%s",
                         m->lower_count, *log ? ": " : "", log);
    }
    *out_fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
    return *out_fd < 0 ? error_set(err, ERROR_HOST, errno, "mount overlayfs") : 0;
}

/* The kernel would cut a longer string in silence, and mount something else. */
static int build_options(const struct overlay_mount *m, struct strbuf *out, struct error *err)
{
    strbuf_addstr(out, "userxattr,lowerdir=");
    for (size_t i = 0; i < m->lower_count; i++)
        strbuf_addf(out, "%s/proc/self/fd/%d", i ? ":" : "", m->lower_fds[i]);
    if (m->upper_fd >= 0)
        strbuf_addf(out, ",upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d,volatile",
                    m->upper_fd, m->work_fd);
    if (out->len <= MOUNT_OPTIONS_MAX)
        return 0;
    error_set(err, ERROR_HOST, 0, "%zu layers are too many for this kernel's way to mount them",
              m->lower_count);
    return error_hint(err, "Linux 6.7 and later take 500 layers");
}

static int mount_by_string(const struct overlay_mount *m, int *out_fd, struct error *err)
{
    char target[64];
    auto_(strbuf) struct strbuf options = STRBUF_INIT;
    TRY(build_options(m, &options, err));
    snprintf(target, sizeof target, "/proc/self/fd/%d/mnt", m->scratch_fd);
    if (mount("overlay", target, "overlay", 0, options.buf) < 0)
        return error_set(err, ERROR_HOST, errno, "mount overlayfs with %zu layers", m->lower_count);
    int fd = open_tree(AT_FDCWD, target, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    int saved = errno;
    umount2(target, MNT_DETACH);
    if (fd < 0)
        return error_set(err, ERROR_HOST, saved, "detach the overlay mount");
    *out_fd = fd;
    return 0;
}

int overlay_mount(const struct overlay_mount *m, enum overlay_form form, int *out_fd,
                  struct error *err)
{
    if (form == OVERLAY_BY_MOUNT)
        return mount_by_string(m, out_fd, err);
    return mount_by_context(m, form, out_fd, err);
}

int mount_clone(int fd)
{
    return open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}
