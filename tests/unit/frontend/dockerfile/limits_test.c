/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large and hostile Dockerfiles: all work is linear, or ends at a stated limit. Each case is made
 * by a writer of N units; the time for 4 N may be at most a few times that for N.
 */
#include "tests/support/test.h"

#include <time.h>

#include "frontend/dockerfile/lower.h"
#include "lib/base/mem.h"

static int no_images(struct image_resolver *r, const char *reference,
                     const struct platform *platform, const struct resolved_image **out,
                     struct error *err)
{
    (void)r;
    (void)platform;
    (void)out;
    return error_set(err, ERROR_REMOTE, 0, "%s: not found", reference);
}

static const char *no_directory(struct image_resolver *r, const char *name)
{
    (void)r;
    (void)name;
    return NULL;
}

static bool no_context(struct image_resolver *r, const char *name)
{
    (void)r;
    (void)name;
    return false;
}

typedef void write_fn(struct strbuf *out, unsigned n);

static void write_lines(struct strbuf *out, unsigned n, const char *first, const char *line)
{
    strbuf_addstr(out, first);
    for (unsigned i = 0; i < n; i++) {
        strbuf_addstr(out, line);
        strbuf_addch(out, '\n');
    }
}

/* A line in which one word comes again and again. */
static void write_words(struct strbuf *out, unsigned n, const char *first, const char *word,
                        const char *last)
{
    strbuf_addstr(out, first);
    for (unsigned i = 0; i < n; i++)
        strbuf_addf(out, i % 64 == 63 ? "\\\n%s" : "%s", word);
    strbuf_addstr(out, last);
}

static void runs(struct strbuf *out, unsigned n)
{
    write_lines(out, n, "FROM scratch\n", "RUN true");
}

static void env_lines(struct strbuf *out, unsigned n)
{
    strbuf_addstr(out, "FROM scratch\n");
    for (unsigned i = 0; i < n; i++)
        strbuf_addf(out, "ENV a%u=%u\n", i, i);
    strbuf_addstr(out, "RUN true\n");
}

static void labels_in_one(struct strbuf *out, unsigned n)
{
    write_words(out, n, "FROM scratch\nLABEL", " a=b", "\n");
}

static void copies(struct strbuf *out, unsigned n)
{
    write_lines(out, n, "FROM scratch\n", "COPY --link --parents --exclude=*.x a/./b /c/");
}

static void sources_of_one_copy(struct strbuf *out, unsigned n)
{
    write_words(out, n, "FROM scratch\nCOPY", " some/file", " /dest/\n");
}

static void openers(struct strbuf *out, unsigned n)
{
    write_words(out, n, "FROM scratch\nRUN cat", " <<E", "\n");
    for (unsigned i = 0; i < n; i++)
        strbuf_addstr(out, "E\n");
}

static void copied_heredocs(struct strbuf *out, unsigned n)
{
    strbuf_addstr(out, "FROM scratch\nCOPY");
    for (unsigned i = 0; i < n; i++)
        strbuf_addf(out, i % 64 == 63 ? "\\\n <<E%u" : " <<E%u", i);
    strbuf_addstr(out, " /x/\n");
    for (unsigned i = 0; i < n; i++)
        strbuf_addf(out, "$body\nE%u\n", i);
}

static void long_heredoc(struct strbuf *out, unsigned n)
{
    write_lines(out, n * 16, "FROM scratch\nCOPY <<E /x\n", "a line with $variables");
    strbuf_addstr(out, "E\n");
}

static void stages_in_a_row(struct strbuf *out, unsigned n)
{
    strbuf_addstr(out, "FROM scratch AS s0\n");
    for (unsigned i = 1; i < n; i++)
        strbuf_addf(out, "FROM s%u AS s%u\nCOPY --from=s%u a b\n", i - 1, i, i / 2);
}

static void equal_stages(struct strbuf *out, unsigned n)
{
    write_lines(out, n, "FROM scratch AS a\n", "FROM a AS a");
}

static void stages_of_mounts(struct strbuf *out, unsigned n)
{
    strbuf_addstr(out, "FROM scratch AS s0\nRUN x\n");
    for (unsigned i = 1; i < n; i++)
        strbuf_addf(out, "FROM scratch AS s%u\nRUN --mount=from=s%u,target=/x y\n", i, i - 1);
}

static void comments(struct strbuf *out, unsigned n)
{
    write_lines(out, n * 16, "", "# a comment");
    strbuf_addstr(out, "FROM scratch\n");
}

static void continuations(struct strbuf *out, unsigned n)
{
    write_lines(out, n * 16, "FROM scratch\nRUN x\\\n", "  && y \\");
}

static void secrets(struct strbuf *out, unsigned n)
{
    write_lines(out, n, "FROM scratch\n",
                "RUN --mount=type=secret,id=a,env=A --mount=type=ssh echo $A $B");
}

static void expose(struct strbuf *out, unsigned n)
{
    write_words(out, n, "FROM scratch\nEXPOSE", " 80", "\n");
}

static void json(struct strbuf *out, unsigned n)
{
    write_words(out, n, "FROM scratch\nCMD [\"a\"", ", \"\\\\u0041\"", "]\n");
}

