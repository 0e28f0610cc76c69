/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry_probe: lib/registry from the command line, for the tests beside it.
 *
 *     registry_probe resolve REFERENCE [PLATFORM]          prints the manifest's digest
 *     registry_probe pull REFERENCE STORE                  all blobs into STORE, prints the digest
 *     registry_probe follow REFERENCE STORE [alone]        the same, read by several on the way;
 *                                                         by one thread, if they are alone
 *     registry_probe push STORE LAYOUT REFERENCE...        from a layout through STORE
 *     registry_probe stress STORE LAYOUT HOST COUNT       COUNT images pushed and pulled, several
 * at once, each into a store of its own registry_probe layout SPEC [PLATFORM]                prints
 * the manifest's digest
 *
 * $PROBE_INSECURE names a host whose certificate need not be known, $PROBE_CHUNK says how large the
 * parts of a large blob are.
 */
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/thread_pool.h"
#include "lib/registry/layout.h"
#include "lib/registry/push.h"
#include "lib/registry/resolve.h"
#include "lib/store/blob.h"

enum { THREADS = 8, FETCHES = 64, READ_SIZE = 50000 };

static const struct retry_policy quick = {
    .max_tries = 6, .base_ms = 5, .cap_ms = 20, .budget_ms = 20000
};

struct fetch_job {
    struct image_source *source;
    const struct descriptor *blob;
    struct error err;
};

static void fetch_job(void *arg)
{
    struct fetch_job *job = arg;
    if (job->source->provider->fetch(job->source->provider, job->blob, 1, &job->err) < 0)
        return;
}

/* Every blob is asked for twice at once: it must be fetched once. */
static int fetch_all(struct image_source *source, struct error *err)
{
    struct fetch_job jobs[FETCHES] = { 0 };
    struct thread_pool *pool = thread_pool_new(THREADS);
    struct job_group group;
    size_t count = 0;
    int rc = 0;

    job_group_init(&group, pool);
    for (size_t i = 0; i < 2 * source->manifest.layer_count && i < FETCHES - 1; i++)
        jobs[count++] =
            (struct fetch_job){ .source = source, .blob = &source->manifest.layers[i / 2] };
    jobs[count++] = (struct fetch_job){ .source = source, .blob = &source->manifest.config };
    for (size_t i = 0; i < count; i++)
        job_group_submit(&group, fetch_job, &jobs[i]);
    job_group_wait(&group);
    thread_pool_free(pool);
    for (size_t i = 0; i < count; i++)
        rc = error_first(err, &jobs[i].err);
    return rc;
}

/* Reads a blob on its way to its end, or (`leaves`) a little of it. */
struct follow_job {
    struct image_source *source;
    const struct descriptor *blob;
    struct thread_pool *pool;
    bool leaves;
    struct error err;
};

static int read_on(struct follow_job *job, struct blob_stream *stream, struct error *err)
{
    struct digest actual;
    uint64_t size = 0;
    ssize_t n = 1;
    auto_free char *buf = xmalloc(READ_SIZE);
    auto_(hasher) struct hasher *hasher = hasher_new();

    while (n > 0 && !(job->leaves && size > 0)) {
        n = stream->base.read(&stream->base, buf, READ_SIZE, err);
        hasher_add(hasher, buf, n > 0 ? (size_t)n : 0);
        size += n > 0 ? (uint64_t)n : 0;
    }
    hasher_finish(hasher, &actual);
    if (n < 0 || job->leaves)
        return (int)n < 0 ? -1 : 0;
    if (size != job->blob->size || !digest_equal(&actual, &job->blob->digest))
        return error_set(err, ERROR_USAGE, 0, "the stream ended well, but was not the blob");
    return 0;
}

static void follow_job(void *arg)
{
    struct follow_job *job = arg;
    struct blob_provider *provider = job->source->provider;
    struct blob_stream *stream = NULL;

    if (provider->open(provider, job->blob, job->pool, 1, &stream, &job->err) < 0)
        return;
    int rc = read_on(job, stream, &job->err);
    if (job->leaves)
        stream->interrupt(stream);
    stream->close(stream);
    if (rc == 0 || job->err.kind != ERROR_CORRUPT)
        return;
    printf("%s\n", job->err.message);
    error_clear(&job->err);
    if (provider->fetch(provider, job->blob, 1, &job->err) < 0)
        return;
}

