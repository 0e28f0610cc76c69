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

/* The search for the items of one source. */
struct search {
    const struct file_source *from;
    size_t source;
    struct selection *out;
};

static struct selected *add_item(const struct search *x, const char *path, const char *name,
                                 bool is_dir)
{
    struct selection *s = x->out;
    GROW(s->items, s->count, s->cap);
    struct selected *item = &s->items[s->count++];
    *item = (struct selected){ xstrdup(path), xstrdup(name), is_dir, x->source, NULL };
    return item;
}

void selection_release(struct selection *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->items[i].path);
        free(s->items[i].name);
    }
    for (size_t i = 0; i < s->only_count; i++) {
        pattern_list_release(s->onlys[i]);
        free(s->onlys[i]);
    }
    free(s->onlys);
    free(s->items);
    pattern_list_release(&s->exclude);
    *s = (struct selection){ 0 };
}

char *selection_pivot(const struct selected *item)
{
    size_t len = strlen(item->path);
    size_t below = strlen(item->name);
    /* The slash between them is there unless one of them is empty. */
    return xstrndup(item->path, below == 0 ? len : len == below ? 0 : len - below - 1);
}

void selection_filters(const struct file_source *from, const struct selection *s,
                       const struct selected *item, struct walk_filter out[SELECTION_FILTERS])
{
    const char *prefix = s->with_parents ? item->name : "";
    out[0] = (struct walk_filter){ from->exclude, item->path };
    out[1] = (struct walk_filter){ &s->exclude, prefix };
    out[2] = (struct walk_filter){ item->only, prefix };
}

/* Does --exclude leave out the source itself, and all below it? */
static bool is_left_out(const struct selection *s, const char *name, bool is_dir)
{
    return pattern_list_excludes(&s->exclude, name, NULL) &&
           !(is_dir && pattern_list_may_reinclude_below(&s->exclude, name));
}

/* A directory's own name is no path below it; a file's is. */
static void add_source(const struct search *x, const char *path, const char *name, bool is_dir)
{
    if (is_dir || !is_left_out(x->out, name, false))
        add_item(x, path, name, is_dir);
}

static bool is_excluded(const struct file_source *from, const char *path, bool is_dir,
                        const struct pattern **why)
{
    if (!from->exclude || !*path || !pattern_list_excludes(from->exclude, path, why))
        return false;
    return !is_dir || !pattern_list_may_reinclude_below(from->exclude, path);
}

static int excluded_error(const char *path, const struct pattern *why, struct error *err)
{
    error_set(err, ERROR_USER, 0, "\"/%s\" is excluded from the build context by %s line %d: %s",
              path, pattern_file(why), pattern_line(why), pattern_text(why));
    return error_hint(err, "change that pattern, or add a line \"!%s\" below it", path);
}

/* What in the same directory is spelled much like it, as a hint. */
static int hint_near_name(const struct file_source *from, const char *source, struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_(error) struct error ignored = { 0 };
    auto_free char *dir = xstrndup(source, path_dir_len(source));
    auto_close int fd = root_open(from->root_fd, dir, O_RDONLY | O_DIRECTORY);
    if (fd < 0 || dir_list(fd, dir, &names, &ignored) < 0)
        return -1;
    const char *near =
        str_nearest(path_base(source), (const char *const *)names.items, names.count);
    /* A link of that name may be there, and lead nowhere. */
    return near && strcmp(near, path_base(source)) != 0
               ? error_hint(err, "did you mean %s%s%s?", dir, *dir ? "/" : "", near)
               : -1;
}

static int missing_error(const struct file_source *from, const char *source, struct error *err)
{
    error_set(err, ERROR_NOT_FOUND, 0, "\"/%s\": not found in %s", source, from->name);
    return hint_near_name(from, source, err);
}

/* Resolves a path that has to be there. */
static int resolve_literal(const struct file_source *from, const char *source, struct resolved *out,
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
        return excluded_error(r.path, why, err);
    if (!r.exists)
        return missing_error(from, source, err);
    *out = r;
    r.path = NULL;
    return 0;
}

static int find_literal(const struct search *x, const char *source, struct error *err)
{
    auto_(resolved) struct resolved r = { 0 };
    TRY(resolve_literal(x->from, source, &r, err));
    add_source(x, r.path, path_base(source), S_ISDIR(r.st.st_mode));
    return 0;
}

static int expand(const struct search *x, const char *dir, const char *rest,
                  struct error *err) MUST_CHECK;

/* One name that matches; `after` is what of the pattern follows. */
static int expand_name(const struct search *x, int fd, const char *dir, const char *name,
                       const char *after, struct error *err)
{
    struct stat st;
    auto_free char *path = path_below(dir, name);
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        is_excluded(x->from, path, S_ISDIR(st.st_mode), NULL))
        return 0;
    if (*after)
        return S_ISDIR(st.st_mode) ? expand(x, path, after, err) : 0;
    if (S_ISLNK(st.st_mode))
        return find_literal(x, path, err);
    add_source(x, path, name, S_ISDIR(st.st_mode));
    return 0;
}

