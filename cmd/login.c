/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild login, logout: credentials for registries, kept where docker keeps them. */
#include <termios.h>

#include "cmd/command.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/oci/reference.h"

enum { ANSWER_MAX = 64 * 1024 };

struct login_values {
    const char *username, *password;
    bool password_stdin, debug, all;
    struct strvec insecure;
};

#define VALUE(member) offsetof(struct login_values, member)
static const struct option login_options[] = {
    { "username", 'u', OPTION_TEXT, VALUE(username), "USER", "who logs in" },
    { "password-stdin", 0, OPTION_FLAG, VALUE(password_stdin), NULL,
      "read the password from standard input" },
    { "password", 'p', OPTION_TEXT, VALUE(password), "PASSWORD",
      "the password; others on this host may see it here" },
    { "insecure-registry", 0, OPTION_LIST, VALUE(insecure), "HOST",
      "registry that may speak http" },
    { "debug", 'D', OPTION_FLAG, VALUE(debug), NULL, "say whose credentials are used, and why" },
    { .name = NULL },
};
static const struct option logout_options[] = {
    { "all", 'a', OPTION_FLAG, VALUE(all), NULL, "of all registries" },
    { .name = NULL },
};

/* "https://host/v1/" is host, and nothing is Docker Hub. The caller frees it. */
static int read_host(const struct strvec *args, const char *usage, char **out, struct error *err)
{
    if (args->count > 1)
        return error_set(err, ERROR_USAGE, 0, "%s", usage);
    const char *text = args->count ? args->items[0] : "docker.io";
    const char *scheme = strstr(text, "://");
    struct str path = str_of(scheme ? scheme + 3 : text);
    struct str host = str_cut(&path, '/');
    auto_free char *name = xasprintf("%.*s/x", (int)host.len, host.ptr);
    auto_(reference) struct reference ref = { 0 };
    if (str_equal(host, STR("registry-1.docker.io")) || str_equal(host, STR("index.docker.io")))
        host = STR("docker.io");
    else if (reference_parse(name, &ref, err) < 0 || strlen(ref.host) != host.len ||
             memcmp(ref.host, host.ptr, host.len) != 0) {
        error_clear(err);
        error_set(err, ERROR_USAGE, 0, "\"%s\" is not a registry", text);
        return error_hint(err, "write HOST or HOST:PORT");
    }
    *out = xstrndup(host.ptr, host.len);
    return 0;
}

static char *first_line(const struct strbuf *text)
{
    return xstrndup(text->buf, strcspn(text->buf, "\r\n"));
}

static int read_password_stdin(char **out, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    TRY(fd_read_all(STDIN_FILENO, ANSWER_MAX, "standard input", &text, err));
    *out = first_line(&text);
    explicit_bzero(text.buf, text.len);
    return 0;
}

