/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/progress.h"

#include "lib/base/mem.h"

static void ignore(struct progress_sink *sink, const struct progress_event *e)
{
    (void)sink;
    (void)e;
}

static void quiet_free(struct progress_sink *sink)
{
    free(sink);
}

struct progress_sink *progress_quiet_open(void)
{
    struct progress_sink *sink = xcalloc(1, sizeof *sink);
    sink->event = ignore;
    sink->free = quiet_free;
    return sink;
}

static struct progress_sink *auto_open(void)
{
    return isatty(STDERR_FILENO) ? progress_tty_open() : progress_plain_open();
}

int progress_sink_open(const char *mode, struct progress_sink **out, struct error *err)
{
    static const struct {
        const char *name;
        struct progress_sink *(*open)(void);
    } modes[] = { { "auto", auto_open },
                  { "plain", progress_plain_open },
                  { "tty", progress_tty_open },
                  { "rawjson", progress_json_open },
                  { "quiet", progress_quiet_open },
                  { "none", progress_quiet_open } };
    for (size_t i = 0; i < COUNT(modes); i++) {
        if (strcmp(modes[i].name, mode) == 0) {
            *out = modes[i].open();
            return 0;
        }
    }
    error_set(err, ERROR_USAGE, 0, "unknown progress mode %s", mode);
    return error_hint(err, "auto, plain, tty, rawjson, quiet or none");
}
