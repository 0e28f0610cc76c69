/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/gc.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/map.h"
#include "lib/base/mem.h"
#include "lib/codec/json.h"
#include "lib/fs/dir.h"
#include "lib/store/image_store.h"
#include "lib/store/packed_layer.h"

enum { RECORD_MAX = 4 * 1024 * 1024 };

struct marks {
    const struct store *store;
    struct map layers; /* ids; what a key leads to says nothing */
    struct map blobs;  /* hex digits */
};

static void mark_blob(struct marks *m, const struct digest *d)
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    map_set(&m->blobs, hex, m);
}

static int mark_image(void *arg, const struct image_record *image, struct error *err)
{
    struct marks *m = arg;
    (void)err;
    mark_blob(m, &image->config);
    if (image->has_manifest)
        mark_blob(m, &image->manifest);
    for (size_t i = 0; i < image->layer_count; i++) {
        struct packed_layer packed;
        map_set(&m->layers, image->layers[i].id, m);
        if (packed_layer_find(m->store, image->layers[i].id, &packed))
            mark_blob(m, &packed.blob);
        if (image->layers[i].has_blob)
            mark_blob(m, &image->layers[i].blob);
    }
    return 0;
}

static int sweep_layers(const struct store *store, const struct marks *m, struct gc_result *out,
                        struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    TRY(dir_list(store->layers_fd, "layers", &names, err));
    for (size_t i = 0; i < names.count; i++) {
        if (map_find(&m->layers, names.items[i]))
            continue;
        TRY(store_discard(store, store->layers_fd, names.items[i], err));
        out->layers++;
    }
    return 0;
}

static int sweep_blobs(const struct store *store, const struct marks *m, struct gc_result *out,
                       struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    TRY(dir_list(store->blobs_fd, "blobs", &names, err));
    for (size_t i = 0; i < names.count; i++) {
        struct stat st;
        if (map_find(&m->blobs, names.items[i]) ||
            fstatat(store->blobs_fd, names.items[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (unlinkat(store->blobs_fd, names.items[i], 0) < 0)
            return error_set(err, ERROR_SYSTEM, errno, "remove blob %s", names.items[i]);
        out->blobs++;
        out->blob_bytes += (uint64_t)st.st_size;
    }
    return 0;
}

/* A record is about one layer; without that layer it leads nowhere. */
static bool record_is_needed(const struct store *store, const char *name, const struct marks *m)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(error) struct error ignored = { 0 };
    auto_(js) js *body = NULL;
    if (fd_read_file(store->cache_fd, name, RECORD_MAX, &text, &ignored) < 0 ||
        js_parse(text.buf, text.len, name, &body, &ignored) < 0)
        return false;
    const char *layer = js_text(js_member(body, "layer"));
    return layer && map_find(&m->layers, layer);
}

static int sweep_records(const struct store *store, const struct marks *m, struct gc_result *out,
                         struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    TRY(dir_list(store->cache_fd, "cache", &names, err));
    for (size_t i = 0; i < names.count; i++) {
        if (record_is_needed(store, names.items[i], m))
            continue;
        if (unlinkat(store->cache_fd, names.items[i], 0) < 0)
            return error_set(err, ERROR_SYSTEM, errno, "remove record %s", names.items[i]);
        out->records++;
    }
    return 0;
}

/* Removes the files of `folder` whose names `needed` (NULL: nothing) does not have. */
static int sweep_hints(const struct store *store, const char *folder, const struct map *needed,
                       struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_close int fd = openat(store->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", folder);
    TRY(dir_list(fd, folder, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        if (!needed || !map_find(needed, names.items[i]))
            unlinkat(fd, names.items[i], 0);
    }
    return 0;
}

int gc_run(const struct store *store, struct gc_result *out, struct error *err)
{
    struct marks m = { .store = store };
    *out = (struct gc_result){ 0 };
    int rc = image_store_each(store, mark_image, &m, err);
    if (rc == 0)
        rc = sweep_records(store, &m, out, err);
    if (rc == 0)
        rc = sweep_layers(store, &m, out, err);
    if (rc == 0)
        rc = sweep_blobs(store, &m, out, err);
    if (rc == 0)
        rc = sweep_hints(store, "contexts", NULL, err);
    if (rc == 0)
        rc = sweep_hints(store, "indexes", &m.layers, err);
    map_release(&m.layers);
    map_release(&m.blobs);
    return rc;
}
