/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/solver/owner.h"

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/fs/identity.h"

static int check(const char *text, struct error *err)
{
    const char *colon = strchr(text, ':');
    if (*text && !(colon && strchr(colon + 1, ':')))
        return 0;
    error_set(err, ERROR_USER, 0, "invalid owner \"%s\"", text);
    return error_hint(err, "write it as user, user:group, or with numbers: 1000:1000");
}

struct accounts {
    char *passwd, *group; /* NULL: there is no such file */
};
static void accounts_release(struct accounts *a)
{
    free(a->passwd);
    free(a->group);
}
DEFINE_AUTO(accounts, struct accounts, accounts_release(value))

static int accounts_load(struct lower *lower, struct accounts *out, struct error *err)
{
    TRY(lower_read(lower, "/etc/passwd", IDENTITY_FILE_MAX, &out->passwd, err));
    return lower_read(lower, "/etc/group", IDENTITY_FILE_MAX, &out->group, err);
}

bool owner_is_at_hand(struct lower *lower)
{
    auto_(accounts) struct accounts accounts = { 0 };
    auto_(error) struct error err = { 0 };
    return accounts_load(lower, &accounts, &err) == 0 || err.kind != ERROR_NOT_FOUND;
}

/* `text` is a user, or ":group" for a group alone; a name that is not known leaves *out as it is.
 */
static int look_up(const struct accounts *a, const char *text, struct identity *out,
                   bool *out_known, struct error *err)
{
    *out_known = identity_resolve(text, a->passwd, a->group, out, err) == 0;
    if (*out_known)
        return 0;
    if (!strstr(err->message, "no matching entries"))
        return -1;
    error_clear(err);
    return 0;
}

int owner_resolve(struct lower *lower, const char *text, struct owner *out, char **out_unknown,
                  struct error *err)
{
    bool known = false;
    uint64_t number = 0;
    auto_(accounts) struct accounts accounts = { 0 };
    auto_(identity) struct identity user = { 0 };
    auto_(identity) struct identity group = { 0 };
    struct str rest = str_of(text);
    struct str name = str_cut(&rest, ':');
    *out_unknown = NULL;
    *out = (struct owner){ 0, 0 };
    if (!*text)
        return 0;
    TRY(check(text, err));
    TRY(accounts_load(lower, &accounts, err));
    auto_free char *user_text = xstrndup(name.ptr, name.len);
    TRY(look_up(&accounts, user_text, &user, &known, err));
    if (known)
        *out = (struct owner){ user.uid, user.gid };
    else
        *out_unknown = xasprintf("user %s", user_text);
    if (str_to_u64(name, 10, UINT32_MAX - 1, &number))
        out->gid = (uint32_t)number;
    if (rest.len == 0)
        return 0;

    auto_free char *group_text = xasprintf(":%.*s", (int)rest.len, rest.ptr);
    TRY(look_up(&accounts, group_text, &group, &known, err));
    out->gid = known ? group.gid : 0;
    if (!known && !*out_unknown)
        *out_unknown = xasprintf("group %s", group_text + 1);
    return 0;
}
