/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that tell a container runtime what to do: ports, volumes, signals, health. */
#include <arpa/inet.h>
#include <ctype.h>

#include "frontend/dockerfile/go_text.h"
#include "frontend/dockerfile/lower_internal.h"
#include "frontend/dockerfile/words.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

enum { PORT_MAX = 65535 };

static int compare_words(const void *a, const void *b)
{
    return strcmp((*(const struct word *const *)a)->text, (*(const struct word *const *)b)->text);
}

struct port_range {
    uint64_t first, last;
};

static bool parse_range(struct str text, struct port_range *out)
{
    struct str last = text;
    struct str first = str_cut(&last, '-');
    if (first.len == text.len)
        last = first;
    return str_to_u64(first, 10, PORT_MAX, &out->first) &&
           str_to_u64(last, 10, PORT_MAX, &out->last) && out->first <= out->last;
}

/* Cuts off what stands behind the last ':'. */
static struct str cut_last(struct str *rest)
{
    size_t at = rest->len;
    while (at > 0 && rest->ptr[at - 1] != ':')
        at--;
    struct str last = { rest->ptr + at, rest->len - at };
    rest->len = at ? at - 1 : 0;
    return last;
}

static int parse_protocol(struct str *port, char proto[8], struct error *err)
{
    static const char *const protocols[] = { "tcp", "udp", "sctp" };
    struct str name = *port;
    *port = str_cut(&name, '/');
    if (port->len == 0)
        return error_set(err, ERROR_USER, 0, "no port specified: %s<empty>", port->ptr);
    if (name.len == 0)
        name = STR("tcp");
    for (size_t i = 0; i < COUNT(protocols); i++) {
        if (strlen(protocols[i]) == name.len &&
            strncasecmp(protocols[i], name.ptr, name.len) == 0) {
            memcpy(proto, protocols[i], name.len + 1);
            return 0;
        }
    }
    return error_set(err, ERROR_USER, 0, "invalid proto: %.*s; it is one of tcp, udp, sctp",
                     (int)name.len, name.ptr);
}

static int check_address(struct str ip, struct error *err)
{
    unsigned char parsed[16];
    if (ip.len >= 2 && ip.ptr[0] == '[' && ip.ptr[ip.len - 1] == ']')
        ip = (struct str){ ip.ptr + 1, ip.len - 2 };
    auto_free char *text = xstrndup(ip.ptr, ip.len);
    if (ip.len == 0 || inet_pton(AF_INET, text, parsed) == 1 ||
        inet_pton(AF_INET6, text, parsed) == 1)
        return 0;
    return error_set(err, ERROR_USER, 0, "invalid IP address: %s", text);
}

/* Takes "[ip:][host:]container[/proto]" apart. */
static int parse_port(const char *text, struct port_range *out, char proto[8], struct error *err)
{
    struct str ip = str_of(text);
    struct str port = cut_last(&ip);
    struct str host = cut_last(&ip);
    TRY(parse_protocol(&port, proto, err));
    TRY(check_address(ip, err));
    if (!parse_range(port, out))
        return error_set(err, ERROR_USER, 0, "invalid containerPort: %.*s", (int)port.len,
                         port.ptr);
    struct port_range outer = *out;
    if (host.len && !parse_range(host, &outer))
        return error_set(err, ERROR_USER, 0, "invalid hostPort: %.*s", (int)host.len, host.ptr);
    /* A range of the host may stand for one port: any of it. */
    if (outer.last - outer.first != out->last - out->first && out->first != out->last) {
        return error_set(err, ERROR_USER, 0,
                         "invalid ranges specified for container and host Ports: %.*s and %.*s",
                         (int)port.len, port.ptr, (int)host.len, host.ptr);
    }
    return 0;
}

static int add_port(struct stage_state *s, const char *text, struct strbuf *history,
                    struct error *err)
{
    struct port_range range = { 0 };
    char proto[8];
    TRY(parse_port(text, &range, proto, err));
    for (uint64_t port = range.first; port <= range.last; port++) {
        char item[32];
        snprintf(item, sizeof item, "%u/%s", (unsigned)port, proto);
        list_add_once(&s->ports, &s->config.exposed_ports, item);
        strbuf_addf(history, "%s%s", history->buf[history->len - 1] == '[' ? "" : " ", item);
    }
    if (history->len > (size_t)EXPAND_WORD_MAX * 4)
        return error_set(err, ERROR_USER, 0, "too many ports");
    return 0;
}

