/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/layer/whiteout.h"

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"

#define META_PREFIX ".wh..wh."

int whiteout_parse(const char *path, enum whiteout *out, char **out_target, struct error *err)
{
    const char *name = path_base(path);
    *out = WHITEOUT_NONE;
    *out_target = NULL;
    if (!str_starts_with(name, WHITEOUT_PREFIX))
        return 0;
    if (strcmp(name, WHITEOUT_OPAQUE_NAME) == 0) {
        *out = WHITEOUT_OPAQUE;
        *out_target = xstrndup(path, name == path ? 0 : (size_t)(name - path) - 1);
        return 0;
    }
    if (str_starts_with(name, META_PREFIX)) {
        *out = WHITEOUT_META;
        return 0;
    }
    const char *hidden = name + strlen(WHITEOUT_PREFIX);
    if (!*hidden || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
        return error_set(err, ERROR_CORRUPT, 0, "whiteout %s names nothing", path);
    *out = WHITEOUT_NAME;
    *out_target = xasprintf("%.*s%s", (int)(name - path), path, hidden);
    return 0;
}
