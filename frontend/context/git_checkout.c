/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/context/git_checkout.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "lib/base/process.h"
#include "lib/base/str.h"
#include "lib/base/strvec.h"
#include "lib/fs/dir.h"
#include "lib/fs/walk.h"

struct checkout {
    const struct git_url *url;
    const struct git_options *options;
    const char *path;
};

/* Nothing that makes git work on another repository, as inside a hook of one; and no question. */
static void add_environment(const struct checkout *c, struct strvec *changes)
{
    static const char *const fixed[] = {
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_COMMON_DIR",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_NAMESPACE",
        "GIT_CONFIG_PARAMETERS",
        "GIT_TERMINAL_PROMPT=0",
        "LC_ALL=C",
        "GIT_ALLOW_PROTOCOL=http:https:git:ssh",
    };
    for (size_t i = 0; i < COUNT(fixed); i++)
        strvec_push(changes, fixed[i]);
    if (!c->options->authorization)
        return;
    const char *host = strstr(c->url->remote, "://");
    size_t len = host ? (size_t)(host - c->url->remote) + 3 + strcspn(host + 3, "/") : 0;
    strvec_push(changes, "GIT_CONFIG_COUNT=1");
    strvec_pushf(changes, "GIT_CONFIG_KEY_0=http.%.*s/.extraHeader", (int)len, c->url->remote);
    strvec_pushf(changes, "GIT_CONFIG_VALUE_0=Authorization: %s", c->options->authorization);
}

static void add_git(const struct checkout *c, struct strvec *argv)
{
    static const char *const settings[] = {
        "core.hooksPath=/dev/null",  "core.autocrlf=false", "core.fsmonitor=false",
        "advice.detachedHead=false", "gc.auto=0",           "init.defaultBranch=master",
        "submodule.fetchJobs=1",
    };
    strvec_push(argv, "git");
    for (size_t i = 0; i < COUNT(settings); i++) {
        strvec_push(argv, "-c");
        strvec_push(argv, settings[i]);
    }
    strvec_push(argv, "-C");
    strvec_push(argv, c->path);
}

/* The last line git wrote says most. */
static int git_failed(const struct checkout *c, const struct process_result *r, struct error *err)
{
    struct str text = str_trim((struct str){ r->err.buf, r->err.len }, "\n\t ");
    const char *line = text.ptr;
    for (const char *p = text.ptr; p < text.ptr + text.len; p++)
        line = *p == '\n' ? p + 1 : line;
    auto_free char *safe = git_url_print_safe(c->url->remote);
    if (strstr(r->err.buf, "No space left on device")) /* which is seldom its last line */
        return error_set(err, ERROR_SYSTEM, ENOSPC, "git: %s", safe);
    bool unreachable = strstr(r->err.buf, "Could not resolve") ||
                       strstr(r->err.buf, "unable to access") || strstr(r->err.buf, "Connection") ||
                       strstr(r->err.buf, "timed out");
    return error_set(err, unreachable ? ERROR_NETWORK : ERROR_USER, 0, "git: %s: %.*s", safe,
                     (int)(text.ptr + text.len - line), line);
}

/* Runs git with `args` (NULL-terminated). `out` may be NULL. */
static int git(const struct checkout *c, const char *const *args, struct strbuf *out,
               struct error *err)
{
    auto_(strvec) struct strvec argv = { 0 };
    auto_(strvec) struct strvec changes = { 0 };
    struct process_result r = { 0 };
    add_environment(c, &changes);
    add_git(c, &argv);
    for (; *args; args++)
        strvec_push(&argv, *args);
    mode_t mask = umask(022);
    int rc = process_run_env((const char *const *)argv.items, (const char *const *)changes.items,
                             NULL, c->options->cancel, &r, err);
    umask(mask);
    if (rc < 0 && err->kind == ERROR_NOT_FOUND) {
        err->kind = ERROR_HOST;
        error_hint(err, "install git, or clone the repository and give the directory");
    }
    if (rc == 0 && r.status != 0)
        rc = git_failed(c, &r, err);
    if (rc == 0 && out)
        strbuf_add(out, r.out.buf, r.out.len);
    process_result_release(&r);
    return rc;
}

#define GIT(c, out, err, ...) git((c), (const char *const[]){ __VA_ARGS__, NULL }, (out), (err))

static bool is_commit(const char *ref)
{
    size_t len = strlen(ref);
    return (len == 40 || len == 64) && ref[strspn(ref, "0123456789abcdef")] == '\0';
}

