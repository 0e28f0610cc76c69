/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/block_index.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/fs/dir.h"
#include "lib/store/blob.h"

/* Blocks are half a mebibyte, more or less: so many are 8 GiB. */
enum { BLOBS_MAX = 8, BLOCKS_MAX = 16 * 1024 };

/* A file is this, and blocks behind it. */
struct file_head {
    char layout[PACK_LAYOUT_SIZE];
};

struct known_block {
    struct pack_block block;
    size_t blob; /* of `blobs` */
};

struct block_index {
    struct pack_memory base;
    const struct store *store;
    struct file_head head;
    int folder_fd;
    int blobs[BLOBS_MAX]; /* open */
    size_t blob_count;
    struct known_block *known; /* by `plain` */
    size_t known_count, known_cap;
    struct strbuf learnt; /* the file of the blob that is being written */
};

/* One file of the folder. */
struct candidate {
    char *name;
    struct timespec used;
};

static int newest_first(const void *a, const void *b)
{
    const struct timespec *one = &((const struct candidate *)a)->used;
    const struct timespec *two = &((const struct candidate *)b)->used;
    if (one->tv_sec != two->tv_sec)
        return one->tv_sec > two->tv_sec ? -1 : 1;
    return one->tv_nsec > two->tv_nsec ? -1 : one->tv_nsec < two->tv_nsec;
}

static int by_plain(const void *a, const void *b)
{
    const struct known_block *one = a;
    const struct known_block *two = b;
    return memcmp(&one->block.plain, &two->block.plain, sizeof one->block.plain);
}

/* Takes the blocks of one blob; false if there is no room for more. */
static bool load(struct block_index *index, const char *name)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(error) struct error ignored = { 0 };
    struct digest blob;
    struct file_head head;
    int fd = -1;
    size_t limit = sizeof head + BLOCKS_MAX * sizeof(struct pack_block);
    if (!digest_parse_hex(name, &blob) ||
        fd_read_file(index->folder_fd, name, limit, &text, &ignored) < 0 || text.len < sizeof head)
        return true;
    memcpy(&head, text.buf, sizeof head);
    size_t count = (text.len - sizeof head) / sizeof(struct pack_block);
    if (memcmp(&head, &index->head, sizeof head) != 0)
        return true;
    if (index->blob_count == BLOBS_MAX || index->known_count + count > BLOCKS_MAX)
        return false;
    if (blob_open(index->store, &blob, &fd, NULL, &ignored) < 0)
        return true;
    for (size_t i = 0; i < count; i++) {
        GROW(index->known, index->known_count, index->known_cap);
        struct known_block *to = &index->known[index->known_count++];
        memcpy(&to->block, text.buf + sizeof head + i * sizeof to->block, sizeof to->block);
        to->blob = index->blob_count;
    }
    index->blobs[index->blob_count++] = fd;
    return true;
}

static void load_newest(struct block_index *index)
{
    auto_(strvec) struct strvec names = { 0 };
    auto_(error) struct error ignored = { 0 };
    if (dir_list(index->folder_fd, "blocks", &names, &ignored) < 0)
        return;
    auto_free struct candidate *found = xcalloc(names.count, sizeof *found);
    for (size_t i = 0; i < names.count; i++) {
        struct stat st = { 0 };
        (void)!fstatat(index->folder_fd, names.items[i], &st, AT_SYMLINK_NOFOLLOW);
        found[i] = (struct candidate){ names.items[i], st.st_mtim };
    }
    if (names.count)
        qsort(found, names.count, sizeof *found, newest_first);
    for (size_t i = 0; i < names.count && load(index, found[i].name); i++)
        continue;
    if (index->known_count)
        qsort(index->known, index->known_count, sizeof *index->known, by_plain);
    index->base.has_any = index->known_count > 0;
}

static size_t recall(struct pack_memory *base, const struct digest *plain, unsigned char *out,
                     size_t cap)
{
    const struct block_index *index = (const struct block_index *)base;
    const struct known_block wanted = { .block.plain = *plain };
    const struct known_block *found =
        bsearch(&wanted, index->known, index->known_count, sizeof wanted, by_plain);
    struct digest packed;
    if (!found || found->block.packed_len == 0 || found->block.packed_len > cap)
        return 0;
    size_t len = found->block.packed_len;
    if (pread(index->blobs[found->blob], out, len, (off_t)found->block.offset) != (ssize_t)len)
        return 0;
    digest_of(out, len, &packed);
    return digest_equal(&packed, &found->block.packed) ? len : 0;
}

static void learn(struct pack_memory *base, const struct pack_block *block)
{
    struct block_index *index = (struct block_index *)base;
    if (index->learnt.len < sizeof index->head + BLOCKS_MAX * sizeof *block)
        strbuf_add(&index->learnt, (const char *)block, sizeof *block);
}

struct block_index *block_index_open(const struct store *store, const char *layout)
{
    struct block_index *index = xcalloc(1, sizeof *index);
    *index = (struct block_index){ .base = { .recall = recall, .learn = learn },
                                   .store = store,
                                   .learnt = STRBUF_INIT };
    snprintf(index->head.layout, sizeof index->head.layout, "%s", layout);
    strbuf_add(&index->learnt, (const char *)&index->head, sizeof index->head);
    index->folder_fd = openat(store->fd, "blocks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (index->folder_fd >= 0)
        load_newest(index);
    return index;
}

struct pack_memory *block_index_base(struct block_index *index)
{
    return &index->base;
}

void block_index_put(struct block_index *index, const struct digest *blob)
{
    char name[DIGEST_HEX_SIZE];
    auto_(error) struct error ignored = { 0 };
    digest_hex(blob, name);
    if (index->folder_fd >= 0 && index->learnt.len > sizeof index->head)
        (void)!atomic_file_write(index->folder_fd, name, index->learnt.buf, index->learnt.len, 0600,
                                 &ignored);
}

void block_index_close(struct block_index *index)
{
    if (!index)
        return;
    for (size_t i = 0; i < index->blob_count; i++)
        close(index->blobs[i]);
    if (index->folder_fd >= 0)
        close(index->folder_fd);
    strbuf_release(&index->learnt);
    free(index->known);
    free(index);
}
