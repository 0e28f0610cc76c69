/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_snapshotter.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>

#include "lib/base/mem.h"
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

static int empty_layer(const struct store *store, const char *id, const char *created,
                       struct error *err)
{
    char scratch[LAYER_SCRATCH_SIZE];
    struct layer_info info = { .created = (char *)created };
    TRY(layer_begin(store, scratch, err));
    return layer_commit(store, scratch, id, &info, err);
}

static int fake_view(struct snapshotter *s, const struct layer_list *layers, struct snapshot **out,
                     struct error *err)
{
    (void)layers;
    (void)err;
    struct snapshot *snapshot = xcalloc(1, sizeof *snapshot);
    *snapshot = (struct snapshot){ s, fcntl(fake_of(s)->root_fd, F_DUPFD_CLOEXEC, 0) };
    count(fake_of(s), 1);
    *out = snapshot;
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
    const struct store *store = fake_of(active->snapshotter)->store;
    fake_discard(active);
    return empty_layer(store, id, created, err);
}

struct fake_writer {
    struct layer_writer base;
    struct fake_snapshotter *fake;
};

static int fake_entry(struct layer_writer *w, const struct tar_entry *entry, int content_fd,
                      struct error *err)
{
    struct fake_snapshotter *f = ((struct fake_writer *)w)->fake;
    (void)content_fd;
    (void)err;
    pthread_mutex_lock(&f->lock);
    strvec_push(&f->entries, entry->path);
    pthread_mutex_unlock(&f->lock);
    return 0;
}

static int fake_whiteout(struct layer_writer *w, const char *path, struct error *err)
{
    (void)w;
    (void)path;
    (void)err;
    return 0;
}

static void fake_writer_discard(struct layer_writer *w)
{
    count(((struct fake_writer *)w)->fake, -1);
    free(w);
}

static int fake_writer_commit(struct layer_writer *w, const char *id, const char *created,
                              struct error *err)
{
    const struct store *store = ((struct fake_writer *)w)->fake->store;
    fake_writer_discard(w);
    return empty_layer(store, id, created, err);
}

static int fake_layer_write(struct snapshotter *s, struct layer_writer **out, struct error *err)
{
    static const struct layer_writer_ops ops = { fake_entry, fake_whiteout, fake_writer_commit,
                                                 fake_writer_discard };
    struct fake_writer *w = xcalloc(1, sizeof *w);
    (void)err;
    *w = (struct fake_writer){ { &ops }, fake_of(s) };
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
                                                .discard = fake_discard,
                                                .layer_write = fake_layer_write,
                                                .is_unpacked = fake_is_unpacked };
    *f = (struct fake_snapshotter){ .base = { &ops }, .store = store, .root_fd = root_fd };
    pthread_mutex_init(&f->lock, NULL);
}

void fake_snapshotter_release(struct fake_snapshotter *f)
{
    strvec_release(&f->entries);
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
