/* SPDX-License-Identifier: Apache-2.0 */
/* dir: whole directories: sorted names, removal of trees that others filled; making them. */
#ifndef LIB_FS_DIR_H
#define LIB_FS_DIR_H

#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/base/strvec.h"

/* The names in directory `fd` (opened for reading; its offset is moved), sorted by byte value,
 * without "." and "..". */
int dir_list(int fd, const char *path, struct strvec *out, struct error *err) MUST_CHECK;
/* Trees that are deeper are refused: they are walked with a descriptor and stack for each level. */
enum { DIR_DEPTH_MAX = 4096 };

/* Removes `name` below `dir_fd` with all below it. Never follows links, takes any depth.
 * Missing is fine. */
int dir_remove(int dir_fd, const char *name, struct error *err) MUST_CHECK;

/* mkdir -p: `mode`, whatever the umask, is for each directory that is missing. */
int dir_make_all(const char *path, mode_t mode, struct error *err) MUST_CHECK;

#endif
