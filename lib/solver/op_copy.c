/* SPDX-License-Identifier: Apache-2.0 */
/* COPY and ADD: what they read, the key of what they lead to, the layer. */
#include "lib/base/mem.h"
#include "lib/layer/packed_writer.h"
#include "lib/solver/copy.h"
#include "lib/solver/solver_internal.h"

/* An input: a context, or a view of another stage's layers. */
struct opened {
    struct snapshot *view; /* NULL for a context */
    struct selection own;  /* found in the view */
    bool is_unread;        /* a context whose files are read when they are copied: until then */
    struct digest digest;  /* this is not known */
    struct selection_digesting digesting; /* for the scribe who is told of them */
};

struct copy_job {
    struct solver *solver;
    const struct vertex *vertex;
    struct copy_input *inputs; /* by input of the vertex, as `opened` */
    struct opened *opened;
    struct meter *meter; /* of what is written */
};

static void copy_job_release(struct copy_job *r)
{
    for (size_t i = 0; r->opened && i < r->vertex->input_count; i++) {
        struct opened *o = &r->opened[i];
        if (o->view)
            o->view->snapshotter->ops->discard(o->view);
        selection_release(&o->own);
        digest_scribe_free(r->inputs[i].scribe);
    }
    free(r->opened);
    free(r->inputs);
}
DEFINE_AUTO(copy_job, struct copy_job, copy_job_release(value))

/* What of a stack of layers is selected never changes, so its digest is remembered under both. */
static void selection_key(const struct copy_job *r, size_t input, struct digest *out)
{
    const struct op_copy *op = &r->vertex->copy;
    struct layer_list layers = input_layers(r->solver, r->vertex, input);
    auto_(cache_key) struct cache_key key = cache_key_begin("selection-2");
    for (size_t i = 0; i < layers.count; i++)
        cache_key_add_text(&key, "layer", layers.ids[i]);
    cache_key_add_text(&key, "parents", op->parents ? "kept" : "dropped");
    for (size_t i = 0; op->exclude && op->exclude[i]; i++)
        cache_key_add_text(&key, "exclude", op->exclude[i]);
    for (size_t i = 0; i < op->source_count; i++) {
        char number[32];
        snprintf(number, sizeof number, "source %zu", i);
        if (op->sources[i].input == input)
            cache_key_add_text(&key, number, op->sources[i].path);
    }
    cache_key_finish(&key, out);
}

static int remembered_digest(const struct copy_job *r, size_t input, struct error *err)
{
    struct digest key;
    const struct solver *s = r->solver;
    const struct copy_input *in = &r->inputs[input];
    struct digest *out = &r->opened[input].digest;
    selection_key(r, input, &key);
    if (cache_find_digest(s->options.store, &key, out))
        return 0;
    struct selection_digesting digesting = digesting_of(s, &in->from, in->selection);
    TRY(selection_digest(&digesting, out, err));
    return cache_put_digest(s->options.store, &key, out, err);
}

static int open_context(const struct copy_job *r, size_t input, struct error *err)
{
    const struct local_files *files = &state_of(r->solver, r->vertex)->local[input];
    const struct local_context *context = find_context(r->solver, r->vertex->inputs[input], err);
    if (!context)
        return -1;
    r->inputs[input] =
        (struct copy_input){ .from = context_source(context), .selection = &files->selection };
    r->opened[input].digest = files->digest;
    r->opened[input].is_unread = files->is_unread;
    return 0;
}

static int open_stage(const struct copy_job *r, size_t input, struct error *err)
{
    struct layer_list layers = input_layers(r->solver, r->vertex, input);
    struct opened *o = &r->opened[input];
    struct copy_input *in = &r->inputs[input];
    TRY(view_layers(r->solver, &layers, &o->view, err));
    in->from =
        (struct file_source){ .name = "the stage it is copied from", .root_fd = o->view->root_fd };
    in->selection = &o->own;
    TRY(selection_find(&in->from, &r->vertex->copy, input, &o->own, err));
    return remembered_digest(r, input, err);
}

