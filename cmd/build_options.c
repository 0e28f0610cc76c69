/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/build_options.h"

#include <fcntl.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/thread_pool.h"

enum { ARG_FILE_MAX = 1024 * 1024, JOBS_MAX = 4096, JOBS_PER_CORE = 4 };

#define VALUE(member) offsetof(struct build_values, member)
#define REFUSED(text, reason)                                                                      \
    {                                                                                              \
        .name = (text), .kind = OPTION_REFUSED, .help = (reason)                                   \
    }
#define NEVER(text, reason)                                                                        \
    {                                                                                              \
        .name = (text), .kind = OPTION_NEVER, .help = (reason)                                     \
    }
#define HOLDS(text, reason)                                                                        \
    {                                                                                              \
        .name = (text), .kind = OPTION_HOLDS, .help = (reason)                                     \
    }

#define NO_ATTESTATIONS "mlbuild makes no attestations"
#define ONE_ISOLATION   "a step always has namespaces of its own"
#define NO_CGROUP                                                                                  \
    "steps stay in the caller's cgroup; limit the whole build: systemd-run --user --scope -p "     \
    "MemoryMax=4G mlbuild ..."
#define FROM_THE_FILES "credentials are those of docker's and podman's configuration files"

const struct option build_options[] = {
    { "tag", 't', OPTION_LIST, VALUE(tags), "NAME[:TAG]", "name of the image; may be repeated" },
    { "file", 'f', OPTION_TEXT, VALUE(file), "FILE",
      "Dockerfile (default: CONTEXT/Dockerfile; - is stdin)" },
    { "build-arg", 0, OPTION_LIST, VALUE(build_args), "NAME[=VALUE]", "value of an ARG" },
    { "build-arg-file", 0, OPTION_LIST, VALUE(build_arg_files), "FILE",
      "lines of NAME=VALUE, as many --build-arg" },
    { "target", 0, OPTION_TEXT, VALUE(target), "STAGE", "stage to build (default: the last)" },
    { "output", 'o', OPTION_LIST, VALUE(outputs), "DEST",
      "FILE.tar, DIR, -, or type=...,dest=..." },
    { "compression", 0, OPTION_TEXT, VALUE(compression), "FORMAT",
      "of layers in outputs: auto (default), gzip, zstd, none" },
    { "compression-level", 0, OPTION_TEXT, VALUE(compression_level), "N",
      "of that format (default: what suits the content)" },
    { "force-compression", 0, OPTION_FLAG, VALUE(force_compression), NULL,
      "layers of base images are packed anew, too" },
    { "load", 0, OPTION_FLAG, VALUE(load), NULL, "load the image into docker or podman" },
    { "push", 0, OPTION_FLAG, VALUE(push), NULL, "push to the registry that the name says" },
    { "build-context", 0, OPTION_LIST, VALUE(build_contexts), "NAME=VALUE",
      "named context: DIR, oci-layout://DIR, docker-image://REF, URL" },
    { "ignorefile", 0, OPTION_TEXT, VALUE(ignore_file), "FILE", "instead of .dockerignore" },
    { "label", 0, OPTION_LIST, VALUE(labels), "NAME=VALUE", "label of the image" },
    { "annotation", 0, OPTION_LIST, VALUE(annotations), "NAME=VALUE",
      "annotation of the manifest" },
    { "no-cache", 0, OPTION_FLAG, VALUE(no_cache), NULL, "run every step anew" },
    { "no-cache-filter", 0, OPTION_LIST, VALUE(no_cache_filter), "STAGE",
      "run the steps of this stage anew" },
    { "cache-from", 0, OPTION_LIST, VALUE(cache_from), "SOURCE",
      "steps of other builders: type=registry,ref=NAME, type=local,src=DIR or "
      "type=s3,bucket=NAME" },
    { "cache-to", 0, OPTION_LIST, VALUE(cache_to), "DEST",
      "share steps: type=registry,ref=NAME, type=local,dest=DIR, type=s3,bucket=NAME, "
      "type=inline; mode=min|max" },
    { "pull", 0, OPTION_WORD, VALUE(pull), "always",
      "ask the registry for newer base images; =missing (default), =never" },
    { "jobs", 0, OPTION_TEXT, VALUE(jobs), "N",
      "RUN steps at a time (default: four for each core; 0: all that are ready)" },
    { "platform", 0, OPTION_TEXT, VALUE(platform), "OS/ARCH",
      "platform of the image (default: this host's)" },
    { "network", 0, OPTION_TEXT, VALUE(network), "MODE",
      "network of RUN steps: default, host or none" },
    { "secret", 0, OPTION_LIST, VALUE(secrets), "id=ID[,src=FILE|env=NAME]",
      "value that RUN --mount=type=secret gets" },
    { "ssh", 0, OPTION_LIST, VALUE(ssh), "default|ID[=SOCKET|KEY]",
      "ssh agent that RUN --mount=type=ssh gets" },
    { "allow", 0, OPTION_LIST, VALUE(run.allows), "WHAT",
      "let RUN ask for network.host, security.insecure, device[=NAME]" },
    { "add-host", 0, OPTION_LIST, VALUE(run.add_hosts), "NAME:ADDRESS",
      "line of /etc/hosts in RUN steps" },
    { "shm-size", 0, OPTION_TEXT, VALUE(run.shm_size), "SIZE",
      "of /dev/shm in RUN steps (default: 64m)" },
    { "ulimit", 0, OPTION_LIST, VALUE(run.ulimits), "TYPE=SOFT[:HARD]",
      "limit of RUN steps, as nofile=4096" },
    { "dns", 0, OPTION_LIST, VALUE(run.dns), "ADDRESS", "name server of RUN steps" },
    { "dns-search", 0, OPTION_LIST, VALUE(run.dns_searches), "DOMAIN",
      "search domain of RUN steps" },
    { "dns-option", 0, OPTION_LIST, VALUE(run.dns_options), "OPTION",
      "resolver option of RUN steps" },
    { "cap-add", 0, OPTION_LIST, VALUE(run.cap_adds), "NAME", "capability that RUN steps get" },
    { "cap-drop", 0, OPTION_LIST, VALUE(run.cap_drops), "NAME",
      "capability that RUN steps do without" },
    { "security-opt", 0, OPTION_LIST, VALUE(run.security_opts), "OPTION",
      "seccomp=unconfined, no-new-privileges" },
    { "device", 0, OPTION_LIST, VALUE(run.devices), "DEVICE",
      "CDI name, or path of a device, for RUN steps" },
    { "volume", 'v', OPTION_LIST, VALUE(run.volumes), "HOST:PATH[:ro]",
      "path of the host that RUN steps see" },
    { "epoch", 0, OPTION_TEXT, VALUE(epoch), "SECONDS",
      "newest time in the image (default: $SOURCE_DATE_EPOCH)" },
    { "source-date-epoch", 0, OPTION_TEXT, VALUE(epoch), "SECONDS", "the same" },
    { "iidfile", 0, OPTION_TEXT, VALUE(iidfile), "FILE", "write the image id there" },
    { "metadata-file", 0, OPTION_TEXT, VALUE(metadata_file), "FILE",
      "write digests and names there, as JSON" },
    { "check", 0, OPTION_FLAG, VALUE(check), NULL, "check the Dockerfile, build nothing" },
    { "call", 0, OPTION_TEXT, VALUE(call), "METHOD",
      "build, check, outline or targets; with ,format=json" },
    { "progress", 0, OPTION_TEXT, VALUE(progress), "MODE", "auto, plain, tty, rawjson, quiet" },
    { "quiet", 'q', OPTION_FLAG, VALUE(quiet), NULL, "print the image id and nothing else" },
    { "timings", 0, OPTION_FLAG, VALUE(timings), NULL, "print where the time went, at the end" },
    { "trace", 0, OPTION_TEXT, VALUE(trace), "FILE",
      "write all times there, for chrome://tracing and ui.perfetto.dev" },
    { "debug", 'D', OPTION_FLAG, VALUE(debug), NULL, "show warnings with their lines" },
    { "insecure-registry", 0, OPTION_LIST, VALUE(insecure), "HOST",
      "registry that may speak http" },

    HOLDS("rm", "no container is left behind"),
    HOLDS("force-rm", "no container is left behind"),
    HOLDS("layers", "steps are always cached"),
    HOLDS("skip-unused-stages", "only what the target needs is built"),
    HOLDS("rewrite-timestamp", "times newer than the epoch are always clamped"),
    NEVER("provenance", NO_ATTESTATIONS),
    NEVER("sbom", NO_ATTESTATIONS),
    NEVER("squash", "layers stay apart; COPY --from a stage into FROM scratch makes one layer"),
    HOLDS("compress", "the context is read where it is"),
    HOLDS("disable-content-trust", "signatures are not checked"),
    REFUSED("attest", NO_ATTESTATIONS),
    REFUSED("builder", "there is no builder instance: the build runs in this process"),
    REFUSED("cache-ttl", "cached steps do not age; see mlbuild prune"),
    REFUSED("policy", "source policies are not evaluated"),
    REFUSED("source-policy-file", "source policies are not evaluated"),
    REFUSED("cgroup-parent", "steps stay in the caller's cgroup"),
    REFUSED("memory", NO_CGROUP),
    REFUSED("memory-swap", NO_CGROUP),
    REFUSED("cpu-shares", NO_CGROUP),
    REFUSED("cpu-period", NO_CGROUP),
    REFUSED("cpu-quota", NO_CGROUP),
    REFUSED("cpuset-cpus", NO_CGROUP),
    REFUSED("cpuset-mems", NO_CGROUP),
    REFUSED("resource", NO_CGROUP),
    REFUSED("isolation", ONE_ISOLATION),
    REFUSED("ipc", ONE_ISOLATION),
    REFUSED("pid", ONE_ISOLATION),
    REFUSED("uts", ONE_ISOLATION),
    REFUSED("cgroupns", ONE_ISOLATION),
    REFUSED("userns", ONE_ISOLATION),
    REFUSED("runtime", "steps run in a sandbox of mlbuild's own, not in an OCI runtime"),
    REFUSED("format", "images are OCI images; docker, podman and containerd all read them"),
    REFUSED("manifest", "put the images under one name with mlbuild index create"),
    REFUSED("all-platforms", "a build is for one platform"),
    REFUSED("arch", "use --platform OS/ARCH"),
    REFUSED("os", "use --platform OS/ARCH"),
    REFUSED("variant", "use --platform OS/ARCH/VARIANT"),
    REFUSED("timestamp", "use --epoch SECONDS: newer times are clamped to it"),
    REFUSED("authfile", FROM_THE_FILES "; set REGISTRY_AUTH_FILE"),
    REFUSED("creds", FROM_THE_FILES "; a password on a command line is seen by all"),
    REFUSED("cert-dir", "set SSL_CERT_FILE"),
    REFUSED("tls-verify", "name the host with --insecure-registry"),
    REFUSED("save-stages", "stages are kept in the cache; tag one with --target and -t"),
    REFUSED("retry", "transfers are tried again as often as makes sense"),
    REFUSED("retry-delay", "transfers are tried again as often as makes sense"),
    REFUSED("from", "give FROM an ARG and set it with --build-arg"),
    REFUSED("env", "write ENV in the Dockerfile"),
    REFUSED("unsetenv", "a variable of the base image can only be set to another value"),
    REFUSED("unsetlabel", "a label of the base image can only be set to another value"),
    REFUSED("compat-volumes", "what a step writes into a VOLUME stays in the image"),
    { .name = NULL },
};

