/* SPDX-License-Identifier: Apache-2.0 */
/* mlbuild index: one name for the images of several platforms, which were built apart; as docker
 * buildx imagetools does it. */
#include "cmd/command.h"
#include "cmd/export.h"
#include "cmd/index_source.h"
#include "cmd/printable.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/registry/push.h"
#include "lib/store/blob.h"

enum { PUSH_THREADS = 4 };

struct index_values {
    struct strvec tags, annotations, insecure;
    const char *output, *progress;
    bool append, dry_run, raw, debug;
};

#define VALUE(member) offsetof(struct index_values, member)
static const struct option index_options[] = {
    { "tag", 't', OPTION_LIST, VALUE(tags), "NAME[:TAG]",
      "create: name of the index; may be repeated" },
    { "annotation", 0, OPTION_LIST, VALUE(annotations), "TYPE:KEY=VALUE",
      "create: index:..., manifest-descriptor:..., manifest-descriptor[OS/ARCH]:..." },
    { "append", 0, OPTION_FLAG, VALUE(append), NULL,
      "create: beside what the name stands for now; one for the same platform is replaced" },
    { "dry-run", 0, OPTION_FLAG, VALUE(dry_run), NULL, "create: print the index, push nothing" },
    { "output", 'o', OPTION_TEXT, VALUE(output), "DEST",
      "create: FILE.tar or DIR (an image layout) instead of a push" },
    { "raw", 0, OPTION_FLAG, VALUE(raw), NULL, "inspect: print it as the registry has it" },
    { "progress", 0, OPTION_TEXT, VALUE(progress), "MODE", "auto, plain, tty, quiet" },
    { "insecure-registry", 0, OPTION_LIST, VALUE(insecure), "HOST",
      "registry that may speak http" },
    { "debug", 'D', OPTION_FLAG, VALUE(debug), NULL, "say whose credentials are used, and why" },
    { .name = NULL },
};

/* One index on its way. */
struct creation {
    struct session *session;
    const struct index_values *values;
    struct reference *targets;
    size_t target_count;
    struct strvec names; /* of the targets, in full */
    struct output output;
    struct index_source *sources;
    size_t source_count;
    struct index_builder builder;
    struct strbuf text;
};

static void creation_release(struct creation *c)
{
    for (size_t i = 0; i < c->target_count; i++)
        reference_release(&c->targets[i]);
    free(c->targets);
    strvec_release(&c->names);
    output_release(&c->output);
    for (size_t i = 0; i < c->source_count; i++)
        index_source_release(&c->sources[i]);
    free(c->sources);
    index_builder_release(&c->builder);
    strbuf_release(&c->text);
}
DEFINE_AUTO(creation, struct creation, creation_release(value))

static int read_targets(struct creation *c, struct error *err)
{
    const struct strvec *tags = &c->values->tags;
    c->targets = xcalloc(tags->count, sizeof *c->targets);
    for (; c->target_count < tags->count; c->target_count++) {
        struct reference *target = &c->targets[c->target_count];
        TRY(reference_parse_new(tags->items[c->target_count], target, err));
        strvec_push_take(&c->names, reference_print(target));
    }
    return 0;
}

static int read_output(struct creation *c, struct error *err)
{
    const struct packing packing = PACKING_DEFAULT;
    struct output *o = &c->output;
    if (!c->values->output)
        return 0;
    TRY(output_parse(c->values->output, &packing, o, err));
    /* A build writes files to such a path; of an index there is only the layout. */
    if (!strchr(c->values->output, '=') && o->type == OUTPUT_LOCAL)
        o->type = OUTPUT_OCI_DIR;
    if (!strchr(c->values->output, '=') && o->type == OUTPUT_TAR)
        o->type = OUTPUT_OCI;
    if (o->type == OUTPUT_OCI || o->type == OUTPUT_OCI_DIR)
        return 0;
    error_set(err, ERROR_USAGE, 0, "--output %s: an index is an image layout", c->values->output);
    return error_hint(err, "-o FILE.tar, -o DIR or -t NAME");
}

static int read_command(struct creation *c, const struct strvec *args, struct error *err)
{
    const struct index_values *v = c->values;
    if (args->count < 2) {
        error_set(err, ERROR_USAGE, 0, "which images is the index made of?");
        return error_hint(err, "mlbuild index create -t NAME IMAGE...");
    }
    if (v->raw)
        return error_set(err, ERROR_USAGE, 0, "--raw is for mlbuild index inspect");
    TRY(read_targets(c, err));
    TRY(read_output(c, err));
    if (c->target_count == 0 && v->append)
        return error_set(err, ERROR_USAGE, 0, "--append needs -t NAME: what to append to");
    if (c->target_count || v->dry_run || v->output)
        return 0;
    error_set(err, ERROR_USAGE, 0, "can't push with no tags specified");
    return error_hint(err, "set --tag, --output or --dry-run");
}

