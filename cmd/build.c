/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mlbuild build: parse, lower, plan, run what is not cached, export. A build that is cached whole
 * stays in this process: no namespace, no mount, no connection.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "cmd/archive_ahead.h"
#include "cmd/build_internal.h"
#include "cmd/command.h"
#include "cmd/engine.h"
#include "cmd/export.h"
#include "cmd/metadata.h"
#include "cmd/storage_policy.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/exporter/oci_layout.h"
#include "lib/oci/reference.h"

static void build_release(struct build *b)
{
    solver_free(b->solver);
    shared_cache_free(b->shared);
    cache_options_release(&b->caches);
    claims_release(&b->packing_layers);
    definition_release(&b->definition);
    base_images_close(b->bases);
    dockerfile_free(b->dockerfile);
    build_contexts_release(&b->contexts);
    for (size_t i = 0; i < b->output_count; i++) {
        archive_ahead_free(b->outputs[i].ahead);
        output_release(&b->outputs[i]);
    }
    free(b->outputs);
    strvec_release(&b->names);
    map_release(&b->annotations);
    lint_release(&b->lint);
    run_settings_release(&b->settings);
    secrets_release(&b->secrets);
    image_record_release(&b->image);
}

static int add_name(struct build *b, const char *text, struct error *err)
{
    auto_(reference) struct reference ref = { 0 };
    TRY(reference_parse_new(text, &ref, err));
    strvec_push_take(&b->names, reference_print(&ref));
    return 0;
}

static int add_output(struct build *b, const char *text, struct error *err)
{
    b->outputs = xreallocarray(b->outputs, b->output_count + 1, sizeof *b->outputs);
    TRY(output_parse(text, &b->packing, &b->outputs[b->output_count], err));
    struct output *o = &b->outputs[b->output_count++];
    if (o->type == OUTPUT_LOAD)
        TRY(engine_find(&o->dest, err));
    struct str rest = str_of(o->name ? o->name : "");
    while (rest.len) {
        struct str one = str_cut(&rest, ',');
        auto_free char *name = xstrndup(one.ptr, one.len);
        TRY(add_name(b, name, err));
    }
    return 0;
}

static int read_names(struct build *b, struct error *err)
{
    const struct build_values *v = b->values;
    TRY(output_read_packing(v->compression, v->compression_level, v->force_compression, &b->packing,
                            err));
    TRY(cache_options_read(&v->cache_from, &v->cache_to, &b->packing, &b->caches, err));
    for (size_t i = 0; i < v->tags.count; i++)
        TRY(add_name(b, v->tags.items[i], err));
    for (size_t i = 0; i < v->outputs.count; i++)
        TRY(add_output(b, v->outputs.items[i], err));
    if (v->push)
        TRY(add_output(b, "type=registry", err));
    if (v->load)
        TRY(add_output(b, "type=docker", err));
    for (size_t i = 0; i < b->output_count; i++) {
        if (b->outputs[i].type == OUTPUT_REGISTRY && b->names.count == 0) {
            error_set(err, ERROR_USAGE, 0, "tag is needed when pushing to registry");
            return error_hint(err, "add -t HOST/NAME:TAG");
        }
    }
    return 0;
}

static void warn_unused(struct session *s, const struct strvec *unused)
{
    for (size_t i = 0; i < unused->count; i++) {
        auto_free char *text = xasprintf("--build-arg %s: no ARG declares it", unused->items[i]);
        progress_warning(s->progress, text);
    }
}

/* The findings above the instruction that cannot be parsed. */
static void lint_above(struct build *b, int line)
{
    const char *text = b->report.text;
    const char *end = text;
    auto_(error) struct error ignored = { 0 };
    auto_(map) struct map args = { .free_value = free };
    auto_(dockerfile) struct dockerfile *df = NULL;
    while (--line > 0) {
        const char *feed = memchr(end, '\n', b->report.len - (size_t)(end - text));
        end = feed ? feed + 1 : text + b->report.len;
    }
    if (dockerfile_parse(text, (size_t)(end - text), b->report.name, &df, &ignored) < 0 ||
        build_read_args(b->values, &args, &ignored) < 0 ||
        lint_init(&b->lint, df, map_find(&args, "BUILDKIT_DOCKERFILE_CHECK"), &ignored) < 0)
        return;
    lint_forms(&b->lint);
    lint_sort(&b->lint);
    b->lint.df = NULL;
}

