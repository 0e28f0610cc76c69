/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild doctor: what this host gives to builds, and what would lift a limit. */
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "cmd/builder.h"
#include "cmd/command.h"
#include "cmd/size_text.h"
#include "snapshotter/id_map.h"
#include "snapshotter/sandbox/emulator.h"

static uint64_t count_ids(const struct id_extents *list)
{
    uint64_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        count += list->items[i].count;
    return count;
}

static int print_ids(struct error *err)
{
    auto_(id_map) struct id_map map = { 0 };
    TRY(id_map_for_user(geteuid(), getegid(), &map, err));
    printf("ids          %llu users, %llu groups%s\n", (unsigned long long)count_ids(&map.uids),
           (unsigned long long)count_ids(&map.gids),
           id_map_is_identity(&map) ? " (root without sub-ids: builds are less isolated than an "
                                      "ordinary user's)"
                                    : "");
    if (id_map_is_single(&map)) {
        auto_free char *hint = id_map_lift_hint(geteuid());
        printf("             one id only: images with several owners cannot be unpacked\n"
               "             to lift it: %s\n",
               hint);
    }
    return 0;
}

static void print_platforms(void)
{
    const struct platform host = platform_host();
    auto_(strvec) struct strvec list = { 0 };
    emulator_list(EMULATOR_BINFMT_DIR, &host, &list);
    printf("platforms   ");
    for (size_t i = 0; i < list.count; i++)
        printf(" %s", list.items[i]);
    printf("\n");
}

static void print_store(const struct store *store)
{
    struct statvfs fs;
    char size[SIZE_TEXT];
    printf("store        %s\n", store->path);
    if (fstatvfs(store->fd, &fs) < 0)
        return;
    size_print((uint64_t)fs.f_bavail * fs.f_frsize, size);
    printf("free space   %s, %llu inodes\n", size, (unsigned long long)fs.f_favail);
}

static int print_workers(struct session *s, const struct solver_workers *workers, void *arg,
                         struct error *err)
{
    (void)s;
    (void)arg;
    (void)err;
    printf("namespaces   ok\nsnapshotter  %s\n", workers->snapshotter->ops->name);
    return 0;
}

static int doctor_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    struct utsname host;
    (void)values;
    if (args->count)
        return error_set(err, ERROR_USAGE, 0, "mlbuild doctor takes no argument");
    TRY(session_open_progress(s, "plain", err));
    TRY(session_open_store(s, err));
    if (uname(&host) == 0)
        printf("kernel       %s %s %s\n", host.sysname, host.release, host.machine);
    print_store(&s->store);
    print_platforms();
    TRY(print_ids(err));
    return builder_run(s, print_workers, NULL, NULL, err);
}

const struct command command_doctor = {
    .name = "doctor",
    .usage = "",
    .summary = "show what this host gives to builds, and what would lift a limit",
    .values_size = 1,
    .run = doctor_run,
};
