/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/image_store.h"

#include <dirent.h>
#include <fcntl.h>

#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/store/blob.h"
#include "lib/store/layer.h"
#include "lib/store/packed_layer.h"
#include "lib/store/record.h"

enum { RECORD_MAX = 1024 * 1024, NAME_MAX_ESCAPED = 200 };

void image_record_release(struct image_record *image)
{
    free(image->name);
    free(image->manifest_type);
    free(image->created);
    free(image->layers);
    *image = (struct image_record){ 0 };
}

/* A reference as a file name: '/' and '%' escaped; a very long one by its hash. */
static char *file_name(const char *reference)
{
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    for (const char *p = reference; *p; p++) {
        if (*p == '/' || *p == '%' || (unsigned char)*p < ' ' || (*p == '.' && p == reference))
            strbuf_addf(&out, "%%%02x", (unsigned char)*p);
        else
            strbuf_addch(&out, *p);
    }
    if (out.len > NAME_MAX_ESCAPED) {
        struct digest d;
        char hex[DIGEST_HEX_SIZE];
        digest_of(reference, strlen(reference), &d);
        digest_hex(&d, hex);
        return xstrdup(hex);
    }
    return strbuf_detach(&out);
}

static int parse_layer(const js *object, struct image_record_layer *out, struct error *err)
{
    const char *id = NULL;
    const char *type = NULL;
    TRY(js_get_text(object, "id", true, &id, err));
    TRY(js_get_digest(object, "diff_id", &out->diff_id, err));
    snprintf(out->id, sizeof out->id, "%s", id);
    TRY(js_get_u64(object, "tar_size", false, &out->tar_size, err));
    out->has_epoch = js_member(object, "epoch") != NULL;
    TRY(js_get_i64(object, "epoch", &out->epoch_s, err));
    if (!js_member(object, "blob"))
        return 0;
    out->has_blob = true;
    TRY(js_get_digest(object, "blob", &out->blob, err));
    TRY(js_get_u64(object, "size", true, &out->blob_size, err));
    TRY(js_get_text(object, "type", true, &type, err));
    snprintf(out->media_type, sizeof out->media_type, "%s", type);
    return 0;
}

static int parse_record(const js *body, struct image_record *out, struct error *err)
{
    const char *name = NULL;
    const char *created = NULL;
    const js *layers = js_member(body, "layers");
    TRY(js_get_text(body, "name", true, &name, err));
    TRY(js_get_text(body, "created", true, &created, err));
    TRY(js_get_digest(body, "config", &out->config, err));
    out->name = xstrdup(name);
    out->created = xstrdup(created);
    if (js_member(body, "manifest")) {
        const char *type = NULL;
        out->has_manifest = true;
        TRY(js_get_digest(body, "manifest", &out->manifest, err));
        TRY(js_get_u64(body, "manifest_size", true, &out->manifest_size, err));
        TRY(js_get_text(body, "manifest_type", true, &type, err));
        out->manifest_type = xstrdup(type);
    }
    out->layer_count = js_count(layers);
    out->layers = xcalloc(out->layer_count, sizeof *out->layers);
    for (size_t i = 0; i < out->layer_count; i++)
        TRY(parse_layer(js_item(layers, i), &out->layers[i], err));
    return 0;
}

int image_record_load(const struct store *store, int dir_fd, const char *file,
                      struct image_record *out, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(js) js *body = NULL;
    auto_(image_record) struct image_record image = { 0 };
    TRY(fd_read_file(dir_fd, file, RECORD_MAX, &text, err));
    TRY(js_parse(text.buf, text.len, file, &body, err));
    if (!record_is_durable(store, body))
        return error_set(err, ERROR_NOT_FOUND, 0, "%s was lost with the last reboot", file);
    TRY(parse_record(body, &image, err));
    *out = image;
    image = (struct image_record){ 0 };
    return 0;
}

/* Somebody may remove the tag, and sweep, while we still work with the image. */
static void use_image(const struct store *store, const struct image_record *image)
{
    (void)blob_exists(store, &image->config, 0);
    if (image->has_manifest)
        (void)blob_exists(store, &image->manifest, image->manifest_size);
    for (size_t i = 0; i < image->layer_count; i++) {
        const struct image_record_layer *layer = &image->layers[i];
        struct packed_layer packed;
        bool has_tree = layer_use(store, layer->id);
        bool has_blob = layer->has_blob && blob_exists(store, &layer->blob, layer->blob_size);
        if (!has_tree && !has_blob)
            (void)packed_layer_find(store, layer->id, &packed);
    }
}

