/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/bpf.h"

#include "lib/base/mem.h"

/* A conditional jump skips 255 instructions at most; a tree of so many leaves has fewer. */
enum { SHORT_LEAVES = 100 };

/* Numbers below edges[0] are out, from there to edges[1] in, and so on by turns. */
struct search {
    struct bpf_program *program;
    const unsigned *edges;
    unsigned yes, no;
};

void bpf_set_add(struct bpf_set *set, unsigned number)
{
    GROW(set->items, set->count, set->cap);
    set->items[set->count++] = number;
}

void bpf_set_release(struct bpf_set *set)
{
    free(set->items);
    *set = (struct bpf_set){ 0 };
}

void bpf_emit(struct bpf_program *p, unsigned code, unsigned k, unsigned if_true, unsigned if_false)
{
    GROW(p->items, p->count, p->cap);
    p->items[p->count++] = (struct sock_filter){ (unsigned short)code, (unsigned char)if_true,
                                                 (unsigned char)if_false, k };
}

void bpf_load(struct bpf_program *p, size_t offset)
{
    bpf_emit(p, BPF_LD | BPF_W | BPF_ABS, (unsigned)offset, 0, 0);
}

void bpf_answer(struct bpf_program *p, unsigned action)
{
    bpf_emit(p, BPF_RET | BPF_K, action, 0, 0);
}

size_t bpf_jump_begin(struct bpf_program *p)
{
    bpf_emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
    return p->count;
}

void bpf_jump_end(struct bpf_program *p, size_t begin)
{
    p->items[begin - 1].k = (unsigned)(p->count - begin);
}

/* Decides among the stretches `first` to `last`; number i ends before edges[i]. */
static void emit_search(const struct search *s, size_t first, size_t last)
{
    struct bpf_program *p = s->program;
    if (first == last) {
        bpf_answer(p, first % 2 ? s->yes : s->no);
        return;
    }
    size_t middle = first + (last - first + 1) / 2;
    unsigned edge = s->edges[middle - 1];
    if (middle - first > SHORT_LEAVES) {
        bpf_emit(p, BPF_JMP | BPF_JGE | BPF_K, edge, 0, 1);
        size_t jump = bpf_jump_begin(p);
        emit_search(s, first, middle - 1);
        bpf_jump_end(p, jump);
    } else {
        bpf_emit(p, BPF_JMP | BPF_JGE | BPF_K, edge, 0, 0);
        size_t jump = p->count;
        emit_search(s, first, middle - 1);
        p->items[jump - 1].jt = (unsigned char)(p->count - jump);
    }
    emit_search(s, middle, last);
}

static int compare_numbers(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a;
    unsigned y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

void bpf_answer_by_set(struct bpf_program *p, struct bpf_set *set, unsigned yes, unsigned no)
{
    auto_free unsigned *edges = xcalloc(2 * set->count + 1, sizeof *edges);
    size_t count = 0;
    if (set->count)
        qsort(set->items, set->count, sizeof *set->items, compare_numbers);
    for (size_t i = 0; i < set->count; i++) {
        unsigned number = set->items[i];
        if (count == 0 || number > edges[count - 1]) {
            edges[count++] = number;
            edges[count++] = number + 1;
        } else {
            edges[count - 1] = number + 1; /* it goes on, or is there already */
        }
    }
    const struct search s = { p, edges, yes, no };
    emit_search(&s, 0, count);
}
