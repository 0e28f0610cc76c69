/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/solver/selection.h"

#include <fcntl.h>
#include <limits.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/fs/dir.h"
#include "lib/fs/resolve.h"

static void add_take(struct selection *s, char *path, const char *base, bool is_dir)
{
    GROW(s->items, s->count, s->cap);
    struct selected *item = &s->items[s->count++];
    item->path = path;
    item->base = xstrdup(base);
    item->is_dir = is_dir;
}

void selection_release(struct selection *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->items[i].path);
        free(s->items[i].base);
    }
    free(s->items);
    *s = (struct selection){ 0 };
}

static bool is_excluded(const struct file_source *from, const char *path, bool is_dir,
                        const struct pattern **why)
{
    if (!from->exclude || !*path || !pattern_list_excludes(from->exclude, path, why))
        return false;
    return !is_dir || !pattern_list_may_reinclude_below(from->exclude, path);
}

static int excluded_error(const char *source, const struct pattern *why, struct error *err)
{
    error_set(err, ERROR_USER, 0, "\"/%s\" is excluded from the build context by %s line %d: %s",
              source, pattern_file(why), pattern_line(why), pattern_text(why));
    return error_hint(err, "change that pattern, or add a line \"!%s\" below it", source);
}

/* What in the same directory is spelled much like it, as a hint. */
static int hint_near_name(const struct file_source *from, const char *source, struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_(error) struct error ignored = { 0 };
    const char *slash = strrchr(source, '/');
    auto_free char *dir = xstrndup(source, slash ? (size_t)(slash - source) : 0);
    auto_close int fd = root_open(from->root_fd, dir, O_RDONLY | O_DIRECTORY);
    if (fd < 0 || dir_list(fd, dir, &names, &ignored) < 0)
        return -1;
    const char *near =
        str_nearest(path_base(source), (const char *const *)names.items, names.count);
    return near ? error_hint(err, "did you mean %s%s%s?", dir, *dir ? "/" : "", near) : -1;
}

static int missing_error(const struct file_source *from, const char *source, struct error *err)
{
    error_set(err, ERROR_NOT_FOUND, 0, "\"/%s\": not found in %s", source, from->name);
    return hint_near_name(from, source, err);
}

static int find_literal(const struct file_source *from, const char *source, struct selection *out,
                        struct error *err)
{
    const struct pattern *why = NULL;
    auto_(resolved) struct resolved r = { 0 };
    auto_(error) struct error unresolved = { 0 };
    if (root_resolve(from->root_fd, source, true, &r, &unresolved) < 0) {
        if (unresolved.sys == ENOTDIR || unresolved.sys == ELOOP)
            return missing_error(from, source, err);
        error_move(err, &unresolved);
        return -1;
    }
    bool is_dir = r.exists && S_ISDIR(r.st.st_mode);
    if (r.exists && is_excluded(from, r.path, is_dir, &why))
        return excluded_error(source, why, err);
    if (!r.exists)
        return missing_error(from, source, err);
    add_take(out, take_ptr(r.path), path_base(source), is_dir);
    return 0;
}

/* Expands the pattern `rest` below directory `dir` (resolved), one component at a time. */
static int expand(const struct file_source *from, const char *dir, const char *rest,
                  struct selection *out, struct error *err)
{
    char component[NAME_MAX + 1];
    size_t len = strcspn(rest, "/");
    const char *after = rest + len + strspn(rest + len, "/");
    auto_(strvec) struct strvec names = { 0 };
    snprintf(component, sizeof component, "%.*s", len > NAME_MAX ? NAME_MAX : (int)len, rest);
    auto_close int fd = beneath_open(from->root_fd, dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return 0;
    TRY(dir_list(fd, *dir ? dir : ".", &names, err));
    for (size_t i = 0; i < names.count; i++) {
        struct stat st;
        if (!glob_match(component, names.items[i]))
            continue;
        auto_free char *path = xasprintf("%s%s%s", dir, *dir ? "/" : "", names.items[i]);
        if (fstatat(fd, names.items[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            is_excluded(from, path, S_ISDIR(st.st_mode), NULL))
            continue;
        if (*after && S_ISDIR(st.st_mode))
            TRY(expand(from, path, after, out, err));
        else if (!*after && S_ISLNK(st.st_mode))
            TRY(find_literal(from, path, out, err));
        else if (!*after)
            add_take(out, take_ptr(path), names.items[i], S_ISDIR(st.st_mode));
    }
    return 0;
}

/* The components before the first with a meta character are a path like any other. */
static int find_pattern(const struct file_source *from, const char *source, struct selection *out,
                        struct error *err)
{
    auto_free char *copy = xstrdup(source);
    auto_(resolved) struct resolved r = { 0 };
    auto_(error) struct error unresolved = { 0 };
    size_t fixed = 0;
    for (size_t at = 0; source[at];) {
        size_t len = strcspn(source + at, "/");
        auto_free char *component = xstrndup(source + at, len);
        if (glob_is_pattern(component))
            break;
        at += len + strspn(source + at + len, "/");
        fixed = at;
    }
    copy[fixed] = '\0';
    if (root_resolve(from->root_fd, copy, true, &r, &unresolved) < 0 || !r.exists)
        return 0;
    return expand(from, r.path, source + fixed, out, err);
}

int selection_find(const struct file_source *from, const struct op_copy *op, size_t input,
                   struct selection *out, struct error *err)
{
    auto_(selection) struct selection s = { 0 };
    for (size_t i = 0; i < op->source_count; i++) {
        if (op->sources[i].input != input)
            continue;
        auto_free char *cleaned = path_absolute("/", op->sources[i].path);
        const char *relative = cleaned + 1;
        TRY(glob_is_pattern(relative) ? find_pattern(from, relative, &s, err)
                                      : find_literal(from, relative, &s, err));
    }
    *out = s;
    s = (struct selection){ 0 };
    return 0;
}
