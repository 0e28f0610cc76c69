/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild export, cp: files of an image, as a tar or as themselves. No step runs. */
#include <fcntl.h>
#include <sys/stat.h>

#include "cmd/command.h"
#include "cmd/export.h"
#include "cmd/image_view.h"
#include "cmd/write_out.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/exporter/rootfs.h"
#include "lib/fs/resolve.h"

struct export_values {
    const char *output, *progress;
};

static const struct option export_options[] = {
    { "output", 'o', OPTION_TEXT, offsetof(struct export_values, output), "FILE",
      "where to write (default: standard output)" },
    { "progress", 0, OPTION_TEXT, offsetof(struct export_values, progress), "MODE",
      "auto, plain, tty, quiet" },
    { .name = NULL },
};

static const struct diff_options own_times = { 0 };

static int write_rootfs(struct session *s, struct snapshotter *snapshotter,
                        const struct layer_list *layers, void *arg, struct error *err)
{
    const struct solver_workers workers = { .snapshotter = snapshotter };
    return export_rootfs(s, &workers, layers, arg, &own_times, err);
}

static int export_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    const struct export_values *v = values;
    struct output output = { .type = OUTPUT_TAR, .dest = (char *)(v->output ? v->output : "-") };
    auto_(image_record) struct image_record image = { 0 };
    if (args->count != 1)
        return error_set(err, ERROR_USAGE, 0, "mlbuild export [-o FILE] IMAGE");
    TRY(session_open_progress(s, v->progress, err));
    TRY(session_open_store(s, err));
    TRY(export_find(s, args->items[0], &image, err));
    return image_view(s, &image, write_rootfs, &output, err);
}

const struct command command_export = {
    .name = "export",
    .usage = "[-o FILE] IMAGE",
    .summary = "write the merged files of an image as a tar",
    .options = export_options,
    .values_size = sizeof(struct export_values),
    .run = export_run,
};

struct cp_values {
    bool follow, quiet;
};

static const struct option cp_options[] = {
    { "follow-link", 'L', OPTION_FLAG, offsetof(struct cp_values, follow), NULL,
      "if PATH is a link, what it leads to" },
    { "quiet", 'q', OPTION_FLAG, offsetof(struct cp_values, quiet), NULL, "no progress" },
    { .name = NULL },
};

/* What is copied, and where to, by docker's rules. */
struct copy_out {
    const char *path; /* in the image, as it was typed */
    const char *dest; /* likewise; "-": a tar on standard output */
    bool follow;
    bool is_dir; /* the source is a directory, */
    char *name;  /* and what it is called where it goes */
};

/* "DIR/." is the content of DIR. */
static bool is_content(const char *path)
{
    return strcmp(path, ".") == 0 || str_ends_with(path, "/.");
}

static int find_source(struct copy_out *c, int root_fd, struct resolved *out, struct error *err)
{
    bool is_folder = is_content(c->path) || str_ends_with(c->path, "/");
    auto_free char *cleaned = path_absolute("/", c->path);
    TRY(root_resolve(root_fd, cleaned, c->follow || is_folder, out, err));
    if (!out->exists)
        return error_set(err, ERROR_NOT_FOUND, 0, "there is no %s in the image", c->path);
    c->is_dir = S_ISDIR(out->st.st_mode);
    if (is_folder && !c->is_dir)
        return error_set(err, ERROR_USER, 0, "%s in the image is not a directory", c->path);
    c->name = xstrdup(is_content(c->path) ? "" : path_base(cleaned));
    return 0;
}

/* `dest` is not there, or is a file: it is the name itself. */
static int open_parent(struct copy_out *c, const char *dest, int *out_fd, struct error *err)
{
    auto_free char *cleaned = path_clean(dest);
    auto_free char *parent = xstrndup(cleaned, path_dir_len(cleaned));
    const char *folder = *parent ? parent : cleaned[0] == '/' ? "/" : ".";
    free(c->name);
    c->name = xstrdup(path_base(cleaned));
    *out_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out_fd < 0)
        return error_set(err, ERROR_USER, errno, "open the directory %s", folder);
    return 0;
}

static int open_new(struct copy_out *c, int *out_fd, struct error *err)
{
    struct stat st;
    if (!c->is_dir && str_ends_with(c->dest, "/"))
        return error_set(err, ERROR_USER, 0, "the directory %s must exist", c->dest);
    if (lstat(c->dest, &st) == 0)
        return error_set(err, ERROR_USER, 0, "%s is a link that leads nowhere", c->dest);
    return open_parent(c, c->dest, out_fd, err);
}

