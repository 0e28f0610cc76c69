/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "cmd/command.h"
#include "cmd/report.h"
#include "lib/base/mem.h"
#include "snapshotter/sandbox/sandbox.h"

static const struct command *const commands[] = {
    &command_build,  &command_history, &command_du,    &command_images, &command_inspect,
    &command_pull,   &command_push,    &command_save,  &command_load,   &command_import,
    &command_export, &command_cp,      &command_tag,   &command_rmi,    &command_prune,
    &command_parse,  &command_doctor,  &command_login, &command_logout, &command_index,
};

static const struct command *find_command(const char *word)
{
    for (size_t i = 0; i < COUNT(commands); i++) {
        if (strcmp(commands[i]->name, word) == 0)
            return commands[i];
    }
    return NULL;
}

static void print_command_help(const struct command *c)
{
    auto_(strbuf) struct strbuf options = STRBUF_INIT;
    options_print(c->options, &options);
    printf("usage: mlbuild %s %s\n\n%s.\n", c->name, c->usage, c->summary);
    if (c->options)
        printf("\n%s", options.buf);
}

static void print_help(void)
{
    printf("mlbuild: builds OCI images from Dockerfiles, without a daemon and without root.\n\n"
           "usage: mlbuild -t NAME CONTEXT\n"
           "       mlbuild COMMAND --help\n\n");
    for (size_t i = 0; i < COUNT(commands); i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    printf("\nexit codes: 0 done; 1 Dockerfile, context, failed step; 2 command line; 3 findings "
           "of a\n"
           "check; 4 network or registry; 5 locked; 7 no space; 8 this host cannot; 130, 143 "
           "interrupted\n");
}

static int run_command(const struct command *c, char **argv, struct session *s, struct error *err)
{
    auto_free void *values = xcalloc(1, c->values_size);
    auto_(strvec) struct strvec args = { 0 };
    bool help = false;
    int rc = options_parse(c->options, argv, values, &args, &help, err);
    if (rc == 0 && help)
        print_command_help(c);
    else if (rc == 0)
        rc = c->run(s, values, &args, err);
    options_release(c->options, values);
    return rc;
}

/* Closed standard descriptors would be given to the first files that are opened. */
static void fill_standard_descriptors(void)
{
    int fd = 0;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], SANDBOX_ZYGOTE_NAME) == 0)
        return sandbox_zygote_main(argc, argv);
    fill_standard_descriptors();
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help();
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("mlbuild %s\n", MLBUILD_VERSION);
        return 0;
    }
    const struct command *c = find_command(argv[1]);
    struct session s;
    auto_(error) struct error err = { 0 };
    int rc = session_init(&s, &err);
    if (rc == 0)
        rc = run_command(c ? c : &command_build, argv + (c ? 2 : 1), &s, &err);
    int code = s.child_status ? s.child_status : report_exit_code(&err, session_signal());
    if (rc < 0 && !s.child_status && !s.reported)
        report_error(&err, NULL);
    session_release(&s);
    if (rc == 0 && (fflush(stdout) != 0 || ferror(stdout))) {
        fprintf(stderr, "ERROR: write to standard output: %s\n", strerror(errno));
        rc = -1;
    }
    return rc < 0 ? (code ? code : 1) : 0;
}
