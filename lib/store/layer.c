/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/layer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/store/record.h"
#include "lib/store/use.h"

enum { INFO_MAX = 64 * 1024 };

void layer_info_release(struct layer_info *info)
{
    free(take_ptr(info->created));
}

int layer_begin(const struct store *store, char scratch[static LAYER_SCRATCH_SIZE],
                struct error *err)
{
    store_random_id(scratch);
    if (mkdirat(store->scratch_fd, scratch, 0700) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "create a layer in %s", store->path);
    char fs[LAYER_SCRATCH_SIZE + 4];
    snprintf(fs, sizeof fs, "%s/fs", scratch);
    if (mkdirat(store->scratch_fd, fs, 0755) < 0 || fchmodat(store->scratch_fd, fs, 0755, 0) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "create a layer in %s", store->path);
    return 0;
}

static void print_info(const struct store *store, const struct layer_info *info, struct strbuf *out)
{
    auto_(js) js *body = js_new_object();
    if (info->has_root) {
        js_set_take(body, "root_mode", js_new_int(info->root_mode));
        js_set_take(body, "root_uid", js_new_int(info->root_uid));
        js_set_take(body, "root_gid", js_new_int(info->root_gid));
    }
    if (info->created)
        js_set_text(body, "created", info->created);
    record_stamp(store, body);
    js_print(body, 0, out);
}

int layer_commit(const struct store *store, const char *scratch, const char *id,
                 const struct layer_info *info, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_close int dir =
        openat(store->scratch_fd, scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open the scratch space of layer %s", id);
    print_info(store, info, &text);
    TRY(atomic_file_write(dir, "layer.json", text.buf, text.len, 0600, err));
    if (renameat(store->scratch_fd, scratch, store->layers_fd, id) == 0)
        return 0;
    if (errno != EEXIST && errno != ENOTEMPTY)
        return error_set(err, ERROR_SYSTEM, errno, "commit layer %s", id);

    bool present = false;
    TRY(layer_find(store, id, &present, NULL, err));
    if (present) {
        layer_abandon(store, scratch);
        return 0;
    }
    /* What is there did not survive a reboot whole. */
    TRY(store_discard(store, store->layers_fd, id, err));
    if (renameat(store->scratch_fd, scratch, store->layers_fd, id) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "commit layer %s", id);
    return 0;
}

void layer_abandon(const struct store *store, const char *scratch)
{
    auto_(error) struct error ignored = { 0 };
    (void)!store_discard(store, store->scratch_fd, scratch, &ignored);
}

static unsigned number(const js *body, const char *key)
{
    auto_(error) struct error ignored = { 0 };
    uint64_t value = 0;
    (void)!js_get_u64(body, key, false, &value, &ignored);
    return (unsigned)value;
}

static void parse_info(const js *body, struct layer_info *out)
{
    const char *created = js_text(js_member(body, "created"));
    *out = (struct layer_info){ .created = created ? xstrdup(created) : NULL };
    if (js_member(body, "root_mode")) {
        out->has_root = true;
        out->root_mode = number(body, "root_mode");
        out->root_uid = number(body, "root_uid");
        out->root_gid = number(body, "root_gid");
    }
}

bool layer_use(const struct store *store, const char *id)
{
    struct stat st;
    char path[LAYER_SCRATCH_SIZE + DIGEST_HEX_SIZE];
    snprintf(path, sizeof path, "%s/layer.json", id);
    return fstatat(store->layers_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           store_use(store, store->layers_fd, path, &st);
}

int layer_find(const struct store *store, const char *id, bool *out_present, struct layer_info *out,
               struct error *err)
{
    char path[LAYER_SCRATCH_SIZE + DIGEST_HEX_SIZE];
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(js) js *body = NULL;
    *out_present = false;
    snprintf(path, sizeof path, "%s/layer.json", id);
    if (fd_read_file(store->layers_fd, path, INFO_MAX, &text, err) < 0) {
        if (err->kind != ERROR_NOT_FOUND)
            return -1;
        error_clear(err);
        return 0;
    }
    if (js_parse(text.buf, text.len, path, &body, err) < 0) {
        error_clear(err);
        return 0;
    }
    *out_present = record_is_durable(store, body) && layer_use(store, id);
    if (*out_present && out)
        parse_info(body, out);
    return 0;
}

void layer_remove(const struct store *store, const char *id)
{
    auto_(error) struct error ignored = { 0 };
    (void)!store_discard(store, store->layers_fd, id, &ignored);
}

int layer_open_tree(const struct store *store, const char *id, int *out_fd, struct error *err)
{
    char path[DIGEST_HEX_SIZE + 4];
    snprintf(path, sizeof path, "%s/fs", id);
    *out_fd = openat(store->layers_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*out_fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open layer %s", id);
    return 0;
}
