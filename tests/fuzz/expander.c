/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a word: quotes, escapes and `$` forms, in all the ways in which a word is read. The
 * first byte chooses. */
#include "frontend/dockerfile/expand.h"
#include "lib/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expand(struct expander *e, int how, const char *text)
{
    auto_(error) struct error err = { 0 };
    const char *const *words = NULL;
    const char *word = NULL;
    struct str body = { 0 };
    switch (how) {
    case 0: (void)!expand_word(e, text, &word, &err); break;
    case 1: (void)!expand_words(e, text, &words, &err); break;
    case 2: (void)!expand_text(e, str_of(text), &body, &err); break;
    default: word = expand_for_display(e, text); break;
    }
    /* What succeeds has a result that can be read to its end. */
    size_t total = 0;
    for (; words && *words; words++)
        total += strlen(*words);
    if (total + body.len + (word ? strlen(word) : 0) > EXPAND_TEXT_MAX)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const pairs[][2] = {
        { "a", "value of a" },    { "empty", "" },        { "p", "dir/sub/file.tar.gz" },
        { "u", "\xc3\xa4*?\\x" }, { "q", "it's \"so\"" },
    };
    auto_(map) struct map variables = { 0 };
    auto_(arena) struct arena arena = { 0 };
    if (size == 0)
        return 0;
    for (size_t i = 0; i < COUNT(pairs); i++)
        map_set(&variables, pairs[i][0], (char *)pairs[i][1]);
    struct expander e = { .arena = &arena,
                          .variables = &variables,
                          .escape = data[0] & 4 ? '`' : '\\',
                          .left = EXPAND_TOTAL_MAX };
    auto_free char *text = xstrndup((const char *)data + 1, size - 1);
    expand(&e, data[0] & 3, text);
    return 0;
}