/* Only a file is replaced: root has no use for a file in the place of /dev/null. */
static int check_replaced(const struct copy_out *c, const struct stat *st, struct error *err)
{
    if (c->is_dir)
        return error_set(err, ERROR_USER, 0, "%s is a directory, %s is not", c->path, c->dest);
    if (S_ISREG(st->st_mode))
        return 0;
    error_set(err, ERROR_USER, 0, "%s is neither a file nor a directory", c->dest);
    return error_hint(err, "into a pipe or a device: mlbuild cp IMAGE:PATH - | tar -xO");
}

static int open_dest(struct copy_out *c, int *out_fd, struct error *err)
{
    struct stat st;
    auto_free char *target = realpath(c->dest, NULL);
    if (!target)
        return open_new(c, out_fd, err);
    *out_fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out_fd >= 0)
        return 0;
    if (stat(target, &st) < 0 || S_ISDIR(st.st_mode))
        return error_set(err, ERROR_USER, errno, "open the directory %s", c->dest);
    TRY(check_replaced(c, &st, err));
    return open_parent(c, target, out_fd, err);
}

struct entry_tar {
    const struct rootfs_entry *entry;
    const struct rootfs_options *options;
};

static int write_entry(const void *arg, struct writer *out, struct error *err)
{
    const struct entry_tar *t = arg;
    return rootfs_entry_write_tar(t->entry, t->options, out, err);
}

static int copy_from(struct session *s, struct copy_out *c, int root_fd, struct error *err)
{
    auto_(resolved) struct resolved source = { 0 };
    auto_close int dest = -1;
    struct rootfs_entry entry = { 0 };
    const struct rootfs_options options = { .diff = &own_times, .cancel = &s->cancel };
    TRY(find_source(c, root_fd, &source, err));
    auto_close int dir = beneath_open_parent(root_fd, source.path, &entry.name);
    if (dir < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s in the image", c->path);
    entry.dir_fd = dir;
    umask(s->umask);
    if (strcmp(c->dest, "-") == 0) {
        const struct entry_tar tar = { &entry, &options };
        entry.as = c->name;
        return write_out(s, "-", &(struct out_content){ write_entry, &tar, NULL }, err);
    }
    TRY(open_dest(c, &dest, err));
    entry.as = c->name;
    return rootfs_entry_write_dir(&entry, &options, dest, err);
}

static int copy_out(struct session *s, struct snapshotter *snapshotter,
                    const struct layer_list *layers, void *arg, struct error *err)
{
    struct copy_out *c = arg;
    struct snapshot *view = NULL;
    TRY(snapshotter->ops->view(snapshotter, layers, &view, err));
    int rc = copy_from(s, c, view->root_fd, err);
    snapshotter->ops->discard(view);
    free(take_ptr(c->name));
    return rc;
}

/* IMAGE:PATH; an image's name may hold colons, too. NULL: there is no path. */
static const char *find_path(const char *text)
{
    const char *rooted = strstr(text, ":/");
    const char *colon = rooted ? rooted : strrchr(text, ':');
    return colon && colon != text && colon[1] && !strchr("./", text[0]) ? colon + 1 : NULL;
}

static int check_arguments(const struct strvec *args, struct error *err)
{
    if (args->count != 2)
        return error_set(err, ERROR_USAGE, 0, "mlbuild cp IMAGE:PATH DEST|-");
    if (find_path(args->items[0]))
        return 0;
    error_set(err, ERROR_USAGE, 0, "%s is no IMAGE:PATH", args->items[0]);
    return find_path(args->items[1])
               ? error_hint(err, "files get into an image by COPY in a Dockerfile")
               : -1;
}

static int cp_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    const struct cp_values *v = values;
    auto_(image_record) struct image_record image = { 0 };
    TRY(check_arguments(args, err));
    const char *path = find_path(args->items[0]);
    auto_free char *name = xstrndup(args->items[0], (size_t)(path - args->items[0]) - 1);
    struct copy_out c = { .path = path, .dest = args->items[1], .follow = v->follow };
    TRY(session_open_progress(s, v->quiet ? "quiet" : NULL, err));
    TRY(session_open_store(s, err));
    TRY(export_find(s, name, &image, err));
    return image_view(s, &image, copy_out, &c, err);
}

const struct command command_cp = {
    .name = "cp",
    .usage = "IMAGE:PATH DEST|-",
    .summary = "copy files out of an image",
    .options = cp_options,
    .values_size = sizeof(struct cp_values),
    .run = cp_run,
};
