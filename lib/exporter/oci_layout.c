/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/oci_layout.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/map.h"
#include "lib/base/mem.h"
#include "lib/exporter/image.h"
#include "lib/oci/reference.h"
#include "lib/store/blob.h"

static const char layout_file[] = "{\"imageLayoutVersion\":\"1.0.0\"}";

static struct descriptor manifest_of(const struct image_record *image)
{
    return (struct descriptor){ media_type_parse(image->manifest_type), image->manifest,
                                image->manifest_size };
}

static struct descriptor root_of(const struct layout_item *item)
{
    return item->image ? manifest_of(item->image) : item->index->descriptor;
}

static void add_entry(struct index *index, const struct descriptor *root, const char *name)
{
    auto_(error) struct error ignored = { 0 };
    auto_(reference) struct reference ref = { 0 };
    index->entries = xreallocarray(index->entries, index->count + 1, sizeof *index->entries);
    struct index_entry *e = &index->entries[index->count++];
    *e = (struct index_entry){ .descriptor = *root };
    if (!name)
        return;
    e->image_name = xstrdup(name);
    if (reference_parse(name, &ref, &ignored) == 0 && ref.tag)
        e->ref_name = xstrdup(ref.tag);
}

/* One entry for each name, or one without. */
static void add_entries(struct index *index, const struct layout_export *e)
{
    for (size_t i = 0; i < e->item_count; i++) {
        const struct layout_item *item = &e->items[i];
        struct descriptor root = root_of(item);
        for (size_t k = 0; k < item->names.count; k++)
            add_entry(index, &root, item->names.items[k]);
        if (item->names.count == 0)
            add_entry(index, &root, NULL);
    }
}

static void print_index(const struct layout_export *e, struct strbuf *out)
{
    auto_(index) struct index index = { 0 };
    add_entries(&index, e);
    index_print(&index, out);
}

static js *blob_name(const struct digest *d)
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    auto_free char *path = xasprintf("blobs/sha256/%s", hex);
    return js_new_text(path);
}

static js *docker_image(const struct layout_item *item)
{
    js *image = js_new_object();
    js *layers = js_new_array();
    for (size_t i = 0; i < item->image->layer_count; i++)
        js_push_take(layers, blob_name(&item->image->layers[i].blob));
    js_set_take(image, "Config", blob_name(&item->image->config));
    js_set_take(image, "RepoTags", js_new_texts(&item->names));
    js_set_take(image, "Layers", layers);
    return image;
}

/* What docker load reads; nothing if there is no image. */
static void print_docker_manifest(const struct layout_export *e, struct strbuf *out)
{
    auto_(js) js *list = js_new_array();
    for (size_t i = 0; i < e->item_count; i++) {
        if (e->items[i].image)
            js_push_take(list, docker_image(&e->items[i]));
    }
    if (js_count(list))
        js_print(list, 0, out);
}

/* All blobs that leave, each once: of an image first the layers, from the lowest, which are there
 * before the rest is. */
struct blob_list {
    struct digest_list digests;
    struct map known; /* by hex */
};

static void blob_list_release(struct blob_list *l)
{
    free(l->digests.items);
    map_release(&l->known);
}
DEFINE_AUTO(blob_list, struct blob_list, blob_list_release(value))

static void add_once(struct blob_list *l, const struct digest *d)
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    if (map_find(&l->known, hex))
        return;
    map_set(&l->known, hex, l);
    digest_list_add(&l->digests, d);
}

static void add_blobs(struct blob_list *list, const struct layout_item *item)
{
    const struct image_record *image = item->image;
    struct descriptor root = root_of(item);
    for (size_t i = 0; image && i < image->layer_count; i++)
        add_once(list, &image->layers[i].blob);
    if (image)
        add_once(list, &image->config);
    for (size_t i = 0; !image && i < item->index->blob_count; i++)
        add_once(list, &item->index->blobs[i]);
    add_once(list, &root.digest);
}

static struct blob_list all_blobs(const struct layout_export *e)
{
    struct blob_list list = { .known.count = 0 };
    for (size_t i = 0; i < e->item_count; i++)
        add_blobs(&list, &e->items[i]);
    return list;
}