static int add_port_word(struct lowering *l, struct stage_state *s, const struct instruction *in,
                         const struct word *word, struct strbuf *history, struct error *err)
{
    struct expander e = stage_expander(l, s);
    const char *const *ports = NULL;
    e.met = NULL;
    TRY(expand_words(&e, word->text, &ports, err));
    l->expansion_left = e.left;
    for (; *ports; ports++) {
        TRY(add_port(s, *ports, history, err));
        lint_expose(l, in, *ports);
    }
    return 0;
}

int lower_expose(struct lowering *l, struct stage_state *s, const struct instruction *in,
                 struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_free const struct word **sorted = xcalloc(in->word_count, sizeof *sorted);
    for (size_t i = 0; i < in->word_count; i++)
        sorted[i] = &in->words[i];
    qsort(sorted, in->word_count, sizeof *sorted, compare_words);
    strbuf_addstr(&text, "EXPOSE [");
    for (size_t i = 0; i < in->word_count; i++)
        if (add_port_word(l, s, in, sorted[i], &text, err) < 0)
            return error_word(in, sorted[i]->offset, err);
    strbuf_addch(&text, ']');
    stage_add_history(l, s, text.buf, NULL);
    return 0;
}

int lower_volume(struct lowering *l, struct stage_state *s, const struct instruction *in,
                 struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    strbuf_addstr(&text, "VOLUME [");
    for (size_t i = 0; i < in->word_count; i++) {
        const char *expanded = NULL;
        TRY(stage_expand(l, s, in, &in->words[i], &expanded, err));
        struct str path = str_trim(str_of(expanded), WHITESPACE "\n");
        if (path.len == 0) {
            error_set(err, ERROR_USER, 0, "VOLUME specified can not be an empty string");
            return error_word(in, in->words[i].offset, err);
        }
        auto_free char *item = xstrndup(path.ptr, path.len);
        list_add_once(&s->volumes, &s->config.volumes, item);
        strbuf_addf(&text, i ? " %s" : "%s", item);
    }
    strbuf_addch(&text, ']');
    stage_add_history(l, s, text.buf, NULL);
    return 0;
}

static const char *const signals[] = {
    "ABRT", "ALRM",   "BUS",  "CHLD",   "CLD",   "CONT", "FPE",  "HUP",   "ILL",
    "INT",  "IO",     "IOT",  "KILL",   "PIPE",  "POLL", "PROF", "PWR",   "QUIT",
    "SEGV", "STKFLT", "STOP", "SYS",    "TERM",  "TRAP", "TSTP", "TTIN",  "TTOU",
    "URG",  "USR1",   "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
};

static bool is_realtime(const char *name)
{
    uint64_t offset = 0;
    bool known = strncasecmp(name, "RTMIN+", 6) == 0 || strncasecmp(name, "RTMAX-", 6) == 0;
    return known && str_to_u64(str_of(name + 6), 10, 30, &offset);
}

static bool is_signal(const char *text)
{
    uint64_t number = 0;
    if (isdigit((unsigned char)text[0]))
        return str_to_u64(str_of(text), 10, INT32_MAX, &number) && number != 0;
    const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    for (size_t i = 0; i < COUNT(signals); i++)
        if (strcasecmp(name, signals[i]) == 0)
            return true;
    return is_realtime(name);
}

int lower_stopsignal(struct lowering *l, struct stage_state *s, const struct instruction *in,
                     struct error *err)
{
    const char *text = NULL;
    TRY(stage_expand(l, s, in, &in->words[0], &text, err));
    if (!is_signal(text)) {
        const char *near = str_nearest(strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text, signals,
                                       COUNT(signals));
        error_set(err, ERROR_USER, 0, "invalid signal: %s", text);
        if (near && !isdigit((unsigned char)text[0]))
            error_hint(err, "did you mean SIG%s?", near);
        return error_word(in, in->words[0].offset, err);
    }
    free(s->config.stop_signal);
    s->config.stop_signal = xstrdup(text);
    auto_free char *history = xasprintf("STOPSIGNAL %s", text);
    stage_add_history(l, s, history, NULL);
    return 0;
}

