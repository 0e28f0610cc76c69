/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_snapshotter.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>

#include "lib/base/map.h"
#include "lib/base/mem.h"
#include "lib/base/strbuf.h"
#include "lib/store/layer.h"

static struct fake_snapshotter *fake_of(struct snapshotter *s)
{
    return (struct fake_snapshotter *)s;
}

static void count(struct fake_snapshotter *f, int change)
{
    pthread_mutex_lock(&f->lock);
    f->open += change;
    pthread_mutex_unlock(&f->lock);
}

static int empty_layer(struct fake_snapshotter *f, const char *id, const char *created,
                       struct error *err)
{
    const struct store *store = f->store;
    pthread_mutex_lock(&f->lock);
    f->committed++;
    pthread_mutex_unlock(&f->lock);
    char scratch[LAYER_SCRATCH_SIZE];
    struct layer_info info = { .created = (char *)created };
    TRY(layer_begin(store, scratch, err));
    return layer_commit(store, scratch, id, &info, err);
}

static int fake_view(struct snapshotter *s, const struct layer_list *layers, struct snapshot **out,
                     struct error *err)
{
    const struct fake_snapshotter *f = fake_of(s);
    (void)err;
    struct snapshot *snapshot = xcalloc(1, sizeof *snapshot);
    int root = layers->count == 0 && f->scratch_fd > 0 ? f->scratch_fd : f->root_fd;
    *snapshot = (struct snapshot){ s, fcntl(root, F_DUPFD_CLOEXEC, 0) };
    count(fake_of(s), 1);
    *out = snapshot;
    return 0;
}

static int fake_lower(struct snapshotter *s, const struct layer_list *layers, struct lower **out,
                      struct error *err)
{
    struct snapshot *view = NULL;
    TRY(fake_view(s, layers, &view, err));
    *out = lower_of_directory_take(fcntl(view->root_fd, F_DUPFD_CLOEXEC, 0));
    s->ops->discard(view);
    return 0;
}

static int fake_prepare(struct snapshotter *s, const struct layer_list *layers,
                        const struct mount_point *points, size_t point_count, struct snapshot **out,
                        struct error *err)
{
    (void)points;
    (void)point_count;
    return fake_view(s, layers, out, err);
}

static void fake_discard(struct snapshot *snapshot)
{
    count(fake_of(snapshot->snapshotter), -1);
    close(snapshot->root_fd);
    free(snapshot);
}

static int fake_commit(struct snapshot *active, const char *id, const char *created,
                       struct error *err)
{
    struct fake_snapshotter *f = fake_of(active->snapshotter);
    fake_discard(active);
    return empty_layer(f, id, created, err);
}

struct fake_writer {
    struct layer_writer base;
    struct fake_snapshotter *fake;
    struct map kinds;   /* path -> the type's letter, 'D' for an opaque directory */
    struct map targets; /* of links; owned */
};

enum { CONTENT_SHOWN = 64 };

static char letter_of(const struct tar_entry *e)
{
    static const char letters[] = {
        [TAR_FILE] = 'f', [TAR_DIR] = 'd',   [TAR_SYMLINK] = 'l', [TAR_HARDLINK] = 'h',
        [TAR_CHAR] = 'c', [TAR_BLOCK] = 'b', [TAR_FIFO] = 'p'
    };
    return letters[e->type];
}

static int take_kind(struct fake_writer *w, const struct tar_entry *e, struct error *err)
{
    intptr_t before = (intptr_t)map_find(&w->kinds, e->path);
    bool was_dir = before == 'd' || before == 'D';
    bool is_dir = e->type == TAR_DIR;
    if (before && was_dir != is_dir && w->base.keeps_types)
        return error_set(err, ERROR_USER, 0, "fake: /%s has another type", e->path);
    intptr_t kind = is_dir && before && before != 'd' ? 'D' : letter_of(e);
    map_set(&w->kinds, e->path, (void *)kind);
    if (e->type == TAR_SYMLINK)
        map_set(&w->targets, e->path, xstrdup(e->link));
    return 0;
}

