/* lodge top: what the running domains use, again and again, as text that any terminal shows.
 *
 * All of it is the difference of two bulk statistics; in between, keys choose the order. Nothing but termios
 * and a handful of ANSI sequences. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/loop.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/row.h"
#include "wire/params.h"

#define NS_PER_MS 1000000.0
#define TOP_GROUPS                                                                                           \
    (VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON |                        \
     VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK)
#define ANSI_HOME "\033[H"
#define ANSI_CLEAR_LINE "\033[K"
#define ANSI_CLEAR_BELOW "\033[J"
#define ANSI_OTHER_SCREEN "\033[?1049h\033[?25l"
#define ANSI_OWN_SCREEN "\033[?25h\033[?1049l"
#define ANSI_INVERSE "\033[7m"
#define ANSI_PLAIN "\033[0m"

typedef enum TopKey {
    TOP_CPU,
    TOP_MEMORY,
    TOP_READ,
    TOP_WRITE,
    TOP_RECEIVED,
    TOP_SENT,
    TOP_KEY_COUNT
} TopKey;
#define TOP_NAME TOP_KEY_COUNT
#define SORT_WORDS "cpu memory read write rx tx name"

static const struct {
    char key;
    const char *what;
} top_keys[] = { { 'c', "cpu" }, { 'm', "memory" }, { 'r', "read" }, { 'w', "write" },
                 { 'i', "rx" },  { 'o', "tx" },     { 'n', "name" } };

static const CliColumn top_columns[] = {
    { "Id", "id", "number" },
    { "Name", "domain" },
    { "State", "state" },
    { "CPU %", "cpu_percent", "number" },
    { "vCPUs", "vcpus", "number" },
    { "Memory", "memory_bytes", "number" },
    { "Used", "used_bytes", "number|null" },
    { "Read/s", "read_bytes_per_s", "number" },
    { "Write/s", "write_bytes_per_s", "number" },
    { "Rx/s", "rx_bytes_per_s", "number" },
    { "Tx/s", "tx_bytes_per_s", "number" },
    { 0 },
};

/* One domain in one look. */
typedef struct TopLine {
    int id;
    char *name;
    int state;
    unsigned vcpus;
    uint64_t memory_kib, used_kib, rss_kib; /* used 0: the guest does not tell */
    uint64_t totals[TOP_KEY_COUNT];         /* ns, bytes; memory: used */
    double rates[TOP_KEY_COUNT];            /* percent, bytes per second */
} TopLine;

typedef struct TopLook {
    uint64_t at_us;
    GPtrArray *lines; /* of TopLine */
} TopLook;

static void top_line_free(void *data)
{
    TopLine *line = data;

    g_free(line->name);
    g_free(line);
}

static void top_look_clear(TopLook *look)
{
    g_clear_pointer(&look->lines, g_ptr_array_unref);
}

/* ---- looking ---- */

static uint64_t top_number(const WireDomainStatsRecord *record, const char *name)
{
    uint64_t value = 0;

    (void)wire_param_get_uint64(record->params, record->n_params, name, &value);
    return value;
}

/* The sum over "GROUP.0.NAME", "GROUP.1.NAME" ... */
static uint64_t top_sum(const WireDomainStatsRecord *record, const char *group, const char *name)
{
    g_autofree char *count_name = g_strdup_printf("%s.count", group);
    const uint64_t count = top_number(record, count_name);
    uint64_t sum = 0;

    for (unsigned i = 0; i < MIN(count, 256); i++) {
        g_autofree char *field = g_strdup_printf("%s.%u.%s", group, i, name);
        sum += top_number(record, field);
    }
    return sum;
}

static TopLine *top_read(const WireDomainStatsRecord *record)
{
    TopLine *line = g_new0(TopLine, 1);
    const uint64_t available = top_number(record, "balloon.available");
    const uint64_t usable = top_number(record, "balloon.usable");

    *line = (TopLine){ .id = record->dom.id,
                       .name = g_strdup(record->dom.name),
                       .state = (int)top_number(record, "state.state"),
                       .vcpus = (unsigned)top_number(record, "vcpu.current"),
                       .memory_kib = top_number(record, "balloon.current"),
                       .rss_kib = top_number(record, "balloon.rss"),
                       .used_kib = available > usable && usable ? available - usable : 0 };
    line->totals[TOP_CPU] = top_number(record, "cpu.time");
    line->totals[TOP_MEMORY] = line->used_kib ? line->used_kib : line->rss_kib;
    line->totals[TOP_READ] = top_sum(record, "block", "rd.bytes");
    line->totals[TOP_WRITE] = top_sum(record, "block", "wr.bytes");
    line->totals[TOP_RECEIVED] = top_sum(record, "net", "rx.bytes");
    line->totals[TOP_SENT] = top_sum(record, "net", "tx.bytes");
    return line;
}

