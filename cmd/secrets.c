/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/secrets.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

enum { SECRET_MAX = 500 * 1024 };

/* The texts of one --secret. */
struct spec {
    char *id, *file, *env, *type;
};

static void spec_release(struct spec *s)
{
    free(s->id);
    free(s->file);
    free(s->env);
    free(s->type);
}
DEFINE_AUTO(spec, struct spec, spec_release(value))

static int read_field(const char *text, struct str field, struct spec *out, struct error *err)
{
    static const char *const keys[] = { "id", "src", "source", "file", "env", "type" };
    char **values[] = { &out->id, &out->file, &out->file, &out->file, &out->env, &out->type };
    struct str value = field;
    struct str key = str_cut(&value, '=');
    if (key.len == field.len) {
        return error_set(err, ERROR_USAGE, 0,
                         "--secret %s: invalid field '%.*s' must be a key=value pair", text,
                         (int)field.len, field.ptr);
    }
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (strlen(keys[i]) != key.len || strncasecmp(keys[i], key.ptr, key.len) != 0)
            continue;
        free(*values[i]);
        *values[i] = xstrndup(value.ptr, value.len);
        return 0;
    }
    auto_free char *word = xstrndup(key.ptr, key.len);
    const char *near = str_nearest(word, keys, COUNT(keys));
    error_set(err, ERROR_USAGE, 0, "--secret %s: unexpected key '%s'", text, word);
    return near ? error_hint(err, "did you mean %s=?", near) : -1;
}

/* A field in double quotes may hold commas, as in CSV. */
static struct str next_field(struct str *rest)
{
    if (rest->len < 2 || rest->ptr[0] != '"')
        return str_cut(rest, ',');
    const char *end = memchr(rest->ptr + 1, '"', rest->len - 1);
    if (!end)
        return str_cut(rest, ',');
    struct str field = { rest->ptr + 1, (size_t)(end - rest->ptr) - 1 };
    struct str after = { end + 1, rest->len - field.len - 2 };
    (void)str_cut(&after, ',');
    *rest = after;
    return field;
}

static int read_spec(const char *text, struct spec *out, struct error *err)
{
    struct str rest = str_of(text);
    while (rest.len)
        TRY(read_field(text, next_field(&rest), out, err));
    if (out->type && strcmp(out->type, "file") != 0 && strcmp(out->type, "env") != 0)
        return error_set(err, ERROR_USAGE, 0, "--secret %s: unsupported secret type \"%s\"", text,
                         out->type);
    if (!out->id || !*out->id) {
        error_set(err, ERROR_USAGE, 0, "--secret %s: secret missing ID", text);
        return error_hint(err, "--secret id=NAME,src=FILE or --secret id=NAME,env=VARIABLE");
    }
    if (out->env && out->file)
        return error_set(err, ERROR_USAGE, 0, "--secret %s: a file and a variable at once", text);
    if (out->type && strcmp(out->type, "env") == 0 && !out->env) {
        out->env = out->file ? out->file : xstrdup(out->id);
        out->file = NULL;
    }
    /* Without either, the variable of that name, else the file of that name. */
    bool is_file = out->type && strcmp(out->type, "file") == 0;
    if (!out->env && !out->file && !is_file && getenv(out->id))
        out->env = xstrdup(out->id);
    if (!out->env && !out->file)
        out->file = xstrdup(out->id);
    return 0;
}

static int read_file(const struct spec *spec, struct strbuf *out, struct error *err)
{
    struct stat st;
    if (stat(spec->file, &st) < 0)
        return error_set(err, ERROR_USER, errno, "--secret id=%s: %s", spec->id, spec->file);
    if (S_ISREG(st.st_mode) && st.st_size > SECRET_MAX)
        return error_set(err, ERROR_USER, 0, "secret %s too big. max size 500KB", spec->id);
    auto_close int fd = open(spec->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) /* a pipe that nobody writes to is waited for */
        return error_set(err, errno == EINTR ? ERROR_CANCELLED : ERROR_USER, errno,
                         "--secret id=%s: open %s", spec->id, spec->file);
    /* Not only regular files: <(command) is a pipe. */
    if (fd_read_all(fd, SECRET_MAX, spec->file, out, err) < 0)
        return error_wrap(err, "--secret id=%s", spec->id);
    return 0;
}

static void secret_release(struct lent_secret *s)
{
    explicit_bzero(s->data, s->size);
    free(s->data);
    free(s->id);
}

/* Of two secrets of one name the later one counts, as with buildx. */
static struct lent_secret *place_of(struct lent *lent, const char *id)
{
    for (size_t i = 0; i < lent->secret_count; i++) {
        if (strcmp(lent->secrets[i].id, id) == 0) {
            secret_release(&lent->secrets[i]);
            return &lent->secrets[i];
        }
    }
    lent->secrets = xreallocarray(lent->secrets, lent->secret_count + 1, sizeof *lent->secrets);
    return &lent->secrets[lent->secret_count++];
}

