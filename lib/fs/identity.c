/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/identity.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/fs/resolve.h"

enum { ID_MAX = 2147483647, GROUPS_MAX = 65536 };

/* One line of passwd or group, as far as it matters here. */
struct row {
    struct str name;
    uint64_t id;
    struct str gid;  /* passwd: the primary group; group: the members */
    struct str home; /* passwd only */
};

/* Cuts the next line that makes sense from `rest`. */
static bool next_row(struct str *rest, struct row *row)
{
    while (rest->len) {
        struct str line = str_cut(rest, '\n');
        row->name = str_cut(&line, ':');
        str_cut(&line, ':');
        struct str id = str_cut(&line, ':');
        row->gid = str_cut(&line, ':');
        str_cut(&line, ':');
        row->home = str_cut(&line, ':');
        if (row->name.len && str_to_u64(id, 10, ID_MAX, &row->id))
            return true;
    }
    return false;
}

/* What was written before or after the colon. */
struct part {
    struct str text;
    bool is_number;
    uint64_t number;
};

static int part_parse(struct str text, bool root_is_zero, struct part *out, struct error *err)
{
    *out = (struct part){ .text = text };
    bool digits = text.len > 0;
    for (size_t i = 0; i < text.len; i++)
        digits = digits && text.ptr[i] >= '0' && text.ptr[i] <= '9';
    if (digits && !str_to_u64(text, 10, ID_MAX, &out->number))
        return error_set(err, ERROR_USER, 0, "the id %.*s is out of range (0 to %d)", (int)text.len,
                         text.ptr, ID_MAX);
    out->is_number = digits || (root_is_zero && str_equal(text, STR("root")));
    return 0;
}

static bool find_row(const char *text, const struct part *wanted, struct row *row)
{
    struct str rest = str_of(text ? text : "");
    while (next_row(&rest, row)) {
        if (wanted->is_number ? row->id == wanted->number : str_equal(row->name, wanted->text))
            return true;
    }
    return false;
}

static void add_group(struct identity *id, gid_t gid)
{
    for (size_t i = 0; i < id->group_count; i++) {
        if (id->groups[i] == gid)
            return;
    }
    if (id->group_count == GROUPS_MAX)
        return;
    id->groups = xreallocarray(id->groups, id->group_count + 1, sizeof *id->groups);
    id->groups[id->group_count++] = gid;
}

/* Every group that lists `name` among its members. */
static void add_memberships(struct identity *id, const char *group, struct str name)
{
    struct str rest = str_of(group ? group : "");
    struct row row;
    while (next_row(&rest, &row)) {
        while (row.gid.len) {
            if (str_equal(str_cut(&row.gid, ','), name))
                add_group(id, (gid_t)row.id);
        }
    }
}

static int resolve_group(const struct part *wanted, const char *group, gid_t *out,
                         struct error *err)
{
    struct row row;
    if (wanted->is_number)
        *out = (gid_t)wanted->number;
    else if (find_row(group, wanted, &row))
        *out = (gid_t)row.id;
    else {
        return error_set(err, ERROR_USER, 0,
                         "unable to find group %.*s: no matching entries in "
                         "group file",
                         (int)wanted->text.len, wanted->text.ptr);
    }
    return 0;
}

int identity_resolve(const char *user, const char *passwd, const char *group, struct identity *out,
                     struct error *err)
{
    auto_(identity) struct identity id = { 0 };
    struct str rest = str_of(user);
    struct str before = str_cut(&rest, ':');
    struct part who;
    struct part set;
    struct row row = { 0 };
    TRY(part_parse(before.len ? before : STR("0"), false, &who, err));
    TRY(part_parse(rest, true, &set, err));

    bool found = find_row(passwd, &who, &row);
    bool is_root_name = str_equal(who.text, STR("root"));
    if (!found && !who.is_number && !is_root_name) {
        return error_set(err, ERROR_USER, 0,
                         "unable to find user %.*s: no matching entries in "
                         "passwd file",
                         (int)who.text.len, who.text.ptr);
    }
    uint64_t primary = 0;
    if (found) {
        id.uid = (uid_t)row.id;
        (void)str_to_u64(row.gid, 10, ID_MAX, &primary);
    } else {
        id.uid = (uid_t)who.number;
    }
    id.gid = (gid_t)primary;
    if (set.text.len)
        TRY(resolve_group(&set, group, &id.gid, err));
    add_group(&id, id.gid);
    if (found && !set.text.len)
        add_memberships(&id, group, row.name);
    id.home = found && row.home.len ? xstrndup(row.home.ptr, row.home.len) : xstrdup("/");
    *out = id;
    id = (struct identity){ 0 };
    return 0;
}

/* Leaves *text NULL if there is no such file. A FIFO in its place does not block. */
static int load_file(int root_fd, const char *path, char **text, struct error *err)
{
    struct stat st;
    auto_(strbuf) struct strbuf content = STRBUF_INIT;
    auto_close int fd = root_open(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (fd < 0)
        return error_set(err, ERROR_USER, errno, "open %s of the image", path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return error_set(err, ERROR_USER, 0, "%s of the image is not a regular file", path);
    TRY(fd_read_all(fd, IDENTITY_FILE_MAX, path, &content, err));
    *text = strbuf_detach(&content);
    return 0;
}

int identity_load(int root_fd, const char *user, struct identity *out, struct error *err)
{
    auto_free char *passwd = NULL;
    auto_free char *group = NULL;
    TRY(load_file(root_fd, "/etc/passwd", &passwd, err));
    TRY(load_file(root_fd, "/etc/group", &group, err));
    return identity_resolve(user, passwd, group, out, err);
}

void identity_release(struct identity *id)
{
    free(id->groups);
    free(id->home);
    *id = (struct identity){ 0 };
}
