/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/mounts.h"

#include <ctype.h>

#include "frontend/dockerfile/go_text.h"
#include "frontend/dockerfile/words.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

enum { MODE_MAX = 07777 };

static const char *const type_names[] = {
    [EXEC_MOUNT_BIND] = "bind",     [EXEC_MOUNT_CACHE] = "cache", [EXEC_MOUNT_TMPFS] = "tmpfs",
    [EXEC_MOUNT_SECRET] = "secret", [EXEC_MOUNT_SSH] = "ssh",
};

static const char *const sharing_names[] = {
    [CACHE_SHARED] = "shared", [CACHE_PRIVATE] = "private", [CACHE_LOCKED] = "locked"
};

const char *mount_type_name(enum exec_mount_type type)
{
    return type_names[type];
}

/* The index of `value` in `names`, in any case; -1 if it is not there, with a hint. */
static int find_name(const char *value, const char *const *names, size_t count, const char *what,
                     struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(names[i], value) == 0)
            return (int)i;
    const char *near = str_nearest(value, names, count);
    error_set(err, ERROR_USER, 0, "unsupported %s \"%s\"", what, value);
    if (near)
        return error_hint(err, "did you mean %s?", near);
    auto_(strbuf) struct strbuf all = STRBUF_INIT;
    for (size_t i = 0; i < count; i++)
        strbuf_addf(&all, i ? ", %s" : "%s", names[i]);
    return error_hint(err, "it is one of %s", all.buf);
}

typedef int set_fn(struct mount *m, const char *key, const char *value, struct error *err);

static int invalid(const char *key, const char *value, struct error *err)
{
    return error_set(err, ERROR_USER, 0, "invalid value for %s: %s", key, value);
}

static int set_type(struct mount *m, const char *key, const char *value, struct error *err)
{
    (void)key;
    int type = find_name(value, type_names, COUNT(type_names), "mount type", err);
    if (type < 0)
        return -1;
    m->type = (enum exec_mount_type)type;
    return 0;
}

static int set_from(struct mount *m, const char *key, const char *value, struct error *err)
{
    (void)key;
    (void)err;
    m->from = *value ? value : NULL;
    return 0;
}

static int set_source(struct mount *m, const char *key, const char *value, struct error *err)
{
    (void)key;
    (void)err;
    m->source = *value ? value : NULL;
    return 0;
}

static int set_target(struct mount *m, const char *key, const char *value, struct error *err)
{
    (void)key;
    (void)err;
    m->target = *value ? value : NULL;
    return 0;
}

static int set_id(struct mount *m, const char *key, const char *value, struct error *err)
{
    (void)key;
    (void)err;
    m->id = *value ? value : NULL;
    return 0;
}

static int set_env(struct mount *m, const char *key, const char *value, struct error *err)
{
    if (!*value || strchr(value, '='))
        return invalid(key, value, err);
    m->env = value;
    return 0;
}

static int set_access(struct mount *m, const char *key, const char *value, struct error *err)
{
    bool on = true;
    if (value && !go_bool_parse(value, &on))
        return invalid(key, value, err);
    bool read_only = on == (strcmp(key, "readonly") == 0 || strcmp(key, "ro") == 0);
    m->access = read_only ? MOUNT_READ_ONLY : MOUNT_READ_WRITE;
    return 0;
}

static int unexpected(const struct mount *m, const char *key, const char *types, struct error *err)
{
    error_set(err, ERROR_USER, 0, "unexpected key '%s' for mount type '%s'", key,
              mount_type_name(m->type));
    return error_hint(err, "write %s before it", types);
}

static int set_required(struct mount *m, const char *key, const char *value, struct error *err)
{
    if (m->type != EXEC_MOUNT_SECRET && m->type != EXEC_MOUNT_SSH)
        return unexpected(m, key, "type=secret or type=ssh", err);
    m->required = true;
    return !value || go_bool_parse(value, &m->required) ? 0 : invalid(key, value, err);
}

static int set_size(struct mount *m, const char *key, const char *value, struct error *err)
{
    if (m->type != EXEC_MOUNT_TMPFS)
        return unexpected(m, key, "type=tmpfs", err);
    if (go_size_parse(value, &m->size))
        return 0;
    invalid(key, value, err);
    return error_hint(err, "write a number of bytes, or one with a unit as in 64m");
}

static int set_sharing(struct mount *m, const char *key, const char *value, struct error *err)
{
    int mode = find_name(value, sharing_names, COUNT(sharing_names), "sharing value", err);
    (void)key;
    if (mode < 0)
        return -1;
    m->has_sharing = true;
    m->sharing = (enum cache_sharing)mode;
    return 0;
}

static int set_number(struct mount *m, const char *key, const char *value, struct error *err)
{
    uint64_t number = 0;
    bool is_mode = strcmp(key, "mode") == 0;
    if (!str_to_u64(str_of(value), is_mode ? 8 : 10, is_mode ? MODE_MAX : INT32_MAX, &number)) {
        error_set(err, ERROR_USER, 0, "invalid value %s for %s", value, key);
        return error_hint(err, is_mode ? "write it in octal, as in mode=0755" : "write a number");
    }
    if (is_mode) {
        m->has_mode = true;
        m->mode = (unsigned)number;
    } else if (strcmp(key, "uid") == 0) {
        m->has_uid = true;
        m->uid = (uid_t)number;
    } else {
        m->has_gid = true;
        m->gid = (gid_t)number;
    }
    return 0;
}

