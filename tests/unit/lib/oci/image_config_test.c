/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/oci/image_config.h"

#include <string.h>

#include "tests/support/test.h"

#define HEX "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

/* Exactly what BuildKit writes, so parse and print give the same bytes. */
static const char full[] =
    "{\"architecture\":\"arm\",\"author\":\"me \\u003ca@b\\u003e\",\"config\":{\"User\":\"1:2\","
    "\"ExposedPorts\":{\"53/udp\":{},\"80/tcp\":{}},\"Env\":[\"PATH=/bin\",\"A=b=c\"],"
    "\"Entrypoint\":[\"/x\"],\"Cmd\":[\"a\",\"\"],\"Volumes\":{\"/v\":{}},\"WorkingDir\":\"/w\","
    "\"Labels\":{\"a\":\"\",\"b\":\"c\"},\"StopSignal\":\"SIGINT\",\"ArgsEscaped\":true,"
    "\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"],\"Interval\":1000000000,\"Retries\":3},"
    "\"OnBuild\":[\"RUN x\"],\"Shell\":[\"/bin/bash\",\"-c\"]},"
    "\"created\":\"2024-01-01T00:00:00Z\",\"history\":[{\"created\":\"2024-01-01T00:00:00Z\","
    "\"created_by\":\"RUN x \\u0026\\u0026 y\",\"comment\":\"buildkit.dockerfile.v0\","
    "\"empty_layer\":true}],\"os\":\"linux\",\"os.version\":\"1\",\"rootfs\":{\"type\":\"layers\","
    "\"diff_ids\":[\"sha256:" HEX "\"]},\"variant\":\"v7\"}";

static void parse_print_is_the_identity(void **state)
{
    (void)state;
    struct error err = { 0 };
    struct image_config c;
    struct image_config copy;
    struct strbuf out = STRBUF_INIT;

    assert_ok(image_config_parse(full, strlen(full), &c, &err), &err);
    image_config_copy(&copy, &c);
    image_config_release(&c);
    image_config_print(&copy, &out);
    assert_string_equal(out.buf, full);
    image_config_release(&copy);
    strbuf_release(&out);
}

#define BASE "\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[]}"

/* The numbers are those of the bad inputs, see tests/registry/registry_test.sh. */
static const struct config_case {
    const char *name, *text, *why; /* why NULL: fine */
} cases[] = {
    { "least", "{" BASE "}", NULL },
    { "nulls", "{" BASE ",\"config\":{\"Env\":null,\"Cmd\":null,\"Labels\":null},\"history\":null}",
      NULL },
    { "no os", "{\"architecture\":\"amd64\",\"rootfs\":{}}", "os" },
    { "empty arch", "{\"os\":\"linux\",\"architecture\":\"\",\"rootfs\":{}}", "architecture" },
    { "no rootfs", "{\"os\":\"linux\",\"architecture\":\"amd64\"}", "rootfs" },
    { "bad diff_id",
      "{\"os\":\"linux\",\"architecture\":\"a\",\"rootfs\":{\"diff_ids\":[\"sha256:../x\"]}}",
      "diff_id 1" },
    { "106: cmd text", "{" BASE ",\"config\":{\"Cmd\":\"x\"}}", "Cmd" },
    { "106: cmd numbers", "{" BASE ",\"config\":{\"Cmd\":[1]}}", "Cmd" },
    { "105: env without name", "{" BASE ",\"config\":{\"Env\":[\"=x\"]}}", "without a name" },
    { "105: env with NUL", "{" BASE ",\"config\":{\"Env\":[\"A=\\u0000\"]}}", "Env" },
    { "env object", "{" BASE ",\"config\":{\"Env\":{}}}", "Env" },
    { "user number", "{" BASE ",\"config\":{\"User\":5}}", "User" },
    { "label number", "{" BASE ",\"config\":{\"Labels\":{\"a\":1}}}", "label" },
    { "config text", "{" BASE ",\"config\":\"x\"}", "config" },
    { "history object", "{" BASE ",\"history\":{}}", "history" },
    { "history number", "{" BASE ",\"history\":[1]}", "history" },
    { "negative interval", "{" BASE ",\"config\":{\"Healthcheck\":{\"Interval\":-1}}}",
      "Interval" },
};

static void config_case(void **state)
{
    const struct config_case *c = *state;
    struct error err = { 0 };
    struct image_config config;
    int rc = image_config_parse(c->text, strlen(c->text), &config, &err);

    if (c->why) {
        assert_error(rc, &err, ERROR_CORRUPT, c->why);
        return;
    }
    assert_ok(rc, &err);
    image_config_release(&config);
}

/* 105: LONE has no '=' */
static void environment_keeps_its_order(void **state)
{
    (void)state;
    static const char text[] = "{" BASE ",\"config\":{\"Env\":[\"A=1\",\"B=2\",\"A=3\",\"LONE\"]}}";
    struct error err = { 0 };
    struct image_config c;

    assert_ok(image_config_parse(text, strlen(text), &c, &err), &err);
    assert_int_equal(c.env.count, 3);
    assert_string_equal(c.env.items[0], "A=3");
    assert_string_equal(env_find(&c.env, "LONE"), "");
    assert_null(env_find(&c.env, "LON"));
    env_set(&c.env, "B", "=");
    assert_string_equal(c.env.items[1], "B==");
    image_config_release(&c);
}

/* 108; the others are in tests/cli/hostile.bats */
static void long_working_dir(void **state)
{
    (void)state;
    struct strbuf text = STRBUF_INIT;
    struct error err = { 0 };
    struct image_config c;

    strbuf_addstr(&text, "{" BASE ",\"config\":{\"WorkingDir\":\"/");
    for (size_t i = 0; i < 10240; i++)
        strbuf_addch(&text, 'a');
    strbuf_addstr(&text, "\"}}");
    assert_error(image_config_parse(text.buf, text.len, &c, &err), &err, ERROR_CORRUPT,
                 "WorkingDir");
    strbuf_release(&text);
}

int main(void)
{
    enum { OTHERS = 3 };
    struct CMUnitTest tests[COUNT(cases) + OTHERS] = {
        cmocka_unit_test(parse_print_is_the_identity),
        cmocka_unit_test(environment_keeps_its_order),
        cmocka_unit_test(long_working_dir),
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[OTHERS + i] =
            (struct CMUnitTest){ cases[i].name, config_case, NULL, NULL, (void *)&cases[i] };
    return cmocka_run_group_tests_name("image_config", tests, NULL, NULL);
}
