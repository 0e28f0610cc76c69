/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/emulator.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/fs/resolve.h"

enum { ENTRY_MAX = 64 * 1024, HEADER_SIZE = 64 };

/* How an ELF file of an architecture begins, which is what entries of binfmt_misc match. */
static const struct machine {
    const char *arch;
    unsigned char class, order;
    uint16_t number;
} machines[] = {
    { "386", ELFCLASS32, ELFDATA2LSB, EM_386 },
    { "amd64", ELFCLASS64, ELFDATA2LSB, EM_X86_64 },
    { "arm", ELFCLASS32, ELFDATA2LSB, EM_ARM },
    { "arm64", ELFCLASS64, ELFDATA2LSB, EM_AARCH64 },
    { "loong64", ELFCLASS64, ELFDATA2LSB, 258 },
    { "mips", ELFCLASS32, ELFDATA2MSB, EM_MIPS },
    { "mipsle", ELFCLASS32, ELFDATA2LSB, EM_MIPS },
    { "mips64", ELFCLASS64, ELFDATA2MSB, EM_MIPS },
    { "mips64le", ELFCLASS64, ELFDATA2LSB, EM_MIPS },
    { "ppc64", ELFCLASS64, ELFDATA2MSB, EM_PPC64 },
    { "ppc64le", ELFCLASS64, ELFDATA2LSB, EM_PPC64 },
    { "riscv64", ELFCLASS64, ELFDATA2LSB, EM_RISCV },
    { "s390x", ELFCLASS64, ELFDATA2MSB, EM_S390 },
};

/* One file of binfmt_misc, as the kernel prints it. */
struct entry {
    bool is_enabled;
    bool is_open; /* flag F: the interpreter was opened when it was registered */
    char *interpreter;
    uint64_t offset;
    char *magic, *mask; /* hex; NULL: it goes by the file's extension, or every bit counts */
};

static void entry_release(struct entry *e)
{
    free(e->interpreter);
    free(e->magic);
    free(e->mask);
}
DEFINE_AUTO(entry, struct entry, entry_release(value))

static bool is_native(const struct platform *host, const struct platform *p)
{
    static const struct {
        const char *host, *arch;
    } also[] = { { "amd64", "386" }, { "arm64", "arm" } };
    if (strcmp(host->os, p->os) != 0)
        return false;
    for (size_t i = 0; i < COUNT(also); i++) {
        if (strcmp(host->arch, also[i].host) == 0 && strcmp(p->arch, also[i].arch) == 0)
            return true;
    }
    return strcmp(host->arch, p->arch) == 0;
}

static bool make_header(const char *arch, unsigned char header[static HEADER_SIZE])
{
    for (size_t i = 0; i < COUNT(machines); i++) {
        const struct machine *m = &machines[i];
        bool is_little = m->order == ELFDATA2LSB;
        if (strcmp(m->arch, arch) != 0)
            continue;
        memset(header, 0, HEADER_SIZE);
        memcpy(header, ELFMAG, SELFMAG);
        header[EI_CLASS] = m->class;
        header[EI_DATA] = m->order;
        header[EI_VERSION] = EV_CURRENT;
        header[is_little ? 16 : 17] = ET_EXEC;
        header[is_little ? 18 : 19] = (unsigned char)m->number;
        header[is_little ? 19 : 18] = (unsigned char)(m->number >> 8);
        return true;
    }
    return false;
}

static char *copy(struct str text)
{
    return xstrndup(text.ptr, text.len);
}

static void parse_entry(struct str text, struct entry *out)
{
    while (text.len) {
        struct str value = str_cut(&text, '\n');
        struct str key = str_cut(&value, ' ');
        if (str_equal(key, STR("enabled")))
            out->is_enabled = true;
        else if (str_equal(key, STR("flags:")))
            out->is_open = value.len && memchr(value.ptr, 'F', value.len);
        else if (str_equal(key, STR("interpreter")) && !out->interpreter)
            out->interpreter = copy(value);
        else if (str_equal(key, STR("offset")))
            (void)!str_to_u64(value, 10, HEADER_SIZE, &out->offset);
        else if (str_equal(key, STR("magic")) && !out->magic)
            out->magic = copy(value);
        else if (str_equal(key, STR("mask")) && !out->mask)
            out->mask = copy(value);
    }
}

static bool byte_at(const char *hex, size_t index, unsigned char *out)
{
    if (strlen(hex) < 2 * index + 2)
        return false;
    const char digits[] = { hex[2 * index], hex[2 * index + 1], '\0' };
    *out = (unsigned char)strtoul(digits, NULL, 16);
    return strspn(digits, "0123456789abcdef") == 2;
}

