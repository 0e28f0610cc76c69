/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/durable.h"

#include <fcntl.h>

#include "lib/base/fd.h"
#include "lib/base/map.h"
#include "lib/base/mem.h"
#include "lib/codec/json.h"
#include "lib/fs/dir.h"

enum { BODY_MAX = 4 * 1024 * 1024 };

static int open_and_list(const struct store *store, const char *folder, int *out_fd,
                         struct strvec *out, struct error *err)
{
    *out_fd = openat(store->fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*out_fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s/%s", store->path, folder);
    return dir_list(*out_fd, folder, out, err);
}

/* A dead lease stamps nothing any more, so that whoever looks now sees all that it has stamped. */
static void keep_dead(const struct store *store, const struct strvec *marks, struct strvec *out)
{
    for (size_t i = 0; i < marks->count; i++) {
        auto_free char *lease = xasprintf("leases/%s", marks->items[i]);
        if (faccessat(store->fd, lease, F_OK, 0) < 0 && errno == ENOENT)
            strvec_push(out, marks->items[i]);
    }
}

/* One that cannot be parsed is absent for everybody; one that cannot be read may be, next time. */
static int add_stamp(int dir_fd, const char *path, struct map *named, struct error *err)
{
    auto_(error) struct error unreadable = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(js) js *body = NULL;
    if (fd_read_file(dir_fd, path, BODY_MAX, &text, &unreadable) < 0 ||
        js_parse(text.buf, text.len, path, &body, &unreadable) < 0)
        return unreadable.kind == ERROR_SYSTEM ? error_first(err, &unreadable) : 0;
    const char *lease = js_text(js_member(body, "lease"));
    if (lease)
        map_set(named, lease, named);
    return 0;
}

static int find_named(const struct store *store, struct map *named, struct error *err)
{
    static const struct {
        const char *folder, *file; /* file NULL: what is in the folder is it */
    } stamped[] = { { "cache", NULL },
                    { "images", NULL },
                    { "layers", "layer.json" },
                    { "mounts", "mount.json" } };
    for (size_t i = 0; i < COUNT(stamped); i++) {
        auto_(strvec) struct strvec names = { 0 };
        auto_close int fd = -1;
        TRY(open_and_list(store, stamped[i].folder, &fd, &names, err));
        for (size_t n = 0; n < names.count; n++) {
            const char *file = stamped[i].file;
            auto_free char *path = file ? xasprintf("%s/%s", names.items[n], file) : NULL;
            TRY(add_stamp(fd, path ? path : names.items[n], named, err));
        }
    }
    return 0;
}

int durable_sweep(const struct store *store, struct error *err)
{
    auto_(strvec) struct strvec marks = { 0 };
    auto_(strvec) struct strvec dead = { 0 };
    auto_(map) struct map named = { 0 };
    auto_close int fd = -1;
    TRY(open_and_list(store, "durable", &fd, &marks, err));
    keep_dead(store, &marks, &dead);
    TRY(find_named(store, &named, err));
    for (size_t i = 0; i < dead.count; i++) {
        if (!map_find(&named, dead.items[i]))
            unlinkat(fd, dead.items[i], 0);
    }
    return 0;
}
