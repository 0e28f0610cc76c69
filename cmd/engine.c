/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/engine.h"

#include "cmd/pipe_writer.h"
#include "lib/base/mem.h"
#include "lib/base/process.h"
#include "lib/base/str.h"

enum { SAID_MAX = 300 };

static const struct {
    const char *name;
    const char *ask[5];
} engines[] = {
    { "docker", { "docker", "version", "--format", "{{.Server.Version}}" } },
    { "podman", { "podman", "version", "--format", "{{.Client.Version}}" } },
};

/* Does the program do this? `why` gets what it says if not. */
static bool succeeds(const char *const *argv, struct strbuf *why)
{
    struct process_result result;
    auto_(error) struct error err = { 0 };
    if (process_run(argv, NULL, &result, &err) < 0) {
        strbuf_addstr(why, err.message);
        return false;
    }
    bool is_good = result.status == 0;
    if (!is_good)
        strbuf_add(why, result.err.buf, result.err.len);
    process_result_release(&result);
    return is_good;
}

/* What a program said, as part of a message of ours; borrowed. */
static struct str one_line(const struct strbuf *said)
{
    struct str rest = str_trim((struct str){ said->buf, said->len }, "\n ");
    struct str line = str_cut(&rest, '\n');
    line.len = line.len < SAID_MAX ? line.len : SAID_MAX;
    return line;
}

int engine_find(char **out, struct error *err)
{
    auto_(strbuf) struct strbuf reasons = STRBUF_INIT;
    for (size_t i = 0; i < COUNT(engines); i++) {
        auto_(strbuf) struct strbuf why = STRBUF_INIT;
        if (succeeds(engines[i].ask, &why)) {
            *out = xstrdup(engines[i].name);
            return 0;
        }
        struct str line = one_line(&why);
        strbuf_addf(&reasons, "%s%s: %.*s", i ? "; " : "", engines[i].name, (int)line.len,
                    line.ptr);
    }
    error_set(err, ERROR_HOST, 0, "--load: neither docker nor podman answers (%s)", reasons.buf);
    return error_hint(err, "start docker or install podman, or write a tarball: -o image.tar");
}

/* An image that it has by the same id need not be sent again. */
static bool only_names(const char *engine, const struct image_record *image,
                       const struct strvec *names)
{
    char id[DIGEST_TEXT_SIZE];
    auto_(strbuf) struct strbuf ignored = STRBUF_INIT;
    digest_print(&image->config, id);
    const char *inspect[] = { engine, "image", "inspect", "--format", "{{.Id}}", id, NULL };
    if (!succeeds(inspect, &ignored))
        return false;
    for (size_t i = 0; i < names->count; i++) {
        const char *tag[] = { engine, "tag", id, names->items[i], NULL };
        if (!succeeds(tag, &ignored))
            return false;
    }
    return true;
}

static int feed_archive(struct session *s, int fd, const struct out_content *archive,
                        struct error *err)
{
    auto_(pipe_writer) struct pipe_writer pipe =
        pipe_writer_open(fd, "to a pipe", &s->cancel, archive->meter);
    return archive->write(archive->arg, &pipe.base, err);
}

int engine_load(struct session *s, const char *engine, const struct image_record *image,
                const struct strvec *names, const struct out_content *archive, struct error *err)
{
    const char *load[] = { engine, "load", NULL };
    struct process_feed feed = PROCESS_FEED_INIT;
    auto_(strbuf) struct strbuf said = STRBUF_INIT;
    if (only_names(engine, image, names))
        return 0;
    TRY(process_feed_start(load, &feed, err));
    int rc = feed_archive(s, feed.in_fd, archive, err);
    int status = process_feed_end(&feed, rc < 0 && err->sys != EPIPE, &said);
    if (status == 0 || (rc < 0 && err->sys != EPIPE))
        return rc;
    struct str line = one_line(&said);
    error_clear(err);
    return error_set(err, ERROR_HOST, 0, "%s load failed (exit code %d): %.*s", engine, status,
                     (int)line.len, line.ptr);
}
