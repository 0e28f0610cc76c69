/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/path_walk.h"

#include <errno.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

enum { LINKS_MAX = 40 };

void path_walk_begin(struct path_walk *w, const char *path)
{
    *w = (struct path_walk){ .done = STRBUF_INIT, .left = xstrdup(path) };
    strbuf_addstr(&w->done, "");
}

void path_walk_release(struct path_walk *w)
{
    strbuf_release(&w->done);
    free(w->left);
}

static void set_left(struct path_walk *w, char *left)
{
    free(w->left);
    w->left = left;
}

int path_walk_next(struct path_walk *w, char name[static NAME_MAX + 1])
{
    const char *p = w->left + strspn(w->left, "/");
    size_t len = strcspn(p, "/");
    if (len == 0)
        return 0;
    if (len > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf(name, NAME_MAX + 1, "%.*s", (int)len, p);
    set_left(w, xstrdup(p + len));
    return 1;
}

bool path_walk_is_last(const struct path_walk *w)
{
    return w->left[strspn(w->left, "/")] == '\0';
}

void path_walk_up(struct path_walk *w)
{
    const char *slash = memrchr(w->done.buf, '/', w->done.len);
    w->done.len = slash ? (size_t)(slash - w->done.buf) : 0;
    w->done.buf[w->done.len] = '\0';
}

void path_walk_into(struct path_walk *w, const char *name)
{
    strbuf_addf(&w->done, "%s%s", w->done.len ? "/" : "", name);
}

int path_walk_link(struct path_walk *w, const char *target)
{
    if (++w->links > LINKS_MAX) {
        errno = ELOOP;
        return -1;
    }
    set_left(w, xasprintf("%s%s", target, w->left));
    if (target[0] == '/')
        strbuf_clear(&w->done);
    return 0;
}

void path_walk_restart(struct path_walk *w)
{
    set_left(w, xasprintf("%s/%s", w->done.buf, w->left));
    strbuf_clear(&w->done);
}
