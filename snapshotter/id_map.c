/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/id_map.h"

#include <fcntl.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/process.h"
#include "lib/base/str.h"

#define ID_LAST 4294967294U /* the one behind it means "no change" to chown */
enum {
    ETC_FILE_MAX = 10 * 1024 * 1024,
    FIRST_SUBID = 100000,
    SUBIDS = 65536,
    PROC_FILE_MAX = 65536
};

static uint64_t extents_end(const struct id_extents *list)
{
    if (list->count == 0)
        return 0;
    const struct id_extent *last = &list->items[list->count - 1];
    return (uint64_t)last->inside + last->count;
}

static bool overlaps(const struct id_extents *list, uint64_t outside, uint64_t count)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct id_extent *e = &list->items[i];
        if (outside < (uint64_t)e->outside + e->count && e->outside < outside + count)
            return true;
    }
    return false;
}

void id_extents_append(struct id_extents *list, uint32_t outside, uint32_t count)
{
    uint64_t inside = extents_end(list);
    if (count == 0 || (uint64_t)outside + count - 1 > ID_LAST || inside + count - 1 > ID_LAST ||
        list->count == ID_EXTENTS_MAX || overlaps(list, outside, count))
        return;
    GROW(list->items, list->count, list->cap);
    list->items[list->count++] = (struct id_extent){ (uint32_t)inside, outside, count };
}

void id_extents_parse_subids(struct id_extents *list, const char *text, const char *name, uid_t id)
{
    struct str rest = str_of(text);
    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        struct str owner = str_cut(&line, ':');
        struct str start = str_cut(&line, ':');
        uint64_t number = 0;
        uint64_t first = 0;
        uint64_t count = 0;
        bool mine = (name && str_equal(owner, str_of(name))) ||
                    (str_to_u64(owner, 10, ID_LAST, &number) && number == id);
        if (mine && str_to_u64(start, 10, ID_LAST, &first) &&
            str_to_u64(str_trim(line, " \t\r"), 10, UINT32_MAX, &count))
            id_extents_append(list, (uint32_t)first, (uint32_t)count);
    }
}

/* "inside outside count", padded with blanks. */
static bool parse_extent(struct str line, struct id_extent *out)
{
    uint64_t numbers[3];
    for (size_t i = 0; i < COUNT(numbers); i++) {
        line = str_trim(line, " \t");
        if (!str_to_u64(str_cut(&line, ' '), 10, UINT32_MAX, &numbers[i]))
            return false;
    }
    *out = (struct id_extent){ (uint32_t)numbers[0], (uint32_t)numbers[1], (uint32_t)numbers[2] };
    return true;
}

int id_extents_parse_proc(struct id_extents *list, const char *text, struct error *err)
{
    struct str rest = str_of(text);
    while (rest.len) {
        struct id_extent extent;
        if (!parse_extent(str_cut(&rest, '\n'), &extent))
            return error_set(err, ERROR_CORRUPT, 0, "unreadable id map");
        GROW(list->items, list->count, list->cap);
        list->items[list->count++] = extent;
    }
    if (list->count == 0)
        return error_set(err, ERROR_CORRUPT, 0, "empty id map");
    return 0;
}

void id_extents_print(const struct id_extents *list, bool nested, struct strbuf *out)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct id_extent *e = &list->items[i];
        strbuf_addf(out, "%u %u %u\n", e->inside, nested ? e->inside : e->outside, e->count);
    }
}

bool id_extents_has(const struct id_extents *list, uint32_t id)
{
    for (size_t i = 0; i < list->count; i++) {
        if (id >= list->items[i].inside && id - list->items[i].inside < list->items[i].count)
            return true;
    }
    return false;
}

char *passwd_name_of(const char *text, uid_t uid)
{
    struct str rest = str_of(text);
    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        struct str name = str_cut(&line, ':');
        uint64_t id = 0;
        str_cut(&line, ':');
        if (name.len && str_to_u64(str_cut(&line, ':'), 10, ID_LAST, &id) && id == uid)
            return xstrndup(name.ptr, name.len);
    }
    return NULL;
}

/* A file that is not there, or is no ordinary file, says nothing. */
static void read_etc_file(const char *path, struct strbuf *out)
{
    struct error ignored = { 0 };
    if (fd_read_file(AT_FDCWD, path, ETC_FILE_MAX, out, &ignored) < 0)
        strbuf_clear(out);
    error_clear(&ignored);
}

static char *name_of_user(uid_t uid)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    read_etc_file("/etc/passwd", &text);
    char *name = passwd_name_of(text.buf, uid);
    const char *from_env = getenv("USER");
    if (!name && from_env && *from_env)
        name = xstrdup(from_env);
    return name;
}