static const struct mount_key {
    const char *name;
    set_fn *set;
    bool bare; /* may stand without a value */
} keys[] = {
    { "type", set_type, false },
    { "from", set_from, false },
    { "source", set_source, false },
    { "src", set_source, false },
    { "target", set_target, false },
    { "dst", set_target, false },
    { "readonly", set_access, true },
    { "ro", set_access, true },
    { "readwrite", set_access, true },
    { "rw", set_access, true },
    { "id", set_id, false },
    { "sharing", set_sharing, false },
    { "size", set_size, false },
    { "required", set_required, true },
    { "mode", set_number, false },
    { "uid", set_number, false },
    { "gid", set_number, false },
    { "env", set_env, false },
    { "destination", set_target, false },
};

static int unknown_key(const char *key, const char *field, bool bare, struct error *err)
{
    const char *names[COUNT(keys)];
    size_t count = 0;
    for (size_t i = 0; i < COUNT(keys); i++)
        if (!bare || keys[i].bare)
            names[count++] = keys[i].name;
    const char *near = str_nearest(key, names, count);
    if (bare)
        error_set(err, ERROR_USER, 0, "invalid field '%s' must be a key=value pair", field);
    else
        error_set(err, ERROR_USER, 0, "unexpected key '%s' in '%s'", key, field);
    return near ? error_hint(err, "did you mean %s?", near) : -1;
}

static int set_field(struct mount *m, const char *field, mount_expand_fn *expand, void *arg,
                     struct error *err)
{
    const char *equals = strchr(field, '=');
    auto_free char *key = xstrndup(field, equals ? (size_t)(equals - field) : strlen(field));
    const char *value = NULL;
    for (char *c = key; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (equals)
        TRY(expand(arg, equals + 1, &value, err));
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (strcmp(keys[i].name, key) == 0 && (value || keys[i].bare))
            return keys[i].set(m, key, value, err);
    }
    return unknown_key(key, field, !value, err);
}

static int check_attributes(const struct mount *m, struct error *err)
{
    const char *given = m->has_mode ? "mode" : m->has_uid ? "uid" : m->has_gid ? "gid" : NULL;
    if (given && (m->type == EXEC_MOUNT_BIND || m->type == EXEC_MOUNT_TMPFS))
        return error_set(err, ERROR_USER, 0, "%s not allowed for \"%s\" type mounts", given,
                         mount_type_name(m->type));
    return 0;
}

static int check_secret(const struct mount *m, struct error *err)
{
    if (m->from)
        return error_set(err, ERROR_USER, 0, "secret mount should not have a from");
    if (m->has_sharing)
        return error_set(err, ERROR_USER, 0, "secret mount should not define sharing");
    if (!m->source && !m->target && !m->id) {
        error_set(err, ERROR_USER, 0, "invalid secret mount. one of source, target required");
        return error_hint(err, "name it: --mount=type=secret,id=NAME");
    }
    if (m->source && m->id)
        return error_set(err, ERROR_USER, 0, "both source and id can't be set");
    return 0;
}

static int check_mount(const struct mount *m, struct error *err)
{
    TRY(check_attributes(m, err));
    if (m->type == EXEC_MOUNT_SECRET)
        TRY(check_secret(m, err));
    if (m->type == EXEC_MOUNT_SSH && m->source)
        return error_set(err, ERROR_USER, 0, "ssh does not support source");
    if (m->has_sharing && m->type != EXEC_MOUNT_CACHE)
        return error_set(err, ERROR_USER, 0, "invalid cache sharing set for %s mount",
                         mount_type_name(m->type));
    return 0;
}

static int split(const struct flag *flag, struct strvec *out, struct error *err)
{
    if (words_parse_csv(flag->value, out, err) < 0)
        return error_wrap(err, "failed to parse csv mounts");
    return 0;
}

int mount_parse(const struct flag *flag, mount_expand_fn *expand, void *arg, struct mount *out,
                struct error *err)
{
    auto_(strvec) struct strvec fields = { 0 };
    *out = (struct mount){ .type = EXEC_MOUNT_BIND };
    TRY(split(flag, &fields, err));
    for (size_t i = 0; i < fields.count; i++)
        TRY(set_field(out, fields.items[i], expand, arg, err));

    return check_mount(out, err);
}

int mount_find_from(const struct flag *flag, struct arena *arena, const char **out,
                    struct error *err)
{
    auto_(strvec) struct strvec fields = { 0 };
    *out = NULL;
    TRY(split(flag, &fields, err));
    for (size_t i = 0; i < fields.count; i++) {
        const char *field = fields.items[i];
        if (strncasecmp(field, "from=", 5) != 0)
            continue;
        const char *dollar = strchr(field, '$');
        if (dollar && dollar[1]) {
            error_set(err, ERROR_USER, 0,
                      "'from' doesn't support variable expansion, define alias stage instead");
            return error_hint(err, "write FROM %s AS NAME above, and from=NAME", field + 5);
        }
        *out = field[5] ? arena_strdup(arena, field + 5) : NULL;
    }
    return 0;
}