/* Each layer is followed by three, one of which does not care for the end. */
static int follow_all(struct image_source *source, size_t threads, struct error *err)
{
    struct follow_job jobs[FETCHES] = { 0 };
    struct thread_pool *pool = thread_pool_new(threads);
    struct job_group group;
    size_t count = 0;
    int rc = 0;

    job_group_init(&group, pool);
    for (size_t i = 0; i < 3 * source->manifest.layer_count && i < FETCHES; i++) {
        jobs[i] = (struct follow_job){ .source = source,
                                       .blob = &source->manifest.layers[i / 3],
                                       .pool = pool,
                                       .leaves = i % 3 == 1 };
        job_group_submit(&group, follow_job, &jobs[i]);
        count++;
    }
    job_group_wait(&group);
    thread_pool_free(pool);
    for (size_t i = 0; i < count; i++)
        rc = error_first(err, &jobs[i].err);
    return rc;
}

static void print_digest(const struct image_source *source)
{
    char digest[DIGEST_TEXT_SIZE];
    digest_print(&source->descriptor.digest, digest);
    printf("%s\n", digest);
}

static int platform_from(const char *text, struct platform *out, struct error *err)
{
    return platform_parse(text ? text : "linux/amd64", out, err);
}

static int pull(struct registry_client *client, char **args, bool with_blobs, struct error *err)
{
    auto_(reference) struct reference ref = { 0 };
    auto_(image_source) struct image_source source;
    struct platform platform;

    image_source_init(&source);
    TRY(platform_from(with_blobs ? NULL : args[1], &platform, err));
    TRY(reference_parse(args[0], &ref, err));
    TRY(registry_resolve(client, &ref, &platform, &source, err));
    if (with_blobs)
        TRY(fetch_all(&source, err));
    print_digest(&source);
    return 0;
}

static int push(struct registry_client *client, const struct store *store, char **args,
                struct error *err)
{
    auto_(image_source) struct image_source source;
    struct reference targets[4] = { 0 };
    struct platform platform;
    struct push_image image = { .targets = targets };

    image_source_init(&source);
    TRY(platform_from(NULL, &platform, err));
    TRY(layout_open(args[0], &platform, store, &source, err));
    TRY(fetch_all(&source, err));
    for (char **arg = args + 1; *arg && image.target_count < COUNT(targets); arg++)
        TRY(reference_parse(*arg, &targets[image.target_count++], err));
    image.manifest = &source.manifest;
    image.text = source.manifest_text.buf;
    image.len = source.manifest_text.len;
    struct thread_pool *pool = thread_pool_new(THREADS);
    int rc = registry_push(client, &image, pool, 1, err);
    thread_pool_free(pool);
    for (size_t i = 0; i < COUNT(targets); i++)
        reference_release(&targets[i]);
    if (rc == 0)
        print_digest(&source);
    return rc;
}

static int follow(struct registry_client *client, char **args, struct error *err)
{
    auto_(reference) struct reference ref = { 0 };
    auto_(image_source) struct image_source source;
    struct platform platform;

    image_source_init(&source);
    TRY(platform_from(NULL, &platform, err));
    TRY(reference_parse(args[0], &ref, err));
    TRY(registry_resolve(client, &ref, &platform, &source, err));
    TRY(follow_all(&source, args[2] ? 1 : THREADS, err));
    print_digest(&source);
    return 0;
}

/* One image on its way there and back. */
struct stress_job {
    const struct registry_options *options;
    const struct image_source *source;
    char *name, *store;
    struct error err;
};

static int go_there(const struct stress_job *job, const struct reference *ref, struct error *err)
{
    const struct push_image image = { .manifest = &job->source->manifest,
                                      .text = job->source->manifest_text.buf,
                                      .len = job->source->manifest_text.len,
                                      .targets = ref,
                                      .target_count = 1 };
    struct registry_client *client = registry_client_new(job->options);
    int rc = registry_push(client, &image, NULL, 1, err);
    registry_client_free(client);
    return rc < 0 ? error_wrap(err, "push") : 0;
}

