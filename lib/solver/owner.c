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

/* `text` is a user, or ":group" for a group alone; a name that is not known leaves *out as it is. */
static int look_up(int root_fd, const char *text, struct identity *out, bool *out_known,
                   struct error *err)
{
    *out_known = identity_load(root_fd, text, out, err) == 0;
    if (*out_known)
        return 0;
    if (!strstr(err->message, "no matching entries"))
        return -1;
    error_clear(err);
    return 0;
}

int owner_resolve(int root_fd, const char *text, struct owner *out, char **out_unknown,
                  struct error *err)
{
    bool known = false;
    uint64_t number = 0;
    auto_(identity) struct identity user = { 0 };
    auto_(identity) struct identity group = { 0 };
    struct str rest = str_of(text);
    struct str name = str_cut(&rest, ':');
    *out_unknown = NULL;
    *out = (struct owner){ 0, 0 };
    if (!*text)
        return 0;
    TRY(check(text, err));
    auto_free char *user_text = xstrndup(name.ptr, name.len);
    TRY(look_up(root_fd, user_text, &user, &known, err));
    if (known)
        *out = (struct owner){ user.uid, user.gid };
    else
        *out_unknown = xasprintf("user %s", user_text);
    if (str_to_u64(name, 10, UINT32_MAX - 1, &number))
        out->gid = (uint32_t)number;
    if (rest.len == 0)
        return 0;

    auto_free char *group_text = xasprintf(":%.*s", (int)rest.len, rest.ptr);
    TRY(look_up(root_fd, group_text, &group, &known, err));
    out->gid = known ? group.gid : 0;
    if (!known && !*out_unknown)
        *out_unknown = xasprintf("group %s", group_text + 1);
    return 0;
}
