/* SPDX-License-Identifier: Apache-2.0 */
/* Image archives. A member is a byte (name, kind), two for a length, and the content, in which "@n"
 * stands for the digest of the n-th member and "#n" for its size: without those no archive of a
 * layout would get far. What is said to be loaded is there. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/codec/tar.h"
#include "lib/fs/dir.h"
#include "lib/importer/archive.h"
#include "lib/store/blob.h"
#include "lib/store/image_store.h"
#include "lib/store/packed_layer.h"
#include "tests/support/memory_stream.h"

enum { MEMBERS = 10, NAME_BITS = 7, KIND_SHIFT = 3, KINDS = 4, HEADER = 3 };

static struct store store;

struct content {
    struct strbuf text;
    char hex[DIGEST_HEX_SIZE];
};

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    abort();
}

static void open_store(void)
{
    auto_(error) struct error err = { 0 };
    const char *place = getenv("TMPDIR");
    auto_free char *dir = xasprintf("%s/store.XXXXXX", place ? place : "/tmp");
    if (!mkdtemp(dir) || store_open(&store, dir, &err) < 0 || store_lease(&store, &err) < 0)
        fail(err.message ? err.message : "mkdtemp");
}

static void empty(int dir_fd)
{
    auto_(error) struct error ignored = { 0 };
    auto_(strvec) struct strvec names = { 0 };
    if (dir_list(dir_fd, ".", &names, &ignored) < 0)
        fail("the store cannot be listed");
    for (size_t i = 0; i < names.count; i++)
        unlinkat(dir_fd, names.items[i], 0);
}

/* "@n" and "#n" become what they stand for. */
static void expand(struct str raw, const struct content *members, size_t count, struct content *out)
{
    struct digest digest;
    for (size_t i = 0; i < raw.len; i++) {
        char sign = raw.ptr[i];
        size_t n = i + 1 < raw.len ? (size_t)(raw.ptr[i + 1] - '0') : MEMBERS;
        if ((sign != '@' && sign != '#') || n >= count) {
            strbuf_addch(&out->text, sign);
            continue;
        }
        i++;
        if (sign == '@')
            strbuf_addstr(&out->text, members[n].hex);
        else
            strbuf_addf(&out->text, "%zu", members[n].text.len);
    }
    digest_of(out->text.buf, out->text.len, &digest);
    digest_hex(&digest, out->hex);
}

static void add_member(struct tar_writer *tar, unsigned char how, const struct content *content)
{
    static const char *const names[NAME_BITS + 1] = {
        "index.json", "manifest.json", "c.json", "l.tar", "a/layer.tar", "b/layer.tar", "../x", NULL
    };
    static const enum tar_type kinds[KINDS] = { TAR_FILE, TAR_SYMLINK, TAR_HARDLINK, TAR_FILE };
    auto_(error) struct error refused = { 0 };
    auto_free char *blob = xasprintf("blobs/sha256/%s", content->hex);
    const char *name = names[how & NAME_BITS];
    struct tar_entry e = { .path = name ? name : blob,
                           .type = kinds[(how >> KIND_SHIFT) % KINDS],
                           .link = content->text.buf };
    e.size = e.type == TAR_FILE ? content->text.len : 0;
    if (tar_writer_entry(tar, &e, &refused) == 0 && e.type == TAR_FILE)
        (void)!tar_writer_content(tar, content->text.buf, content->text.len, &refused);
}

static void make_archive(struct str in, struct writer *out)
{
    struct tar_writer tar = tar_writer_init(out);
    struct content members[MEMBERS];
    auto_(error) struct error ignored = { 0 };
    size_t count = 0;
    for (; count < MEMBERS && in.len >= HEADER; count++) {
        const unsigned char *head = (const unsigned char *)in.ptr;
        size_t len = (size_t)head[1] << 8 | head[2];
        in = (struct str){ in.ptr + HEADER, in.len - HEADER };
        len = len < in.len ? len : in.len;
        members[count].text = (struct strbuf)STRBUF_INIT;
        expand((struct str){ in.ptr, len }, members, count, &members[count]);
        add_member(&tar, head[0], &members[count]);
        in = (struct str){ in.ptr + len, in.len - len };
    }
    (void)!tar_writer_finish(&tar, &ignored);
    for (size_t i = 0; i < count; i++)
        strbuf_release(&members[i].text);
}

static void check_image(const char *name)
{
    auto_(error) struct error err = { 0 };
    auto_(image_record) struct image_record image = { 0 };
    struct packed_layer packed;
    if (image_store_find(&store, name, &image, &err) < 0)
        fail(err.message);
    if (!blob_exists(&store, &image.config, 0))
        fail("the configuration is missing");
    for (size_t i = 0; i < image.layer_count; i++) {
        const struct image_record_layer *layer = &image.layers[i];
        if (layer->has_blob ? !blob_exists(&store, &layer->blob, layer->blob_size)
                            : !packed_layer_find(&store, layer->id, &packed))
            fail("a layer is missing");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_(error) struct error err = { 0 };
    auto_(strvec) struct strvec names = { 0 };
    struct platform platform = { .os = "linux", .arch = "amd64" };
    struct memory_writer archive = memory_writer_init();
    const struct archive_options options = { .store = &store, .platform = &platform };
    if (!store.path)
        open_store();
    make_archive((struct str){ (const char *)data, size }, &archive.base);
    struct memory_reader in = memory_reader_init(archive.data.buf, archive.data.len, 0);
    int rc = archive_load(&options, &in.base, &names, &err);
    if ((rc < 0) != error_is_set(&err))
        fail("an error is a failure, and no other is");
    for (size_t i = 0; i < names.count; i++)
        check_image(names.items[i]);
    strbuf_release(&archive.data);
    empty(store.blobs_fd);
    empty(store.images_fd);
    empty(store.cache_fd);
    return 0;
}