/* Parses the Dockerfile; from here on errors can show its lines. */
static int parse(struct build *b, struct error *err)
{
    struct session *s = b->session;
    const struct dockerfile_source *source = &b->contexts.source;
    auto_free char *title = xasprintf("[internal] load build definition from %s", source->name);
    b->report = (struct report_source){ source->name, source->text.buf, source->text.len };
    unsigned v = progress_start(s->progress, title);
    int rc =
        dockerfile_parse(source->text.buf, source->text.len, source->name, &b->dockerfile, err);
    progress_end_with(s->progress, v, rc, err);
    if (rc < 0 && err->where.line > 1)
        lint_above(b, err->where.line);
    if (rc < 0 && b->call.call == CALL_CHECK && b->call.json) {
        call_print_check(stdout, &b->lint, &b->report, err, true);
        s->reported = true;
    }
    return rc;
}

/* For the checks nothing is fetched: what ADD names is taken as it is. */
static int fetch_nothing(struct source_fetcher *fetcher, const struct remote_source *source,
                         const char **out_context, const char **out_path, struct error *err)
{
    (void)fetcher;
    (void)err;
    *out_context = source->url;
    *out_path = ".";
    return 0;
}

static int lower(struct build *b, struct outline *outline, struct error *err)
{
    const struct build_values *v = b->values;
    bool only_look = b->call.call != CALL_BUILD;
    auto_(map) struct map args = { .free_value = free };
    auto_(map) struct map labels = { .free_value = free };
    auto_(strvec) struct strvec unused = { 0 };
    struct diff_options *times = &b->request.faces.diff;
    struct source_fetcher no_fetcher = { fetch_nothing };
    struct lower_options options = {
        .build_args = &args,
        .labels = &labels,
        .target = v->target,
        .resolver = base_images_resolver(b->bases),
        .fetcher = only_look ? &no_fetcher : fetcher_base(b->contexts.fetcher),
        .no_cache = v->no_cache,
        .no_cache_of = &v->no_cache_filter,
        .lint = &b->lint,
        .ignore = &b->contexts.ignore,
        .check_all = b->call.call == CALL_CHECK && !v->target,
        .outline = outline,
        .unused_build_args = &unused,
    };
    TRY(build_read_args(v, &args, err));
    TRY(lint_init(&b->lint, b->dockerfile, map_find(&args, "BUILDKIT_DOCKERFILE_CHECK"), err));
    lint_tree(&b->lint);
    TRY(build_read_pairs("label", &v->labels, &labels, err));
    TRY(build_read_epoch(v, &args, &times->has_epoch, &times->epoch_s, err));
    TRY(build_read_network(v->network, &options.network, err));
    TRY(build_read_platform(v->platform, &options.platform, &options.platform_given, err));
    TRY(run_settings_read(&v->run, &args, &b->settings, err));
    b->session->sandbox = &b->settings.sandbox;
    options.settings = b->settings.key;
    options.allow = b->settings.allow;
    /* Who asks for it for all steps has allowed it. */
    if (v->network && strcmp(v->network, "host") == 0)
        options.allow |= ALLOW_NETWORK_HOST;
    int rc = dockerfile_lower(b->dockerfile, &options, &b->definition, err);
    lint_sort(&b->lint);
    if (rc == 0 && !only_look)
        warn_unused(b->session, &unused);
    return rc;
}

/* The Dockerfile is asked about, not built. */
static int answer(struct build *b, struct error *err)
{
    auto_(outline) struct outline outline = { 0 };
    bool is_check = b->call.call == CALL_CHECK;
    if (b->call.call == CALL_TARGETS) {
        call_print_targets(stdout, b->dockerfile, &b->report, b->call.json);
        return 0;
    }
    int rc = lower(b, &outline, err);
    if (is_check)
        call_print_check(stdout, &b->lint, &b->report, rc < 0 ? err : NULL, b->call.json);
    else if (rc == 0)
        call_print_outline(stdout, &outline, &b->report, b->call.json);
    if (rc < 0 && is_check && b->call.json)
        b->session->reported = true;
    if (rc < 0 || !is_check || b->lint.count == 0 || b->call.ignore_status)
        return rc;
    b->session->reported = true;
    return error_set(err, ERROR_GATE, 0, "the checks have findings");
}

bool build_any_output(const struct build *b, bool (*wants)(const struct output *o))
{
    for (size_t i = 0; i < b->output_count; i++) {
        if (wants(&b->outputs[i]))
            return true;
    }
    return false;
}

/* One image has one set of layers. `first` is the packing that was asked for before, or NULL. */
static int agree_on_packing(const struct packing **first, const struct packing *wanted,
                            struct error *err)
{
    const struct packing *p = *first ? *first : wanted;
    *first = p;
    if (p->compression == wanted->compression && p->level == wanted->level &&
        p->force == wanted->force)
        return 0;
    error_set(err, ERROR_USAGE, 0, "outputs of one build with different compression");
    return error_hint(err, "build once for each; the second time everything is cached");
}