static int add_secret(const char *text, struct progress *progress, struct lent *lent,
                      struct error *err)
{
    auto_(spec) struct spec spec = { 0 };
    struct strbuf value = STRBUF_INIT;
    TRY(read_spec(text, &spec, err));
    const char *variable = spec.env ? getenv(spec.env) : NULL;
    if (spec.env && !variable) {
        auto_free char *warning = xasprintf("--secret id=%s: the variable %s is not set; the "
                                            "secret is empty",
                                            spec.id, spec.env);
        progress_warning(progress, warning);
    }
    if (variable)
        strbuf_addstr(&value, variable);
    if (value.len > SECRET_MAX) {
        strbuf_release(&value);
        return error_set(err, ERROR_USER, 0, "secret %s too big. max size 500KB", spec.id);
    }
    if (spec.file && read_file(&spec, &value, err) < 0) {
        strbuf_release(&value);
        return -1;
    }
    struct lent_secret *s = place_of(lent, spec.id);
    s->size = value.len;
    s->data = strbuf_detach(&value);
    s->id = take_ptr(spec.id);
    return 0;
}

static void add_agent(struct lent *lent, struct str id, const char *socket)
{
    lent->agents = xreallocarray(lent->agents, lent->agent_count + 1, sizeof *lent->agents);
    lent->agents[lent->agent_count++] =
        (struct lent_agent){ xstrndup(id.ptr, id.len), xstrdup(socket) };
}

static int use_own_agent(const char *text, struct str id, struct lent *lent, struct error *err)
{
    const char *socket = getenv("SSH_AUTH_SOCK");
    if (socket && *socket) {
        add_agent(lent, id, socket);
        return 0;
    }
    error_set(err, ERROR_USER, 0,
              "--ssh %s: invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set", text);
    return error_hint(err,
                      "start an agent (eval \"$(ssh-agent)\"; ssh-add), or name a key: "
                      "--ssh %s=FILE",
                      text);
}

/* One socket, or any number of key files. */
static int use_paths(const char *text, struct str id, const struct strvec *paths,
                     struct secrets *out, struct error *err)
{
    for (size_t i = 0; i < paths->count; i++) {
        struct stat st;
        if (stat(paths->items[i], &st) < 0)
            return error_set(err, ERROR_USER, errno, "--ssh %s: %s", text, paths->items[i]);
        if (!S_ISSOCK(st.st_mode))
            continue;
        if (paths->count > 1)
            return error_set(err, ERROR_USAGE, 0, "--ssh %s: only single socket allowed", text);
        add_agent(&out->lent, id, paths->items[0]);
        return 0;
    }
    out->key_agents =
        xreallocarray(out->key_agents, out->key_agent_count + 1, sizeof *out->key_agents);
    struct key_agent *agent = &out->key_agents[out->key_agent_count];
    TRY(key_agent_start((const char *const *)paths->items, agent, err));
    out->key_agent_count++;
    add_agent(&out->lent, id, agent->socket);
    return 0;
}

static int add_ssh(const char *text, struct secrets *out, struct error *err)
{
    auto_(strvec) struct strvec paths = { 0 };
    struct str rest = str_of(text);
    struct str id = str_cut(&rest, '=');
    if (!id.len)
        return error_set(err, ERROR_USAGE, 0, "--ssh %s: an id is missing", text);
    while (rest.len) {
        struct str path = str_cut(&rest, ',');
        if (path.len)
            strvec_push_take(&paths, xstrndup(path.ptr, path.len));
    }
    return paths.count ? use_paths(text, id, &paths, out, err)
                       : use_own_agent(text, id, &out->lent, err);
}

int secrets_read(const struct strvec *secret_texts, const struct strvec *ssh_texts,
                 struct progress *progress, struct secrets *out, struct error *err)
{
    for (size_t i = 0; i < secret_texts->count; i++)
        TRY(add_secret(secret_texts->items[i], progress, &out->lent, err));
    for (size_t i = 0; i < ssh_texts->count; i++)
        TRY(add_ssh(ssh_texts->items[i], out, err));
    return 0;
}

void secrets_release(struct secrets *s)
{
    for (size_t i = 0; i < s->lent.secret_count; i++)
        secret_release(&s->lent.secrets[i]);
    for (size_t i = 0; i < s->lent.agent_count; i++) {
        free(s->lent.agents[i].id);
        free(s->lent.agents[i].socket);
    }
    for (size_t i = 0; i < s->key_agent_count; i++)
        key_agent_stop(&s->key_agents[i]);
    free(s->lent.secrets);
    free(s->lent.agents);
    free(s->key_agents);
    *s = (struct secrets){ 0 };
}