static void add_arg(struct map *args, const char *text)
{
    const char *equals = strchr(text, '=');
    auto_free char *name = equals ? xstrndup(text, (size_t)(equals - text)) : xstrdup(text);
    const char *value = equals ? equals + 1 : getenv(name);
    if (value)
        map_set(args, name, xstrdup(value));
}

static int add_arg_file(struct map *args, const char *path, struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    if (fd_read_file(AT_FDCWD, path, ARG_FILE_MAX, &text, err) < 0)
        return error_wrap(err, "--build-arg-file");
    struct str rest = { text.buf, text.len };
    while (rest.len) {
        struct str line = str_trim(str_cut(&rest, '\n'), " \t\r");
        auto_free char *one = xstrndup(line.ptr, line.len);
        if (line.len && one[0] != '#')
            add_arg(args, one);
    }
    return 0;
}

int build_read_args(const struct build_values *v, struct map *out, struct error *err)
{
    add_arg(out, "SOURCE_DATE_EPOCH");
    for (size_t i = 0; i < v->build_arg_files.count; i++)
        TRY(add_arg_file(out, v->build_arg_files.items[i], err));
    for (size_t i = 0; i < v->build_args.count; i++)
        add_arg(out, v->build_args.items[i]);
    return 0;
}

int build_read_jobs(const char *text, size_t *out, struct error *err)
{
    uint64_t jobs = 0;
    *out = JOBS_PER_CORE * thread_pool_cores();
    if (!text)
        return 0;
    if (!str_to_u64(str_of(text), 10, JOBS_MAX, &jobs)) {
        error_set(err, ERROR_USAGE, 0, "--jobs %s: not a number from 0 to %d", text, JOBS_MAX);
        return error_hint(err, "0 is for no limit");
    }
    *out = (size_t)jobs;
    return 0;
}

