/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/heredoc.h"
#include "frontend/dockerfile/lower_internal.h"
#include "frontend/dockerfile/run_flags.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/strbuf.h"

#define SCRIPT_DIR "/dev/pipes"

enum { SCRIPT_MODE = 0755 };

/* What only the caller can allow: placed at the flag that asks for it. */
static int check_allowed(const struct lowering *l, const struct instruction *in,
                         const struct run_flags *flags, struct error *err)
{
    const struct {
        bool asked;
        enum entitlement entitlement;
        enum flag_kind flag;
        const char *name;
    } needs[] = {
        { flags->network == RUN_NETWORK_HOST, ALLOW_NETWORK_HOST, FLAG_NETWORK, "network.host" },
        { flags->insecure, ALLOW_SECURITY_INSECURE, FLAG_SECURITY, "security.insecure" },
        { flags->device_count > 0, ALLOW_DEVICE, FLAG_DEVICE, "device" },
    };
    for (size_t i = 0; i < COUNT(needs); i++) {
        if (!needs[i].asked || l->options->allow & needs[i].entitlement)
            continue;
        error_set(err, ERROR_USER, 0, "%s is not allowed", needs[i].name);
        error_hint(err, "if you trust this Dockerfile: --allow %s", needs[i].name);
        return error_word(in, instruction_flag(in, needs[i].flag)->offset, err);
    }
    return 0;
}

static enum network_mode network_of(const struct lowering *l, const struct run_flags *flags)
{
    if (flags->network == RUN_NETWORK_DEFAULT)
        return l->options->network;
    return flags->network == RUN_NETWORK_NONE ? NETWORK_NONE : NETWORK_HOST;
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

/* The command line, and a file that it runs. */
struct command {
    const char *const *args;
    struct exec_mount script; /* of type EXEC_MOUNT_INLINE if there is one */
    const char *summary;      /* of a here-document that is the whole command, or NULL */
};

/* "first line..." */
static const char *summarise(struct lowering *l, const struct heredoc *doc)
{
    struct str text = str_trim((struct str){ doc->data, doc->size }, " \t\r\n\v\f");
    struct str line = text;
    line = str_cut(&text, '\n');
    line = str_trim(line, "\r");
    if (line.len == 0)
        return NULL;
    return arena_printf(l->arena, " (%.*s%s)", (int)line.len, line.ptr, text.len ? "..." : "");
}

/* RUN <<EOF and nothing else: a script of its own if it names its interpreter, else text for the
 * shell. */
static void whole_document(struct lowering *l, struct stage_state *s, const struct heredoc *doc,
                           struct command *out)
{
    out->summary = summarise(l, doc);
    if (doc->size < 2 || memcmp(doc->data, "#!", 2) != 0) {
        out->args = stage_shell_command(l, s, arena_strndup(l->arena, doc->data, doc->size));
        return;
    }
    auto_free char *path = path_join(SCRIPT_DIR, doc->name);
    out->script = (struct exec_mount){ .type = EXEC_MOUNT_INLINE,
                                       .target = arena_strdup(l->arena, path),
                                       .mode = SCRIPT_MODE,
                                       .data = doc->data,
                                       .size = doc->size };
    out->args = stage_shell_command(l, s, out->script.target);
}

static void make_command(struct lowering *l, struct stage_state *s, const struct instruction *in,
                         struct command *out)
{
    struct heredoc_opener ignored;
    size_t count = in->heredoc_count;
    if (count == 1 && heredoc_opener_parse(str_of(in->rest), l->arena, &ignored)) {
        whole_document(l, s, &in->heredocs[0], out);
    } else if (count) {
        const char *text = heredoc_append(in->rest, in->heredocs, count, l->arena);
        out->args = stage_shell_command(l, s, text);
    } else {
        out->args = stage_command(l, s, in);
    }
}

/* Programs find the agent by it. */
static const char *const *with_ssh_socket(struct lowering *l, const struct stage_state *s,
                                          const char *const *env, const char *socket)
{
    size_t count = s->env.count;
    if (!socket || map_find(&s->env, "SSH_AUTH_SOCK"))
        return env;
    const char **more = arena_alloc(l->arena, count + 2, sizeof *more);
    memcpy(more, env, count * sizeof *more);
    more[count] = arena_printf(l->arena, "SSH_AUTH_SOCK=%s", socket);
    stage_charge(l, count * sizeof *more);
    return more;
}

static const char *run_name(struct lowering *l, struct stage_state *s, const struct instruction *in,
                            const struct command *command, const struct map *secrets)
{
    const char *text = stage_step_text(l, s, in, secrets);
    if (command->summary)
        text = arena_printf(l->arena, "%s%s", text, command->summary);
    return stage_step_name(l, s, text);
}

int lower_run(struct lowering *l, struct stage_state *s, const struct instruction *in,
              struct error *err)
{
    auto_(mount_list) struct mount_list mounts = { 0 };
    struct run_flags flags;
    struct command command = { 0 };
    TRY(run_flags_parse(in, l->arena, &flags, err));
    TRY(check_allowed(l, in, &flags, err));
    make_command(l, s, in, &command);
    TRY(mounts_lower(l, s, in, command.script.data ? &command.script : NULL, &mounts, err));
    mounts.inputs[0] = s->root;
    struct op_exec exec = {
        .args = command.args,
        .env = with_ssh_socket(l, s, stage_run_env(l, s), mounts.ssh_socket),
        .private_env = l->private_env,
        .cwd = arena_strdup(l->arena, stage_working_dir(s)),
        .user = arena_strdup(l->arena, s->config.user ? s->config.user : ""),
        .platform = s->config.platform,
        .network = network_of(l, &flags),
        .insecure = flags.insecure,
        .mounts = mounts.items,
        .mount_count = mounts.count,
        .devices = flags.devices,
        .device_count = flags.device_count,
        .settings = l->options->settings,
    };
    s->root = graph_add(&l->out->graph,
                        &(struct vertex){ .kind = OP_EXEC,
                                          .name = run_name(l, s, in, &command, &mounts.secrets),
                                          .where = in->line.where,
                                          .inputs = mounts.inputs,
                                          .input_count = mounts.input_count,
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
    lint_workdir(l, s, in, path);
    const char *name = stage_step_name(l, s, stage_step_text(l, s, in, NULL));
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
