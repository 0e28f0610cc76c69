/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the lowering share; nobody else includes this. */
#ifndef FRONTEND_DOCKERFILE_LOWER_INTERNAL_H
#define FRONTEND_DOCKERFILE_LOWER_INTERNAL_H

#include "frontend/dockerfile/expand.h"
#include "frontend/dockerfile/lower.h"

enum base_kind { BASE_STAGE, BASE_SCRATCH, BASE_IMAGE, BASE_LOCAL };

/* Instructions of which only the last one counts. */
enum lint_once { LINT_ONCE_CMD, LINT_ONCE_ENTRYPOINT, LINT_ONCE_HEALTHCHECK, LINT_ONCE_COUNT };

/* A stage on its way: first what its FROM means, then what its instructions made. */
struct stage_state {
    const struct stage *stage;
    const char *display_name; /* "builder" or "stage-2" */
    const char *base_name;    /* FROM, expanded */
    enum base_kind base_kind;
    const char *local_base;   /* BASE_LOCAL: the context */
    struct stage_state *base; /* BASE_STAGE */
    struct platform platform;
    bool platform_given;           /* by FROM --platform */
    bool replaced;                 /* by the named context of its name */
    struct stage_state *same_name; /* the one before it that is called the same */
    bool needed;
    bool no_cache;                      /* its steps run anew */
    const struct resolved_image *image; /* BASE_IMAGE, once needed */
    const struct instruction **triggers;
    size_t trigger_count;
    bool triggering; /* they are being lowered */

    struct vertex *root; /* NULL: empty */
    struct image_config config;
    struct map env;            /* what RUN and `$` see: char * values in the arena */
    struct map env_index;      /* name -> 1 + its index in config.env */
    struct map ports, volumes; /* what is in the config's lists */
    const char **args;         /* names that ARG declared, in order, each once */
    size_t arg_count, arg_cap;
    struct map arg_names;
    struct vertex **history_vertices; /* as many as config.history_count: this stage's own */
    size_t history_cap;
    const char *const *run_env; /* of `env`; NULL: to be made again */
    bool cmd_set;               /* CMD was given in this stage */
    bool base_known;            /* what the base defines is in `env` */
    bool workdir_set;           /* WORKDIR was given in this file */
    struct map met;             /* variables that the present instruction asked for */
    const struct instruction *once[LINT_ONCE_COUNT]; /* the last of each in this stage */
    unsigned step, step_count;
};

struct stage_use;

struct lowering {
    const struct dockerfile *df;
    const struct lower_options *options;
    struct definition *out;
    struct arena *arena;     /* the graph's */
    struct map globals;      /* built-in and global ARGs that have a value: char *, in the arena */
    struct map global_names; /* of built-in and global ARGs, with or without a value */
    struct map default_globals; /* as `globals`, if there were no build arguments */
    size_t expansion_left;      /* bytes that values and history may still take; 0 ends the build */
    const char *const *private_env;
    struct map mentions;    /* hints.c */
    struct map stage_names; /* lower case -> the last struct stage_state of that name */
    struct stage_state *stages;
};

typedef int lower_fn(struct lowering *l, struct stage_state *s, const struct instruction *in,
                     struct error *err);

/* lower_config.c */
lower_fn lower_env, lower_label, lower_cmd, lower_entrypoint, lower_shell, lower_user,
    lower_maintainer, lower_onbuild;
/* lower_runtime.c */
lower_fn lower_expose, lower_volume, lower_stopsignal, lower_healthcheck;
/* lower_args.c, lower_run.c, lower_copy.c */
lower_fn lower_arg, lower_run, lower_workdir, lower_copy;

/* For FROM and global ARGs: built-in and global arguments. */
struct expander global_expander(struct lowering *l);
/* Fills l->globals and l->private_env, and reports unused build args. */
int args_globals(struct lowering *l, struct error *err) MUST_CHECK;

/* lower_from.c: brings the base of a needed stage in: config, environment, root. */
int from_resolve_image(struct lowering *l, struct stage_state *s, struct error *err) MUST_CHECK;
void from_lower(struct lowering *l, struct stage_state *s);
void from_finish(struct stage_state *target);
/* The stage, image or local directory that `use` of `in` names; `use` NULL: the build context. *out
 * is NULL if there is nothing in it. */
int from_source(struct lowering *l, struct stage_state *s, const struct instruction *in,
                const struct stage_use *use, struct vertex **out, struct error *err) MUST_CHECK;

/* The words of a COPY or ADD, expanded; here-documents are not among them. */
struct copy_words {
    const char *const *files;
    const struct word *const *origins; /* of `files` */
    size_t file_count;
    const char *dest;
};

/* The inputs of a copy; [0] is left for the root. */
struct copy_inputs {
    struct vertex **items;
    size_t count, cap;
    size_t files; /* which one is the context, or what --from names; 0: none yet */
};

