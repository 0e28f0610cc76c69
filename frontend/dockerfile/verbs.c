/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/verbs.h"

#include <assert.h>
#include <ctype.h>

#include "lib/base/cleanup.h"

static const struct flag_spec no_flags[] = { { .name = NULL } };

static const struct flag_spec from_flags[] = {
    { "platform", FLAG_PLATFORM, FLAG_STRING },
    { .name = NULL },
};

static const struct flag_spec run_flags[] = {
    { "mount", FLAG_MOUNT, FLAG_LIST },
    { "network", FLAG_NETWORK, FLAG_STRING },
    { "security", FLAG_SECURITY, FLAG_STRING },
    { "device", FLAG_DEVICE, FLAG_LIST },
    { .name = NULL },
};

static const struct flag_spec copy_flags[] = {
    { "from", FLAG_FROM, FLAG_STRING },
    { "chown", FLAG_CHOWN, FLAG_STRING },
    { "chmod", FLAG_CHMOD, FLAG_STRING },
    { "link", FLAG_LINK, FLAG_BOOL },
    { "parents", FLAG_PARENTS, FLAG_BOOL },
    { "exclude", FLAG_EXCLUDE, FLAG_LIST },
    { .name = NULL },
};

static const struct flag_spec add_flags[] = {
    { "chown", FLAG_CHOWN, FLAG_STRING },
    { "chmod", FLAG_CHMOD, FLAG_STRING },
    { "link", FLAG_LINK, FLAG_BOOL },
    { "exclude", FLAG_EXCLUDE, FLAG_LIST },
    { "keep-git-dir", FLAG_KEEP_GIT_DIR, FLAG_BOOL },
    { "checksum", FLAG_CHECKSUM, FLAG_STRING },
    { "unpack", FLAG_UNPACK, FLAG_BOOL },
    { .name = NULL },
};

static const struct flag_spec healthcheck_flags[] = {
    { "interval", FLAG_INTERVAL, FLAG_STRING },
    { "timeout", FLAG_TIMEOUT, FLAG_STRING },
    { "start-period", FLAG_START_PERIOD, FLAG_STRING },
    { "start-interval", FLAG_START_INTERVAL, FLAG_STRING },
    { "retries", FLAG_RETRIES, FLAG_STRING },
    { .name = NULL },
};

static const struct verb verbs[] = {
    { "ADD", VERB_ADD, GRAMMAR_LIST, add_flags, VERB_HEREDOC | VERB_STEP },
    { "ARG", VERB_ARG, GRAMMAR_ARGS, no_flags, VERB_DROPS_FLAGS },
    { "CMD", VERB_CMD, GRAMMAR_COMMAND, no_flags, 0 },
    { "COPY", VERB_COPY, GRAMMAR_LIST, copy_flags, VERB_HEREDOC | VERB_STEP },
    { "ENTRYPOINT", VERB_ENTRYPOINT, GRAMMAR_COMMAND, no_flags, 0 },
    { "ENV", VERB_ENV, GRAMMAR_PAIRS, no_flags, 0 },
    { "EXPOSE", VERB_EXPOSE, GRAMMAR_WORDS, no_flags, 0 },
    { "FROM", VERB_FROM, GRAMMAR_WORDS, from_flags, VERB_NOT_IN_ONBUILD },
    { "HEALTHCHECK", VERB_HEALTHCHECK, GRAMMAR_HEALTHCHECK, healthcheck_flags, 0 },
    { "LABEL", VERB_LABEL, GRAMMAR_PAIRS, no_flags, 0 },
    { "MAINTAINER", VERB_MAINTAINER, GRAMMAR_TEXT, no_flags, VERB_NOT_IN_ONBUILD },
    { "ONBUILD", VERB_ONBUILD, GRAMMAR_ONBUILD, no_flags, VERB_NOT_IN_ONBUILD },
    { "RUN", VERB_RUN, GRAMMAR_COMMAND, run_flags, VERB_HEREDOC | VERB_STEP },
    { "SHELL", VERB_SHELL, GRAMMAR_COMMAND, no_flags, 0 },
    { "STOPSIGNAL", VERB_STOPSIGNAL, GRAMMAR_TEXT, no_flags, VERB_DROPS_FLAGS },
    { "USER", VERB_USER, GRAMMAR_TEXT, no_flags, 0 },
    { "VOLUME", VERB_VOLUME, GRAMMAR_LIST, no_flags, 0 },
    { "WORKDIR", VERB_WORKDIR, GRAMMAR_TEXT, no_flags, VERB_STEP },
};
static_assert(COUNT(verbs) == VERB_COUNT, "one row for each verb");

const struct verb *verb_find(struct str word)
{
    for (size_t i = 0; i < COUNT(verbs); i++) {
        if (strlen(verbs[i].name) == word.len &&
            strncasecmp(verbs[i].name, word.ptr, word.len) == 0)
            return &verbs[i];
    }
    return NULL;
}

/* Two neighbours swapped: the likeliest slip of all, though two edits away. */
static bool is_swapped(const char *word, const char *name)
{
    size_t i = 0;
    while (name[i] && toupper((unsigned char)word[i]) == name[i])
        i++;
    return name[i] && name[i + 1] && toupper((unsigned char)word[i]) == name[i + 1] &&
           toupper((unsigned char)word[i + 1]) == name[i] &&
           strcasecmp(word + i + 2, name + i + 2) == 0;
}

const char *verb_nearest(const char *word)
{
    const char *names[COUNT(verbs)];
    for (size_t i = 0; i < COUNT(verbs); i++) {
        if (is_swapped(word, verbs[i].name))
            return verbs[i].name;
        names[i] = verbs[i].name;
    }
    return str_nearest(word, names, COUNT(names));
}