int image_store_find(const struct store *store, const char *name, struct image_record *out,
                     struct error *err)
{
    auto_free char *file = file_name(name);
    if (image_record_load(store, store->images_fd, file, out, err) == 0) {
        use_image(store, out);
        return 0;
    }
    if (err->kind != ERROR_NOT_FOUND)
        return error_wrap(err, "image %s", name);
    error_clear(err);
    return error_set(err, ERROR_NOT_FOUND, 0, "no image %s in the store", name);
}

static js *print_record(const struct image_record *image)
{
    js *body = js_new_object();
    js *layers = js_new_array();
    js_set_text(body, "name", image->name);
    js_set_text(body, "created", image->created);
    js_set_digest(body, "config", &image->config);
    if (image->has_manifest) {
        js_set_digest(body, "manifest", &image->manifest);
        js_set_take(body, "manifest_size", js_new_int((int64_t)image->manifest_size));
        js_set_text(body, "manifest_type", image->manifest_type);
    }
    for (size_t i = 0; i < image->layer_count; i++) {
        const struct image_record_layer *layer = &image->layers[i];
        js *object = js_new_object();
        js_set_text(object, "id", layer->id);
        js_set_digest(object, "diff_id", &layer->diff_id);
        if (layer->tar_size)
            js_set_take(object, "tar_size", js_new_int((int64_t)layer->tar_size));
        if (layer->has_epoch)
            js_set_take(object, "epoch", js_new_int(layer->epoch_s));
        if (layer->has_blob) {
            js_set_digest(object, "blob", &layer->blob);
            js_set_take(object, "size", js_new_int((int64_t)layer->blob_size));
            js_set_text(object, "type", layer->media_type);
        }
        js_push_take(layers, object);
    }
    js_set_take(body, "layers", layers);
    return body;
}

int image_record_save(const struct store *store, int dir_fd, const char *file,
                      const struct image_record *image, struct error *err)
{
    auto_(js) js *body = print_record(image);
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    record_stamp(store, body);
    js_print(body, 0, &text);
    return atomic_file_write(dir_fd, file, text.buf, text.len, 0600, err);
}

int image_store_put(const struct store *store, const struct image_record *image, struct error *err)
{
    auto_free char *file = file_name(image->name);
    return image_record_save(store, store->images_fd, file, image, err);
}

static bool same_layer(const struct image_record_layer *a, const struct image_record_layer *b)
{
    return strcmp(a->id, b->id) == 0 && digest_equal(&a->diff_id, &b->diff_id) &&
           a->has_epoch == b->has_epoch && a->epoch_s == b->epoch_s && a->has_blob == b->has_blob &&
           (!a->has_blob || digest_equal(&a->blob, &b->blob));
}

bool image_store_has(const struct store *store, const struct image_record *image)
{
    auto_(image_record) struct image_record old = { 0 };
    auto_(error) struct error ignored = { 0 };
    if (image_store_find(store, image->name, &old, &ignored) < 0 ||
        !digest_equal(&old.config, &image->config) || old.has_manifest != image->has_manifest ||
        old.layer_count != image->layer_count ||
        (old.has_manifest && !digest_equal(&old.manifest, &image->manifest)))
        return false;
    for (size_t i = 0; i < image->layer_count; i++) {
        if (!same_layer(&old.layers[i], &image->layers[i]))
            return false;
    }
    return true;
}

int image_store_remove(const struct store *store, const char *name, struct error *err)
{
    auto_free char *file = file_name(name);
    if (unlinkat(store->images_fd, file, 0) == 0)
        return 0;
    if (errno == ENOENT)
        return error_set(err, ERROR_NOT_FOUND, 0, "no image %s in the store", name);
    return error_set(err, ERROR_SYSTEM, errno, "remove image %s", name);
}

static int list_files(const struct store *store, struct strvec *out, struct error *err)
{
    auto_close int fd = openat(store->images_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return error_set(err, ERROR_SYSTEM, errno, "list the images in %s", store->path);
    (void)take_fd(&fd);
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (e->d_name[0] != '.')
            strvec_push(out, e->d_name);
    }
    closedir(dir);
    strvec_sort(out);
    return 0;
}

int image_store_each(const struct store *store, image_store_fn *fn, void *arg, struct error *err)
{
    auto_(strvec) struct strvec files = { 0 };
    TRY(list_files(store, &files, err));
    for (size_t i = 0; i < files.count; i++) {
        auto_(error) struct error unreadable = { 0 };
        auto_(image_record) struct image_record image = { 0 };
        if (image_record_load(store, store->images_fd, files.items[i], &image, &unreadable) == 0) {
            TRY(fn(arg, &image, err));
        } else if (unreadable.kind == ERROR_SYSTEM) {
            /* It may be readable the next time: prune must not take it for gone. */
            error_move(err, &unreadable);
            return -1;
        }
    }
    return 0;
}
