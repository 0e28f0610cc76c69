/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/statvfs.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/solver/exec_mounts.h"
#include "lib/store/layer.h"

enum { TAIL_BYTES = 8 * 1024, TAIL_LINES = 10, SPACE_MIN = 1024 * 1024 };

/* Where a step's output goes: to whoever watches, and its end is kept for the error. */
struct output {
    struct progress *progress;
    unsigned vertex;
    struct strbuf tail;
};

static void take_output(void *arg, int stream, const char *data, size_t len)
{
    struct output *o = arg;
    progress_log(o->progress, o->vertex, stream, data, len);
    strbuf_add(&o->tail, data, len);
    if (o->tail.len > 2 * (size_t)TAIL_BYTES) {
        memmove(o->tail.buf, o->tail.buf + o->tail.len - TAIL_BYTES, TAIL_BYTES);
        o->tail.len = TAIL_BYTES;
        o->tail.buf[o->tail.len] = '\0';
    }
}

/* The last lines of the tail; the caller frees the text. */
static char *last_lines(const struct strbuf *tail)
{
    size_t end = tail->len;
    while (end && tail->buf[end - 1] == '\n')
        end--;
    size_t start = end;
    for (int lines = 0; start; start--) {
        if (tail->buf[start - 1] == '\n' && ++lines == TAIL_LINES)
            break;
    }
    return xstrndup(tail->buf + start, end - start);
}

/* A step that fills the disk fails with an error of its own, and seldom says so. */
static bool disk_is_full(const struct store *store)
{
    struct statvfs fs;
    return fstatvfs(store->fd, &fs) == 0 &&
           ((uint64_t)fs.f_bavail * fs.f_frsize < SPACE_MIN || (fs.f_files && fs.f_favail < 16));
}

static int step_failed(const struct solver *s, const struct vertex *v, int status,
                       const struct output *o, struct error *err)
{
    auto_(strbuf) struct strbuf command = STRBUF_INIT;
    for (const char *const *arg = v->exec.args; *arg; arg++)
        strbuf_addf(&command, "%s%s", arg == v->exec.args ? "" : " ", *arg);
    error_set(err, ERROR_RUN_FAILED, 0,
              "process \"%s\" did not complete successfully: exit code: %d", command.buf, status);
    err->detail = last_lines(&o->tail);
    if (disk_is_full(s->options.store)) {
        err->kind = ERROR_NO_SPACE;
        return store_hint_full(s->options.store, err);
    }
    if (status == 137)
        return error_hint(err, "it was killed: out of memory, perhaps; try fewer parallel jobs");
    return -1;
}

static void take_warning(void *arg, const char *text)
{
    const struct output *o = arg;
    progress_warning(o->progress, text);
}

static int run_step(struct solver *s, const struct vertex *v, struct output *o,
                    const struct exec_mounts *mounts, struct snapshot *snapshot, struct error *err)
{
    int status = 0;
    struct exec_request request = { .op = &v->exec,
                                    .root_fd = snapshot->root_fd,
                                    .sources = mounts->sources,
                                    .output = take_output,
                                    .warn = take_warning,
                                    .output_arg = o,
                                    .cancel = s->options.cancel };
    struct executor *executor = s->workers.executor;
    TRY(executor->run(executor, &request, &status, err));
    return status == 0 ? 0 : step_failed(s, v, status, o, err);
}

/* Runs the step on a fresh snapshot and makes its changes a layer. */
static int make_layer(struct solver *s, const struct vertex *v, unsigned progress,
                      struct exec_mounts *mounts, struct cache_record *layer, struct error *err)
{
    struct snapshotter *snapshotter = s->workers.snapshotter;
    struct layer_list layers = input_layers(s, v, 0);
    struct snapshot *snapshot = NULL;
    struct output o = { s->options.progress, progress, STRBUF_INIT };
    TRY(exec_mounts_open(mounts, progress, err));
    TRY(prepare_layers(s, &layers, mounts->points, mounts->point_count, &snapshot, err));
    int rc = run_step(s, v, &o, mounts, snapshot, err);
    strbuf_release(&o.tail);
    exec_mounts_close(mounts);
    if (rc < 0) {
        snapshotter->ops->discard(snapshot);
        return -1;
    }
    store_random_id(layer->layer);
    layer->created = time_of_layer();
    return snapshotter->ops->commit(snapshot, layer->layer, layer->created, err);
}

/* What steps of any kind have made on these layers. */
static void made_on_key(const struct layer_list *layers, struct digest *out)
{
    auto_(cache_key) struct cache_key key = cache_key_begin("made on");
    for (size_t i = 0; i < layers->count; i++)
        cache_key_add_text(&key, "layer", layers->ids[i]);
    cache_key_finish(&key, out);
}

static int stand_in(struct solver *s, const char *old, struct cache_record *layer,
                    struct error *err)
{
    bool present = false;
    auto_(layer_info) struct layer_info info = { 0 };
    TRY(layer_find(s->options.store, old, &present, &info, err));
    if (!present || !info.created)
        return 0;
    layer_remove(s->options.store, layer->layer);
    snprintf(layer->layer, sizeof layer->layer, "%s", old);
    free(layer->created);
    layer->created = take_ptr(info.created);
    return 0;
}

/* Early cut-off: a step that was changed, and still has made what one made on the same root before,
 * has made that layer, and what rests on it is cached. */
static int cut_off(struct solver *s, const struct vertex *v, const struct layer_list *layers,
                   struct cache_record *layer, struct error *err)
{
    struct digest key;
    struct snapshotter *snapshotter = s->workers.snapshotter;
    auto_(strvec) struct strvec recent = { 0 };
    bool same = false;
    made_on_key(layers, &key);
    if (!state_of(s, v)->anew && snapshotter->ops->same)
        cache_find_recent(s->options.store, &key, &recent);
    for (size_t i = 0; i < recent.count && !same; i++) {
        TRY(snapshotter->ops->same(snapshotter, layer->layer, recent.items[i], &same, err));
        if (same)
            TRY(stand_in(s, recent.items[i], layer, err));
    }
    return cache_put_recent(s->options.store, &key, layer->layer, err);
}

int exec_run(struct solver *s, const struct vertex *v, unsigned progress, bool *out_cached,
             struct error *err)
{
    struct digest digest;
    struct layer_list layers = input_layers(s, v, 0);
    auto_(cache_record) struct cache_record layer = { 0 };
    auto_(exec_mounts) struct exec_mounts mounts = { 0 };
    auto_(cache_key) struct cache_key key = cache_key_begin("result");
    cache_key_add_digest(&key, "op", &v->digest);
    for (size_t i = 0; i < layers.count; i++)
        cache_key_add_text(&key, "layer", layers.ids[i]);
    TRY(exec_mounts_identify(&mounts, s, v, &key, err));
    cache_key_finish(&key, &digest);

    *out_cached = reuse(s, v, &digest, &layer);
    if (!*out_cached) {
        TRY(make_layer(s, v, progress, &mounts, &layer, err));
        TRY(cut_off(s, v, &layers, &layer, err));
        set_result(s, v, &layer);
        TRY(cache_put(s->options.store, &digest, &layer, &key.recipe, err));
    }
    return remember(s, v, &layer, err);
}
