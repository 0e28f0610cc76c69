/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/busybox_root.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"

static void write_file(int root, const char *path, const char *text, mode_t mode)
{
    auto_close int fd = openat(root, path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    struct error err = { 0 };
    if (fd < 0 || fd_write_all(fd, text, strlen(text), path, &err) < 0 || fchmod(fd, mode) < 0)
        abort();
}

static void copy_busybox(int root, const char *path, mode_t mode)
{
    struct stat st;
    struct error err = { 0 };
    auto_close int in = open(BUSYBOX, O_RDONLY | O_CLOEXEC);
    auto_close int out = openat(root, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    if (in < 0 || out < 0 || fstat(in, &st) < 0 ||
        fd_copy(in, out, (uint64_t)st.st_size, path, NULL, &err) < 0 || fchmod(out, mode) < 0)
        abort();
}

void busybox_root_build(int root)
{
    static const char *const dirs[] = { "bin", "etc",  "proc", "dev",     "sys",
                                        "srv", "root", "home", "srv/real" };
    static const char *const applets[] = {
        "sh",       "cat",  "ls",    "id",     "env",    "grep",   "awk",   "hostname",
        "test",     "tr",   "cut",   "sort",   "head",   "umount", "mount", "unshare",
        "od",       "stat", "sleep", "kill",   "setsid", "touch",  "chown", "umask",
        "ping",     "seq",  "mknod", "mkfifo", "rm",     "mv",     "ln",    "mkdir",
        "readlink", "true", "wc",    "pwd",    "echo",
    };
    for (size_t i = 0; i < COUNT(dirs); i++)
        (void)!mkdirat(root, dirs[i], 0755);
    copy_busybox(root, "bin/busybox", 0755);
    copy_busybox(root, "bin/su", 04755);
    for (size_t i = 0; i < COUNT(applets); i++) {
        auto_free char *path = xasprintf("bin/%s", applets[i]);
        (void)!symlinkat("busybox", root, path);
    }
    (void)!symlinkat("/srv/real", root, "srv/link");
    (void)!symlinkat("../../../../etc/hosts.real", root, "etc/hosts");
    write_file(root, "etc/hosts.real", "the image's\n", 0644);
    write_file(root, "etc/resolv.conf", "", 0644);
    write_file(root, "etc/passwd",
               "root::0:0:root:/root:/bin/sh\napp::1000:1001:App:/home/app:/bin/sh\n", 0644);
    write_file(root, "etc/group", "root:x:0:\nstaff:x:50:app\ngames:x:60:app\n", 0644);
}