/* "f 0644 0:0 a/b =content", "l 0777 0:0 a -> b", with " @0" if the time is that of our own. */
static char *describe(const struct tar_entry *e, const char *content)
{
    auto_(strbuf) struct strbuf line = STRBUF_INIT;
    strbuf_addf(&line, "%c %04o %u:%u %s", letter_of(e), e->mode, e->uid, e->gid, e->path);
    if (e->link)
        strbuf_addf(&line, " -> %s", e->link);
    if (e->type == TAR_FILE)
        strbuf_addf(&line, " =%s", content);
    if (e->mtime_s == 0)
        strbuf_addstr(&line, " @0");
    return strbuf_detach(&line);
}

static int take_entry(struct fake_writer *w, const struct tar_entry *e, const char *content,
                      struct error *err)
{
    struct fake_snapshotter *f = w->fake;
    TRY(take_kind(w, e, err));
    pthread_mutex_lock(&f->lock);
    strvec_push(&f->entries, e->path);
    strvec_push_take(&f->lines, describe(e, content));
    pthread_mutex_unlock(&f->lock);
    return 0;
}

static int fake_entry(struct layer_writer *base, const struct tar_entry *entry, int content_fd,
                      struct error *err)
{
    char content[CONTENT_SHOWN + 1] = "";
    if (content_fd >= 0 && entry->size && read(content_fd, content, CONTENT_SHOWN) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "fake: read %s", entry->path);
    return take_entry((struct fake_writer *)base, entry, content, err);
}

static bool fake_file_ahead(struct layer_writer *base, struct layer_file *f)
{
    (void)base;
    f->is_ahead = f->room && f->e->tar.size <= f->room_size && f->e->tar.size <= CONTENT_SHOWN &&
                  read(f->e->fd, f->room, f->room_size) == (ssize_t)f->e->tar.size;
    return f->is_ahead;
}

static int fake_file(struct layer_writer *base, struct layer_file *f, struct error *err)
{
    if (!f->is_ahead)
        return fake_entry(base, &f->e->tar, f->e->fd, err);
    char content[CONTENT_SHOWN + 1] = "";
    memcpy(content, f->room, (size_t)f->e->tar.size);
    return take_entry((struct fake_writer *)base, &f->e->tar, content, err);
}

static int fake_entry_stream(struct layer_writer *base, const struct tar_entry *entry,
                             struct reader *in, struct error *err)
{
    char rest[1024];
    char content[CONTENT_SHOWN + 1] = "";
    size_t shown = entry->size < CONTENT_SHOWN ? (size_t)entry->size : CONTENT_SHOWN;
    TRY(reader_read_full(in, content, shown, entry->path, err));
    ssize_t n = 1;
    while (n > 0)
        n = in->read(in, rest, sizeof rest, err);
    return n < 0 ? -1 : take_entry((struct fake_writer *)base, entry, content, err);
}

static int fake_look(struct layer_writer *base, const char *path, enum layer_look *out,
                     char **out_target, struct error *err)
{
    const struct fake_writer *w = (struct fake_writer *)base;
    (void)err;
    switch ((intptr_t)map_find(&w->kinds, path)) {
    case 0: *out = LAYER_LOOK_NOTHING; break;
    case 'd': *out = LAYER_LOOK_DIR; break;
    case 'D': *out = LAYER_LOOK_OPAQUE; break;
    case 'l':
        *out = LAYER_LOOK_LINK;
        *out_target = xstrdup(map_find(&w->targets, path));
        break;
    default: *out = LAYER_LOOK_OTHER; break;
    }
    return 0;
}

static int fake_whiteout(struct layer_writer *w, const char *path, struct error *err)
{
    (void)w;
    (void)path;
    (void)err;
    return 0;
}

static void fake_writer_discard(struct layer_writer *base)
{
    struct fake_writer *w = (struct fake_writer *)base;
    count(w->fake, -1);
    map_release(&w->kinds);
    map_release(&w->targets);
    free(w);
}

