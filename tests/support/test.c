/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <ftw.h>

#include "lib/base/mem.h"

void test_check_error(struct error *err, enum error_kind kind, const char *text, const char *call)
{
    if (!error_is_set(err))
        fail_msg("%s failed without an error", call);
    if (err->kind != kind || !strstr(err->message, text))
        fail_msg("%s: kind %d: %s; expected kind %d: %s", call, (int)err->kind, err->message,
                 (int)kind, text);
    error_clear(err);
}

char *test_tmpdir(void)
{
    const char *base = getenv("TMPDIR");
    char *path = xasprintf("%s/mlbuild-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path))
        abort();
    return path;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void test_tmpdir_remove(char *path)
{
    nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
    free(path);
}
