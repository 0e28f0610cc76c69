/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch: files that are elsewhere become directories of this build's scratch space: git
 * repositories, web files, archives, also one that comes by standard input. Implements
 * lib/graph/source_fetcher.h; what was fetched is a local context with a name and a path, once a
 * build.
 */
#ifndef FRONTEND_CONTEXT_FETCH_H
#define FRONTEND_CONTEXT_FETCH_H

#include "lib/base/cancel.h"
#include "lib/base/progress.h"
#include "lib/base/strbuf.h"
#include "lib/base/stream.h"
#include "lib/graph/source_fetcher.h"
#include "lib/net/http.h"
#include "lib/store/store.h"

struct fetch_options {
    const struct store *store; /* leased: the scratch space is its own */
    struct http_client *http;
    struct progress *progress;
    const struct cancel *cancel;
    bool commit_times; /* files of git repositories get the time of their commit */
    /* The value of a secret (GIT_AUTH_TOKEN, HTTP_AUTH_HEADER_<host> ...), or NULL. May be NULL. */
    const char *(*secret)(void *arg, const char *id);
    void *secret_arg;
};

struct fetcher;

struct fetcher *fetcher_new(const struct fetch_options *options);
struct source_fetcher *fetcher_base(struct fetcher *f);
void fetcher_free(struct fetcher *f);
DEFINE_AUTO(fetcher, struct fetcher *, fetcher_free(*value))

/* The directory of a context that was fetched under this name, or NULL. */
const char *fetcher_path(const struct fetcher *f, const char *context);

/* Is `text` the address of something that can be fetched, and no path? */
bool fetch_is_remote(const char *text);
/* A whole context by its address: a git repository (of its subdirectory), an archive (unpacked), or
 * a single file called "context". *out_path is the directory, the fetcher's; *out_is_file tells the
 * last case. */
int fetch_context(struct fetcher *f, const char *address, const char **out_path, bool *out_is_file,
                  struct error *err) MUST_CHECK;
/* The text of one file by its address. */
int fetch_text(struct fetcher *f, const char *address, size_t limit, struct strbuf *out,
               struct error *err) MUST_CHECK;
/* A context from a stream that begins with `head`: an archive's files, or, if it is none, an empty
 * directory and the text in `out_text`. */
int fetch_stream(struct fetcher *f, int fd, const char *name, size_t text_limit,
                 const char **out_path, struct strbuf *out_text, struct error *err) MUST_CHECK;

#endif