static int choose_packing(const struct build *b, struct packing *out, struct error *err)
{
    const struct packing *first = NULL;
    const struct output *load = NULL;
    for (size_t i = 0; i < b->output_count; i++) {
        const struct output *o = &b->outputs[i];
        load = o->type == OUTPUT_LOAD ? o : load;
        if (output_needs_blobs(o) && o != load)
            TRY(agree_on_packing(&first, &o->packing, err));
    }
    for (size_t i = 0; i < b->caches.to_count; i++) {
        if (b->caches.to_options[i].type != CACHE_INLINE)
            TRY(agree_on_packing(&first, &b->caches.to_options[i].packing, err));
    }
    *out = first ? *first : load ? load->packing : b->packing;
    /* It would be compressed here to be decompressed there. */
    if (load && !first && !b->values->compression)
        out->compression = COMPRESSION_NONE;
    return 0;
}

static bool wants_image(const struct output *o)
{
    return o->type != OUTPUT_CACHE && !output_needs_trees(o);
}

bool build_wants_image(const struct build *b)
{
    return b->output_count == 0 || build_any_output(b, wants_image) || b->names.count ||
           b->annotations.count || b->values->iidfile || b->values->metadata_file;
}

/* Then the registry may have, or get from a repository of its own, what others have made; and the
 * store's names lead there. */
static bool is_only_pushed(const struct build *b)
{
    size_t pushes = 0;
    for (size_t i = 0; i < b->output_count; i++)
        pushes += b->outputs[i].type == OUTPUT_REGISTRY;
    return pushes && pushes == b->output_count;
}

static int open_caches(struct build *b, struct error *err)
{
    struct cache_options *c = &b->caches;
    TRY(cache_options_open(c, b->session, err));
    const struct shared_cache_options options = { .locations = c->from,
                                                  .location_count = c->from_count,
                                                  .platform = &b->definition.config.platform,
                                                  .progress = b->session->progress };
    if (c->from_count)
        b->shared = shared_cache_new(&options);
    return 0;
}

static int solve(struct build *b, struct error *err)
{
    struct session *s = b->session;
    bool complete = true;
    TRY(open_caches(b, err));
    struct solver_options options = { .graph = &b->definition.graph,
                                      .store = &s->store,
                                      .contexts = b->contexts.items,
                                      .context_count = b->contexts.count,
                                      .lent = &b->secrets.lent,
                                      .faces = &b->request.faces,
                                      .shared = b->shared,
                                      .shares_mounts = b->caches.mounts,
                                      .target_is_mounted = build_any_output(b, output_needs_trees),
                                      .jobs = b->jobs,
                                      .progress = s->progress,
                                      .cancel = &s->cancel };
    b->request.definition = &b->definition;
    b->request.progress = s->progress;
    b->request.faces.store = &s->store;
    b->request.faces.cancel = &s->cancel;
    b->request.faces.claims = &b->packing_layers;
    b->request.tells_steps = b->caches.is_inline;
    b->request.faces.pack = build_any_output(b, output_needs_blobs) || b->annotations.count;
    b->request.faces.fetch = (b->names.count || b->request.faces.pack) && !is_only_pushed(b);
    b->solver = solver_new(&options);
    b->request.solver = b->solver;
    if (b->definition.target) {
        TRY(solver_plan(b->solver, b->definition.target, &complete, err));
        b->request.result = solver_result(b->solver, b->definition.target);
    }
    if (complete && !build_any_output(b, output_needs_trees) && b->caches.destination_count == 0) {
        bool found = false;
        if (!build_wants_image(b))
            return 0;
        TRY(image_assemble(&b->request, &b->image, &found, err));
        if (found)
            return 0;
    }
    b->wrote = true;
    TRY(storage_policy_from_environment(&s->store, &b->storage, err));
    TRY(build_steps(b, err));
    if (!build_wants_image(b))
        return 0;
    return image_record_load(&s->store, s->store.scratch_fd, "built", &b->image, err);
}

static int tag(struct build *b, struct error *err)
{
    for (size_t i = 0; i < b->names.count; i++) {
        struct image_record named = b->image;
        named.name = b->names.items[i];
        if (image_store_has(&b->session->store, &named))
            continue;
        TRY(image_store_put(&b->session->store, &named, err));
        b->wrote = true;
    }
    return b->wrote && b->names.count ? layout_refresh_store(&b->session->store, err) : 0;
}

static int sync_store(struct session *s, struct error *err)
{
    unsigned v = progress_start(s->progress, "[internal] sync the store");
    int rc = store_sync(&s->store, err);
    return progress_end_with(s->progress, v, rc, err);
}