static int open_inputs(const struct copy_job *r, struct error *err)
{
    const struct vertex *v = r->vertex;
    for (size_t i = 1; i < v->input_count; i++) {
        bool is_local = v->inputs[i] && v->inputs[i]->kind == OP_LOCAL;
        int rc = is_local ? open_context(r, i, err) : open_stage(r, i, err);
        if (rc < 0)
            return v->copy.missing_hint ? error_hint(err, "%s", v->copy.missing_hint) : -1;
    }
    return 0;
}

static bool has_unread(const struct copy_job *r)
{
    for (size_t i = 1; i < r->vertex->input_count; i++) {
        if (r->opened[i].is_unread)
            return true;
    }
    return false;
}

/* What no build has seen is digested while it is copied; for the rest it is seen to that it did not
 * change. */
static void open_scribes(const struct copy_job *r)
{
    for (size_t i = 1; i < r->vertex->input_count; i++) {
        struct copy_input *in = &r->inputs[i];
        struct selection_digesting *o = &r->opened[i].digesting;
        digest_scribe_free(take_ptr(in->scribe)); /* of a first try */
        if (!in->from.is_context)
            continue;
        *o = digesting_of(r->solver, &in->from, in->selection);
        in->scribe = r->opened[i].is_unread ? digest_scribe_open(o) : digest_scribe_open_check(o);
    }
}

/* The digests of what was read. */
static void close_scribes(const struct copy_job *r)
{
    for (size_t i = 1; i < r->vertex->input_count; i++) {
        struct opened *o = &r->opened[i];
        struct copy_input *in = &r->inputs[i];
        auto_(digest_scribe) struct digest_scribe *scribe = take_ptr(in->scribe);
        if (!o->is_unread)
            continue;
        (void)digest_scribe_finish(scribe, &o->digest);
        struct local_files *files = &state_of(r->solver, r->vertex)->local[i];
        files->digest = o->digest;
        o->is_unread = files->is_unread = false;
    }
}

/* A context may change while it is read: what was written must be what the key says. */
static int check_unchanged(const struct copy_job *r, struct error *err)
{
    const struct solver *s = r->solver;
    for (size_t i = 1; i < r->vertex->input_count; i++) {
        struct digest now;
        struct copy_input *in = &r->inputs[i];
        if (!in->from.is_context || r->opened[i].is_unread)
            continue;
        auto_(digest_scribe) struct digest_scribe *scribe = take_ptr(in->scribe);
        struct selection_digesting digesting = digesting_of(s, &in->from, in->selection);
        if (!scribe || !digest_scribe_finish(scribe, &now))
            TRY(selection_digest(&digesting, &now, err));
        if (digest_equal(&now, &r->opened[i].digest))
            continue;
        error_set(err, ERROR_USER, 0, "files in %s changed while they were copied", in->from.name);
        return error_hint(err, "build again when nothing writes to it");
    }
    return 0;
}

static void result_key(const struct copy_job *r, const struct digest *facts, struct cache_key *key,
                       struct digest *out)
{
    cache_key_add_digest(key, "op", &r->vertex->digest);
    for (size_t i = 1; i < r->vertex->input_count; i++)
        cache_key_add_digest(key, "files", &r->opened[i].digest);
    cache_key_add_digest(key, "destination", facts);
    cache_key_finish(key, out);
}

/* Is there a layer already that the root's `facts` lead to? */
static bool find_layer(const struct copy_job *r, const struct digest *facts,
                       struct cache_record *layer)
{
    struct digest digest;
    auto_(cache_key) struct cache_key key = cache_key_begin("result");
    result_key(r, facts, &key, &digest);
    return reuse(r->solver, r->vertex, &digest, layer);
}

static int put_layer(const struct copy_job *r, const struct digest *facts,
                     const struct cache_record *layer, struct error *err)
{
    struct digest digest;
    auto_(cache_key) struct cache_key key = cache_key_begin("result");
    result_key(r, facts, &key, &digest);
    set_result(r->solver, r->vertex, layer);
    return cache_put(r->solver->options.store, &digest, layer, &key.recipe, err);
}