static int tar_directory(struct tar_writer *tar, const char *path, struct error *err)
{
    struct tar_entry e = { .path = path, .type = TAR_DIR, .mode = 0755 };
    return tar_writer_entry(tar, &e, err);
}

static int tar_text(struct tar_writer *tar, const char *path, const char *text, size_t len,
                    struct error *err)
{
    struct tar_entry e = { .path = path, .type = TAR_FILE, .mode = 0444, .size = len };
    TRY(tar_writer_entry(tar, &e, err));
    return tar_writer_content(tar, text, len, err);
}

static int tar_blob(struct layout_tar *t, const struct digest *d, struct error *err)
{
    char hex[DIGEST_HEX_SIZE];
    uint64_t size = 0;
    auto_close int fd = -1;
    digest_hex(d, hex);
    TRY(blob_open(t->store, d, &fd, &size, err));
    auto_free char *path = xasprintf("blobs/sha256/%s", hex);
    struct tar_entry entry = { .path = path, .type = TAR_FILE, .mode = 0444, .size = size };
    TRY(tar_writer_entry(&t->tar, &entry, err));
    return tar_writer_content_fd(&t->tar, fd, path, err);
}

int layout_tar_begin(struct layout_tar *t, const struct store *store, struct writer *out,
                     struct error *err)
{
    *t = (struct layout_tar){ .tar = tar_writer_init(out), .store = store };
    TRY(tar_directory(&t->tar, "blobs", err));
    return tar_directory(&t->tar, "blobs/sha256", err);
}

int layout_tar_add(struct layout_tar *t, const struct digest *blob, struct error *err)
{
    for (size_t i = 0; i < t->written.count; i++) {
        if (digest_equal(&t->written.items[i], blob))
            return 0;
    }
    TRY(tar_blob(t, blob, err));
    digest_list_add(&t->written, blob);
    return 0;
}

bool layout_tar_begins(const struct layout_tar *t, const struct layout_export *e)
{
    auto_(blob_list) struct blob_list blobs = all_blobs(e);
    const struct digest_list *all = &blobs.digests;
    for (size_t i = 0; i < t->written.count; i++) {
        if (i >= all->count || !digest_equal(&t->written.items[i], &all->items[i]))
            return false;
    }
    return true;
}

int layout_tar_finish(struct layout_tar *t, const struct layout_export *e, struct error *err)
{
    auto_(blob_list) struct blob_list blobs = all_blobs(e);
    auto_(strbuf) struct strbuf index = STRBUF_INIT;
    auto_(strbuf) struct strbuf docker = STRBUF_INIT;
    for (size_t i = t->written.count; i < blobs.digests.count; i++)
        TRY(tar_blob(t, &blobs.digests.items[i], err));
    print_index(e, &index);
    TRY(tar_text(&t->tar, "index.json", index.buf, index.len, err));
    print_docker_manifest(e, &docker);
    if (docker.len)
        TRY(tar_text(&t->tar, "manifest.json", docker.buf, docker.len, err));
    TRY(tar_text(&t->tar, "oci-layout", layout_file, sizeof layout_file - 1, err));
    return tar_writer_finish(&t->tar, err);
}

void layout_tar_release(struct layout_tar *t)
{
    free(t->written.items);
    *t = (struct layout_tar){ .store = NULL };
}

int layout_write_tar(const struct layout_export *e, struct writer *out, struct error *err)
{
    auto_(layout_tar) struct layout_tar t;
    TRY(layout_tar_begin(&t, e->store, out, err));
    return layout_tar_finish(&t, e, err);
}

static int copy_blob(const struct layout_export *e, int blobs_fd, const struct digest *d,
                     struct error *err)
{
    struct stat st;
    auto_(atomic_file) struct atomic_file f = { .fd = -1 };
    TRY(blob_copy_out(e->store, d, 0, blobs_fd, 0444, e->cancel, &f, err));
    if (f.fd < 0)
        return 0;
    meter_add(e->meter, fstat(f.fd, &st) == 0 ? (uint64_t)st.st_size : 0);
    return atomic_file_commit(&f, false, err);
}

