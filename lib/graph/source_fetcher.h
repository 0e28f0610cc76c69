/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_fetcher: INTERFACE by which a frontend gets at files that are elsewhere: a URL, a git
 * repository. What was fetched is a local context from then on: it is hashed, copied and cached as
 * the files of any other. Implemented above (cmd/).
 */
#ifndef LIB_GRAPH_SOURCE_FETCHER_H
#define LIB_GRAPH_SOURCE_FETCHER_H

#include <stdbool.h>

#include "lib/base/error.h"

enum remote_kind {
    REMOTE_HTTP, /* one file: mode 0600, its time is Last-Modified, else 1970 */
    REMOTE_GIT,  /* the files of a commit */
};

struct remote_source {
    enum remote_kind kind;
    const char *url;      /* as written, with its fragment and query */
    const char *checksum; /* "sha256:<hex>" of the file, or a commit or the start of one; or NULL */
    const char *file_name; /* HTTP: what to call the file; NULL: the URL's last component */
    bool keep_git_dir;     /* GIT: leave .git in it */
    bool has_keep_git_dir; /* and that was asked for: a URL that says otherwise is an error */
};

struct source_fetcher {
    /* *out_context is the name of a local context (op_local.name) that holds the files, *out_path
     * what to copy of it: a file's name, or ".". Both are the fetcher's. Errors: USER (a malformed
     * URL, another checksum), REMOTE, NETWORK, SYSTEM. */
    int (*fetch)(struct source_fetcher *fetcher, const struct remote_source *source,
                 const char **out_context, const char **out_path, struct error *err);
};

#endif
