/* SPDX-License-Identifier: Apache-2.0 */
/*
 * git_url: a git repository as docker's users write it (spec 3.1.2): an address, then "#ref[:dir]"
 * or "?key=value&...". Pure text; nothing is fetched here.
 *
 *     https://host/x.git  git://host/x  ssh://host/x  git@host:x.git  (contexts: github.com/u/r)
 *     keys: ref, tag, branch, subdir, checksum or commit, keep-git-dir, submodules, mtime
 */
#ifndef FRONTEND_CONTEXT_GIT_URL_H
#define FRONTEND_CONTEXT_GIT_URL_H

#include <stdbool.h>

#include "lib/base/error.h"

struct git_url {
    char *remote;   /* as git takes it */
    char *ref;      /* branch, tag, full ref or commit; NULL: what HEAD is there */
    char *subdir;   /* relative, without ".."; NULL: the root */
    char *checksum; /* the commit's id or the start of one; NULL: any */
    bool has_keep_git_dir, keep_git_dir;
    bool no_submodules;
    bool commit_times; /* files get the time of the commit */
};

/* Is `text` a git repository? `is_context`: "github.com/user/repo" is one as well. */
bool git_url_is(const char *text, bool is_context);
/* Errors: USER (unknown key, two refs, a directory outside). The caller releases *out. */
int git_url_parse(const char *text, struct git_url *out, struct error *err) MUST_CHECK;
/* Without what it may hold of user name and password: for messages. The caller frees it. */
char *git_url_print_safe(const char *text) __attribute__((returns_nonnull));
void git_url_release(struct git_url *u);
DEFINE_AUTO(git_url, struct git_url, git_url_release(value))

#endif