AWAITS static bool top_look(Cli *cli, TopLook *ret_look, Error **err)
{
    WireConnectGetAllDomainStatsArgs args = { .stats = TOP_GROUPS,
                                              .flags = VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE |
                                                       VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT };
    g_auto(WireConnectGetAllDomainStatsRet) ret = { 0 };

    if (!cli_call(cli, PROC_CONNECT_GET_ALL_DOMAIN_STATS, &args, &ret, err))
        return false;
    ret_look->at_us = loop_now_us();
    ret_look->lines = g_ptr_array_new_with_free_func(top_line_free);
    for (unsigned i = 0; i < ret.n_ret_stats; i++)
        g_ptr_array_add(ret_look->lines, top_read(&ret.ret_stats[i]));
    return true;
}

/* A domain that was not there, or whose counters began anew, has no rates yet. */
static void top_compare(const TopLook *before, TopLook *now)
{
    const double ms = (double)(now->at_us - before->at_us) / 1000;

    for (guint i = 0; i < now->lines->len && ms > 0; i++) {
        TopLine *line = now->lines->pdata[i];
        for (guint j = 0; j < before->lines->len; j++) {
            const TopLine *old = before->lines->pdata[j];
            if (old->id != line->id || strcmp(old->name, line->name) != 0)
                continue;
            for (TopKey key = 0; key < TOP_KEY_COUNT; key++) {
                const double grown =
                    line->totals[key] > old->totals[key] ? (double)(line->totals[key] - old->totals[key]) : 0;
                line->rates[key] = key == TOP_CPU ? grown / NS_PER_MS / ms * 100 : grown * 1000 / ms;
            }
        }
        line->rates[TOP_MEMORY] = (double)line->totals[TOP_MEMORY];
    }
}

static int top_order(const void *a, const void *b, void *arg)
{
    const TopLine *x = *(TopLine *const *)a, *y = *(TopLine *const *)b;
    const unsigned key = *(const unsigned *)arg;

    if (key < TOP_NAME && x->rates[key] != y->rates[key])
        return x->rates[key] > y->rates[key] ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* ---- showing ---- */

static void top_cell_bytes(CliTable *table, double bytes)
{
    g_autofree char *text = short_size((uint64_t)bytes);

    table_cell(table, json_integer((json_int_t)bytes), "%s", text);
}

static CliTable *top_table(const TopLook *look)
{
    static const char *const states[] = { "no state", "running",  "idle",    "paused",
                                          "shutdown", "shut off", "crashed", "suspended" };
    CliTable *table = table_new(top_columns, 0);

    for (guint i = 0; i < look->lines->len; i++) {
        const TopLine *line = look->lines->pdata[i];
        table_row(table);
        table_cell(table, json_integer(line->id), "%d", line->id);
        table_cell_text(table, line->name);
        table_cell_text(table, NAME_OF(states, line->state, "unknown"));
        table_cell(table, json_real(line->rates[TOP_CPU]), "%.1f", line->rates[TOP_CPU]);
        table_cell(table, json_integer(line->vcpus), "%u", line->vcpus);
        top_cell_bytes(table, (double)line->memory_kib * 1024);
        /* What the guest does not tell, the host knows from its side alone. */
        g_autofree char *used = short_size((line->used_kib ? line->used_kib : line->rss_kib) * 1024);
        table_cell(table, line->used_kib ? json_integer((json_int_t)line->used_kib * 1024) : json_null(),
                   "%s%s", used, line->used_kib ? "" : " (host)");
        for (TopKey key = TOP_READ; key < TOP_KEY_COUNT; key++)
            top_cell_bytes(table, line->rates[key]);
    }
    return table;
}

static unsigned top_rows(const Cli *cli)
{
    struct winsize size = { 0 };

    return ioctl(fileno(cli->out), TIOCGWINSZ, &size) == 0 && size.ws_row > 4 ? size.ws_row : 24;
}

static void top_draw(Cli *cli, const TopLook *look, unsigned key, double seconds)
{
    CliTable *table = top_table(look);
    g_autofree char *text = table_format(table, true, false, cli->width);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const unsigned room = top_rows(cli) - 3;

    fprintf(cli->out, ANSI_HOME ANSI_INVERSE " %u running, every %.1f s, by %s   ", look->lines->len, seconds,
            top_keys[key == TOP_NAME ? G_N_ELEMENTS(top_keys) - 1 : key].what);
    for (size_t i = 0; i < G_N_ELEMENTS(top_keys); i++)
        fprintf(cli->out, " %c:%s", top_keys[i].key, top_keys[i].what);
    fputs(" q:quit " ANSI_PLAIN ANSI_CLEAR_LINE "\r\n", cli->out);
    for (unsigned i = 0; lines[i] && i < room; i++)
        fprintf(cli->out, "%s" ANSI_CLEAR_LINE "\r\n", lines[i]);
    fputs(ANSI_CLEAR_BELOW, cli->out);
    fflush(cli->out);
    table_free(table);
}

/* ---- waiting ---- */

/* What was pressed until the time is over; 0: nothing. */
AWAITS static bool top_wait(bool on_terminal, uint64_t wait_ms, char *ret_pressed, Error **err)
{
    g_autoptr(Error) why = NULL;

    *ret_pressed = 0;
    if (!on_terminal)
        return fiber_sleep(wait_ms, err);
    if (!fiber_wait_fd(STDIN_FILENO, EPOLLIN, wait_ms, NULL, &why))
        return error_code(why) == ERROR_TIMEOUT || error_propagate(err, g_steal_pointer(&why));
    if (read(STDIN_FILENO, ret_pressed, 1) != 1)
        *ret_pressed = 'q';
    return true;
}

static bool top_press(char pressed, unsigned *key)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(top_keys); i++) {
        if (top_keys[i].key == pressed)
            *key = i;
    }
    return pressed != 'q' && pressed != 3; /* Control-C, too */
}

