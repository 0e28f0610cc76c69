/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as an ignore file, its lines as paths as well; and as patterns of COPY. */
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/fs/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_(error) struct error err = { 0 };
    auto_(pattern_list) struct pattern_list list = { 0 };
    auto_free char *text = xstrndup((const char *)data, size);
    bool parsed = pattern_list_parse((const char *)data, size, ".dockerignore", &list, &err) == 0;
    struct str rest = str_of(text);
    struct str first = str_cut(&rest, '\n');
    auto_free char *pattern = xstrndup(first.ptr, first.len);
    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        auto_free char *path = xstrndup(line.ptr, line.len);
        const struct pattern *why = NULL;
        (void)glob_match(pattern, path);
        if (parsed && pattern_list_excludes(&list, path, &why) && !why)
            abort();
        if (parsed)
            (void)pattern_list_may_reinclude_below(&list, path);
    }
    return 0;
}