int build_read_pairs(const char *option, const struct strvec *texts, struct map *out,
                     struct error *err)
{
    for (size_t i = 0; i < texts->count; i++) {
        const char *text = texts->items[i];
        auto_free char *name = xstrndup(text, strcspn(text, "="));
        const char *value = text + strlen(name);
        if (!*name)
            return error_set(err, ERROR_USAGE, 0, "--%s %s: a name is missing", option, text);
        map_set(out, name, xstrdup(*value ? value + 1 : ""));
    }
    return 0;
}

int build_read_annotations(const struct strvec *texts, struct map *out, struct error *err)
{
    static const char *const elsewhere[] = { "index", "manifest-descriptor", "index-descriptor" };
    auto_(strvec) struct strvec plain = { 0 };
    for (size_t i = 0; i < texts->count; i++) {
        const char *text = texts->items[i];
        struct str type = { text, strcspn(text, ":=[,") };
        bool has_type = text[type.len] && text[type.len] != '=';
        for (size_t k = 0; has_type && k < COUNT(elsewhere); k++) {
            if (str_equal(type, str_of(elsewhere[k]))) {
                error_set(err, ERROR_USAGE, 0,
                          "--annotation %s: %s annotations not supported for single "
                          "platform export",
                          text, elsewhere[k]);
                return error_hint(err, "an image of one platform has a manifest and no index: "
                                       "KEY=VALUE or manifest:KEY=VALUE annotates the manifest; "
                                       "mlbuild index create makes and annotates an index");
            }
        }
        strvec_push(&plain, str_starts_with(text, "manifest:") ? text + type.len + 1 : text);
    }
    return build_read_pairs("annotation", &plain, out, err);
}

