/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/build_internal.h"
#include "cmd/export.h"
#include "cmd/size_text.h"
#include "lib/base/mem.h"
#include "lib/oci/reference.h"

void build_summarise(const struct build *b)
{
    char id[DIGEST_TEXT_SIZE];
    char size[SIZE_TEXT];
    uint64_t own = 0;
    uint64_t base = 0;
    bool is_told = !b->values->quiet && !b->session->is_raw_progress;
    if (!build_wants_image(b)) {
        if (is_told && !build_any_output(b, output_needs_trees))
            fprintf(stderr, "no image: the result is only cached; add -t NAME to have one\n");
        return;
    }
    digest_print(&b->image.config, id);
    if (b->values->quiet)
        printf("%s\n", id);
    if (!is_told)
        return;
    for (size_t i = 0; i < b->image.layer_count; i++) {
        own += b->image.layers[i].tar_size;
        base += b->image.layers[i].tar_size ? 0 : b->image.layers[i].blob_size;
    }
    size_print(own, size);
    fprintf(stderr, "image  %s\n", id);
    fprintf(stderr, "layers %zu, %s made by this Dockerfile", b->image.layer_count, size);
    size_print(base, size);
    fprintf(stderr, base ? ", %s (packed) from the base\n" : "\n", size);
    for (size_t i = 0; i < b->names.count; i++) {
        auto_(error) struct error ignored = { 0 };
        auto_(reference) struct reference ref = { 0 };
        (void)!reference_parse(b->names.items[i], &ref, &ignored);
        auto_free char *name = reference_print_short(&ref);
        fprintf(stderr, "named  %s\n", name);
        if (i == 0 && b->output_count == 0)
            fprintf(stderr, "next   mlbuild save -o image.tar %s    or    mlbuild push %s\n", name,
                    name);
    }
    if (b->names.count == 0 && b->output_count == 0)
        fprintf(stderr, "no name: the result is only cached; add -t NAME to keep it\n");
}

void build_tell_findings(const struct build *b)
{
    struct session *s = b->session;
    bool is_wanted = b->call.call == CALL_BUILD && !b->values->quiet && b->report.text;
    for (size_t i = 0; is_wanted && s->is_raw_progress && i < b->lint.count; i++) {
        const struct lint_warning *w = &b->lint.warnings[i];
        auto_free char *text =
            xasprintf("%s: %s (line %d)", lint_rule_text(w->rule)->name, w->detail, w->where.line);
        progress_warning(s->progress, text);
    }
    session_finish_progress(s);
    if (is_wanted && !s->is_raw_progress)
        call_print_warnings(stderr, &b->lint, &b->report, b->values->debug);
}

int build_tell_timings(const struct build *b, struct error *err)
{
    struct session *s = b->session;
    auto_(account) struct account account = { 0 };
    auto_(strbuf) struct strbuf table = STRBUF_INIT;
    auto_(strbuf) struct strbuf trace = STRBUF_INIT;
    if (!s->timings)
        return 0;
    TRY(timings_read(s->timings, &account, err));
    timings_print_table(&account, &table);
    if (b->values->timings)
        fprintf(stderr, "\n%s", table.buf);
    if (!b->values->trace)
        return 0;
    timings_print_trace(&account, &trace);
    fflush(stdout); /* "-" goes there, too */
    if (export_text(s, b->values->trace, trace.buf, err) < 0)
        return error_wrap(err, "--trace");
    return 0;
}