static int fake_writer_commit(struct layer_writer *w, const char *created,
                              struct written_layer *out, struct error *err)
{
    struct fake_snapshotter *f = ((struct fake_writer *)w)->fake;
    fake_writer_discard(w);
    *out = (struct written_layer){ 0 };
    store_random_id(out->id);
    return empty_layer(f, out->id, created, err);
}

static int fake_layer_write(struct snapshotter *s, struct layer_writer **out, struct error *err)
{
    static const struct layer_writer_ops ops = { .entry = fake_entry,
                                                 .entry_stream = fake_entry_stream,
                                                 .file = fake_file,
                                                 .file_ahead = fake_file_ahead,
                                                 .look = fake_look,
                                                 .whiteout = fake_whiteout,
                                                 .commit = fake_writer_commit,
                                                 .discard = fake_writer_discard };
    struct fake_writer *w = xcalloc(1, sizeof *w);
    (void)err;
    *w = (struct fake_writer){ .base = { .ops = &ops, .in_order = true },
                               .fake = fake_of(s),
                               .targets.free_value = free };
    count(fake_of(s), 1);
    *out = &w->base;
    return 0;
}

static int fake_is_unpacked(struct snapshotter *s, const struct layer_list *layers, size_t index,
                            bool *out, struct error *err)
{
    return layer_find(fake_of(s)->store, layers->ids[index], out, NULL, err);
}

void fake_snapshotter_init(struct fake_snapshotter *f, const struct store *store, int root_fd)
{
    static const struct snapshotter_ops ops = { .name = "fake",
                                                .prepare = fake_prepare,
                                                .commit = fake_commit,
                                                .view = fake_view,
                                                .lower = fake_lower,
                                                .discard = fake_discard,
                                                .layer_write = fake_layer_write,
                                                .is_unpacked = fake_is_unpacked };
    *f = (struct fake_snapshotter){ .base = { &ops }, .store = store, .root_fd = root_fd };
    pthread_mutex_init(&f->lock, NULL);
}

void fake_snapshotter_release(struct fake_snapshotter *f)
{
    strvec_release(&f->entries);
    strvec_release(&f->lines);
    pthread_mutex_destroy(&f->lock);
}

static int wait_for_cancel(const struct exec_request *request, struct error *err)
{
    struct pollfd p = { .fd = request->cancel->fd, .events = POLLIN };
    poll(&p, 1, 10000);
    return cancel_check(request->cancel, err);
}

/* True once `together` steps are here at the same time. */
static bool meet(struct fake_executor *f)
{
    struct timespec until;
    int rc = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&f->lock);
    f->waiting++;
    pthread_cond_broadcast(&f->arrived);
    while (f->waiting < f->together && rc == 0)
        rc = pthread_cond_timedwait(&f->arrived, &f->lock, &until);
    pthread_mutex_unlock(&f->lock);
    return rc == 0;
}

static int fake_run(struct executor *executor, const struct exec_request *request, int *out_status,
                    struct error *err)
{
    struct fake_executor *f = (struct fake_executor *)executor;
    const char *what = request->op->args[0];
    pthread_mutex_lock(&f->lock);
    strvec_push(&f->ran, request->op->args[1]);
    pthread_mutex_unlock(&f->lock);
    request->output(request->output_arg, 1, "said\n", 5);
    if (f->look)
        f->look(f->look_arg, request);
    *out_status = 0;
    if (strcmp(what, "fail") == 0)
        *out_status = 3;
    else if (strcmp(what, "wait") == 0)
        return wait_for_cancel(request, err);
    else if (strcmp(what, "meet") == 0)
        *out_status = meet(f) ? 0 : 1;
    return 0;
}

void fake_executor_init(struct fake_executor *f)
{
    *f = (struct fake_executor){ .base = { .run = fake_run } };
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->arrived, NULL);
}

void fake_executor_release(struct fake_executor *f)
{
    strvec_release(&f->ran);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->arrived);
}
