/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/request.h"

#include <sys/mount.h>

#include "lib/base/mem.h"
#include "snapshotter/sandbox/sandbox.h"
#include "snapshotter/sandbox/tree.h"

void request_set_env(struct request *r, const char *name, const char *value, size_t len)
{
    size_t name_len = strlen(name);
    char *text = xasprintf("%s=%.*s", name, (int)len, value);
    for (size_t i = 0; i < r->env.count; i++) {
        if (strncmp(r->env.items[i], name, name_len) == 0 && r->env.items[i][name_len] == '=') {
            free(r->env.items[i]);
            r->env.items[i] = text;
            return;
        }
    }
    strvec_push_take(&r->env, text);
}

static void push_list(struct strvec *to, const char *const *list)
{
    for (; list && *list; list++)
        strvec_push(to, *list);
}

static struct request_mount *add_mount(struct request *r, enum mount_kind kind, const char *target,
                                       const char *source)
{
    GROW(r->mounts, r->mount_count, r->mount_cap);
    struct request_mount *m = &r->mounts[r->mount_count++];
    *m = (struct request_mount){ .kind = kind,
                                 .target = xstrdup(target),
                                 .source = xstrdup(source) };
    return m;
}

void request_add_host(struct request *r, const char *source, const char *target, bool writable,
                      bool is_device)
{
    struct request_mount *m = add_mount(r, is_device ? MOUNT_DEVICE : MOUNT_HOST, target, source);
    m->attrs = MOUNT_ATTR_NOSUID;
    if (!is_device)
        m->attrs |= MOUNT_ATTR_NODEV;
    if (!writable)
        m->attrs |= MOUNT_ATTR_RDONLY;
}

static int by_target(const void *a, const void *b)
{
    const struct request_mount *one = a;
    const struct request_mount *two = b;
    int order = strcmp(one->target, two->target);
    return order ? order : one->number < two->number ? -1 : 1;
}

void request_sort_mounts(struct request *r)
{
    for (size_t i = 0; i < r->mount_count; i++)
        r->mounts[i].number = i;
    if (r->mount_count)
        qsort(r->mounts, r->mount_count, sizeof *r->mounts, by_target);
}

int call_clone_root(int fd)
{
    return getenv(TEST_NO_DETACHED_CLONE) ? -1 : tree_clone(fd, "", true);
}

/* The number of the tree at `fd`. A detached mount is handed over itself (older kernels copy only
 * attached ones), and once; of an attached one the sandbox gets a copy. */
static int add_tree(struct call *c, int fd, bool is_root, int *fds_seen, uint64_t *out,
                    struct error *err)
{
    for (size_t i = 0; i < c->tree_count; i++) {
        if (fds_seen[i] == fd) {
            *out = i;
            return 0;
        }
    }
    if (c->tree_count == TREES_MAX)
        return error_set(err, ERROR_USER, 0, "more than %d mounts in one step", TREES_MAX);
    int copy = is_root ? call_clone_root(fd) : tree_clone(fd, "", true);
    fds_seen[c->tree_count] = fd;
    c->is_copy[c->tree_count] = copy >= 0;
    c->trees[c->tree_count] = copy >= 0 ? copy : fd;
    *out = c->tree_count++;
    return 0;
}

static void add_file(struct request *r, const struct exec_mount *m, const char *data, size_t size)
{
    struct request_mount *to = add_mount(r, MOUNT_FILE, m->target, "");
    to->attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    if (!(m->mode & 0111))
        to->attrs |= MOUNT_ATTR_NOEXEC;
    to->mode = m->mode;
    to->uid = m->uid;
    to->gid = m->gid;
    to->size = size;
    to->data = xmemdup(data ? data : "", size);
}

static void add_secret(struct request *r, const struct exec_mount *m, const struct exec_source *s)
{
    if (m->env)
        request_set_env(r, m->env, s->absent ? "" : s->data, s->absent ? 0 : s->size);
    if (m->target && !s->absent)
        add_file(r, m, s->data, s->size);
}

static int add_one(struct call *c, const struct exec_mount *m, const struct exec_source *s,
                   int *fds_seen, struct error *err)
{
    struct request *r = &c->request;
    uint64_t read_only = m->writable ? 0 : MOUNT_ATTR_RDONLY;
    struct request_mount *to = NULL;
    uint64_t tree = 0;
    switch (m->type) {
    case EXEC_MOUNT_SECRET: add_secret(r, m, s); return 0;
    case EXEC_MOUNT_INLINE: add_file(r, m, m->data, m->size); return 0;
    case EXEC_MOUNT_TMPFS:
        to = add_mount(r, MOUNT_TMPFS, m->target, "");
        to->attrs = MOUNT_ATTR_NOSUID | read_only;
        to->size = m->size;
        return 0;
    case EXEC_MOUNT_BIND:
        TRY(add_tree(c, s->fd, true, fds_seen, &tree, err));
        to = add_mount(r, MOUNT_BELOW, m->target, s->path);
        to->attrs = read_only;
        break;
    case EXEC_MOUNT_CACHE:
        TRY(add_tree(c, s->fd, false, fds_seen, &tree, err));
        to = add_mount(r, MOUNT_BELOW, m->target, "");
        to->attrs = read_only;
        break;
    case EXEC_MOUNT_SSH:
        if (s->absent)
            return 0;
        TRY(add_tree(c, s->fd, false, fds_seen, &tree, err));
        to = add_mount(r, MOUNT_TREE, m->target, "");
        to->attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        break;
    }
    to->tree = tree;
    return 0;
}

int call_build(const struct exec_request *from, struct call *out, struct error *err)
{
    const struct op_exec *op = from->op;
    struct request *r = &out->request;
    int fds_seen[TREES_MAX];
    push_list(&r->args, op->args);
    push_list(&r->env, op->env);
    push_list(&r->env, op->private_env);
    r->cwd = xstrdup(op->cwd);
    r->user = xstrdup(op->user ? op->user : "");
    r->network = op->network;
    r->insecure = op->insecure;
    for (size_t i = 0; i < op->mount_count; i++)
        TRY(add_one(out, &op->mounts[i], &from->sources[i], fds_seen, err));
    return 0;
}

void call_release(struct call *call)
{
    request_release(&call->request);
    for (size_t i = 0; i < call->tree_count; i++) {
        if (call->is_copy[i])
            close(call->trees[i]);
    }
    call->tree_count = 0;
}