static int gather(struct creation *c, const struct strvec *args, struct error *err)
{
    struct session *s = c->session;
    c->sources = xcalloc(args->count, sizeof *c->sources);
    if (c->values->append) {
        struct index_source *old = &c->sources[c->source_count++];
        TRY(index_source_ask(s, c->names.items[0], old, err));
        TRY(index_source_add(s, old, &c->builder, err));
        index_builder_begin_new(&c->builder);
    }
    for (size_t i = 1; i < args->count; i++) {
        struct index_source *source = &c->sources[c->source_count++];
        if (index_source_find(s, args->items[i], source, err) < 0 ||
            index_source_add(s, source, &c->builder, err) < 0)
            return error_wrap(err, "%s", args->items[i]);
    }
    return 0;
}

struct annotation {
    const char *text; /* as it was typed */
    const char *key, *value;
};

/* "index", "manifest-descriptor" or "manifest-descriptor[linux/arm64]" */
static int annotate_kind(struct index_builder *b, struct str kind, const struct annotation *a,
                         struct error *err)
{
    struct platform platform = { 0 };
    struct str bracket = kind;
    struct str name = str_cut(&bracket, '[');
    auto_free char *where = xstrndup(bracket.ptr, bracket.len ? bracket.len - 1 : 0);
    if (str_equal(kind, STR("index"))) {
        index_builder_annotate(b, a->key, a->value);
        return 0;
    }
    if (!str_equal(name, STR("manifest-descriptor"))) {
        error_set(err, ERROR_USAGE, 0, "--annotation %s: %.*s annotations are not for an index",
                  a->text, (int)name.len, name.ptr);
        return error_hint(err, "the images are made already: index:KEY=VALUE annotates the index, "
                               "manifest-descriptor[OS/ARCH]:KEY=VALUE what it says of them");
    }
    if (*where)
        TRY(platform_parse(where, &platform, err));
    if (index_builder_annotate_entries(b, *where ? &platform : NULL, a->key, a->value) > 0)
        return 0;
    return error_set(err, ERROR_USAGE, 0, "--annotation %s: the index has no such image", a->text);
}

static int annotate(struct index_builder *b, const char *text, struct error *err)
{
    const char *colon = text + strcspn(text, ":=");
    struct str kinds =
        *colon == ':' ? (struct str){ text, (size_t)(colon - text) } : STR("manifest");
    const char *pair = *colon == ':' ? colon + 1 : text;
    auto_free char *key = xstrndup(pair, strcspn(pair, "="));
    const char *value = pair + strlen(key);
    if (!*key || !*value)
        return error_set(err, ERROR_USAGE, 0, "--annotation %s: write it as TYPE:KEY=VALUE", text);
    const struct annotation a = { text, key, value + 1 };
    while (kinds.len)
        TRY(annotate_kind(b, str_cut(&kinds, ','), &a, err));
    return 0;
}

static int push_images(struct creation *c, const struct reference *target, struct thread_pool *pool,
                       unsigned vertex, struct error *err)
{
    for (size_t i = 0; i < c->source_count; i++)
        TRY(index_source_push(c->session, &c->sources[i], c->text.buf, target, pool, vertex, err));
    return 0;
}

/* No name, of any repository, stands for an index with parts missing. */
static int push_all(struct creation *c, struct thread_pool *pool, unsigned vertex,
                    struct error *err)
{
    struct registry_client *client = session_registry(c->session);
    for (size_t i = 0; i < c->target_count; i++) {
        if (push_images(c, &c->targets[i], pool, vertex, err) < 0)
            return error_wrap(err, "push %s", c->names.items[i]);
    }
    for (size_t i = 0; i < c->target_count; i++) {
        if (registry_push_document(client, &c->targets[i], MEDIA_INDEX, c->text.buf, c->text.len,
                                   err) < 0)
            return error_wrap(err, "push %s", c->names.items[i]);
    }
    return 0;
}

static int push(struct creation *c, struct error *err)
{
    struct session *s = c->session;
    char text[DIGEST_TEXT_SIZE];
    struct digest digest;
    auto_free char *title = xasprintf("pushing %s", c->names.items[0]);
    unsigned v = progress_start(s->progress, title);
    struct thread_pool *pool = thread_pool_new(PUSH_THREADS);
    int rc = push_all(c, pool, v, err);
    thread_pool_free(pool);
    progress_end_with(s->progress, v, rc, err);
    session_finish_progress(s);
    digest_of(c->text.buf, c->text.len, &digest);
    digest_print(&digest, text);
    for (size_t i = 0; rc == 0 && i < c->names.count; i++)
        fprintf(stderr, "pushed %s@%s\n", c->names.items[i], text);
    return rc;
}