static void volumes(struct strbuf *out, unsigned n)
{
    strbuf_addstr(out, "FROM scratch\nVOLUME");
    for (unsigned i = 0; i < n; i++)
        strbuf_addf(out, i % 64 == 63 ? "\\\n /v%u" : " /v%u", i);
    strbuf_addch(out, '\n');
}

static void triggers(struct strbuf *out, unsigned n)
{
    write_lines(out, n / 2, "FROM scratch AS base\n", "ONBUILD COPY <<E /x\nbody\nE");
    strbuf_addstr(out, "FROM base\n");
}

static const struct growth {
    const char *name;
    write_fn *write;
    unsigned n; /* units of the small one */
} growths[] = {
    { "runs", runs, 2400 },
    { "env lines", env_lines, 2400 },
    { "labels in one instruction", labels_in_one, 10000 },
    { "copies", copies, 2400 },
    { "sources of one copy", sources_of_one_copy, 10000 },
    { "openers", openers, 10000 },
    { "copied here-documents", copied_heredocs, 2500 },
    { "long here-document", long_heredoc, 2500 },
    { "stages in a row", stages_in_a_row, 1000 },
    { "equal stages", equal_stages, 1000 },
    { "stages that mount stages", stages_of_mounts, 1000 },
    { "comments", comments, 10000 },
    { "continuations", continuations, 10000 },
    { "secrets", secrets, 2400 },
    { "expose", expose, 10000 },
    { "json", json, 10000 },
    { "volumes", volumes, 10000 },
    { "triggers", triggers, 2400 },
};

static int lower(const char *text, size_t len, struct error *err)
{
    auto_(dockerfile) struct dockerfile *df = NULL;
    auto_(definition) struct definition def = { 0 };
    struct image_resolver resolver = { .resolve = no_images,
                                       .local_context = no_directory,
                                       .has_context = no_context };
    struct lower_options options = { .platform = platform_host(), .resolver = &resolver };
    TRY(dockerfile_parse(text, len, "Dockerfile", &df, err));
    return dockerfile_lower(df, &options, &def, err);
}

static double milliseconds(const struct growth *g, unsigned n)
{
    auto_(error) struct error err = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    struct timespec from;
    struct timespec to;
    g->write(&text, n);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    assert_ok(lower(text.buf, text.len, &err), &err);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

static void time_is_linear(void **state)
{
    const struct growth *g = *state;
    double small = milliseconds(g, g->n);
    double large = milliseconds(g, g->n * 4);
    print_message("%-26s %7.1f ms %7.1f ms\n", g->name, small, large);
    if (large > 50 && large > small * 12)
        fail_msg("%s: %.1f ms for %u, %.1f ms for %u", g->name, small, g->n, large, g->n * 4);
}

static void fails_with(write_fn *write, unsigned n, const char *message)
{
    auto_(error) struct error err = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    write(&text, n);
    assert_error(lower(text.buf, text.len, &err), &err, ERROR_USER, message);
}

static void expose_all(struct strbuf *out, unsigned n)
{
    write_lines(out, n, "FROM scratch\n", "EXPOSE 0-65535");
}

static void doubling(struct strbuf *out, unsigned n)
{
    write_lines(out, n, "FROM scratch\nENV a=aaaaaaaa\n", "ENV a=$a$a");
}

static void slow_patterns(struct strbuf *out, unsigned n)
{
    strbuf_addstr(out, "FROM scratch\nARG a=");
    for (unsigned i = 0; i < 30000; i++)
        strbuf_addch(out, 'a');
    strbuf_addch(out, '\n');
    write_lines(out, n, "", "LABEL l=${a##*a*a*a*a*a*a*a*a*a*b}");
}

static void stages_of_variables(struct strbuf *out, unsigned n)
{
    strbuf_addstr(out, "FROM scratch AS s0\n");
    for (unsigned i = 1; i < n; i++)
        strbuf_addf(out, "FROM s%u AS s%u\nENV v%u=1\n", i - 1, i, i);
}

static void limits_are_stated(void **state)
{
    (void)state;
    fails_with(runs, INSTRUCTIONS_MAX, "more than 10000 instructions");
    fails_with(comments, SOURCE_MAX / 16 / 12 + 1, "larger than the limit of 16 MiB");
    fails_with(expose_all, 5000, "beyond the limit of 64 MiB");
    fails_with(doubling, 40, "limit of 1 MiB");
    fails_with(slow_patterns, 9000, "limit of 64 MiB");
    fails_with(stages_of_variables, 4999, "limit of 64 MiB");
}

int main(void)
{
    struct CMUnitTest tests[COUNT(growths) + 1];
    tests[COUNT(growths)] = (struct CMUnitTest)cmocka_unit_test(limits_are_stated);
    for (size_t i = 0; i < COUNT(growths); i++)
        tests[i] =
            (struct CMUnitTest){ growths[i].name, time_is_linear, NULL, NULL, (void *)&growths[i] };
    return _cmocka_run_group_tests("limits", tests, COUNT(tests), NULL, NULL);
}
