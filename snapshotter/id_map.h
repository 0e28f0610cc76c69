/* SPDX-License-Identifier: Apache-2.0 */
/*
 * id_map: which user and group ids a user namespace has, and what they are outside of it. Made from
 * /etc/subuid and /etc/subgid, or read back from a namespace. The name service is never asked: it
 * would load plug-ins into this process. Nothing here enters a namespace, see userns.h.
 *
 *     struct id_map map = { 0 };
 *     TRY(id_map_for_user(geteuid(), getegid(), &map, err));
 *     userns_run(&map, ...);
 *     id_map_release(&map);
 *
 * Invariant: the extents of one list overlap neither inside nor outside, and `inside` ascends.
 */
#ifndef SNAPSHOTTER_ID_MAP_H
#define SNAPSHOTTER_ID_MAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/base/strbuf.h"

/* `count` ids from `inside` on stand for those from `outside` on. */
struct id_extent {
    uint32_t inside;
    uint32_t outside;
    uint32_t count;
};

/* The kernel takes no more extents than this. */
enum { ID_EXTENTS_MAX = 340 };

struct id_extents {
    struct id_extent *items;
    size_t count;
    size_t cap;
};

struct id_map {
    struct id_extents uids;
    struct id_extents gids;
};

/* Appends `outside`..`outside + count - 1` behind the ids that are there already. A range that is
 * empty, leaves the 32-bit ids, or overlaps an earlier one is left out. */
void id_extents_append(struct id_extents *list, uint32_t outside, uint32_t count);
/* Appends every range of the subuid(5) text that belongs to `name` (may be NULL) or to the number
 * `id`. Lines that make no sense are skipped, as newuidmap does. */
void id_extents_parse_subids(struct id_extents *list, const char *text, const char *name, uid_t id);
/* Parses the form of /proc/PID/uid_map. Errors: CORRUPT. */
int id_extents_parse_proc(struct id_extents *list, const char *text, struct error *err) MUST_CHECK;
/* Writes the form of /proc/PID/uid_map. With `nested` each extent stands for itself: the map of a
 * namespace inside one that has `list`, with the same ids. */
void id_extents_print(const struct id_extents *list, bool nested, struct strbuf *out);
/* Is `id` an id inside? */
bool id_extents_has(const struct id_extents *list, uint32_t id);

/* What the user gets: 0 -> `uid` and 1.. -> the sub-ids, so that the store stays within reach.
 * Without sub-ids an ordinary user gets the former alone, root every id of the current namespace.
 */
int id_map_for_user(uid_t uid, gid_t gid, struct id_map *out, struct error *err) MUST_CHECK;
/* The map of the namespace that this process is in. */
int id_map_current(struct id_map *out, struct error *err) MUST_CHECK;
/* Only one user or only one group: ownership has to be emulated. */
bool id_map_is_single(const struct id_map *map);
/* Every id stands for itself: root of the namespace is root of the host. */
bool id_map_is_identity(const struct id_map *map);
void id_map_release(struct id_map *map);
DEFINE_AUTO(id_map, struct id_map, id_map_release(value))

/* The name that the passwd(5) text gives to `uid`, or NULL; the caller frees it. */
char *passwd_name_of(const char *text, uid_t uid);
/* The command that gives the user sub-ids; the caller frees it. */
char *id_map_lift_hint(uid_t uid) __attribute__((returns_nonnull));

#endif
