/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/lower_internal.h"

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/strbuf.h"

static const char *const network_names[] = { "default", "none", "host" };

static int parse_network(const struct lowering *l, const struct instruction *in,
                         enum network_mode *out, struct error *err)
{
    const struct flag *flag = instruction_flag(in, FLAG_NETWORK);
    *out = l->options->network;
    if (!flag || strcmp(flag->value, "default") == 0)
        return 0;
    *out = strcmp(flag->value, "none") == 0 ? NETWORK_NONE : NETWORK_HOST;
    if (*out == NETWORK_NONE || strcmp(flag->value, "host") == 0)
        return 0;
    const char *near = str_nearest(flag->value, network_names, COUNT(network_names));
    error_set(err, ERROR_USER, 0, "invalid network mode: %s; it is one of default, none, host",
              flag->value);
    if (near)
        error_hint(err, "did you mean --network=%s?", near);
    return error_word(in, flag->offset, err);
}

/* "RUN |1 a=b /bin/sh -c make # buildkit": the ARGs in force are part of it. */
static char *created_by(const struct stage_state *s, const char *const *args)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_free char *command = list_join(args);
    strbuf_addstr(&text, "RUN ");
    if (s->arg_count)
        strbuf_addf(&text, "|%zu ", s->arg_count);
    for (size_t i = 0; i < s->arg_count; i++) {
        const char *value = map_find(&s->env, s->args[i]);
        strbuf_addf(&text, "%s=%s ", s->args[i], value ? value : "");
    }
    strbuf_addf(&text, "%s # buildkit", command);
    return strbuf_detach(&text);
}

int lower_run(struct lowering *l, struct stage_state *s, const struct instruction *in,
              struct error *err)
{
    struct op_exec exec = {
        .args = stage_command(l, s, in),
        .env = stage_run_env(l, s),
        .private_env = l->private_env,
        .cwd = arena_strdup(l->arena, stage_working_dir(s)),
        .user = arena_strdup(l->arena, s->config.user ? s->config.user : ""),
    };
    TRY(parse_network(l, in, &exec.network, err));
    const char *name = stage_step_name(l, s, stage_step_text(l, s, in));
    s->root = graph_add(&l->out->graph, &(struct vertex){ .kind = OP_EXEC,
                                                          .name = name,
                                                          .where = in->line.where,
                                                          .inputs = VERTICES(s->root),
                                                          .input_count = 1,
                                                          .no_cache = s->no_cache,
                                                          .exec = exec });
    auto_free char *text = created_by(s, exec.args);
    stage_add_history(l, s, text, s->root);
    return 0;
}

int lower_workdir(struct lowering *l, struct stage_state *s, const struct instruction *in,
                  struct error *err)
{
    const char *path = NULL;
    TRY(stage_expand(l, s, in, &in->words[0], &path, err));
    const char *name = stage_step_name(l, s, stage_step_text(l, s, in));
    char *dir = path_absolute(stage_working_dir(s), path);
    free(s->config.working_dir);
    s->config.working_dir = dir;

    struct vertex *made = NULL;
    if (strcmp(dir, "/") != 0) {
        const char *user = s->config.user && *s->config.user ? s->config.user : "0:0";
        made = graph_add(&l->out->graph,
                         &(struct vertex){ .kind = OP_MKDIR,
                                           .name = name,
                                           .where = in->line.where,
                                           .inputs = VERTICES(s->root),
                                           .input_count = 1,
                                           .mkdir = { .path = arena_strdup(l->arena, dir),
                                                      .owner = arena_strdup(l->arena, user) } });
        s->root = made;
    }
    auto_free char *text = xasprintf("WORKDIR %s", dir);
    stage_add_history(l, s, text, made);
    return 0;
}