static int parse_interval(const struct instruction *in, const struct flag *flag, int64_t *out,
                          struct error *err)
{
    if (!go_duration_parse(flag->value, out)) {
        error_set(err, ERROR_USER, 0, "invalid duration \"%s\" for --%s: write 30s, 1m30s, 500ms",
                  flag->value, flag->spec->name);
    } else if (*out != 0 && *out < 1000000) {
        error_set(err, ERROR_USER, 0, "Interval \"%s\" cannot be less than 1ms", flag->value);
    } else {
        return 0;
    }
    return error_word(in, flag->offset, err);
}

static int parse_retries(const struct instruction *in, const struct flag *flag, int64_t *out,
                         struct error *err)
{
    uint64_t number = 0;
    if (!str_to_u64(str_of(flag->value), 10, INT32_MAX, &number)) {
        error_set(err, ERROR_USER, 0, "--retries must be a number from 0 up, not \"%s\"",
                  flag->value);
        return error_word(in, flag->offset, err);
    }
    *out = (int64_t)number;
    return 0;
}

static int parse_health_flags(const struct instruction *in, struct healthcheck *h,
                              struct error *err)
{
    const struct {
        enum flag_kind kind;
        int64_t *out;
    } times[] = {
        { FLAG_INTERVAL, &h->interval_ns },
        { FLAG_TIMEOUT, &h->timeout_ns },
        { FLAG_START_PERIOD, &h->start_period_ns },
        { FLAG_START_INTERVAL, &h->start_interval_ns },
    };
    for (size_t i = 0; i < COUNT(times); i++) {
        const struct flag *flag = instruction_flag(in, times[i].kind);
        if (flag)
            TRY(parse_interval(in, flag, times[i].out, err));
    }
    const struct flag *retries = instruction_flag(in, FLAG_RETRIES);
    return retries ? parse_retries(in, retries, &h->retries, err) : 0;
}

static int parse_health(const struct instruction *in, struct healthcheck *h, struct error *err)
{
    const struct word *type = &in->words[0];
    h->is_set = true;
    if (strcasecmp(type->text, "NONE") == 0) {
        strvec_push(&h->test, "NONE");
        if (in->word_count == 1)
            return 0;
        error_set(err, ERROR_USER, 0, "HEALTHCHECK NONE takes no arguments");
        return error_word(in, in->words[1].offset, err);
    }
    if (strcasecmp(type->text, "CMD") != 0) {
        error_set(err, ERROR_USER, 0, "Unknown type \"%s\" in HEALTHCHECK (try CMD)", type->text);
        return error_word(in, type->offset, err);
    }
    if (in->word_count == 1) {
        error_set(err, ERROR_USER, 0, "Missing command after HEALTHCHECK CMD");
        return error_word(in, type->offset, err);
    }
    strvec_push(&h->test, in->json ? "CMD" : "CMD-SHELL");
    for (size_t i = 1; i < in->word_count; i++)
        strvec_push(&h->test, in->words[i].text);
    return parse_health_flags(in, h, err);
}

static void add_health_history(struct lowering *l, struct stage_state *s)
{
    const struct healthcheck *h = &s->config.healthcheck;
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_free char *test = list_join((const char *const *)h->test.items);
    strbuf_addf(&text, "HEALTHCHECK {Test:[%s] Interval:", test);
    go_duration_print(&text, h->interval_ns);
    strbuf_addstr(&text, " Timeout:");
    go_duration_print(&text, h->timeout_ns);
    strbuf_addstr(&text, " StartPeriod:");
    go_duration_print(&text, h->start_period_ns);
    strbuf_addstr(&text, " StartInterval:");
    go_duration_print(&text, h->start_interval_ns);
    strbuf_addf(&text, " Retries:%lld}", (long long)h->retries);
    stage_add_history(l, s, text.buf, NULL);
}

int lower_healthcheck(struct lowering *l, struct stage_state *s, const struct instruction *in,
                      struct error *err)
{
    struct healthcheck *h = &s->config.healthcheck;
    strvec_release(&h->test);
    *h = (struct healthcheck){ 0 };
    TRY(parse_health(in, h, err));
    add_health_history(l, s);
    return 0;
}