static int fetch_all(struct creation *c, struct digest_list *out, struct error *err)
{
    struct session *s = c->session;
    unsigned v = progress_start(s->progress, "fetching what the index lists");
    int rc = 0;
    for (size_t i = 0; i < c->source_count && rc == 0; i++)
        rc = index_source_fetch(s, &c->sources[i], c->text.buf, v, out, err);
    return progress_end_with(s->progress, v, rc, err);
}

static int write_layout(struct creation *c, struct error *err)
{
    struct session *s = c->session;
    struct digest_list blobs = { 0 };
    struct layout_index index = { .descriptor = { .media_type = MEDIA_INDEX,
                                                  .size = c->text.len } };
    int rc = fetch_all(c, &blobs, err);
    if (rc == 0)
        rc = blob_put(&s->store, c->text.buf, c->text.len, &index.descriptor.digest, err);
    index.blobs = blobs.items;
    index.blob_count = blobs.count;
    const struct layout_item item = { .index = &index, .names = c->names };
    if (rc == 0)
        rc = export_layout(s, &item, 1, &c->output, err);
    free(blobs.items);
    session_finish_progress(s);
    return rc;
}

static int create(struct session *s, const struct index_values *v, const struct strvec *args,
                  struct error *err)
{
    auto_(creation) struct creation c = { .session = s, .values = v, .text = STRBUF_INIT };
    TRY(read_command(&c, args, err));
    TRY(session_open_progress(s, v->dry_run ? "quiet" : v->progress, err));
    TRY(session_open_store(s, err));
    TRY(gather(&c, args, err));
    for (size_t i = 0; i < v->annotations.count; i++)
        TRY(annotate(&c.builder, v->annotations.items[i], err));
    index_builder_print(&c.builder, &c.text);
    if (v->dry_run) {
        printf("%s\n", c.text.buf);
        return 0;
    }
    return v->output ? write_layout(&c, err) : push(&c, err);
}

/* "  Name:      NAME@DIGEST" and so on, as docker buildx imagetools inspect does. */
static void print_entry(const struct index_entry *entry, const char *name)
{
    char digest[DIGEST_TEXT_SIZE];
    char platform[PLATFORM_TEXT_SIZE];
    digest_print(&entry->descriptor.digest, digest);
    printf("\n  Name:      %s@%s\n  MediaType: %s\n", name, digest,
           media_type_print(entry->descriptor.media_type));
    if (entry->platform.os[0]) {
        platform_print(&entry->platform, platform);
        auto_free char *shown = printable(platform, sizeof platform);
        printf("  Platform:  %s\n", shown);
    }
}

static int print_document(const struct index_source *source, struct error *err)
{
    const struct registry_document *d = &source->document;
    const struct reference plain = { .host = source->ref.host,
                                     .repository = source->ref.repository };
    auto_free char *name = reference_print(&source->ref);
    auto_free char *repository = reference_print(&plain);
    auto_(index) struct index index = { 0 };
    char digest[DIGEST_TEXT_SIZE];
    digest_print(&d->descriptor.digest, digest);
    printf("Name:      %s\nMediaType: %s\nDigest:    %s\n", name,
           media_type_print(d->descriptor.media_type), digest);
    if (!media_type_is_index(d->descriptor.media_type))
        return 0;
    TRY(index_parse(d->text.buf, d->text.len, d->descriptor.media_type, &index, err));
    printf("\nManifests:");
    for (size_t i = 0; i < index.count; i++)
        print_entry(&index.entries[i], repository);
    return 0;
}

static int inspect(struct session *s, const struct index_values *v, const struct strvec *args,
                   struct error *err)
{
    struct index_source source = { 0 };
    if (args->count != 2 || v->tags.count || v->annotations.count || v->append || v->dry_run ||
        v->output)
        return error_set(err, ERROR_USAGE, 0, "mlbuild index inspect [--raw] NAME");
    int rc = index_source_ask(s, args->items[1], &source, err);
    if (rc == 0 && v->raw)
        fwrite(source.document.text.buf, 1, source.document.text.len, stdout);
    else if (rc == 0)
        rc = print_document(&source, err);
    index_source_release(&source);
    return rc;
}

static int index_run(struct session *s, void *values, const struct strvec *args, struct error *err)
{
    const struct index_values *v = values;
    strvec_push_all(&s->insecure_hosts, &v->insecure);
    s->debug = v->debug;
    if (args->count && strcmp(args->items[0], "create") == 0)
        return create(s, v, args, err);
    if (args->count && strcmp(args->items[0], "inspect") == 0)
        return inspect(s, v, args, err);
    error_set(err, ERROR_USAGE, 0, "mlbuild index create|inspect");
    return error_hint(err, "mlbuild index --help");
}

const struct command command_index = {
    .name = "index",
    .usage = "create -t NAME IMAGE... | inspect NAME",
    .summary = "put images for several platforms under one name; show what a name stands for",
    .options = index_options,
    .values_size = sizeof(struct index_values),
    .run = index_run,
};