bool build_wants_epoch(const struct build_values *v)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    bool wanted = v->epoch || (text && *text);
    for (size_t i = 0; i < v->build_args.count; i++)
        wanted = wanted || str_starts_with(v->build_args.items[i], "SOURCE_DATE_EPOCH=");
    return wanted;
}

int build_read_epoch(const struct build_values *v, const struct map *args, bool *out_given,
                     int64_t *out_seconds, struct error *err)
{
    uint64_t seconds = 0;
    const char *text = v->epoch ? v->epoch : map_find(args, "SOURCE_DATE_EPOCH");
    *out_given = text && *text;
    if (!*out_given)
        return 0;
    if (!str_to_u64(str_of(text), 10, INT64_MAX / 2, &seconds))
        return error_set(err, ERROR_USER, 0, "invalid SOURCE_DATE_EPOCH: %s", text);
    *out_seconds = (int64_t)seconds;
    return 0;
}

int build_read_network(const char *text, enum network_mode *out, struct error *err)
{
    if (!text || strcmp(text, "host") == 0 || strcmp(text, "default") == 0)
        *out = NETWORK_HOST;
    else if (strcmp(text, "none") == 0)
        *out = NETWORK_NONE;
    else
        return error_set(err, ERROR_USAGE, 0, "--network takes default, host or none, not %s",
                         text);
    return 0;
}

