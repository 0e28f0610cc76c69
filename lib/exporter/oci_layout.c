/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/oci_layout.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/codec/tar.h"
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

static void add_blobs(struct digest_list *list, const struct layout_item *item)
{
    const struct image_record *image = item->image;
    struct descriptor root = root_of(item);
    digest_list_add(list, &root.digest);
    if (image)
        digest_list_add(list, &image->config);
    for (size_t i = 0; image && i < image->layer_count; i++)
        digest_list_add(list, &image->layers[i].blob);
    for (size_t i = 0; !image && i < item->index->blob_count; i++)
        digest_list_add(list, &item->index->blobs[i]);
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct digest));
}

/* All blobs that leave, sorted by name, each once; the caller frees them. */
static struct digest *all_blobs(const struct layout_export *e, size_t *out_count)
{
    struct digest_list list = { .count = 0 };
    for (size_t i = 0; i < e->item_count; i++)
        add_blobs(&list, &e->items[i]);
    if (list.count)
        qsort(list.items, list.count, sizeof *list.items, by_bytes);
    *out_count = 0;
    for (size_t i = 0; i < list.count; i++) {
        if (*out_count == 0 || !digest_equal(&list.items[*out_count - 1], &list.items[i]))
            list.items[(*out_count)++] = list.items[i];
    }
    return list.items;
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

static int tar_blob(const struct layout_export *e, struct tar_writer *tar, const struct digest *d,
                    struct error *err)
{
    char hex[DIGEST_HEX_SIZE];
    uint64_t size = 0;
    auto_close int fd = -1;
    digest_hex(d, hex);
    TRY(blob_open(e->store, d, &fd, &size, err));
    auto_free char *path = xasprintf("blobs/sha256/%s", hex);
    struct tar_entry entry = { .path = path, .type = TAR_FILE, .mode = 0444, .size = size };
    TRY(tar_writer_entry(tar, &entry, err));
    return tar_writer_content_fd(tar, fd, path, err);
}

int layout_write_tar(const struct layout_export *e, struct writer *out, struct error *err)
{
    size_t count = 0;
    struct tar_writer tar = tar_writer_init(out);
    auto_free struct digest *blobs = all_blobs(e, &count);
    auto_(strbuf) struct strbuf index = STRBUF_INIT;
    auto_(strbuf) struct strbuf docker = STRBUF_INIT;
    TRY(tar_directory(&tar, "blobs", err));
    TRY(tar_directory(&tar, "blobs/sha256", err));
    for (size_t i = 0; i < count; i++)
        TRY(tar_blob(e, &tar, &blobs[i], err));
    print_index(e, &index);
    TRY(tar_text(&tar, "index.json", index.buf, index.len, err));
    print_docker_manifest(e, &docker);
    if (docker.len)
        TRY(tar_text(&tar, "manifest.json", docker.buf, docker.len, err));
    TRY(tar_text(&tar, "oci-layout", layout_file, sizeof layout_file - 1, err));
    return tar_writer_finish(&tar, err);
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
    size_t count = 0;
    auto_close int blobs = -1;
    auto_close int sha256 = -1;
    auto_free struct digest *list = all_blobs(e, &count);
    auto_(strbuf) struct strbuf index = STRBUF_INIT;
    TRY(open_dir(dir_fd, "blobs", &blobs, err));
    TRY(open_dir(blobs, "sha256", &sha256, err));
    for (size_t i = 0; i < count; i++)
        TRY(copy_blob(e, sha256, &list[i], err));
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
    int rc = image_store_each(store, refresh_image, &r, err);
    if (rc == 0) {
        index_print(&r.index, &text);
        rc = atomic_file_write(store->fd, "index.json", text.buf, text.len, 0644, err);
    }
    index_release(&r.index);
    return rc;
}
