/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build_context: where a build's files come from: a directory, standard input (an archive, or a
 * Dockerfile without files), a git repository, a web address; and the Dockerfile that goes with it.
 * What is elsewhere is fetched into the session's scratch space first.
 */
#ifndef CMD_BUILD_CONTEXT_H
#define CMD_BUILD_CONTEXT_H

#include "cmd/session.h"
#include "frontend/context/dockerfile_source.h"
#include "frontend/context/fetch.h"
#include "lib/base/map.h"

/* The main context, and all that the graph turns out to need. */
struct build_contexts {
    struct session *session;
    struct http_client *http;
    struct fetcher *fetcher;
    char *path;     /* of the main context: absolute */
    bool is_remote; /* it was fetched: no ignore file counts */
    struct dockerfile_source source;
    const char *ignore_file; /* --ignorefile, or NULL */
    bool commit_times;       /* files of git repositories get the time of their commit */
    struct pattern_list ignore;
    struct local_context *items;
    struct pattern_list *ignores; /* of items; the main context's is `ignore` */
    size_t count;
};

/* Finds the context that the user named and reads the Dockerfile (`file`: -f, or NULL). `contexts`
 * is zeroed; the caller releases it, also after an error. Errors: USER, and those of fetching. */
int build_contexts_open(struct build_contexts *contexts, struct session *s, const char *spec,
                        const char *file, const struct lent *lent, struct error *err) MUST_CHECK;
/* Opens the contexts that vertices of `graph` name: the main one, those of `named` (name ->
 * directory or address), and what was fetched for ADD. */
int build_contexts_select(struct build_contexts *contexts, const struct graph *graph,
                          const struct map *named, struct error *err) MUST_CHECK;
void build_contexts_release(struct build_contexts *contexts);

#endif