/* Files whose order in the layer is not known before they are written are for a tree. */
static bool may_be_packed(const struct copy_job *r)
{
    const struct op_copy *op = &r->vertex->copy;
    for (size_t i = 0; i < op->source_count; i++) {
        if (op->sources[i].unpack)
            return false;
    }
    return is_written_packed(r->solver, r->vertex);
}

/* Fills a new layer. One that has to be packed in another order than the files come in becomes a
 * tree. */
static int fill_layer(const struct copy_job *r, struct copy *c, bool packed,
                      struct layer_writer **out, struct digest *out_facts, struct error *err)
{
    struct layer_writer *writer = NULL;
    open_scribes(r);
    TRY(open_layer_writer(r->solver, packed, &writer, err));
    writer->meter = r->meter;
    if (copy_write(c, writer, out_facts, err) == 0) {
        *out = writer;
        return 0;
    }
    bool again = packed && packed_writer_is_disordered(writer);
    writer->ops->discard(writer);
    if (!again)
        return -1;
    error_clear(err);
    return fill_layer(r, c, false, out, out_facts, err);
}

/* Writes the layer. `known` are the facts if they were told before; if not (NULL), it may turn out
 * that what was written is there already. */
static int write_layer(const struct copy_job *r, struct copy *c, const struct digest *known,
                       struct cache_record *layer, bool *out_cached, struct error *err)
{
    struct digest facts;
    struct layer_writer *writer = NULL;
    bool was_unread = has_unread(r);
    TRY(fill_layer(r, c, may_be_packed(r), &writer, &facts, err));
    int rc = check_unchanged(r, err);
    if (rc == 0)
        close_scribes(r);
    facts = known ? *known : facts;
    *out_cached = rc == 0 && (!known || was_unread) && find_layer(r, &facts, layer);
    if (rc < 0 || *out_cached) {
        writer->ops->discard(writer);
        return rc;
    }
    TRY(commit_layer(writer, layer, err));
    return put_layer(r, &facts, layer, err);
}

static void warn_of_owner(const struct copy *c)
{
    if (!c->unknown_owner)
        return;
    auto_free char *text = xasprintf("--chown=%s: the image knows no %s; its files belong to 0",
                                     c->op->chown, c->unknown_owner);
    progress_warning(c->progress, text);
}

static int copy_onto(const struct copy_job *r, struct lower *lower, struct cache_record *layer,
                     bool *out_cached, struct error *err)
{
    struct digest facts;
    bool known = false;
    auto_(copy) struct copy c = { .op = &r->vertex->copy,
                                  .inputs = r->inputs,
                                  .lower = lower,
                                  .progress = r->solver->options.progress,
                                  .cancel = r->solver->options.cancel,
                                  .pool = r->solver->workers.pool };
    TRY(copy_open(&c, err));
    warn_of_owner(&c);
    TRY(copy_facts(&c, &known, &facts, err));
    *out_cached = known && !has_unread(r) && find_layer(r, &facts, layer);
    return *out_cached ? 0 : write_layer(r, &c, known ? &facts : NULL, layer, out_cached, err);
}

int copy_run(struct solver *s, const struct vertex *v, unsigned progress, bool *out_cached,
             struct error *err)
{
    struct meter meter;
    struct layer_list layers = input_layers(s, v, 0);
    auto_(lower) struct lower *lower = NULL;
    auto_(cache_record) struct cache_record layer = { 0 };
    auto_(copy_job) struct copy_job r = { .solver = s,
                                          .vertex = v,
                                          .inputs = xcalloc(v->input_count, sizeof *r.inputs),
                                          .opened = xcalloc(v->input_count, sizeof *r.opened),
                                          .meter = &meter };
    meter_start(&meter, s->options.progress, progress, "copying", 0);
    TRY(open_inputs(&r, err));
    TRY(look_into_layers(s, &layers, v->copy.chown, &lower, err));
    TRY(copy_onto(&r, lower, &layer, out_cached, err));
    meter_end(&meter);
    return remember(s, v, &layer, err);
}