typedef struct Top {
    bool on_terminal;
    unsigned key;
    int64_t rounds; /* 0: until somebody ends it */
    uint64_t delay_ms;
} Top;

AWAITS static bool top_loop(Cli *cli, Top *top, Error **err)
{
    TopLook before = { 0 };
    bool ok = top_look(cli, &before, err);
    bool goes_on = ok;

    for (int64_t round = 1; goes_on; round++) {
        const uint64_t until_us = loop_now_us() + top->delay_ms * 1000;
        while (ok && goes_on && loop_now_us() < until_us) {
            char pressed = 0;
            ok = top_wait(top->on_terminal, (until_us - loop_now_us()) / 1000 + 1, &pressed, err);
            goes_on = top_press(pressed, &top->key);
            if (ok && goes_on && pressed && round > 1) {
                g_ptr_array_sort_with_data(before.lines, top_order, &top->key);
                top_draw(cli, &before, top->key, (double)top->delay_ms / 1000);
            }
        }
        TopLook now = { 0 };
        ok = ok && goes_on && top_look(cli, &now, err);
        if (!ok)
            break;
        top_compare(&before, &now);
        g_ptr_array_sort_with_data(now.lines, top_order, &top->key);
        if (top->on_terminal)
            top_draw(cli, &now, top->key, (double)top->delay_ms / 1000);
        else
            ok = cli_print_table(cli, top_table(&now), err);
        top_look_clear(&before);
        before = now;
        goes_on = ok && (top->rounds == 0 || round < top->rounds);
    }
    top_look_clear(&before);
    return ok || !goes_on;
}

static const CliOption top_options[] = {
    OPT(CLI_STRING, "sort", "what comes first", .flags = CLI_NAMED | CLI_ONE_OF, .words = SORT_WORDS),
    OPT(CLI_INT, "delay", "seconds between two looks; default 2", .short_name = 'd', .flags = CLI_NAMED),
    OPT(CLI_INT, "count", "show so many times, then end; default: until q", .short_name = 'n',
        .flags = CLI_NAMED),
    OPT(CLI_BOOL, "batch", "plain tables one after the other, for files and programs", .short_name = 'b'),
    { 0 },
};

static bool top_run(Cli *cli, const CliArgs *args, Error **err)
{
    struct termios before, raw;
    int64_t delay_s = 2;
    Top top = { .key = args_get_word(args, "sort") };

    if (!args_get_int(args, "delay", 1, 3600, &delay_s, err) ||
        !args_get_int(args, "count", 1, INT32_MAX, &top.rounds, err))
        return false;
    top.delay_ms = (uint64_t)delay_s * 1000;
    top.on_terminal = !args_has(args, "batch") && cli->format == CLI_TEXT && isatty(STDIN_FILENO) &&
                      isatty(fileno(cli->out)) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (!top.on_terminal && top.rounds == 0)
        top.rounds = 1;
    if (!top.on_terminal)
        return top_loop(cli, &top, err);
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fputs(ANSI_OTHER_SCREEN, cli->out);
    const bool ok = top_loop(cli, &top, err);
    fputs(ANSI_OWN_SCREEN, cli->out);
    fflush(cli->out);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
    return ok;
}

const CliCommand commands_top[] = {
    COMMAND("top", GROUP_MONITOR, "show what the running domains use, live", top_options, top_run,
            .doc = "Shows processor time, memory, disk and network traffic of all running domains, again and "
                   "again; keys "
                   "choose the order. Memory that the guest does not tell is the host's view of it. Where "
                   "the output is "
                   "no terminal, or with --batch, it prints plain tables: one, or --count of them.",
            .columns = top_columns),
    { 0 },
};
