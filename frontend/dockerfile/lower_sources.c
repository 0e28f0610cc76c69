/* SPDX-License-Identifier: Apache-2.0 */
/* What COPY and ADD take: files of the context, a stage or an image, what is fetched from a URL or
 * a git repository, and here-documents. */
#include <ctype.h>

#include "frontend/dockerfile/lower_internal.h"
#include "frontend/dockerfile/stages.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"

enum { SHA256_HEX = 64, COMMIT_MIN = 4, COMMIT_MAX = 64 };

enum source_kind { SOURCE_FILES, SOURCE_HTTP, SOURCE_GIT };

static bool is_url(const char *source)
{
    return strncasecmp(source, "http://", 7) == 0 || strncasecmp(source, "https://", 8) == 0;
}

/* "user@host:path" */
static bool is_scp(const char *source)
{
    static const char user[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    static const char host[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    size_t at = strspn(source, user);
    if (at == 0 || source[at] != '@')
        return false;
    size_t len = strspn(source + at + 1, host);
    return len > 0 && source[at + 1 + len] == ':';
}

static enum source_kind kind_of(const char *source)
{
    if (str_starts_with(source, "git://") || str_starts_with(source, "ssh://") || is_scp(source))
        return SOURCE_GIT;
    if (!is_url(source))
        return SOURCE_FILES;
    auto_free char *address = xstrndup(source, strcspn(source, "#?"));
    return str_ends_with(address, ".git") ? SOURCE_GIT : SOURCE_HTTP;
}

/* Relative to the root of the source, whatever it was written like; the root itself is ".". */
static const char *clean_source(struct lowering *l, const char *source)
{
    auto_free char *rooted = xasprintf("/%s", source);
    auto_free char *clean = path_clean(rooted);
    return arena_strdup(l->arena, clean[1] ? clean + 1 : ".");
}

/* With --parents the first "/./" says from where on a path is kept, so it stays. */
static const char *clean_with_pivot(struct lowering *l, const char *source)
{
    const char *pivot = strstr(source, "/./");
    if (!pivot)
        return clean_source(l, source);
    auto_free char *above = xstrndup(source, (size_t)(pivot - source));
    const char *parent = clean_source(l, above);
    const char *kept = clean_source(l, pivot + 3);
    return strcmp(parent, ".") == 0 ? kept : arena_printf(l->arena, "%s/./%s", parent, kept);
}

void copy_inputs_init(struct copy_inputs *inputs)
{
    *inputs = (struct copy_inputs){ 0 };
    GROW(inputs->items, inputs->count, inputs->cap);
    inputs->items[inputs->count++] = NULL;
}

void copy_inputs_release(struct copy_inputs *inputs)
{
    free(inputs->items);
}

static size_t add_input(struct copy_inputs *inputs, struct vertex *v)
{
    for (size_t i = 1; i < inputs->count; i++)
        if (inputs->items[i] == v)
            return i;
    GROW(inputs->items, inputs->count, inputs->cap);
    inputs->items[inputs->count] = v;
    return inputs->count++;
}

/* The context, or what --from names: looked for once, and only if it is wanted. */
static int files_input(struct lowering *l, struct stage_state *s, const struct instruction *in,
                       struct copy_inputs *inputs, size_t *out, struct error *err)
{
    struct vertex *from = NULL;
    struct stage_use *uses = NULL;
    size_t count = 0;
    if (inputs->files == 0) {
        TRY(stages_list_uses(l, in, &uses, &count, err));
        TRY(from_source(l, s, in, count ? &uses[0] : NULL, &from, err));
        inputs->files = add_input(inputs, from);
    }
    *out = inputs->files;
    return 0;
}

static bool is_hex(const char *text, size_t min, size_t max)
{
    size_t len = strspn(text, "0123456789abcdef");
    return text[len] == '\0' && len >= min && len <= max;
}

static int check_checksum(const struct instruction *in, const struct flag *flag, const char *sum,
                          enum source_kind kind, struct error *err)
{
    if (kind == SOURCE_GIT) {
        if (is_hex(sum, COMMIT_MIN, COMMIT_MAX))
            return 0;
        error_set(err, ERROR_USER, 0, "invalid checksum %s: expected hex commit hash", sum);
        error_hint(err, "give the commit's hash, or its first digits, in lower case");
    } else {
        bool sha256 = str_starts_with(sum, "sha256:");
        if (sha256 && is_hex(sum + strlen("sha256:"), SHA256_HEX, SHA256_HEX))
            return 0;
        const char *what = sha256             ? "invalid checksum digest length"
                           : strchr(sum, ':') ? "unsupported digest algorithm"
                                              : "invalid checksum digest format";
        error_set(err, ERROR_USER, 0, "%s: %s", what, sum);
        error_hint(err, "write --checksum=sha256:<64 hex digits>");
    }
    return error_word(in, flag->offset, err);
}

static int expand_checksum(struct lowering *l, struct stage_state *s, const struct instruction *in,
                           enum source_kind kind, const char **out, struct error *err)
{
    const struct flag *flag = instruction_flag(in, FLAG_CHECKSUM);
    *out = NULL;
    if (!flag)
        return 0;
    struct word w = { .text = flag->value, .offset = flag->offset };
    TRY(stage_expand(l, s, in, &w, out, err));
    if (!**out)
        *out = NULL;
    return *out ? check_checksum(in, flag, *out, kind, err) : 0;
}

static bool flag_is_on(const struct flag *flag)
{
    return flag && (!flag->value || strcasecmp(flag->value, "true") == 0);
}

/* The address as it may be shown: without user and password. */
static const char *shown(struct lowering *l, const char *url)
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme ? scheme + 3 : url;
    const char *at = scheme ? memchr(host, '@', strcspn(host, "/?#")) : NULL;
    return at ? arena_printf(l->arena, "%.*s%s", (int)(host - url), url, at + 1) : url;
}

/* What was fetched is a local context. */
static int add_remote(struct lowering *l, const struct instruction *in,
                      const struct remote_source *source, struct copy_inputs *inputs,
                      struct copy_source *out, struct error *err)
{
    const char *context = NULL;
    const char *path = NULL;
    struct source_fetcher *fetcher = l->options->fetcher;
    TRY(fetcher->fetch(fetcher, source, &context, &path, err));
    struct op_local local = { arena_strdup(l->arena, context) };
    struct vertex v = {
        .kind = OP_LOCAL, .name = shown(l, source->url), .where = in->line.where, .local = local
    };
    bool unpack = flag_is_on(instruction_flag(in, FLAG_UNPACK));
    out->input = add_input(inputs, graph_add(&l->out->graph, &v));
    out->path = arena_strdup(l->arena, path);
    out->unpack = source->kind == REMOTE_HTTP && unpack;
    return 0;
}

static int add_files(struct lowering *l, struct stage_state *s, const struct instruction *in,
                     const char *path, struct copy_inputs *inputs, struct copy_source *out,
                     struct error *err)
{
    const struct flag *unpack = instruction_flag(in, FLAG_UNPACK);
    bool parents = flag_is_on(instruction_flag(in, FLAG_PARENTS));
    size_t input = 0;
    TRY(files_input(l, s, in, inputs, &input, err));
    *out = (struct copy_source){
        .input = input,
        .path = parents ? clean_with_pivot(l, path) : clean_source(l, path),
        .unpack = unpack ? flag_is_on(unpack) : in->verb->kind == VERB_ADD,
    };
    return 0;
}

static int refuse_remote(const char *source, enum source_kind kind, struct error *err)
{
    error_set(err, ERROR_USER, 0, "source can't be a %s for COPY: %s",
              kind == SOURCE_GIT ? "git ref" : "URL", source);
    return error_hint(err, "ADD takes those");
}

/* `data` is the document of that name: the last, as BuildKit takes it. */
static int add_heredoc(struct lowering *l, struct stage_state *s, const struct instruction *in,
                       const struct heredoc *doc, const struct heredoc *data,
                       struct copy_source *out, struct error *err)
{
    struct expander e = stage_expander(l, s);
    struct str text = { data->data, data->size };
    size_t offset = in->words[doc->word].offset;
    if (strchr(doc->name, '/') || strcmp(doc->name, ".") == 0 || strcmp(doc->name, "..") == 0) {
        error_set(err, ERROR_USER, 0,
                  "heredoc \"%s\": it becomes a file, which cannot be called so", doc->name);
        return error_word(in, offset, err);
    }
    if (doc->expand && expand_text(&e, text, &text, err) < 0)
        return error_word(in, offset, err);
    l->expansion_left = e.left;
    *out = (struct copy_source){ .path = doc->name, .data = text.ptr, .size = text.len };
    return 0;
}

static int add_heredocs(struct lowering *l, struct stage_state *s, const struct instruction *in,
                        struct copy_source *out, struct error *err)
{
    auto_(map) struct map by_name = { 0 };
    for (size_t i = 0; i < in->heredoc_count; i++)
        map_set(&by_name, in->heredocs[i].name, (void *)&in->heredocs[i]);
    for (size_t i = 0; i < in->heredoc_count; i++) {
        const struct heredoc *data = map_find(&by_name, in->heredocs[i].name);
        TRY(add_heredoc(l, s, in, &in->heredocs[i], data, &out[i], err));
    }
    return 0;
}

static int check_flags(const struct instruction *in, const char *const *words, size_t files,
                       struct error *err)
{
    const struct flag *flag = instruction_flag(in, FLAG_CHECKSUM);
    if (!flag || !*flag->value)
        return 0;
    if (files != 1)
        error_set(err, ERROR_USER, 0, "checksum can't be specified for multiple sources");
    else if (kind_of(words[0]) == SOURCE_FILES)
        error_set(err, ERROR_USER, 0, "checksum requires HTTP(S) or Git sources");
    return error_is_set(err) ? error_word(in, flag->offset, err) : 0;
}

static int add_source(struct lowering *l, struct stage_state *s, const struct instruction *in,
                      const char *path, struct copy_inputs *inputs, struct copy_source *out,
                      struct error *err)
{
    enum source_kind kind = kind_of(path);
    const struct flag *keep = instruction_flag(in, FLAG_KEEP_GIT_DIR);
    if (kind == SOURCE_FILES && !instruction_flag(in, FLAG_FROM))
        lint_source(l, in, path);
    if (kind == SOURCE_FILES)
        return add_files(l, s, in, path, inputs, out, err);
    if (in->verb->kind == VERB_COPY)
        return refuse_remote(path, kind, err);
    struct remote_source source = { .kind = kind == SOURCE_GIT ? REMOTE_GIT : REMOTE_HTTP,
                                    .url = path,
                                    .keep_git_dir = flag_is_on(keep),
                                    .has_keep_git_dir = keep != NULL };
    TRY(expand_checksum(l, s, in, kind, &source.checksum, err));
    return add_remote(l, in, &source, inputs, out, err);
}

int sources_lower(struct lowering *l, struct stage_state *s, const struct instruction *in,
                  const struct copy_words *words, struct copy_inputs *inputs, struct op_copy *op,
                  struct error *err)
{
    size_t count = words->file_count + in->heredoc_count;
    struct copy_source *sources = arena_alloc(l->arena, count, sizeof *sources);
    TRY(check_flags(in, words->files, words->file_count, err));
    for (size_t i = 0; i < words->file_count; i++) {
        struct copy_source *source = &sources[op->source_count++];
        if (add_source(l, s, in, words->files[i], inputs, source, err) < 0)
            return error_word(in, words->origins[i]->offset, err);
        bool hinted = source->input == inputs->files && !instruction_flag(in, FLAG_FROM);
        if (hinted && !op->missing_hint)
            op->missing_hint = hints_find(l, source->path, words->dest);
    }
    TRY(add_heredocs(l, s, in, sources + op->source_count, err));
    op->source_count = count;
    op->sources = sources;
    return 0;
}
