/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/digest.h"

#include "tests/support/memory_stream.h"
#include "tests/support/test.h"

#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC   "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void known_values(void **state)
{
    (void)state;
    assert_string_equal(test_digest_text("", 0), EMPTY);
    assert_string_equal(test_digest_text("abc", 3), ABC);
}

static const struct parse_case {
    const char *text;
    bool ok;
} parses[] = {
    { ABC, true },
    { "", false },
    { "sha256:", false },
    { "sha256:ba78", false },
    { ABC "0", false },
    { ABC " ", false },
    { " " ABC, false },
    { "sha512:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false },
    { "SHA256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false },
    { "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", false },
    { "sha256:ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false },
    { "sha256:../../../../../../../../../../../../../../../../../../etc/passwdxxx", false },
    { "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false },
};

static void parses_one_form_only(void **state)
{
    const struct parse_case *c = *state;
    struct digest d;
    char text[DIGEST_TEXT_SIZE];
    assert_int_equal(digest_parse(c->text, &d), c->ok);
    if (c->ok) {
        digest_print(&d, text);
        assert_string_equal(text, c->text);
    }
}

static void a_hasher_starts_over(void **state)
{
    auto_(hasher) struct hasher *h = hasher_new();
    struct digest d;
    struct digest abc;
    (void)state;
    assert_true(digest_parse(ABC, &abc));
    for (int i = 0; i < 3; i++) {
        hasher_add(h, "a", 1);
        hasher_add(h, "", 0);
        hasher_add(h, "bc", 2);
        hasher_finish(h, &d);
        assert_true(digest_equal(&d, &abc));
    }
}

/* Neighbours do not run together. */
static void texts_are_kept_apart(void **state)
{
    static const char *const rows[][3] = {
        { "a", "bc", "" },   { "ab", "c", "" },   { "abc", "", "" },   { "", "abc", "" },
        { "abc", NULL, "" }, { NULL, "abc", "" }, { "abc", "", NULL },
    };
    struct digest all[COUNT(rows)];
    auto_(hasher) struct hasher *h = hasher_new();
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t k = 0; k < 3; k++)
            hasher_add_text(h, rows[i][k]);
        hasher_finish(h, &all[i]);
        for (size_t k = 0; k < i; k++)
            assert_false(digest_equal(&all[i], &all[k]));
    }
}

static void a_writer_hashes_what_passes(void **state)
{
    struct error err = { 0 };
    struct digest d;
    struct digest abc;
    struct memory_writer end = memory_writer_init();
    struct digest_writer w = digest_writer_init(&end.base);
    (void)state;
    assert_true(digest_parse(ABC, &abc));
    assert_ok(writer_write(&w.base, "ab", 2, &err), &err);
    assert_ok(writer_write(&w.base, "c", 1, &err), &err);
    digest_writer_finish(&w, &d);
    assert_true(digest_equal(&d, &abc));
    assert_int_equal(w.size, 3);
    assert_string_equal(end.data.buf, "abc");
    end.limit = 3;
    assert_error(writer_write(&w.base, "d", 1, &err), &err, ERROR_NO_SPACE, "full");
    digest_writer_release(&w);
    strbuf_release(&end.data);
}

/* RFC 4231, cases 2 and 6: a short key, and one that is longer than a block. */
static void hmac_has_known_values(void **state)
{
    (void)state;
    struct digest mac;
    char hex[DIGEST_HEX_SIZE];
    unsigned char key[131];
    static const char data[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    digest_hmac("Jefe", 4, "what do ya want for nothing?", 28, &mac);
    digest_hex(&mac, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    digest_hmac(key, sizeof key, data, sizeof data - 1, &mac);
    digest_hex(&mac, hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int main(void)
{
    enum { OTHERS = 5 };
    struct CMUnitTest tests[COUNT(parses) + OTHERS] = {
        cmocka_unit_test(known_values),          cmocka_unit_test(a_hasher_starts_over),
        cmocka_unit_test(texts_are_kept_apart),  cmocka_unit_test(a_writer_hashes_what_passes),
        cmocka_unit_test(hmac_has_known_values),
    };
    for (size_t i = 0; i < COUNT(parses); i++)
        tests[OTHERS + i] = (struct CMUnitTest){ parses[i].text, parses_one_form_only, NULL, NULL,
                                                 (void *)&parses[i] };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