static int come_back(const struct stress_job *job, const struct reference *ref, struct error *err)
{
    struct registry_options options = *job->options;
    struct platform platform;
    auto_(store) struct store store = { 0 };

    TRY(platform_from(NULL, &platform, err));
    TRY(store_open(&store, job->store, err));
    options.store = &store;
    struct registry_client *client = registry_client_new(&options);
    struct image_source pulled;
    image_source_init(&pulled);
    int rc = registry_resolve(client, ref, &platform, &pulled, err);
    if (rc == 0)
        rc = fetch_all(&pulled, err);
    image_source_release(&pulled);
    registry_client_free(client);
    return rc < 0 ? error_wrap(err, "pull") : 0;
}

static int there_and_back(const struct stress_job *job, struct error *err)
{
    auto_(reference) struct reference ref = { 0 };

    TRY(reference_parse(job->name, &ref, err));
    TRY(go_there(job, &ref, err));
    return come_back(job, &ref, err);
}

static void stress_job(void *arg, size_t index)
{
    struct stress_job *job = (struct stress_job *)arg + index;
    if (there_and_back(job, &job->err) < 0)
        printf("%s: %s\n", job->name, job->err.message);
}

static int stress(const struct registry_options *options, char **args, struct error *err)
{
    auto_(image_source) struct image_source source;
    struct platform platform;
    size_t count = strtoull(args[3], NULL, 10);
    size_t failed = 0;
    auto_free struct stress_job *jobs = xcalloc(count, sizeof *jobs);

    image_source_init(&source);
    TRY(platform_from(NULL, &platform, err));
    TRY(layout_open(args[1], &platform, options->store, &source, err));
    TRY(fetch_all(&source, err));
    for (size_t i = 0; i < count; i++)
        jobs[i] = (struct stress_job){ options,
                                       &source,
                                       xasprintf("%s/stress/n%zu:1", args[2], i),
                                       xasprintf("%s-%zu", args[0], i),
                                       { 0 } };
    struct thread_pool *pool = thread_pool_new(THREADS);
    parallel_for(pool, count, THREADS, stress_job, jobs);
    thread_pool_free(pool);
    for (size_t i = 0; i < count; i++) {
        failed += error_is_set(&jobs[i].err);
        error_clear(&jobs[i].err);
        free(jobs[i].name);
        free(jobs[i].store);
    }
    if (failed)
        return error_set(err, ERROR_NETWORK, 0, "%zu of %zu failed", failed, count);
    print_digest(&source);
    return 0;
}

static int layout(char **args, struct error *err)
{
    auto_(image_source) struct image_source source;
    struct platform platform;

    image_source_init(&source);
    TRY(platform_from(args[1], &platform, err));
    TRY(layout_open(args[0], &platform, NULL, &source, err));
    print_digest(&source);
    return 0;
}

static int run(int argc, char **argv, struct error *err)
{
    auto_(store) struct store store = { 0 };
    auto_(strvec) struct strvec insecure = { 0 };
    const char *insecure_host = getenv("PROBE_INSECURE");
    const char *chunk = getenv("PROBE_CHUNK");
    struct registry_options options = { .places = credential_places_from_environment(),
                                        .config = registry_places_from_environment(),
                                        .insecure_hosts = &insecure,
                                        .upload_chunk = chunk ? strtoull(chunk, NULL, 10) : 0,
                                        .retry = &quick };
    const char *command = argc > 2 ? argv[1] : "";
    bool is_stress = strcmp(command, "stress") == 0;
    bool is_push = strcmp(command, "push") == 0 || is_stress;
    bool is_follow = strcmp(command, "follow") == 0;
    bool is_pull = strcmp(command, "pull") == 0 || is_follow;
    const char *path = is_push ? argv[2] : (is_pull ? argv[3] : NULL);

    if (insecure_host)
        strvec_push(&insecure, insecure_host);
    if (strcmp(command, "layout") == 0)
        return layout(argv + 2, err);
    if (path) {
        TRY(store_open(&store, path, err));
        options.store = &store;
    }
    if (is_stress)
        return stress(&options, argv + 2, err);
    struct registry_client *client = registry_client_new(&options);
    int rc = is_push     ? push(client, &store, argv + 3, err)
             : is_follow ? follow(client, argv + 2, err)
                         : pull(client, argv + 2, path != NULL, err);
    registry_client_free(client);
    return rc;
}

int main(int argc, char **argv)
{
    struct error err = { 0 };

    if (run(argc, argv, &err) == 0)
        return 0;
    fprintf(stderr, "error %d: %s\n", (int)err.kind, err.message);
    if (err.hint)
        fprintf(stderr, "hint: %s\n", err.hint);
    error_clear(&err);
    return 1;
}