static bool is_match(const struct entry *e, const unsigned char header[static HEADER_SIZE])
{
    size_t count = e->magic ? strlen(e->magic) / 2 : 0;
    if (count < EI_NIDENT || count + e->offset > HEADER_SIZE)
        return false;
    for (size_t i = 0; i < count; i++) {
        unsigned char magic = 0;
        unsigned char mask = UINT8_MAX;
        if (!byte_at(e->magic, i, &magic) || (e->mask && !byte_at(e->mask, i, &mask)) ||
            ((header[e->offset + i] ^ magic) & mask))
            return false;
    }
    return true;
}

/* What an architecture's entries lack, the most promising one last. */
enum finding { FOUND_NONE, FOUND_DISABLED, FOUND_OUTSIDE, FOUND_USABLE };

static enum finding examine(const struct entry *e, int root_fd)
{
    if (!e->is_enabled)
        return FOUND_DISABLED;
    if (e->is_open)
        return FOUND_USABLE;
    auto_close int fd = e->interpreter ? root_open(root_fd, e->interpreter, O_PATH) : -1;
    return fd >= 0 ? FOUND_USABLE : FOUND_OUTSIDE;
}

static enum finding search(DIR *dir, const unsigned char header[static HEADER_SIZE], int root_fd)
{
    enum finding best = FOUND_NONE;
    const struct dirent *d;
    while ((d = readdir(dir)) && best != FOUND_USABLE) {
        auto_(error) struct error ignored = { 0 };
        auto_(strbuf) struct strbuf text = STRBUF_INIT;
        auto_(entry) struct entry e = { 0 };
        /* "register" can only be written to */
        if (d->d_name[0] == '.' || strcmp(d->d_name, "register") == 0 ||
            fd_read_file(dirfd(dir), d->d_name, ENTRY_MAX, &text, &ignored) < 0)
            continue;
        parse_entry((struct str){ text.buf, text.len }, &e);
        if (!is_match(&e, header))
            continue;
        enum finding found = examine(&e, root_fd);
        best = found > best ? found : best;
    }
    return best;
}

static bool is_switched_on(const char *binfmt_dir)
{
    auto_(error) struct error ignored = { 0 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_free char *path = xasprintf("%s/status", binfmt_dir);
    return fd_read_file(AT_FDCWD, path, ENTRY_MAX, &text, &ignored) == 0 &&
           str_starts_with(text.buf, "enabled");
}

/* NULL: programs of `p` do run. */
static const char *what_is_missing(const char *binfmt_dir, const struct platform *p, int root_fd)
{
    unsigned char header[HEADER_SIZE];
    if (strcmp(p->os, "linux") != 0 || !make_header(p->arch, header))
        return "nothing emulates it";
    if (!is_switched_on(binfmt_dir))
        return "the kernel's binfmt_misc is not mounted, or switched off";
    DIR *dir = opendir(binfmt_dir);
    if (!dir)
        return "the kernel's binfmt_misc cannot be read";
    enum finding found = search(dir, header, root_fd);
    closedir(dir);
    switch (found) {
    case FOUND_NONE: return "no emulator for it is registered with the kernel's binfmt_misc";
    case FOUND_DISABLED: return "its emulator is disabled in the kernel's binfmt_misc";
    case FOUND_OUTSIDE: return "its emulator is registered without flag F, and is not in the image";
    case FOUND_USABLE: return NULL;
    }
    __builtin_unreachable();
}

int emulator_check(const char *binfmt_dir, const struct platform *host, const struct platform *p,
                   int root_fd, struct error *err)
{
    char wanted[PLATFORM_TEXT_SIZE];
    char here[PLATFORM_TEXT_SIZE];
    if (is_native(host, p))
        return 0;
    const char *missing = what_is_missing(binfmt_dir, p, root_fd);
    if (!missing)
        return 0;
    platform_print(p, wanted);
    platform_print(host, here);
    error_set(err, ERROR_HOST, 0, "a step for %s cannot run on this host (%s): %s", wanted, here,
              missing);
    return error_hint(err, "as root, install qemu-user-static and binfmt-support; or run the step "
                           "on this host's platform and copy what it makes: "
                           "FROM --platform=$BUILDPLATFORM");
}

void emulator_list(const char *binfmt_dir, const struct platform *host, struct strvec *out)
{
    for (size_t i = 0; i < COUNT(machines); i++) {
        auto_(error) struct error not_here = { 0 };
        struct platform p = { .os = "linux" };
        snprintf(p.arch, sizeof p.arch, "%s", machines[i].arch);
        if (emulator_check(binfmt_dir, host, &p, -1, &not_here) == 0)
            strvec_pushf(out, "linux/%s", p.arch);
    }
}
