/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that change what the image says about itself: names, commands, users. */
#include "frontend/dockerfile/go_text.h"
#include "frontend/dockerfile/heredoc.h"
#include "frontend/dockerfile/lower_internal.h"
#include "lib/base/mem.h"

/* Expands names and values as they stood before the instruction; strings of the arena. */
static int expand_pairs(struct lowering *l, struct stage_state *s, const struct instruction *in,
                        const char ***out, struct error *err)
{
    const char **list = arena_alloc(l->arena, 2 * in->word_count, sizeof *list);
    for (size_t i = 0; i < in->word_count; i++) {
        struct word value = { .text = in->words[i].value, .offset = in->words[i].offset };
        TRY(stage_expand(l, s, in, &in->words[i], &list[2 * i], err));
        TRY(stage_expand(l, s, in, &value, &list[2 * i + 1], err));
        if (!*list[2 * i]) {
            error_set(err, ERROR_USER, 0, "%s names can not be blank", in->verb->name);
            return error_word(in, in->words[i].offset, err);
        }
    }
    *out = list;
    return 0;
}

static void add_pair_history(struct lowering *l, struct stage_state *s,
                             const struct instruction *in, const char *const *pairs)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    strbuf_addstr(&text, in->verb->name);
    for (size_t i = 0; i < in->word_count; i++)
        strbuf_addf(&text, " %s=%s", pairs[2 * i], pairs[2 * i + 1]);
    stage_add_history(l, s, text.buf, NULL);
}

int lower_env(struct lowering *l, struct stage_state *s, const struct instruction *in,
              struct error *err)
{
    const char **pairs = NULL;
    TRY(expand_pairs(l, s, in, &pairs, err));
    for (size_t i = 0; i < in->word_count; i++) {
        if (strchr(pairs[2 * i], '=')) {
            error_set(err, ERROR_USER, 0, "ENV name \"%s\" holds a '='", pairs[2 * i]);
            return error_word(in, in->words[i].offset, err);
        }
        stage_env_set(l, s, pairs[2 * i], pairs[2 * i + 1]);
        stage_config_env_set(s, pairs[2 * i], pairs[2 * i + 1]);
    }
    add_pair_history(l, s, in, pairs);
    return 0;
}

int lower_label(struct lowering *l, struct stage_state *s, const struct instruction *in,
                struct error *err)
{
    const char **pairs = NULL;
    TRY(expand_pairs(l, s, in, &pairs, err));
    for (size_t i = 0; i < in->word_count; i++)
        map_set(&s->config.labels, pairs[2 * i], xstrdup(pairs[2 * i + 1]));
    add_pair_history(l, s, in, pairs);
    return 0;
}

static void set_list(struct strvec *list, const char *const *items)
{
    strvec_release(list);
    for (; *items; items++)
        strvec_push(list, *items);
}

static void add_command_history(struct lowering *l, struct stage_state *s, const char *verb,
                                const char *const *args)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "%s [", verb);
    for (size_t i = 0; args[i]; i++) {
        if (i)
            strbuf_addch(&text, ' ');
        go_quote(&text, args[i]);
    }
    strbuf_addch(&text, ']');
    stage_add_history(l, s, text.buf, NULL);
}

int lower_cmd(struct lowering *l, struct stage_state *s, const struct instruction *in,
              struct error *err)
{
    const char *const *args = stage_command(l, s, in);
    (void)err;
    set_list(&s->config.cmd, args);
    s->config.has_cmd = true;
    s->config.args_escaped = true;
    s->cmd_set = true;
    add_command_history(l, s, "CMD", args);
    return 0;
}

int lower_entrypoint(struct lowering *l, struct stage_state *s, const struct instruction *in,
                     struct error *err)
{
    static const char *const none[] = { NULL };
    const char *const *args = in->word_count ? stage_command(l, s, in) : none;
    (void)err;
    set_list(&s->config.entrypoint, args);
    s->config.has_entrypoint = in->word_count > 0;
    if (!s->cmd_set) {
        strvec_release(&s->config.cmd);
        s->config.has_cmd = false;
    }
    add_command_history(l, s, "ENTRYPOINT", args);
    return 0;
}

int lower_shell(struct lowering *l, struct stage_state *s, const struct instruction *in,
                struct error *err)
{
    const char *const *args = stage_command(l, s, in);
    (void)err;
    set_list(&s->config.shell, args);
    auto_free char *joined = list_join(args);
    auto_free char *text = xasprintf("SHELL [%s]", joined);
    stage_add_history(l, s, text, NULL);
    return 0;
}

static void set_text(struct lowering *l, struct stage_state *s, const char *verb, const char *value,
                     char **field)
{
    auto_free char *text = xasprintf("%s %s", verb, value);
    free(*field);
    *field = xstrdup(value);
    stage_add_history(l, s, text, NULL);
}

int lower_user(struct lowering *l, struct stage_state *s, const struct instruction *in,
               struct error *err)
{
    const char *user = NULL;
    TRY(stage_expand(l, s, in, &in->words[0], &user, err));
    set_text(l, s, "USER", user, &s->config.user);
    return 0;
}

int lower_maintainer(struct lowering *l, struct stage_state *s, const struct instruction *in,
                     struct error *err)
{
    (void)err;
    set_text(l, s, "MAINTAINER", in->words[0].text, &s->config.author);
    return 0;
}

int lower_onbuild(struct lowering *l, struct stage_state *s, const struct instruction *in,
                  struct error *err)
{
    const struct instruction *inner = in->inner;
    (void)err;
    strvec_push(&s->config.on_build,
                heredoc_append(in->rest, inner->heredocs, inner->heredoc_count, l->arena));
    return 0;
}
