/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out_file: a file that leaves the store, and appears only when it is whole and on the disk. Until
 * then what was there under its name stays.
 *
 *     out_file_open -> writer_write(out_file_base(f), ...) ... -> out_file_commit -> out_file_free
 */
#ifndef CMD_OUT_FILE_H
#define CMD_OUT_FILE_H

#include "cmd/out_writer.h"
#include "lib/base/atomic_file.h"

struct out_file {
    char *name;
    int dir_fd;
    struct atomic_file file; /* file.is_unnamed: it goes away with whoever has it open */
    struct out_writer writer;
};

/* The file that a link at `dest` leads to is replaced, not the link. Errors: USER, SYSTEM. */
int out_file_open(const char *dest, const struct cancel *cancel, struct out_file **out,
                  struct error *err) MUST_CHECK;
struct writer *out_file_base(struct out_file *f);
/* What is written from now on is counted there. */
void out_file_count(struct out_file *f, struct meter *meter);
/* Drops what was written. */
int out_file_restart(struct out_file *f, struct error *err) MUST_CHECK;
int out_file_commit(struct out_file *f, struct error *err) MUST_CHECK;
void out_file_free(struct out_file *f);
DEFINE_AUTO(out_file, struct out_file *, out_file_free(*value))

#endif
