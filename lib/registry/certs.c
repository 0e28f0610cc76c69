/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/certs.h"

#include <dirent.h>
#include <fcntl.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

enum { CERTIFICATE_MAX = 1024 * 1024 };

static int add_authority(const char *path, struct http_trust *out, struct error *err)
{
    if (fd_read_file(AT_FDCWD, path, CERTIFICATE_MAX, &out->authorities, err) < 0) {
        err->kind = ERROR_USER;
        return -1;
    }
    strbuf_addch(&out->authorities, '\n');
    return 0;
}

static int add_identity(const char *path, struct http_trust *out, struct error *err)
{
    auto_free char *key = xasprintf("%.*s.key", (int)(strlen(path) - strlen(".cert")), path);

    if (access(path, R_OK) < 0)
        return error_set(err, ERROR_USER, errno, "read %s", path);
    if (access(key, R_OK) < 0)
        return error_set(err, ERROR_USER, errno, "the key %s of the certificate beside it", key);
    out->certificate = xstrdup(path);
    out->key = take_ptr(key);
    return 0;
}

static int list_directory(const char *path, struct strvec *out, struct error *err)
{
    DIR *dir = opendir(path);

    if (!dir) {
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : error_set(err, ERROR_USER, errno, "look for certificates in %s", path);
    }
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        strvec_pushf(out, "%s/%s", path, entry->d_name);
    closedir(dir);
    strvec_sort(out);
    return 0;
}

static int read_directory(const char *path, struct http_trust *out, struct error *err)
{
    auto_(strvec) struct strvec files = { 0 };

    TRY(list_directory(path, &files, err));
    for (size_t i = 0; i < files.count; i++) {
        if (str_ends_with(files.items[i], ".crt"))
            TRY(add_authority(files.items[i], out, err));
        else if (str_ends_with(files.items[i], ".cert") && !out->certificate)
            TRY(add_identity(files.items[i], out, err));
    }
    return 0;
}

int certs_load(const struct registry_places *places, const char *host, struct http_trust *out,
               struct error *err)
{
    static const char *const kinds[] = { "containers", "docker" };
    auto_free char *config = registry_places_config_home(places);
    const char *roots[] = { config, places->etc };

    for (size_t i = 0; i < COUNT(kinds); i++) {
        for (size_t j = 0; j < COUNT(roots); j++) {
            if (!roots[j])
                continue;
            auto_free char *path = xasprintf("%s/%s/certs.d/%s", roots[j], kinds[i], host);
            TRY(read_directory(path, out, err));
        }
    }
    return 0;
}