static int open_dir(int dir_fd, const char *name, int *out_fd, struct error *err)
{
    if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
        return error_set(err, ERROR_SYSTEM, errno, "create %s", name);
    *out_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *out_fd < 0 ? error_set(err, ERROR_SYSTEM, errno, "open %s", name) : 0;
}

/* An index is read and written anew: of several that do so side by side each is to see what those
 * before have written. A file system without locks has to do without. */
static int lock_index(int dir_fd, const struct cancel *cancel, int *out_fd, struct error *err)
{
    auto_close int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open the directory of index.json");
    while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
        TRY(cancel_check(cancel, err));
    *out_fd = take_fd(&fd);
    return 0;
}

static bool is_replaced_by(const struct index_entry *old, const struct layout_item *item)
{
    struct descriptor root = root_of(item);
    for (size_t i = 0; i < item->names.count; i++) {
        if (old->image_name && strcmp(old->image_name, item->names.items[i]) == 0)
            return true;
    }
    return digest_equal(&old->descriptor.digest, &root.digest) &&
           (!old->image_name || item->names.count == 0);
}

static bool is_replaced(const struct index_entry *old, const struct layout_export *e)
{
    for (size_t i = 0; i < e->item_count; i++) {
        if (is_replaced_by(old, &e->items[i]))
            return true;
    }
    return false;
}

/* The layout's index with our entries in place of older ones of the same names. */
static int merge_index(const struct layout_export *e, int dir_fd, struct strbuf *out,
                       struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(index) struct index old = { 0 };
    struct index merged = { 0 };
    if (fd_read_file(dir_fd, "index.json", OCI_DOCUMENT_MAX, &text, err) == 0) {
        TRY(index_parse(text.buf, text.len, MEDIA_INDEX, &old, err));
    } else {
        if (err->kind != ERROR_NOT_FOUND)
            return -1;
        error_clear(err);
    }
    merged.entries = xcalloc(old.count, sizeof *merged.entries);
    for (size_t i = 0; i < old.count; i++) {
        if (is_replaced(&old.entries[i], e))
            continue;
        merged.entries[merged.count++] = old.entries[i];
        old.entries[i].ref_name = old.entries[i].image_name = NULL;
    }
    add_entries(&merged, e);
    index_print(&merged, out);
    index_release(&merged);
    return 0;
}

int layout_write_dir(const struct layout_export *e, int dir_fd, struct error *err)
{
    auto_close int blobs = -1;
    auto_close int sha256 = -1;
    auto_close int lock = -1;
    auto_(blob_list) struct blob_list list = all_blobs(e);
    auto_(strbuf) struct strbuf index = STRBUF_INIT;
    TRY(open_dir(dir_fd, "blobs", &blobs, err));
    TRY(open_dir(blobs, "sha256", &sha256, err));
    for (size_t i = 0; i < list.digests.count; i++)
        TRY(copy_blob(e, sha256, &list.digests.items[i], err));
    TRY(lock_index(dir_fd, e->cancel, &lock, err));
    TRY(merge_index(e, dir_fd, &index, err));
    TRY(atomic_file_write(dir_fd, "oci-layout", layout_file, sizeof layout_file - 1, 0644, err));
    return atomic_file_write(dir_fd, "index.json", index.buf, index.len, 0644, err);
}

struct refresh {
    const struct store *store;
    struct index index;
};

static int refresh_image(void *arg, const struct image_record *image, struct error *err)
{
    struct refresh *r = arg;
    (void)err;
    if (image->has_manifest && blob_exists(r->store, &image->manifest, image->manifest_size) &&
        image_is_packed(image, r->store)) {
        struct descriptor manifest = manifest_of(image);
        add_entry(&r->index, &manifest, image_record_has_name(image) ? image->name : NULL);
    }
    return 0;
}

int layout_refresh_store(const struct store *store, struct error *err)
{
    struct refresh r = { .store = store };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_close int lock = -1;
    TRY(lock_index(store->fd, NULL, &lock, err));
    int rc = image_store_each(store, refresh_image, &r, err);
    if (rc == 0) {
        index_print(&r.index, &text);
        rc = atomic_file_write(store->fd, "index.json", text.buf, text.len, 0644, err);
    }
    index_release(&r.index);
    return rc;
}