void copy_inputs_init(struct copy_inputs *inputs);
void copy_inputs_release(struct copy_inputs *inputs);
DEFINE_AUTO(copy_inputs, struct copy_inputs, copy_inputs_release(value))

/* lower_sources.c: fills op's sources and missing_hint, and the inputs that they are in. */
int sources_lower(struct lowering *l, struct stage_state *s, const struct instruction *in,
                  const struct copy_words *words, struct copy_inputs *inputs, struct op_copy *op,
                  struct error *err) MUST_CHECK;

/* The mounts of a RUN, and the vertices that they show. */
struct mount_list {
    struct exec_mount *items;
    size_t count;
    struct vertex **inputs; /* [0] is left for the root */
    size_t input_count;
    const char *ssh_socket; /* of the first ssh mount, or NULL */
    struct map secrets;     /* environment variables that get secrets, for step names */
};

/* lower_mounts.c: what --mount says. `more` (may be NULL) is mounted as well. Released with
 * mount_list_release; the arrays are the arena's. */
int mounts_lower(struct lowering *l, struct stage_state *s, const struct instruction *in,
                 const struct exec_mount *more, struct mount_list *out,
                 struct error *err) MUST_CHECK;
void mount_list_release(struct mount_list *list);
DEFINE_AUTO(mount_list, struct mount_list, mount_list_release(value))

/* lint_lower.c: checks; each does nothing unless they are wanted. */
/* After an instruction was lowered. */
void lint_instruction(struct lowering *l, struct stage_state *s, const struct instruction *in);
/* Values as they were expanded. */
void lint_workdir(struct lowering *l, struct stage_state *s, const struct instruction *in,
                  const char *path);
void lint_expose(struct lowering *l, const struct instruction *in, const char *port);
void lint_source(struct lowering *l, const struct instruction *in, const char *source);
/* `met`: the variables in FROM's image and platform. */
void lint_base(struct lowering *l, const struct stage_state *s, const struct map *met);
/* The name that the first of them most likely was meant to be, or NULL. */
const char *lint_undefined_args(struct lowering *l, const struct stage_state *s,
                                const struct map *met);
void lint_platform(struct lowering *l, const struct stage_state *s, const struct map *met,
                   const char *written, const char *text);
void lint_image(struct lowering *l, const struct stage_state *s);

/* outline.c: fills options->outline; the stages are lowered. */
void outline_make(struct lowering *l, const struct stage_state *target);

/* lower_state.c */
/* Expands with the stage's variables; an error is placed at byte `offset` of the instruction. */
int stage_expand(struct lowering *l, struct stage_state *s, const struct instruction *in,
                 const struct word *word, const char **out, struct error *err) MUST_CHECK;
/* Counts bytes that this build makes; lower.c ends a build that makes too many. */
void stage_charge(struct lowering *l, size_t bytes);
struct expander stage_expander(struct lowering *l, struct stage_state *s);
void stage_env_set(struct lowering *l, struct stage_state *s, const char *name, const char *value);
void stage_config_env_set(struct stage_state *s, const char *name, const char *value);
const char *const *stage_run_env(struct lowering *l, struct stage_state *s);
/* Appends to the history; `vertex` makes the layer, NULL if none does. */
void stage_add_history(struct lowering *l, struct stage_state *s, const char *created_by,
                       struct vertex *vertex);
/* "[builder 2/5]" for the stage's next step, and "[builder 2/5] TEXT". */
const char *stage_step_prefix(struct lowering *l, struct stage_state *s);
const char *stage_step_name(struct lowering *l, struct stage_state *s, const char *text);
/* The instruction as a person wrote it, variables replaced, first by `shadows` (may be NULL). */
const char *stage_step_text(struct lowering *l, struct stage_state *s, const struct instruction *in,
                            const struct map *shadows);
const char *stage_working_dir(const struct stage_state *s);
/* argv of a command: the JSON words from `first` on, or the text behind the stage's shell. */
const char *const *stage_command(struct lowering *l, const struct stage_state *s,
                                 const struct instruction *in);
/* argv of the stage's shell that runs `text`. */
const char *const *stage_shell_command(struct lowering *l, const struct stage_state *s,
                                       const char *text);
void stage_state_release(struct stage_state *s);

/* hints.c: which absolute paths the stages' texts mention. */
void hints_add_stage(struct lowering *l, const struct stage_state *s);
/* Why a source may be missing from the context: an earlier stage makes it. NULL if none seems to.
 */
const char *hints_find(struct lowering *l, const char *source, const char *dest);
void hints_release(struct lowering *l);

/* Pushes `text` to `list` unless `seen`, the index of `list`, has it. */
void list_add_once(struct map *seen, struct strvec *list, const char *text);
/* The items, with one blank between. */
char *list_join(const char *const *items);

/* An error of `kind` placed at a byte of the instruction. Returns -1. */
int error_word(const struct instruction *in, size_t offset, struct error *err);

#endif
