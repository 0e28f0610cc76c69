/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/devices.h"

#include <pthread.h>
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "snapshotter/id_map.h"

struct devices {
    struct strvec always;  /* names that every step gets */
    struct strvec allowed; /* names that a step may ask for */
    bool allow_all;
    pthread_mutex_t lock; /* of what follows */
    struct cdi *cdi;      /* NULL: not read yet */
    struct step_devices **steps;
    size_t count, cap;
};

struct devices *devices_new(const struct sandbox_options *options)
{
    struct devices *d = xcalloc(1, sizeof *d);
    d->allow_all = options->allow_all_devices;
    strvec_push_all(&d->always, &options->devices);
    strvec_push_all(&d->allowed, &options->allowed_devices);
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

static void step_free(struct step_devices *s)
{
    cdi_edits_release(&s->edits);
    free(s->points);
    free(s);
}

void devices_free(struct devices *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->count; i++)
        step_free(d->steps[i]);
    free(d->steps);
    cdi_free(d->cdi);
    strvec_release(&d->always);
    strvec_release(&d->allowed);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static bool has(const struct strvec *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0)
            return true;
    }
    return false;
}

static int add_device(struct devices *d, const char *name, bool required, struct cdi_edits *edits,
                      struct error *err)
{
    if (!d->cdi)
        d->cdi = cdi_load();
    if (cdi_find(d->cdi, name, edits))
        return 0;
    if (!required) {
        strvec_push_take(&edits->warnings,
                         xasprintf("the device %s is not known on this host", name));
        return 0;
    }
    error_set(err, ERROR_NOT_FOUND, 0, "required device \"%s\" is not registered", name);
    return error_hint(err, "devices are described by CDI files in %s", cdi_path(d->cdi));
}

static int add_all(struct devices *d, const struct op_exec *op, struct cdi_edits *edits,
                   struct error *err)
{
    for (size_t i = 0; i < d->always.count; i++)
        TRY(add_device(d, d->always.items[i], true, edits, err));
    for (size_t i = 0; i < op->device_count; i++) {
        const char *name = op->devices[i].name;
        if (!d->allow_all && !has(&d->allowed, name)) {
            error_set(err, ERROR_USER, 0, "device %s is not allowed", name);
            return error_hint(err, "allow it with --allow device=%s", name);
        }
        TRY(add_device(d, name, op->devices[i].required, edits, err));
    }
    return 0;
}

/* A group that the namespace does not have cannot be given to anybody in it. */
static void drop_unmapped_groups(struct cdi_edits *e)
{
    auto_(id_map) struct id_map map = { 0 };
    auto_(error) struct error ignored = { 0 };
    size_t kept = 0;
    if (e->gid_count == 0 || id_map_current(&map, &ignored) < 0)
        return;
    for (size_t i = 0; i < e->gid_count; i++) {
        if (id_extents_has(&map.gids, e->gids[i])) {
            e->gids[kept++] = e->gids[i];
            continue;
        }
        strvec_push_take(
            &e->warnings,
            xasprintf("the group %u of a device is not among those of /etc/subgid", e->gids[i]));
    }
    e->gid_count = kept;
}

static struct step_devices *look_up(struct devices *d, const struct op_exec *op, struct error *err)
{
    struct step_devices *s = xcalloc(1, sizeof *s);
    s->op = op;
    if (add_all(d, op, &s->edits, err) < 0) {
        step_free(s);
        return NULL;
    }
    drop_unmapped_groups(&s->edits);
    s->points = xcalloc(s->edits.bind_count, sizeof *s->points);
    for (size_t i = 0; i < s->edits.bind_count; i++) {
        struct stat st = { 0 };
        (void)!stat(s->edits.binds[i].source, &st); /* one that is missing is told when it runs */
        s->points[i] = (struct mount_point){ s->edits.binds[i].target, S_ISDIR(st.st_mode) != 0 };
    }
    GROW(d->steps, d->count, d->cap);
    d->steps[d->count++] = s;
    return s;
}

int devices_of(struct devices *d, const struct op_exec *op, const struct step_devices **out,
               struct error *err)
{
    static const struct step_devices none;
    *out = &none;
    if (op->device_count + d->always.count == 0)
        return 0;
    pthread_mutex_lock(&d->lock);
    struct step_devices *found = NULL;
    for (size_t i = 0; i < d->count && !found; i++)
        found = d->steps[i]->op == op ? d->steps[i] : NULL;
    if (!found)
        found = look_up(d, op, err);
    pthread_mutex_unlock(&d->lock);
    *out = found;
    return found ? 0 : -1;
}

void devices_apply(const struct step_devices *d, struct request *r)
{
    const struct cdi_edits *e = &d->edits;
    for (size_t i = 0; i < e->env.count; i++) {
        auto_free char *name = xstrndup(e->env.items[i], strcspn(e->env.items[i], "="));
        const char *value = e->env.items[i] + strlen(name) + 1;
        request_set_env(r, name, value, strlen(value));
    }
    for (size_t i = 0; i < e->bind_count; i++)
        request_add_host(r, e->binds[i].source, e->binds[i].target, e->binds[i].writable,
                         e->binds[i].is_device);
    for (size_t i = 0; i < e->gid_count; i++) {
        r->groups = xreallocarray(r->groups, r->group_count + 1, sizeof *r->groups);
        r->groups[r->group_count++] = e->gids[i];
    }
}