static int refuse(const struct checkout *c, struct error *refused, struct error *err)
{
    if (strstr(refused->message, "find remote ref")) {
        auto_free char *safe = git_url_print_safe(c->url->remote);
        return error_set(err, ERROR_USER, 0, "git: %s: repository does not contain ref %s", safe,
                         c->url->ref ? c->url->ref : "HEAD");
    }
    error_move(err, refused);
    return -1;
}

/* One commit is enough. A server that gives no single commits is asked for all of them, as it is
 * for one that is given in short. */
static int fetch(const struct checkout *c, struct error *err)
{
    bool by_checksum = !c->url->ref && c->url->checksum;
    const char *ref = by_checksum ? c->url->checksum : c->url->ref ? c->url->ref : "HEAD";
    auto_(error) struct error refused = { 0 };
    TRY(GIT(c, NULL, err, "init", "-q"));
    TRY(GIT(c, NULL, err, "remote", "add", "origin", c->url->remote));
    if (GIT(c, NULL, &refused, "fetch", "-q", "--depth=1", "--no-tags", "origin", ref) == 0)
        return GIT(c, NULL, err, "checkout", "-q", "--detach", "FETCH_HEAD");
    if (!(is_commit(ref) || by_checksum) || refused.kind != ERROR_USER)
        return refuse(c, &refused, err);
    TRY(GIT(c, NULL, err, "fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*",
            "+refs/tags/*:refs/tags/*"));
    error_clear(&refused);
    if (GIT(c, NULL, &refused, "checkout", "-q", "--detach", ref, "--") == 0)
        return 0;
    auto_free char *safe = git_url_print_safe(c->url->remote);
    if (refused.kind == ERROR_USER)
        return error_set(err, ERROR_USER, 0, "git: %s: repository does not contain commit %s", safe,
                         ref);
    error_move(err, &refused);
    return -1;
}

static int check_commit(const struct checkout *c, struct error *err)
{
    auto_(strbuf) struct strbuf commit = STRBUF_INIT;
    const char *expected = c->url->checksum;
    if (!expected)
        return 0;
    TRY(GIT(c, &commit, err, "rev-parse", "HEAD"));
    if (str_starts_with(commit.buf, expected))
        return 0;
    error_set(err, ERROR_USER, 0, "expected checksum to match %s, got %.*s", expected,
              (int)strcspn(commit.buf, "\n"), commit.buf);
    return error_hint(err,
                      "the branch or tag may have moved; look at it, then change the checksum");
}

struct setting {
    bool keep_git_dir;
    bool set_times;
    struct timespec times[2];
    struct strvec repositories; /* ".git" of the root and of submodules */
};

static int visit(void *arg, const struct walk_item *item, struct error *err)
{
    struct setting *s = arg;
    if (strcmp(item->name, ".git") == 0)
        strvec_push(&s->repositories, item->path);
    if (s->set_times && utimensat(item->dir_fd, item->name, s->times, AT_SYMLINK_NOFOLLOW) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "set the time of %s", item->path);
    return 0;
}

static int commit_time(const struct checkout *c, struct setting *s, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    uint64_t seconds = 0;
    TRY(GIT(c, &text, err, "log", "-1", "--format=%ct"));
    struct str digits = str_trim((struct str){ text.buf, text.len }, "\n ");
    if (!str_to_u64(digits, 10, INT64_MAX, &seconds))
        return error_set(err, ERROR_SYSTEM, 0, "git log says %s", text.buf);
    s->set_times = true;
    s->times[0].tv_sec = s->times[1].tv_sec = (time_t)seconds;
    return 0;
}

static int tidy(const struct checkout *c, struct error *err)
{
    struct setting s = { .keep_git_dir = c->options->keep_git_dir };
    struct walk_visitor visitor = { .visit = visit, .arg = &s };
    int rc = 0;
    if (c->options->commit_times)
        TRY(commit_time(c, &s, err));
    auto_close int fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", c->path);
    rc = walk_tree(fd, "", NULL, &visitor, err);
    for (size_t i = 0; rc == 0 && !s.keep_git_dir && i < s.repositories.count; i++)
        rc = dir_remove(fd, s.repositories.items[i], err);
    strvec_release(&s.repositories);
    return rc;
}

int git_checkout(const struct git_url *url, const char *path, const struct git_options *options,
                 struct error *err)
{
    struct checkout c = { url, options, path };
    TRY(fetch(&c, err));
    TRY(check_commit(&c, err));
    if (!url->no_submodules)
        TRY(GIT(&c, NULL, err, "submodule", "-q", "update", "--init", "--recursive", "--depth=1"));
    return tidy(&c, err);
}