/* Gives the image its names, and takes it where it is wanted. */
static int export(struct build *b, struct error *err)
{
    struct session *s = b->session;
    if (b->request.faces.pack)
        TRY(image_put_manifest(&b->image, &s->store, &b->annotations, err));
    /* A name that leads to layers elsewhere is none before they are there. */
    bool is_here = !is_only_pushed(b) || image_is_packed(&b->image, &s->store);
    if (is_here)
        TRY(tag(b, err));
    for (size_t i = 0; i < b->output_count; i++)
        TRY(export_image(s, &b->image, &b->names, &b->outputs[i], b->solver, err));
    if (!is_here)
        TRY(tag(b, err));
    if (b->values->iidfile) {
        char id[DIGEST_TEXT_SIZE];
        digest_print(&b->image.config, id);
        if (export_text(s, b->values->iidfile, id, err) < 0)
            return error_wrap(err, "--iidfile");
    }
    if (b->values->metadata_file) {
        auto_(strbuf) struct strbuf text = STRBUF_INIT;
        metadata_print(&b->image, &b->names, &text);
        if (export_text(s, b->values->metadata_file, text.buf, err) < 0)
            return error_wrap(err, "--metadata-file");
    }
    return 0;
}

static int finish(struct build *b, struct error *err)
{
    struct session *s = b->session;
    if (build_wants_image(b))
        TRY(export(b, err));
    /* A build that was cached whole leaves the disk alone; what has no name is cache, which the
     * sync of a later build covers. */
    return b->wrote && (b->names.count || store_sync_is_due(&s->store)) ? sync_store(s, err) : 0;
}

static int record_timings(const struct build *b, struct error *err)
{
    const struct build_values *v = b->values;
    if (v->timings && b->session->is_raw_progress) {
        error_set(err, ERROR_USAGE, 0, "--timings prints a table, rawjson nothing but JSON");
        return error_hint(err, "the same as JSON: --trace FILE");
    }
    return v->timings || v->trace ? session_record_timings(b->session, err) : 0;
}

static int build(struct build *b, const char *context, struct error *err)
{
    struct session *s = b->session;
    TRY(build_read_pull(b->values->pull, &b->pull, err));
    TRY(build_read_jobs(b->values->jobs, &b->jobs, err));
    TRY(build_read_annotations(&b->values->annotations, &b->annotations, err));
    TRY(build_read_call(b->values, &b->call, err));
    TRY(read_names(b, err));
    for (size_t i = 0; i < b->output_count; i++)
        TRY(build_read_annotations(&b->outputs[i].annotations, &b->annotations, err));
    bool is_call = b->call.call != CALL_BUILD;
    bool is_quiet = b->values->quiet || is_call;
    TRY(session_open_progress(s, is_quiet ? "quiet" : b->values->progress, err));
    if (!is_call)
        TRY(record_timings(b, err));
    /* An agent that this starts must hold nothing of the store. */
    if (!is_call)
        TRY(secrets_read(&b->values->secrets, &b->values->ssh, s->progress, &b->secrets, err));
    TRY(session_open_store(s, err));
    b->contexts.commit_times = build_wants_epoch(b->values);
    TRY(build_contexts_open(&b->contexts, s, context, b->values->file, &b->secrets.lent, err));
    TRY(parse(b, err));
    TRY(base_images_open(s, &b->values->build_contexts, b->pull, &b->bases, err));
    TRY(choose_packing(b, &b->request.faces.packing, err));
    if (is_call)
        return answer(b, err);
    TRY(lower(b, NULL, err));
    TRY(lint_verdict(&b->lint, err));
    TRY(build_contexts_select(&b->contexts, &b->definition.graph, base_images_directories(b->bases),
                              err));
    TRY(solve(b, err));
    TRY(finish(b, err));
    session_finish_progress(s);
    build_summarise(b);
    return 0;
}

static int build_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    struct build b = { .session = s, .values = values, .annotations.free_value = free };
    claims_init(&b.packing_layers);
    b.contexts.ignore_file = b.values->ignore_file;
    if (args->count != 1) {
        error_set(err, ERROR_USAGE, 0,
                  args->count ? "more than one build context" : "which build context?");
        return error_hint(err, "mlbuild -t NAME .");
    }
    s->debug = b.values->debug;
    strvec_push_all(&s->insecure_hosts, &b.values->insecure);
    auto_(error) struct error untold = { 0 };
    int rc = build(&b, args->items[0], err);
    build_tell_findings(&b);
    if (rc == 0)
        rc = build_tell_timings(&b, err);
    else
        (void)!build_tell_timings(&b, &untold);
    if (rc < 0 && s->child_status == 0 && !s->reported) {
        report_error(err, b.report.text ? &b.report : NULL);
        s->reported = true;
    }
    build_release(&b);
    return rc;
}

const struct command command_build = {
    .name = "build",
    .usage = "[OPTIONS] CONTEXT",
    .summary = "build an image from a Dockerfile",
    .options = build_options,
    .values_size = sizeof(struct build_values),
    .run = build_run,
};
