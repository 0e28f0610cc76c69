/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include <strings.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

struct parser {
    const struct option *options;
    char **argv; /* the next word */
    char *values;
};

static const struct option *find_name(const struct parser *p, const char *name, size_t len)
{
    for (const struct option *o = p->options; o && o->name; o++) {
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    }
    return NULL;
}

static const struct option *find_letter(const struct parser *p, char letter)
{
    for (const struct option *o = p->options; o && o->name; o++) {
        if (o->letter == letter)
            return o;
    }
    return NULL;
}

static int unknown(const struct parser *p, const char *word, struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_free char *name = xstrdup(word + strspn(word, "-"));
    name[strcspn(name, "=")] = '\0';
    for (const struct option *o = p->options; o && o->name; o++)
        strvec_push(&names, o->name);
    error_set(err, ERROR_USAGE, 0, "unknown option %s", word);
    const char *near = str_nearest(name, (const char *const *)names.items, names.count);
    return near ? error_hint(err, "did you mean --%s? (see --help)", near)
                : error_hint(err, "see --help");
}

static int set_flag(const struct option *o, bool *flag, const char *value, struct error *err)
{
    if (!value || strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0)
        *flag = true;
    else if (strcasecmp(value, "false") == 0 || strcmp(value, "0") == 0)
        *flag = false;
    else
        return error_set(err, ERROR_USAGE, 0, "--%s takes true or false, not %s", o->name, value);
    return 0;
}

/* An option that only says what is so anyway passes. */
static int apply_foreign(const struct option *o, const char *value, struct error *err)
{
    bool off = value && (strcasecmp(value, "false") == 0 || strcmp(value, "0") == 0);
    if ((o->kind == OPTION_HOLDS && !off) || (o->kind == OPTION_NEVER && off))
        return 0;
    return error_set(err, ERROR_USAGE, 0, "--%s%s is not supported: %s", o->name,
                     o->kind == OPTION_HOLDS ? "=false" : "", o->help);
}

/* `value` NULL: it is the next word. */
static int apply(struct parser *p, const struct option *o, const char *value, struct error *err)
{
    void *target = p->values + o->offset;
    if (o->kind >= OPTION_HOLDS)
        return apply_foreign(o, value, err);
    if (o->kind == OPTION_FLAG)
        return set_flag(o, target, value, err);
    if (o->kind == OPTION_WORD && !value)
        value = o->value;
    if (!value && !*p->argv)
        return error_set(err, ERROR_USAGE, 0, "--%s needs a value: %s", o->name, o->value);
    if (!value)
        value = *p->argv++;
    if (o->kind == OPTION_LIST)
        strvec_push(target, value);
    else
        *(const char **)target = value;
    return 0;
}

static int parse_long(struct parser *p, const char *word, struct error *err)
{
    const char *name = word + 2;
    size_t len = strcspn(name, "=");
    const struct option *o = find_name(p, name, len);
    if (!o)
        return unknown(p, word, err);
    return apply(p, o, name[len] ? name + len + 1 : NULL, err);
}

/* Flags may share a dash: -qD. */
static int parse_short(struct parser *p, const char *word, struct error *err)
{
    for (const char *letter = word + 1; *letter; letter++) {
        const struct option *o = find_letter(p, *letter);
        if (!o)
            return unknown(p, word, err);
        if (o->kind != OPTION_FLAG) {
            const char *value = letter[1] == '=' ? letter + 2 : letter + 1;
            return apply(p, o, *value ? value : NULL, err);
        }
        TRY(apply(p, o, NULL, err));
    }
    return 0;
}

int options_parse(const struct option *options, char **argv, void *values, struct strvec *args,
                  bool *out_help, struct error *err)
{
    struct parser p = { options, argv, values };
    *out_help = false;
    while (*p.argv) {
        const char *word = *p.argv++;
        if (strcmp(word, "--") == 0)
            break;
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            *out_help = true;
        else if (str_starts_with(word, "--"))
            TRY(parse_long(&p, word, err));
        else if (word[0] == '-' && word[1])
            TRY(parse_short(&p, word, err));
        else
            strvec_push(args, word);
    }
    while (*p.argv)
        strvec_push(args, *p.argv++);
    return 0;
}

void options_print(const struct option *options, struct strbuf *out)
{
    for (const struct option *o = options; o && o->name; o++) {
        if (o->kind >= OPTION_HOLDS)
            continue;
        auto_free char *left =
            xasprintf("%c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                      o->letter ? "," : " ", o->name,
                      !o->value                ? ""
                      : o->kind == OPTION_WORD ? "="
                                               : " ",
                      o->value ? o->value : "");
        strbuf_addf(out, "  %-34s %s\n", left, o->help);
    }
}

void options_release(const struct option *options, void *values)
{
    for (const struct option *o = options; o && o->name; o++) {
        if (o->kind == OPTION_LIST)
            strvec_release((struct strvec *)((char *)values + o->offset));
    }
}
