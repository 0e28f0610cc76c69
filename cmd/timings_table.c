/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The account of a build for people:
 *
 *        wall   share      sum    bytes      rate  phase
 *       0.51s   12.0%    0.93s   92.1MB   181MB/s  base images (2)
 *       2.02s   47.5%   16.10s                     steps (9)
 *                        2.01s                       [s1 2/2] RUN make
 *       4.25s  100.0%                              build
 *
 * `wall` is the time in which something of the phase ran, `sum` what its steps took one by one.
 */
#include "cmd/size_text.h"
#include "cmd/timings.h"
#include "cmd/transfers.h"
#include "lib/base/mem.h"

enum { SLOWEST = 5, NAME_WIDTH = 60 };
/* A step that took less is not worth a line. */
#define SLOW_NS UINT64_C(10000000)

struct phase_sum {
    uint64_t wall_ns, sum_ns, bytes;
    size_t count;
};

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static uint64_t duration(const struct timed_step *s)
{
    return s->end_ns - s->start_ns;
}

/* The time in which at least one of the steps in `phase` ran; PHASE_COUNT is all phases. Steps are
 * in order of start. */
static uint64_t wall_of(const struct account *a, enum phase phase)
{
    uint64_t sum = 0;
    uint64_t until = 0;
    for (size_t i = 0; i < a->step_count; i++) {
        const struct timed_step *s = &a->steps[i];
        uint64_t from = s->start_ns > until ? s->start_ns : until;
        if ((phase != PHASE_COUNT && phase_of(s->name) != phase) || s->end_ns <= from)
            continue;
        sum += s->end_ns - from;
        until = s->end_ns;
    }
    return sum;
}

static struct phase_sum sum_of(const struct account *a, enum phase phase)
{
    struct phase_sum sum = { .wall_ns = wall_of(a, phase) };
    for (size_t i = 0; i < a->step_count; i++) {
        const struct timed_step *s = &a->steps[i];
        if (phase_of(s->name) != phase)
            continue;
        sum.sum_ns += duration(s);
        sum.bytes += s->bytes;
        sum.count++;
    }
    return sum;
}

static void print_share(const struct account *a, uint64_t wall_ns, struct strbuf *out)
{
    uint64_t all = a->end_ns - a->start_ns;
    strbuf_addf(out, "%8.2fs %6.1f%% ", seconds(wall_ns),
                all ? 100.0 * (double)wall_ns / (double)all : 0.0);
}

static void print_bytes(uint64_t bytes, uint64_t ns, struct strbuf *out)
{
    char size[SIZE_TEXT] = "";
    auto_(strbuf) struct strbuf rate = STRBUF_INIT;
    if (bytes) {
        size_print(bytes, size);
        rate_print(bytes, ns, &rate);
    }
    strbuf_addf(out, " %8s %10s  ", size, rate.len ? rate.buf : "");
}

/* ASCII's controls, and those of Latin-1 in UTF-8. */
static bool is_control(const char *text)
{
    unsigned char c = (unsigned char)text[0];
    unsigned char next = c ? (unsigned char)text[1] : 0;
    return c < ' ' || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0);
}

/* The name of a step is the user's text: one line of it, without what steers a terminal. */
static void print_name(const char *name, struct strbuf *out)
{
    size_t width = 0;
    for (; *name && width < NAME_WIDTH; name++) {
        bool is_long = (unsigned char)*name == 0xc2;
        strbuf_addch(out, is_control(name) ? ' ' : *name);
        name += is_control(name) && is_long;
        width += ((unsigned char)*name & 0xc0) != 0x80;
    }
    strbuf_addstr(out, *name ? "...\n" : "\n");
}

static int compare_durations(const void *a, const void *b)
{
    uint64_t x = duration(*(const struct timed_step *const *)a);
    uint64_t y = duration(*(const struct timed_step *const *)b);
    return (x < y) - (x > y);
}

static void print_slowest(const struct account *a, struct strbuf *out)
{
    size_t count = 0;
    auto_free const struct timed_step **steps = xcalloc(a->step_count, sizeof(void *));
    for (size_t i = 0; i < a->step_count; i++) {
        if (phase_of(a->steps[i].name) == PHASE_STEP && duration(&a->steps[i]) >= SLOW_NS)
            steps[count++] = &a->steps[i];
    }
    if (count)
        qsort(steps, count, sizeof(void *), compare_durations);
    for (size_t i = 0; i < count && i < SLOWEST; i++) {
        strbuf_addf(out, "%9s %7s %8.2fs", "", "", seconds(duration(steps[i])));
        print_bytes(steps[i]->bytes, duration(steps[i]), out);
        strbuf_addstr(out, "  ");
        print_name(steps[i]->name, out);
    }
}

static void print_phase(const struct account *a, enum phase phase, struct strbuf *out)
{
    struct phase_sum sum = sum_of(a, phase);
    if (!sum.count)
        return;
    print_share(a, sum.wall_ns, out);
    strbuf_addf(out, "%8.2fs", seconds(sum.sum_ns));
    /* Of all steps a rate would say nothing: most do other things. */
    print_bytes(sum.bytes, phase == PHASE_STEP ? 0 : sum.wall_ns, out);
    strbuf_addf(out, sum.count > 1 ? "%s (%zu)\n" : "%s\n", phase_name(phase), sum.count);
    if (phase == PHASE_STEP)
        print_slowest(a, out);
}

static void print_rest(const struct account *a, const char *name, uint64_t wall_ns,
                       struct strbuf *out)
{
    print_share(a, wall_ns, out);
    strbuf_addf(out, "%9s %8s %10s  %s\n", "", "", "", name);
}

void timings_print_table(const struct account *a, struct strbuf *out)
{
    uint64_t all = a->end_ns - a->start_ns;
    uint64_t known = wall_of(a, PHASE_COUNT);
    strbuf_addf(out, "%9s %7s %9s %8s %10s  %s\n", "wall", "share", "sum", "bytes", "rate",
                "phase");
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        print_phase(a, (enum phase)phase, out);
    print_rest(a, "in between", known < all ? all - known : 0, out);
    print_rest(a, "build", all, out);
}
