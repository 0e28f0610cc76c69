/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "frontend/dockerfile/heredoc.h"

/* Words on their own: the name, '-' for `<<-`, 'x' if the body is expanded; NULL: no opener. */
static const struct word_case {
    const char *word, *name, *how;
} words[] = {
    { "<<EOF", "EOF", "x" },
    { "<<-EOF", "EOF", "-x" },
    { "3<<EOF", "EOF", "x" },
    { "12<<-EOF", "EOF", "-x" },
    { "<<\"EOF\"", "EOF", "" },
    { "<<'EOF'", "EOF", "" },
    { "<<-\"EOF\"", "EOF", "-" },
    { "<<E\"O\"F", "EOF", "" },
    { "<<\"EOF\"2", "EOF2", "" },
    { "<<'E O F'", "E O F", "" },
    { "<<\"it's\"", "it's", "" },
    { "<<\\EOF", "EOF", "x" },
    { "<<E\\ OF", "E OF", "x" },
    { "<<\\\"EOF", "\"EOF", "x" },
    { "<<\"a\\b\"", "a\\b", "" },
    { "<<$EOF", "$EOF", "x" },
    { "<<EOF>x", "EOF>x", "x" },
    { "<<EOF;", "EOF;", "x" },
    { "<< EOF", "EOF", "x" },
    { "<<- 'EOF'", "EOF", "-" },
    { "<<\tEOF", "EOF", "x" },
    { "<<0", "0", "x" },
    { "<<\xc3\xa4", "\xc3\xa4", "x" },
    { "", NULL, NULL },
    { "EOF", NULL, NULL },
    { "<EOF", NULL, NULL },
    { "<<", NULL, NULL },
    { "<<-", NULL, NULL },
    { "<< ", NULL, NULL },
    { "<<<EOF", NULL, NULL },
    { "<<EOF<", NULL, NULL },
    { "<<E<F", NULL, NULL },
    { "x<<EOF", NULL, NULL },
    { "-<<EOF", NULL, NULL },
    { "<<EOF two", NULL, NULL },
    { "<<\"\"", NULL, NULL },
    { "<<\"EOF", NULL, NULL },
    { "\"<<EOF\"", NULL, NULL },
    { "<< 2))", NULL, NULL },
};

static void parses_word(void **state)
{
    const struct word_case *c = *state;
    auto_(arena) struct arena arena = { 0 };
    struct heredoc_opener opener = { 0 };
    bool is_opener = heredoc_opener_parse(str_of(c->word), &arena, &opener);
    assert_int_equal(is_opener, c->name != NULL);
    if (!is_opener)
        return;
    assert_string_equal(opener.name, c->name);
    assert_int_equal(opener.strip_tabs, c->how[0] == '-');
    assert_int_equal(opener.expand, strchr(c->how, 'x') != NULL);
}

/* Whole texts: the names, each in <>. */
static const struct text_case {
    const char *text, *names;
} texts[] = {
    { "cat <<EOF", "<EOF>" },
    { "cat <<A <<-B 3<<'C'", "<A><B><C>" },
    { "cat <<EOF > /x && cat <<EOF", "<EOF><EOF>" },
    { "<<EOF cat", "<EOF>" },
    { "cat << EOF >x", "<EOF>" },
    { "cat <<EOF|tr a b", "<EOF|tr>" },
    { "cat \"<<A\" '<<B' \\<<C <<D", "<D>" },
    { "echo \"a b\"<<X", "" },
    { "echo $((1 << 2)) $((1<<2))", "" },
    { "echo ${x:-<<A b} <<B", "<B>" },
    { "echo ${x:-'}'} <<B", "<B>" },
    { "echo it's <<EOF", "" },
    { "echo \"open <<EOF", "" },
    { "echo ${open <<EOF", "" },
    { "cat <<<EOF", "" },
    { "echo a < b <c", "" },
    { "cat <<EOF\\", "<EOF>" },
    { "", "" },
};

static void finds_openers(void **state)
{
    const struct text_case *c = *state;
    auto_(arena) struct arena arena = { 0 };
    auto_(strbuf) struct strbuf names = STRBUF_INIT;
    struct heredoc_opener *openers = NULL;
    size_t count = heredoc_find(str_of(c->text), &arena, &openers);
    for (size_t i = 0; i < count; i++)
        strbuf_addf(&names, "<%s>", openers[i].name);
    assert_string_equal(names.buf, c->names);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(words) + COUNT(texts)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(words); i++)
        tests[n++] =
            (struct CMUnitTest){ words[i].word, parses_word, NULL, NULL, (void *)&words[i] };
    for (size_t i = 0; i < COUNT(texts); i++)
        tests[n++] =
            (struct CMUnitTest){ texts[i].text, finds_openers, NULL, NULL, (void *)&texts[i] };
    return _cmocka_run_group_tests("heredoc", tests, n, NULL, NULL);
}
