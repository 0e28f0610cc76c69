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
#include "lib/base/map.h"
#include "lib/codec/digest.h"
#include "lib/graph/image_resolver.h"

enum op_kind {
    OP_IMAGE, /* source: a base image; no inputs */
    OP_LOCAL, /* source: a local directory; no inputs */
    OP_EXEC,  /* run a process on inputs[0], with the others mounted */
    OP_COPY,  /* files from the other inputs onto inputs[0] */
    OP_MKDIR, /* one directory, with its parents, on inputs[0] */
    OP_MERGE, /* the layers of inputs[1] on top of those of inputs[0]; runs nothing */
};

struct op_image {
    const struct resolved_image *image; /* outlives the graph */
};

struct op_local {
    const char *name; /* of a context given to the solver: "context", or a named one */
};

enum network_mode { NETWORK_HOST, NETWORK_NONE };

enum exec_mount_type {
    EXEC_MOUNT_BIND,  /* a path of an input, or an empty directory */
    EXEC_MOUNT_CACHE, /* a directory of the store that outlives the build */
    EXEC_MOUNT_TMPFS,
    EXEC_MOUNT_SECRET, /* a file with a value that the caller keeps */
    EXEC_MOUNT_SSH,    /* the socket of an ssh agent of the caller's */
    EXEC_MOUNT_INLINE, /* a file whose bytes are in the definition */
};

/* What a second step that wants the same cache directory at the same time gets. */
enum cache_sharing {
    CACHE_SHARED,  /* the same directory */
    CACHE_PRIVATE, /* another one */
    CACHE_LOCKED,  /* the same one, after the first has ended */
};

struct exec_mount {
    enum exec_mount_type type;
    const char *target; /* absolute, clean; NULL: none, a secret for the environment only */
    size_t input;       /* BIND, CACHE: of the vertex, where `source` is; 0: an empty directory */
    const char *source; /* BIND, CACHE: absolute path in the input; BIND: may be a file */
    bool writable;      /* BIND, CACHE, TMPFS; what is written to a BIND goes with the step */
    bool required;      /* SECRET, SSH: without one the step fails */
    enum cache_sharing sharing;
    const char *id;  /* CACHE (namespace included), SECRET, SSH */
    const char *env; /* SECRET: the variable that gets the value; NULL: none */
    unsigned mode;   /* CACHE (when made anew), SECRET, SSH, INLINE: permission bits */
    uid_t uid;       /* the same */
    gid_t gid;
    uint64_t size;    /* TMPFS: bytes, 0: no limit; INLINE: of `data` */
    const char *data; /* INLINE */
};

/* A CDI device, "vendor.com/class=name". */
struct exec_device {
    const char *name;
    bool required; /* without it the step fails */
};

struct op_exec {
    const char *const *args;        /* NULL-terminated argv, at least one */
    const char *const *env;         /* NULL-terminated "NAME=value" */
    const char *const *private_env; /* the same, but in no cache key (proxies); may be NULL */
    const char *cwd;                /* absolute */
    const char *user;               /* "user[:group]" as written, "" is root */
    struct platform platform;       /* of the programs; no `arch`: whatever this host runs */
    enum network_mode network;
    bool insecure;                   /* --security=insecure: all capabilities, nothing masked */
    const struct exec_mount *mounts; /* by target, parents first; each target once */
    size_t mount_count;
    const struct exec_device *devices;
    size_t device_count;
    /* What the executor was told for all steps of the build and a step can see (host name, limits,
     * names of hosts), as text, for the key. NULL: nothing. */
    const char *settings;
};

/* One source of a COPY. */
struct copy_source {
    size_t input;     /* of the vertex, from 1; 0: the file is `data` */
    const char *path; /* relative to the input's root, may be a pattern; of `data`: its name */
    const char *data; /* bytes of a regular file of mode 0644 that the Dockerfile holds */
    size_t size;
    bool unpack; /* an archive is unpacked; what is none is copied */
};

struct op_copy {
    const struct copy_source *sources; /* in the order in which they are written */
    size_t source_count;
    const char *dest;           /* absolute; a trailing slash says "a directory" */
    const char *chown;          /* "user[:group]", or NULL: 0:0 from a context, kept from a stage */
    const char *chmod;          /* "0644" or "u=rwX,go=rX", valid; NULL: modes are kept */
    bool parents;               /* source paths are kept below `dest`, from a "/./" on */
    const char *const *exclude; /* NULL-terminated patterns as in ignore files; may be NULL */
    const char *missing_hint;   /* for the error when a source is not there, or NULL */
};

struct op_mkdir {
    const char *path;  /* absolute */
    const char *owner; /* "user[:group]" */
};

struct vertex {
    enum op_kind kind;
    unsigned index;               /* position in the graph; inputs have smaller ones */
    const char *name;             /* for people: "[builder 2/5] RUN make" */
    struct position where;        /* in the Dockerfile */
    struct vertex *const *inputs; /* a NULL behind the last: any vertex has an inputs[0] */
    size_t input_count;
    bool no_cache;        /* to run anew even if it is cached; in no digest */
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
    struct map by_identity;
};

/* The inputs of a vertex, for graph_add. */
#define VERTICES(...) ((struct vertex *[]){ __VA_ARGS__ })

/* Adds a copy of `v` (digest and index are filled in, `inputs` is copied) or finds an equal earlier
 * vertex. All other strings and arrays in `v` must live in graph->arena or outlive the graph. */
struct vertex *graph_add(struct graph *graph, const struct vertex *v);
/* Does `v` add a layer of its own to what it rests on? */
bool vertex_makes_layer(const struct vertex *v);
/* How many layers a result of `v` has; 0 for NULL. */
size_t vertex_layer_count(const struct vertex *v);
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
