/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/solver/solver_internal.h"

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/layer/packed_writer.h"

struct solver *solver_new(const struct solver_options *options)
{
    struct solver *s = xcalloc(1, sizeof *s);
    s->options = *options;
    s->states = xcalloc(options->graph->count, sizeof *s->states);
    claims_init(&s->unpacking);
    pthread_mutex_init(&s->caches_lock, NULL);
    return s;
}

static void local_files_free(struct local_files *files, size_t count)
{
    for (size_t i = 0; files && i < count; i++)
        selection_release(&files[i].selection);
    free(files);
}

static void result_release(struct result *r)
{
    for (size_t i = 0; i < r->layers.count; i++)
        free(r->created[i]);
    free(r->created);
    free(r->layers.ids);
    *r = (struct result){ 0 };
}

void solver_free(struct solver *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->options.graph->count; i++) {
        result_release(&s->states[i].result);
        local_files_free(s->states[i].local, s->options.graph->vertices[i]->input_count);
        strvec_release(&s->states[i].recipe);
    }
    for (size_t i = 0; i < s->stack_count; i++)
        shared_stack_free(s->stacks[i]);
    free(s->stacks);
    claims_release(&s->unpacking);
    pthread_mutex_destroy(&s->caches_lock);
    map_release(&s->renewed_caches);
    free(s->states);
    free(s);
}

void solver_on_result(struct solver *s, solver_result_fn *done, void *arg)
{
    s->result_done = done;
    s->result_done_arg = arg;
}

const struct result *solver_result(const struct solver *s, const struct vertex *v)
{
    return &state_of(s, v)->result;
}

struct layer_list input_layers(const struct solver *s, const struct vertex *v, size_t index)
{
    const struct vertex *input = v->inputs[index];
    return input ? state_of(s, input)->result.layers : (struct layer_list){ NULL, 0 };
}

const struct local_context *find_context(const struct solver *s, const struct vertex *local,
                                         struct error *err)
{
    for (size_t i = 0; i < s->options.context_count; i++) {
        if (strcmp(s->options.contexts[i].name, local->local.name) == 0)
            return &s->options.contexts[i];
    }
    error_set(err, ERROR_USER, 0, "there is no build context named %s", local->local.name);
    return NULL;
}

struct file_source context_source(const struct local_context *context)
{
    bool is_main = strcmp(context->name, "context") == 0;
    return (struct file_source){ .name = is_main ? "the build context" : context->name,
                                 .root_fd = context->fd,
                                 .is_context = true,
                                 .exclude = context->exclude,
                                 .path = context->path };
}

struct selection_digesting digesting_of(const struct solver *s, const struct file_source *from,
                                        const struct selection *selection)
{
    return (struct selection_digesting){ .from = from,
                                         .selection = selection,
                                         .store = s->options.store,
                                         .pool = s->workers.pool,
                                         .cancel = s->options.cancel };
}

void result_add(struct result *r, const char *id, const char *created)
{
    r->layers.ids = xreallocarray(r->layers.ids, r->layers.count + 1, sizeof *r->layers.ids);
    r->created = xreallocarray(r->created, r->layers.count + 1, sizeof *r->created);
    snprintf(r->layers.ids[r->layers.count], LAYER_ID_SIZE, "%s", id);
    r->created[r->layers.count++] = created ? xstrdup(created) : NULL;
}

void set_image_result(struct solver *s, const struct vertex *v)
{
    struct result *r = &state_of(s, v)->result;
    const struct resolved_image *image = v->image.image;
    if (r->layers.count)
        return;
    for (size_t i = 0; i < image->layer_count; i++)
        result_add(r, image->layers[i].id, NULL);
}

static void add_result(struct solver *s, struct result *to, const struct vertex *from)
{
    const struct result *r = from ? &state_of(s, from)->result : NULL;
    for (size_t i = 0; r && i < r->layers.count; i++)
        result_add(to, r->layers.ids[i], r->created[i]);
}

void set_result(struct solver *s, const struct vertex *v, const struct cache_record *layer)
{
    struct result *r = &state_of(s, v)->result;
    result_release(r);
    add_result(s, r, v->inputs[0]);
    result_add(r, layer->layer, layer->created);
}

void set_merge_result(struct solver *s, const struct vertex *v)
{
    struct result *r = &state_of(s, v)->result;
    result_release(r);
    add_result(s, r, v->inputs[0]);
    add_result(s, r, v->inputs[1]);
}

char *time_of_layer(void)
{
    char now[CLOCK_TEXT_SIZE];
    clock_print(clock_now(), now);
    return xstrdup(now);
}

bool is_written_packed(const struct solver *s, const struct vertex *v)
{
    return s->options.faces && state_of(s, v)->use != ROOT_MOUNTED;
}

int commit_layer(struct layer_writer *writer, struct cache_record *out, struct error *err)
{
    struct written_layer written;
    out->created = time_of_layer();
    TRY(writer->ops->commit(writer, out->created, &written, err));
    snprintf(out->layer, sizeof out->layer, "%s", written.id);
    out->times = written.times;
    return 0;
}

int open_layer_writer(struct solver *s, bool packed, struct layer_writer **out, struct error *err)
{
    struct snapshotter *snapshotter = s->workers.snapshotter;
    return packed ? packed_writer_open(s->options.faces, out, err)
                  : snapshotter->ops->layer_write(snapshotter, out, err);
}

bool solver_will_run(const struct solver *s, const struct vertex *v)
{
    return state_of(s, v)->status == VERTEX_PENDING;
}

int solver_run(struct solver *s, const struct vertex *target, const struct solver_workers *workers,
               struct error *err)
{
    s->workers = *workers;
    if (state_of(s, target)->status == VERTEX_CACHED)
        return 0;
    return schedule(s, target, err);
}