/* Directory services give sub-ids only through shadow's own tool: "0: alice 100000 65536". */
static void ask_getsubids(struct id_extents *list, bool groups, const char *name)
{
    const char *argv_users[] = { "getsubids", "--", name, NULL };
    const char *argv_groups[] = { "getsubids", "-g", "--", name, NULL };
    struct process_result result;
    struct error ignored = { 0 };
    if (process_run(groups ? argv_groups : argv_users, NULL, &result, &ignored) == 0 &&
        result.status == 0) {
        struct str rest = str_of(result.out.buf);
        while (rest.len) {
            struct str line = str_cut(&rest, '\n');
            uint64_t first = 0;
            uint64_t count = 0;
            str_cut(&line, ' ');
            str_cut(&line, ' ');
            if (str_to_u64(str_cut(&line, ' '), 10, ID_LAST, &first) &&
                str_to_u64(line, 10, UINT32_MAX, &count))
                id_extents_append(list, (uint32_t)first, (uint32_t)count);
        }
    }
    process_result_release(&result);
    error_clear(&ignored);
}

static void add_subids(struct id_extents *list, bool groups, const char *name, uid_t uid)
{
    size_t before = list->count;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    read_etc_file(groups ? "/etc/subgid" : "/etc/subuid", &text);
    id_extents_parse_subids(list, text.buf, name, uid);
    if (list->count == before && name)
        ask_getsubids(list, groups, name);
}

static int read_own_map(const char *path, struct id_extents *list, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    TRY(fd_read_file(AT_FDCWD, path, PROC_FILE_MAX, &text, err));
    if (id_extents_parse_proc(list, text.buf, err) < 0)
        return error_wrap(err, "%s", path);
    return 0;
}

static void hand_over(struct id_map *from, struct id_map *to)
{
    *to = *from;
    *from = (struct id_map){ 0 };
}

int id_map_current(struct id_map *out, struct error *err)
{
    auto_(id_map) struct id_map map = { 0 };
    TRY(read_own_map("/proc/self/uid_map", &map.uids, err));
    TRY(read_own_map("/proc/self/gid_map", &map.gids, err));
    hand_over(&map, out);
    return 0;
}

static void stand_for_themselves(struct id_extents *list)
{
    for (size_t i = 0; i < list->count; i++)
        list->items[i].outside = list->items[i].inside;
}

int id_map_for_user(uid_t uid, gid_t gid, struct id_map *out, struct error *err)
{
    auto_(id_map) struct id_map map = { 0 };
    auto_free char *name = name_of_user(uid);
    id_extents_append(&map.uids, uid, 1);
    id_extents_append(&map.gids, gid, 1);
    add_subids(&map.uids, false, name, uid);
    add_subids(&map.gids, true, name, uid);
    /* Half of a map would be no help, and newuidmap is not needed for a single id. */
    if (uid != 0 && id_map_is_single(&map))
        map.uids.count = map.gids.count = 1;
    if (uid == 0 && id_map_is_single(&map)) {
        id_map_release(&map);
        TRY(id_map_current(&map, err));
        stand_for_themselves(&map.uids);
        stand_for_themselves(&map.gids);
    }
    hand_over(&map, out);
    return 0;
}

bool id_map_is_single(const struct id_map *map)
{
    return extents_end(&map->uids) <= 1 || extents_end(&map->gids) <= 1;
}

bool id_map_is_identity(const struct id_map *map)
{
    for (size_t i = 0; i < map->uids.count; i++) {
        if (map->uids.items[i].inside != map->uids.items[i].outside)
            return false;
    }
    return map->uids.count > 0;
}

void id_map_release(struct id_map *map)
{
    free(map->uids.items);
    free(map->gids.items);
    *map = (struct id_map){ 0 };
}

/* The first id behind all ranges of the file: one that two users share would let them into each
 * other's files. */
static uint64_t first_free(const char *path)
{
    uint64_t free_from = FIRST_SUBID;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    read_etc_file(path, &text);
    struct str rest = str_of(text.buf);
    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        uint64_t first = 0;
        uint64_t count = 0;
        str_cut(&line, ':');
        if (str_to_u64(str_cut(&line, ':'), 10, ID_LAST, &first) &&
            str_to_u64(line, 10, ID_LAST, &count) && first + count > free_from)
            free_from = first + count;
    }
    return free_from;
}

char *id_map_lift_hint(uid_t uid)
{
    auto_free char *name = name_of_user(uid);
    uint64_t users = first_free("/etc/subuid");
    uint64_t groups = first_free("/etc/subgid");
    uint64_t first = users > groups ? users : groups;
    uint64_t last = first + SUBIDS - 1;
    return xasprintf("sudo usermod --add-subuids %llu-%llu --add-subgids %llu-%llu %s",
                     (unsigned long long)first, (unsigned long long)last, (unsigned long long)first,
                     (unsigned long long)last, name ? name : "USER");
}