/* Expands the pattern `rest` below directory `dir` (resolved), one component at a time. */
static int expand(const struct search *x, const char *dir, const char *rest, struct error *err)
{
    size_t len = strcspn(rest, "/");
    const char *after = rest + len + strspn(rest + len, "/");
    auto_free char *component = xstrndup(rest, len);
    auto_(strvec) struct strvec names = { 0 };
    auto_close int fd = beneath_open(x->from->root_fd, dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return 0;
    TRY(dir_list(fd, *dir ? dir : ".", &names, err));
    for (size_t i = 0; i < names.count; i++) {
        if (glob_match(component, names.items[i]))
            TRY(expand_name(x, fd, dir, names.items[i], after, err));
    }
    return 0;
}

/* Length of the leading components (slashes included) that have none of the bytes that `is_special`
 * looks for. */
static size_t plain_prefix(const char *pattern, bool (*is_special)(const char *component))
{
    size_t fixed = 0;
    while (pattern[fixed]) {
        size_t len = strcspn(pattern + fixed, "/");
        auto_free char *component = xstrndup(pattern + fixed, len);
        if (is_special(component))
            break;
        fixed += len + strspn(pattern + fixed + len, "/");
    }
    return fixed;
}

/* The components before the first with a meta character are a path like any other. */
static int find_pattern(const struct search *x, const char *source, struct error *err)
{
    size_t fixed = plain_prefix(source, glob_is_pattern);
    auto_free char *start = xstrndup(source, fixed);
    auto_(resolved) struct resolved r = { 0 };
    auto_(error) struct error unresolved = { 0 };
    if (root_resolve(x->from->root_fd, start, true, &r, &unresolved) < 0 || !r.exists)
        return 0;
    return expand(x, r.path, source + fixed, err);
}

static int find_source(const struct search *x, const char *written, struct error *err)
{
    auto_free char *cleaned = path_absolute("/", written);
    const char *relative = cleaned + 1;
    return glob_is_pattern(relative) ? find_pattern(x, relative, err)
                                     : find_literal(x, relative, err);
}

/* --parents: patterns are those of ignore files, in which a backslash always escapes. */
static bool has_meta(const char *component)
{
    return strpbrk(component, "*?[\\") != NULL;
}

static struct pattern_list *add_only(struct selection *s, struct pattern_list *list)
{
    GROW(s->onlys, s->only_count, s->only_cap);
    struct pattern_list *own = xmalloc(sizeof *own);
    *own = *list;
    s->onlys[s->only_count++] = own;
    return own;
}

/* What `kept` names below the directory `pivot`. No link is followed there: it is copied. */
static void find_kept(const struct search *x, const char *pivot, const char *kept,
                      const struct pattern_list *only)
{
    struct stat st;
    auto_free char *path = path_below(pivot, kept);
    const char *name = NULL;
    auto_close int dir = beneath_open_parent(x->from->root_fd, path, &name);
    if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    bool is_dir = S_ISDIR(st.st_mode);
    if ((only && !is_dir) || is_excluded(x->from, path, is_dir, NULL) ||
        is_left_out(x->out, kept, is_dir))
        return;
    add_item(x, path, kept, is_dir)->only = only;
}

/* "a/./b": what stands before the pivot is not kept; it may be a pattern as without --parents. */
static int find_with_parents(const struct search *x, const char *written, struct error *err)
{
    const char *pivot = strstr(written, "/./");
    auto_free char *start = xstrndup(written, pivot ? (size_t)(pivot - written) : 0);
    auto_free char *kept = path_absolute("/", pivot ? pivot + 3 : written);
    auto_(selection) struct selection starts = { 0 };
    struct search start_search = { x->from, 0, &starts };
    TRY(find_source(&start_search, start, err));
    if (!has_meta(kept) && !glob_is_pattern(start)) {
        auto_(resolved) struct resolved ignored = { 0 };
        auto_free char *whole = xasprintf("%s%s", start, kept);
        auto_free char *cleaned = path_absolute("/", whole);
        TRY(resolve_literal(x->from, cleaned + 1, &ignored, err));
    }
    const struct pattern_list *only = NULL;
    size_t fixed = strlen(kept + 1);
    if (has_meta(kept)) {
        struct pattern_list list;
        TRY(pattern_list_only(kept + 1, written, &list, err));
        only = add_only(x->out, &list);
        fixed = plain_prefix(kept + 1, has_meta);
    }
    auto_free char *fixed_part = xstrndup(kept + 1, fixed && only ? fixed - 1 : fixed);
    for (size_t i = 0; i < starts.count; i++) {
        if (starts.items[i].is_dir)
            find_kept(x, starts.items[i].path, fixed_part, only);
    }
    return 0;
}

int selection_find(const struct file_source *from, const struct op_copy *op, size_t input,
                   struct selection *out, struct error *err)
{
    auto_(selection) struct selection s = { .with_parents = op->parents };
    TRY(pattern_list_from(op->exclude, "--exclude", &s.exclude, err));
    for (size_t i = 0; i < op->source_count; i++) {
        struct search x = { from, i, &s };
        if (op->sources[i].input != input)
            continue;
        TRY(op->parents ? find_with_parents(&x, op->sources[i].path, err)
                        : find_source(&x, op->sources[i].path, err));
    }
    *out = s;
    s = (struct selection){ 0 };
    return 0;
}
