/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/context/ignore.h"

#include <fcntl.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"

#define IGNORE_FILE ".dockerignore"

/* 1: read; 0: there is none. */
static int load(int dir_fd, const char *name, struct pattern_list *out, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(error) struct error failed = { 0 };
    if (fd_read_file(dir_fd, name, IGNORE_FILE_MAX, &text, &failed) < 0) {
        if (failed.kind == ERROR_NOT_FOUND)
            return 0;
        error_move(err, &failed);
        return -1;
    }
    TRY(pattern_list_parse(text.buf, text.len, name, out, err));
    return 1;
}

int context_ignore_load(int context_fd, int dockerfile_dir_fd, const char *dockerfile_name,
                        struct pattern_list *out, struct error *err)
{
    int found = 0;
    *out = (struct pattern_list){ 0 };
    if (dockerfile_dir_fd >= 0) {
        auto_free char *own = xasprintf("%s" IGNORE_FILE, dockerfile_name);
        found = load(dockerfile_dir_fd, own, out, err);
    }
    if (found == 0)
        found = load(context_fd, IGNORE_FILE, out, err);
    return found < 0 ? -1 : 0;
}

int context_ignore_load_file(const char *path, struct pattern_list *out, struct error *err)
{
    *out = (struct pattern_list){ 0 };
    int found = load(AT_FDCWD, path, out, err);
    return found == 0  ? error_set(err, ERROR_USER, 0, "there is no ignore file %s", path)
           : found < 0 ? -1
                       : 0;
}
