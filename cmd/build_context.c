/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/build_context.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "frontend/context/git_url.h"
#include "frontend/context/ignore.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

static const char main_name[] = "context";

static int find_directory(struct build_contexts *c, const char *spec, struct error *err)
{
    struct stat st;
    c->path = realpath(spec, NULL);
    if (!c->path && errno == ENOENT)
        return error_set(err, ERROR_USER, 0, "unable to prepare context: path %s not found", spec);
    if (!c->path || stat(c->path, &st) < 0)
        return error_set(err, ERROR_USER, errno, "open the build context %s", spec);
    if (!S_ISDIR(st.st_mode))
        return error_set(err, ERROR_USER, 0, "the build context %s is not a directory", spec);
    return 0;
}

/* An archive, or a Dockerfile without a context. */
static int read_stdin(struct build_contexts *c, const char *file, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    const char *path = NULL;
    if (file && strcmp(file, "-") == 0)
        return error_set(err, ERROR_USAGE, 0,
                         "can't use stdin for both build context and dockerfile");
    TRY(fetch_stream(c->fetcher, STDIN_FILENO, "standard input", DOCKERFILE_MAX, &path, &text,
                     err));
    c->path = xstrdup(path);
    c->is_remote = true;
    if (text.len && file) {
        return error_set(err, ERROR_USAGE, 0,
                         "ambiguous Dockerfile source: both stdin and flag correspond to "
                         "Dockerfiles");
    }
    if (text.len)
        dockerfile_source_take("-", &text, &c->source);
    return 0;
}

static int fetch_main(struct build_contexts *c, const char *spec, const char *file,
                      struct error *err)
{
    bool is_file = false;
    const char *path = NULL;
    TRY(fetch_context(c->fetcher, spec, &path, &is_file, err));
    c->path = xstrdup(path);
    c->is_remote = true;
    if (!is_file || file)
        return 0;
    auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dockerfile_source_read_inside(fd, main_name, &c->source, err);
}

static int read_dockerfile(struct build_contexts *c, const char *file, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    if (c->source.text.buf)
        return 0;
    if (file && fetch_is_remote(file) && !git_url_is(file, true)) {
        TRY(fetch_text(c->fetcher, file, DOCKERFILE_MAX, &text, err));
        dockerfile_source_take(file, &text, &c->source);
        return 0;
    }
    if (!c->is_remote || (file && (file[0] == '/' || strcmp(file, "-") == 0)))
        return dockerfile_source_read(c->path, file, &c->source, err);
    auto_close int fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", c->path);
    return dockerfile_source_read_inside(fd, file, &c->source, err);
}

static int load_ignore(struct build_contexts *c, struct error *err)
{
    if (c->ignore_file)
        return context_ignore_load_file(c->ignore_file, &c->ignore, err);
    if (c->is_remote)
        return 0;
    auto_close int fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_USER, errno, "open the build context %s", c->path);
    return context_ignore_load(fd, c->source.dir_fd, c->source.name, &c->ignore, err);
}

static const char *find_secret(void *arg, const char *id)
{
    const struct lent *lent = arg;
    for (size_t i = 0; i < lent->secret_count; i++) {
        if (strcmp(lent->secrets[i].id, id) == 0)
            return lent->secrets[i].data;
    }
    return NULL;
}

int build_contexts_open(struct build_contexts *c, struct session *s, const char *spec,
                        const char *file, const struct lent *lent, struct error *err)
{
    c->session = s;
    c->source = (struct dockerfile_source){ .dir_fd = -1 };
    c->http = http_client_new(&s->cancel);
    struct fetch_options options = { .store = &s->store,
                                     .http = c->http,
                                     .progress = s->progress,
                                     .cancel = &s->cancel,
                                     .commit_times = c->commit_times,
                                     .secret = find_secret,
                                     .secret_arg = (void *)lent };
    c->fetcher = fetcher_new(&options);
    if (strcmp(spec, "-") == 0)
        TRY(read_stdin(c, file, err));
    else if (fetch_is_remote(spec))
        TRY(fetch_main(c, spec, file, err));
    else
        TRY(find_directory(c, spec, err));
    TRY(read_dockerfile(c, file, err));
    return load_ignore(c, err);
}

/* `path` is a directory of the host; `exclude` NULL: its own ignore file counts, if it is local. */
static int open_one(struct build_contexts *c, const char *name, const char *path, bool is_local,
                    const struct pattern_list *exclude, struct error *err)
{
    size_t i = c->count;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_USER, errno, "open the build context %s", path);
    c->items[i] = (struct local_context){
        .name = name, .path = path, .fd = fd, .exclude = exclude ? exclude : &c->ignores[i]
    };
    c->count++;
    return is_local && !exclude ? context_ignore_load(fd, -1, "", &c->ignores[i], err) : 0;
}

static int open_named(struct build_contexts *c, const char *name, const char *value,
                      struct error *err)
{
    bool is_file = false;
    const char *path = value;
    bool is_remote = fetch_is_remote(value);
    if (is_remote && fetch_context(c->fetcher, value, &path, &is_file, err) < 0)
        return error_wrap(err, "failed to get build context %s", name);
    return open_one(c, name, path, !is_remote, NULL, err);
}

static bool is_open(const struct build_contexts *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->items[i].name, name) == 0)
            return true;
    }
    return false;
}

static int open_vertex(struct build_contexts *c, const char *name, const struct map *named,
                       struct error *err)
{
    const char *value = map_find(named, name);
    const char *fetched = fetcher_path(c->fetcher, name);
    if (strcmp(name, main_name) == 0)
        return open_one(c, name, c->path, true, &c->ignore, err);
    return value ? open_named(c, name, value, err) : open_one(c, name, fetched, false, NULL, err);
}

int build_contexts_select(struct build_contexts *c, const struct graph *graph,
                          const struct map *named, struct error *err)
{
    c->items = xcalloc(graph->count, sizeof *c->items);
    c->ignores = xcalloc(graph->count, sizeof *c->ignores);
    for (size_t i = 0; i < graph->count; i++) {
        const struct vertex *v = graph->vertices[i];
        if (v->kind == OP_LOCAL && !is_open(c, v->local.name))
            TRY(open_vertex(c, v->local.name, named, err));
    }
    return 0;
}

void build_contexts_release(struct build_contexts *c)
{
    for (size_t i = 0; i < c->count; i++) {
        close(c->items[i].fd);
        pattern_list_release(&c->ignores[i]);
    }
    free(c->items);
    free(c->ignores);
    pattern_list_release(&c->ignore);
    dockerfile_source_release(&c->source);
    fetcher_free(c->fetcher);
    http_client_free(c->http);
    free(c->path);
}