int build_read_platform(const char *text, struct platform *out, bool *out_given, struct error *err)
{
    if (!text)
        text = getenv("DOCKER_DEFAULT_PLATFORM");
    *out = platform_host();
    *out_given = text && *text;
    if (!*out_given || strcmp(text, "local") == 0)
        return 0;
    if (strchr(text, ',')) {
        error_set(err, ERROR_UNSUPPORTED, 0, "--platform %s: a build is for one platform", text);
        return error_hint(err, "build once for each, with names of their own, and put them under "
                               "one name: mlbuild index create -t NAME NAME-amd64 NAME-arm64");
    }
    TRY(platform_parse(text, out, err));
    if (strcmp(out->os, "linux") == 0)
        return 0;
    return error_set(err, ERROR_UNSUPPORTED, 0, "--platform %s: images are built for linux", text);
}

int build_read_pull(const char *text, enum pull_policy *out, struct error *err)
{
    static const struct {
        const char *name;
        enum pull_policy policy;
    } policies[] = { { "always", PULL_ALWAYS },  { "true", PULL_ALWAYS },
                     { "1", PULL_ALWAYS },       { "newer", PULL_ALWAYS },
                     { "ifnewer", PULL_ALWAYS }, { "missing", PULL_MISSING },
                     { "false", PULL_MISSING },  { "0", PULL_MISSING },
                     { "never", PULL_NEVER } };
    *out = PULL_MISSING;
    for (size_t i = 0; text && i < COUNT(policies); i++) {
        if (strcasecmp(text, policies[i].name) != 0)
            continue;
        *out = policies[i].policy;
        return 0;
    }
    return !text ? 0
                 : error_set(err, ERROR_USAGE, 0, "--pull takes always, missing or never, not %s",
                             text);
}

static int read_call_option(struct str option, struct build_call_options *out, struct error *err)
{
    struct str value = option;
    struct str name = str_cut(&value, '=');
    if (str_equal(name, str_of("format")) &&
        (str_equal(value, str_of("json")) || str_equal(value, str_of("text")))) {
        out->json = str_equal(value, str_of("json"));
        return 0;
    }
    if (str_equal(name, str_of("ignorestatus")) && value.len) {
        out->ignore_status = strchr("1tT", value.ptr[0]) != NULL;
        return 0;
    }
    error_set(err, ERROR_USAGE, 0, "--call: unknown option %.*s", (int)option.len, option.ptr);
    return error_hint(err, "format=json, format=text or ignorestatus=true");
}

int build_read_call(const struct build_values *v, struct build_call_options *out, struct error *err)
{
    static const char *const names[] = { "build", "check", "lint", "outline", "targets" };
    static const enum build_call calls[] = { CALL_BUILD, CALL_CHECK, CALL_CHECK, CALL_OUTLINE,
                                             CALL_TARGETS };
    *out = (struct build_call_options){ .call = v->check ? CALL_CHECK : CALL_BUILD };
    if (!v->call)
        return 0;
    if (v->check && strncmp(v->call, "check", 5) != 0 && strncmp(v->call, "lint", 4) != 0)
        return error_set(err, ERROR_USAGE, 0, "--check and --call=%s exclude each other", v->call);
    struct str rest = str_of(v->call);
    struct str name = str_cut(&rest, ',');
    size_t i = 0;
    while (i < COUNT(names) && !str_equal(name, str_of(names[i])))
        i++;
    if (i == COUNT(names)) {
        error_set(err, ERROR_USAGE, 0, "--call: unknown method %.*s", (int)name.len, name.ptr);
        return error_hint(err, "build, check, outline or targets");
    }
    out->call = calls[i];
    while (rest.len)
        TRY(read_call_option(str_cut(&rest, ','), out, err));
    return 0;
}
