/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph: the build definition, frontend-neutral and pure data (BuildKit's LLB in spirit). A vertex
 * is one operation; its inputs are other vertices, so a graph cannot have a circle. The graph knows
 * nothing of Dockerfiles, files or mounts. A NULL input is the empty root ("scratch").
 *
 * All memory is the graph's arena; a vertex never changes once graph_add returned.
 *
 * Equal operations on equal inputs are one vertex (graph_add finds the earlier one), so a stage
 * that is written twice is built once.
 */
#ifndef LIB_GRAPH_GRAPH_H
#define LIB_GRAPH_GRAPH_H

#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/codec/digest.h"
#include "lib/graph/image_resolver.h"

enum op_kind {
    OP_IMAGE, /* source: a base image; no inputs */
    OP_LOCAL, /* source: a local directory; no inputs */
    OP_EXEC,  /* run a process on inputs[0] */
    OP_COPY,  /* files from inputs[1] onto inputs[0] */
    OP_MKDIR, /* one directory, with its parents, on inputs[0] */
};

struct op_image {
    const struct resolved_image *image; /* outlives the graph */
};

struct op_local {
    const char *name; /* of a context given to the solver: "context", or a named one */
};

enum network_mode { NETWORK_HOST, NETWORK_NONE };

struct op_exec {
    const char *const *args;        /* NULL-terminated argv, at least one */
    const char *const *env;         /* NULL-terminated "NAME=value" */
    const char *const *private_env; /* the same, but in no cache key (proxies); may be NULL */
    const char *cwd;                /* absolute */
    const char *user;               /* "user[:group]" as written, "" is root */
    enum network_mode network;
};

struct op_copy {
    const char *const *sources; /* NULL-terminated, relative to the input's root; may be patterns */
    const char *dest;           /* absolute; a trailing slash says "a directory" */
    const char *chown;          /* "user[:group]", or NULL: 0:0 from a context, kept from a stage */
    int mode;                   /* permission bits for all entries, or -1 to keep theirs */
    bool unpack;                /* ADD: archives are unpacked */
    const char *missing_hint;   /* for the error when a source is not there, or NULL */
};

struct op_mkdir {
    const char *path;  /* absolute */
    const char *owner; /* "user[:group]" */
};

struct vertex {
    enum op_kind kind;
    unsigned index;        /* position in the graph; inputs have smaller ones */
    const char *name;      /* for people: "[builder 2/5] RUN make" */
    struct position where; /* in the Dockerfile */
    struct vertex *inputs[2];
    size_t input_count;
    struct digest digest; /* of the operation alone: kind and fields, no inputs, no name */
    union {
        struct op_image image;
        struct op_local local;
        struct op_exec exec;
        struct op_copy copy;
        struct op_mkdir mkdir;
    };
};

struct graph {
    struct arena arena;
    struct vertex **vertices; /* in topological order */
    size_t count, cap;
};

/* Adds a copy of `v` (digest and index are filled in) or finds an equal earlier vertex. Strings and
 * arrays in `v` must live in graph->arena or outlive the graph. */
struct vertex *graph_add(struct graph *graph, const struct vertex *v);
/* The layer `id` among those of the graph's base images, and the image it belongs to; NULL if none
 * has it. */
const struct image_layer *graph_find_layer(const struct graph *graph, const char *id,
                                           const struct resolved_image **out_image);
void graph_release(struct graph *graph);

/* What a frontend hands to the solver: what to build, and what the image says about itself. */
struct definition {
    struct graph graph;
    struct vertex *target;      /* NULL: an image without layers */
    struct image_config config; /* diff_ids and history of the base included; no `created` */
    /* For each entry of config.history that this build added and that makes a layer, the vertex
     * that makes it; NULL for all others. config.history_count entries. */
    struct vertex **history_vertices;
};

void definition_release(struct definition *d);
DEFINE_AUTO(definition, struct definition, definition_release(value))

#endif
