/* SPDX-License-Identifier: Apache-2.0 */
/*
 * git_checkout: the files of one commit, by the git program of the host, with the caller's identity
 * (ssh keys, credential helpers). What the repository holds is written by strangers: only http(s),
 * git and ssh are spoken, also by submodules; no hook runs.
 */
#ifndef FRONTEND_CONTEXT_GIT_CHECKOUT_H
#define FRONTEND_CONTEXT_GIT_CHECKOUT_H

#include "frontend/context/git_url.h"
#include "lib/base/cancel.h"

struct git_options {
    bool keep_git_dir;
    bool commit_times;         /* files get the time of the commit */
    const char *authorization; /* value of an Authorization header for the host, or NULL */
    const struct cancel *cancel;
};

/* Checks `url` out into the empty directory `path` (absolute; not url->subdir, which is the
 * caller's to look at). Files have mode 0644 or 0755. Errors: USER (no such ref, another checksum),
 * NETWORK, HOST (no git), CANCELLED. */
int git_checkout(const struct git_url *url, const char *path, const struct git_options *options,
                 struct error *err) MUST_CHECK;

#endif