/* A line that is typed, without echo if it is secret. */
static int ask(struct session *s, const char *question, bool is_secret, char **out,
               struct error *err)
{
    struct termios before;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    char c = 0;
    ssize_t n = 1;
    fprintf(stderr, "%s", question);
    fflush(stderr);
    bool is_quiet = is_secret && tcgetattr(STDIN_FILENO, &before) == 0;
    if (is_quiet) {
        struct termios quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    /* a signal ends the read, so that the terminal is put right in any case */
    while (text.len < ANSWER_MAX && (n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n')
        strbuf_addch(&text, c);
    if (is_quiet) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
    *out = first_line(&text);
    explicit_bzero(text.buf, text.len);
    TRY(cancel_check(&s->cancel, err));
    if (n <= 0 && !**out)
        return error_set(err, ERROR_USAGE, 0, "nothing was typed");
    return 0;
}

static int read_credential(struct session *s, const struct login_values *v, struct credential *out,
                           struct error *err)
{
    if (v->password_stdin && (v->password || !v->username))
        return error_set(err, ERROR_USAGE, 0,
                         "--password-stdin needs --username, and no --password");
    if (!isatty(STDIN_FILENO) && !(v->username && (v->password || v->password_stdin))) {
        error_set(err, ERROR_USAGE, 0, "standard input is no terminal to ask on");
        return error_hint(err, "mlbuild login -u USER --password-stdin HOST < FILE");
    }
    out->source = xstrdup("this login");
    if (v->username)
        out->username = xstrdup(v->username);
    else
        TRY(ask(s, "Username: ", false, &out->username, err));
    if (v->password)
        fprintf(stderr, "WARNING: others on this host may see a password on the command line; use "
                        "--password-stdin\n");
    if (v->password)
        out->secret = xstrdup(v->password);
    else if (v->password_stdin)
        TRY(read_password_stdin(&out->secret, err));
    else
        TRY(ask(s, "Password: ", true, &out->secret, err));
    if (!*out->username || strchr(out->username, ':'))
        return error_set(err, ERROR_USAGE, 0, "a user name is not empty, and holds no colon");
    return *out->secret ? 0 : error_set(err, ERROR_USAGE, 0, "the password is empty");
}

static bool is_same(const char *found, const char *wanted)
{
    return found && strcmp(found, wanted) == 0;
}

/* Another place may know better, and wins. */
static int warn_if_hidden(const struct credential_places *places, const char *host,
                          const struct credential *c, struct error *err)
{
    auto_(credential) struct credential found = { 0 };
    TRY(credentials_find(places, host, "", &found, err));
    bool is_it = c->identity_token
                     ? is_same(found.identity_token, c->identity_token)
                     : is_same(found.username, c->username) && is_same(found.secret, c->secret);
    if (!is_it && found.source)
        fprintf(stderr, "WARNING: the credentials for %s in %s come first\n", host, found.source);
    return 0;
}

static int login_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    const struct login_values *v = values;
    struct credential_places places = credential_places_from_environment();
    auto_(credential) struct credential c = { 0 };
    auto_free char *host = NULL;
    auto_free char *where = NULL;
    TRY(read_host(args, "mlbuild login [-u USER] [--password-stdin] [HOST]", &host, err));
    strvec_push_all(&s->insecure_hosts, &v->insecure);
    s->debug = v->debug;
    TRY(read_credential(s, v, &c, err));
    TRY(registry_login(session_registry(s), host, &c, err));
    TRY(credentials_store(&places, host, &c, &where, err));
    TRY(warn_if_hidden(&places, host, &c, err));
    printf("Login Succeeded\n");
    fprintf(stderr, "credentials for %s are in %s\n", host, where);
    return 0;
}

const struct command command_login = {
    .name = "login",
    .usage = "[-u USER] [--password-stdin] [HOST]",
    .summary = "try a password for a registry, and keep it where docker does",
    .options = login_options,
    .values_size = sizeof(struct login_values),
    .run = login_run,
};

static int logout_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    const struct login_values *v = values;
    struct credential_places places = credential_places_from_environment();
    auto_(credential) struct credential left = { 0 };
    auto_free char *host = NULL;
    size_t count = 0;
    (void)s;
    if (v->all && args->count)
        return error_set(err, ERROR_USAGE, 0, "mlbuild logout [HOST|--all]");
    TRY(read_host(args, "mlbuild logout [HOST|--all]", &host, err));
    TRY(credentials_erase(&places, v->all ? NULL : host, &count, err));
    if (v->all) {
        printf("Removed the credentials for %zu registries\n", count);
        return 0;
    }
    printf(count ? "Removed the credentials for %s\n" : "Not logged in to %s\n", host);
    TRY(credentials_find(&places, host, "", &left, err));
    if (left.source)
        fprintf(stderr, "WARNING: %s has credentials for %s, too\n", left.source, host);
    return 0;
}

const struct command command_logout = {
    .name = "logout",
    .usage = "[HOST|--all]",
    .summary = "forget the password for a registry",
    .options = logout_options,
    .values_size = sizeof(struct login_values),
    .run = logout_run,
};
