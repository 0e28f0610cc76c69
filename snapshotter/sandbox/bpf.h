/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf: programs of seccomp, instruction by instruction, and the one part of them that takes some
 * thought: is a number in a set?
 *
 *     bpf_load(&p, offsetof(struct seccomp_data, nr));
 *     bpf_answer_by_set(&p, &numbers, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM);
 *
 * Jumps count the instructions that are skipped.
 */
#ifndef SNAPSHOTTER_SANDBOX_BPF_H
#define SNAPSHOTTER_SANDBOX_BPF_H

#include <linux/filter.h>
#include <stddef.h>

#include "lib/base/cleanup.h"

struct bpf_program {
    struct sock_filter *items;
    size_t count, cap;
};

/* Numbers in any order, any number of times. */
struct bpf_set {
    unsigned *items;
    size_t count, cap;
};

void bpf_set_add(struct bpf_set *set, unsigned number);
void bpf_set_release(struct bpf_set *set);
DEFINE_AUTO(bpf_set, struct bpf_set, bpf_set_release(value))

void bpf_emit(struct bpf_program *p, unsigned code, unsigned k, unsigned if_true,
              unsigned if_false);
/* Loads 32 bits of the data that the program judges. */
void bpf_load(struct bpf_program *p, size_t offset);
void bpf_answer(struct bpf_program *p, unsigned action);
/* A jump over what is emitted between the two, however long. */
size_t bpf_jump_begin(struct bpf_program *p);
void bpf_jump_end(struct bpf_program *p, size_t begin);
/* Ends the program with `yes` if what was loaded last is in `set` (which it sorts), else with `no`:
 * a binary search over the places where the one becomes the other. */
void bpf_answer_by_set(struct bpf_program *p, struct bpf_set *set, unsigned yes, unsigned no);

#endif
