/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floors [DIR]: what this machine gives to a builder that does nothing in vain, measured in DIR.
 * The table of tests/bench/run.sh is to be read against these lines.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/thread_pool.h"
#include "lib/codec/digest.h"

enum {
    MIB = 1024 * 1024,
    BLOCK = MIB,
    HASHED = 512, /* blocks */
    COPIED = 64,  /* blocks: more than the caches hold */
    WRITTEN = 512,
    PROCESSES = 100,
    FOLDERS = 500,
    FILES_PER_FOLDER = 100,
    SMALL_FILE = 3 * 1024,
};

struct place {
    int dir;
    size_t cores;
};

/* A floor: seconds, or bytes a second; below 0 if this host refuses. */
typedef double floor_fn(const struct place *place);

static double seconds_since(uint64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

/* Touched, so that no page is mapped while the clock runs. */
static unsigned char *touched(size_t size)
{
    unsigned char *buffer = xmalloc(size);
    for (size_t i = 0; i < size; i++)
        buffer[i] = (unsigned char)(i * 131);
    return buffer;
}

static void hash_blocks(void *arg, size_t index)
{
    (void)index;
    auto_(hasher) struct hasher *hasher = hasher_new();
    struct digest digest;
    for (int i = 0; i < HASHED; i++)
        hasher_add(hasher, arg, BLOCK);
    hasher_finish(hasher, &digest);
}

static double hash_on(size_t cores)
{
    auto_free unsigned char *block = touched(BLOCK);
    struct thread_pool *pool = thread_pool_new(cores);
    uint64_t start = clock_monotonic_ns();
    parallel_for(pool, cores, cores, hash_blocks, block);
    double rate = (double)cores * HASHED * BLOCK / seconds_since(start);
    thread_pool_free(pool);
    return rate;
}

static double sha256_one(const struct place *place)
{
    (void)place;
    return hash_on(1);
}

static double sha256_all(const struct place *place)
{
    return hash_on(place->cores);
}

static double crc32_one(const struct place *place)
{
    (void)place;
    auto_free unsigned char *block = touched(BLOCK);
    volatile uint32_t crc = 0;
    uint64_t start = clock_monotonic_ns();
    for (int i = 0; i < HASHED; i++)
        crc = libdeflate_crc32(crc, block, BLOCK);
    return (double)HASHED * BLOCK / seconds_since(start);
}

static double copy_memory(const struct place *place)
{
    (void)place;
    auto_free unsigned char *from = touched((size_t)COPIED * BLOCK);
    auto_free unsigned char *to = touched((size_t)COPIED * BLOCK);
    uint64_t start = clock_monotonic_ns();
    for (int i = 0; i < HASHED / COPIED; i++) {
        memcpy(to, from, (size_t)COPIED * BLOCK);
        __asm__ volatile("" : : "r"(to) : "memory");
    }
    return (double)HASHED * BLOCK / seconds_since(start);
}

static int create(const struct place *place, const char *name)
{
    int fd = openat(place->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        err(1, "%s", name);
    return fd;
}

static void write_block(int fd, const void *block, size_t size)
{
    if (write(fd, block, size) != (ssize_t)size)
        err(1, "write");
}

static void write_blocks(int fd, const void *block)
{
    for (int i = 0; i < WRITTEN; i++)
        write_block(fd, block, BLOCK);
}

static double write_file(const struct place *place, bool through)
{
    auto_free unsigned char *block = touched(BLOCK);
    auto_close int fd = create(place, "floor");
    /* Once for nothing: memory that a virtual machine never used is slow at first. */
    write_blocks(fd, block);
    if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        err(1, "truncate");
    uint64_t start = clock_monotonic_ns();
    write_blocks(fd, block);
    if (through && fsync(fd) < 0)
        err(1, "fsync");
    return (double)WRITTEN * BLOCK / seconds_since(start);
}

static double write_cached(const struct place *place)
{
    return write_file(place, false);
}

static double write_through(const struct place *place)
{
    return write_file(place, true);
}

/* Reads what write_through left. */
static double read_cached(const struct place *place)
{
    auto_free unsigned char *block = touched(BLOCK);
    auto_close int fd = openat(place->dir, "floor", O_RDONLY | O_CLOEXEC);
    uint64_t start = clock_monotonic_ns();
    for (int i = 0; i < WRITTEN; i++) {
        if (read(fd, block, BLOCK) != BLOCK)
            err(1, "read");
    }
    double rate = (double)WRITTEN * BLOCK / seconds_since(start);
    unlinkat(place->dir, "floor", 0);
    return rate;
}

/* A process of the given namespaces that executes true(1). Seconds each, or -1. */
static double processes(unsigned long namespaces)
{
    char *argv[] = { (char[]){ "true" }, NULL };
    char *env[] = { NULL };
    uint64_t start = clock_monotonic_ns();
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = (pid_t)syscall(SYS_clone, namespaces | SIGCHLD, NULL, NULL, NULL, 0);
        if (pid == 0) {
            if (!namespaces || mount("proc", "/proc", "proc", 0, NULL) == 0)
                execve("/bin/true", argv, env);
            _exit(127);
        }
        int status = 0;
        if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
            return -1;
    }
    return seconds_since(start) / PROCESSES;
}

static double fork_exec(const struct place *place)
{
    (void)place;
    return processes(0);
}

static double clone_exec(const struct place *place)
{
    (void)place;
    return processes(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID);
}

static double create_files(const struct place *place)
{
    auto_free unsigned char *text = touched(SMALL_FILE);
    char name[32];
    uint64_t start = clock_monotonic_ns();
    for (int i = 0; i < FOLDERS; i++) {
        snprintf(name, sizeof name, "floors%d", i);
        if (mkdirat(place->dir, name, 0755) < 0)
            err(1, "%s", name);
        for (int k = 0; k < FILES_PER_FOLDER; k++) {
            snprintf(name, sizeof name, "floors%d/%d", i, k);
            auto_close int fd = create(place, name);
            write_block(fd, text, SMALL_FILE);
        }
    }
    return seconds_since(start);
}

static void walk_folder(const struct place *place, const char *name)
{
    int fd = openat(place->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(fd);
    if (!dir)
        err(1, "%s", name);
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct statx stx;
        if (statx(fd, entry->d_name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx) < 0)
            err(1, "%s", entry->d_name);
    }
    closedir(dir);
}

static double walk_files(const struct place *place)
{
    char name[32];
    uint64_t start = clock_monotonic_ns();
    for (int i = 0; i < FOLDERS; i++) {
        snprintf(name, sizeof name, "floors%d", i);
        walk_folder(place, name);
    }
    return seconds_since(start);
}

static double remove_files(const struct place *place)
{
    char name[32];
    uint64_t start = clock_monotonic_ns();
    for (int i = 0; i < FOLDERS; i++) {
        for (int k = 0; k < FILES_PER_FOLDER; k++) {
            snprintf(name, sizeof name, "floors%d/%d", i, k);
            unlinkat(place->dir, name, 0);
        }
        snprintf(name, sizeof name, "floors%d", i);
        unlinkat(place->dir, name, AT_REMOVEDIR);
    }
    return seconds_since(start);
}

/* In this order: some need what an earlier one left. */
static const struct {
    const char *title;
    floor_fn *measure;
    double scale;
    const char *unit;
} floors[] = {
    { "SHA-256, one core", sha256_one, 1e-9, "GB/s" },
    { "SHA-256, all cores", sha256_all, 1e-9, "GB/s" },
    { "CRC-32, one core", crc32_one, 1e-9, "GB/s" },
    { "memcpy, one core", copy_memory, 1e-9, "GB/s" },
    { "file write, page cache", write_cached, 1e-9, "GB/s" },
    { "file write, through to disk", write_through, 1e-9, "GB/s" },
    { "file read, page cache", read_cached, 1e-9, "GB/s" },
    { "fork, exec", fork_exec, 1e3, "ms" },
    { "clone(user, mount, pid), /proc, exec", clone_exec, 1e3, "ms" },
    { "create 50,000 files of 3 KiB", create_files, 1, "s" },
    { "walk of 50,000 files (statx)", walk_files, 1, "s" },
    { "remove 50,000 files", remove_files, 1, "s" },
};

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : ".";
    struct place place = { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), thread_pool_cores() };
    if (place.dir < 0)
        err(1, "%s", path);
    printf("floors of this machine (%zu cores)\n", place.cores);
    for (size_t i = 0; i < COUNT(floors); i++) {
        double value = floors[i].measure(&place);
        if (value < 0)
            printf("  %-38s   refused\n", floors[i].title);
        else
            printf("  %-38s %9.2f %s\n", floors[i].title, value * floors[i].scale, floors[i].unit);
        fflush(stdout);
    }
    return 0;
}
