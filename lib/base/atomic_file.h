/* SPDX-License-Identifier: Apache-2.0 */
/*
 * atomic_file: the one way a file is replaced: written whole under another name in the same
 * directory, then renamed. A reader sees the old content or the new, never a part; a crash leaves
 * at most a file named `.tmp-*`, which the store's janitor removes.
 */
#ifndef LIB_BASE_ATOMIC_FILE_H
#define LIB_BASE_ATOMIC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/error.h"

#define ATOMIC_FILE_PREFIX ".tmp-"

/* An open file that becomes `name` in `dir_fd` at commit and vanishes at release. */
struct atomic_file {
    int dir_fd; /* borrowed */
    int fd;     /* write here; -1 once committed or released */
    char *name;
    bool is_unnamed; /* `temporary` is not there yet */
    bool has_name;   /* nor will it be: `name` is */
    char temporary[48];
};

int atomic_file_open(struct atomic_file *f, int dir_fd, const char *name, mode_t mode,
                     struct error *err) MUST_CHECK;
/* The same, and where the file system can do so (O_TMPFILE, f->is_unnamed) the file has no name
 * before commit: a crash until then leaves nothing. */
int atomic_file_open_unnamed(struct atomic_file *f, int dir_fd, const char *name, mode_t mode,
                             struct error *err) MUST_CHECK;
/* The name is another one: it had to be written to be known. */
void atomic_file_call(struct atomic_file *f, const char *name);
/* Gives the file its name. With `sync` the file and its directory are on disk when it returns. */
int atomic_file_commit(struct atomic_file *f, bool sync, struct error *err) MUST_CHECK;
/* Removes the temporary file unless it was committed. Harmless when called twice. */
void atomic_file_release(struct atomic_file *f);

/* Open, write `len` bytes, commit. */
int atomic_file_write(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
                      struct error *err) MUST_CHECK;

DEFINE_AUTO(atomic_file, struct atomic_file, atomic_file_release(value))

#endif
