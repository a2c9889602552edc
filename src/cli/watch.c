/* A machine that comes up, as its serial console and its addresses tell.
 *
 * cloud-init says itself which stage runs ("Cloud-init v. 22.4 running 'modules:config'") and that it has
 * ended; the reports that our seed asks for ("start: NAME", "finish: NAME: FAIL: ...") say which module
 * failed, and what lies between the two are that module's lines. The guest is not believed beyond that: what
 * it prints is bounded, and printed without what a terminal would act on. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/guest.h"
#include "cli/output.h"
#include "cli/run.h"

#define LINE_BYTES 1024u
#define MODULE_LINES 60u
#define TAIL_LINES 20u
#define POLL_MS 200u
#define ASK_MS 5000 /* between questions to the agent */
#define ANSWER_MS 10000u
#define FINISH_MS 2000u

struct Watch {
    Cli *cli;
    WireDomain dom;
    WatchStage *stage;
    void *arg;
    WireStream *stream;
    Fiber *fiber;
    WaitQueue changed;
    GString *line;
    GPtrArray *tail;   /* the last lines */
    GPtrArray *module; /* those of the module that runs */
    GPtrArray *failed; /* those of modules that failed */
    char *address;
    char *last_stage;
    gint64 asked_us; /* when the agent was */
    bool has_cloud_init, is_done, is_panic, has_kernel, has_failed, is_explaining;
};

static void add_line(GPtrArray *lines, const char *text, guint max)
{
    if (lines->len >= max)
        g_ptr_array_remove_index(lines, 0);
    g_ptr_array_add(lines, g_strdup(text));
}

static void tell(Watch *watch, const char *stage, const char *text)
{
    g_free(watch->last_stage);
    watch->last_stage = g_strdup_printf("%s %s", stage, text);
    watch->stage(watch->arg, stage, text);
}

/* "Cloud-init v. 22.4.2 running 'init-local' at ..." */
static void read_stage(Watch *watch, const char *text)
{
    const char *name = strstr(text, " running '"), *end = name ? strchr(name + 10, '\'') : NULL;

    if (strstr(text, " finished at ")) {
        watch->is_done = true;
        return;
    }
    if (!end || end - name > 64)
        return;
    g_autofree char *stage = g_strndup(name + 10, (gsize)(end - name - 10));
    tell(watch, "cloud-init", stage);
}

/* What a module prints lies between its "start" and its "finish"; why it failed comes behind that. */
static void read_report(Watch *watch, const char *text)
{
    const bool is_module = strstr(text, "/") != NULL;

    watch->is_explaining = false;
    if (strstr(text, ": FAIL: ") && is_module) {
        watch->has_failed = watch->is_explaining = true;
        for (guint i = 0; i < watch->module->len; i++)
            add_line(watch->failed, watch->module->pdata[i], MODULE_LINES);
    }
    g_ptr_array_set_size(watch->module, 0);
}

static void read_line(Watch *watch, const char *raw)
{
    g_autofree char *text = text_printable(raw);
    const char *said;

    add_line(watch->tail, text, TAIL_LINES);
    add_line(watch->module, text, MODULE_LINES);
    if (watch->is_explaining && !strstr(text, "start: ") && !strstr(text, "finish: "))
        add_line(watch->failed, text, MODULE_LINES);
    if (!watch->has_kernel && (said = strstr(text, "Linux version "))) {
        g_auto(GStrv) words = g_strsplit(said, " ", 4);
        watch->has_kernel = true;
        tell(watch, "kernel", words[2] ? words[2] : "");
    } else if ((said = strstr(text, "Kernel panic - "))) {
        watch->is_panic = true;
        add_line(watch->failed, said, MODULE_LINES);
    } else if ((said = strstr(text, "Cloud-init v. "))) {
        watch->has_cloud_init = true;
        read_stage(watch, said);
    } else if (strstr(text, "start: ") || strstr(text, "finish: ")) {
        read_report(watch, text);
    }
}

static void read_bytes(Watch *watch, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            if (watch->line->len)
                read_line(watch, watch->line->str);
            g_string_truncate(watch->line, 0);
        } else if (data[i] != '\r' && data[i] != '\0' && watch->line->len < LINE_BYTES) {
            g_string_append_c(watch->line, data[i]);
        }
    }
}

static void watch_fiber(void *arg)
{
    Watch *watch = arg;

    for (;;) {
        WirePiece piece = { 0 };
        if (!wire_stream_receive(watch->stream, WIRE_NO_TIMEOUT, &piece, NULL))
            break;
        read_bytes(watch, (const char *)piece.data.data, piece.data.len);
        g_free(piece.data.data);
        wait_queue_wake_all(&watch->changed);
        if (piece.at_end)
            break;
    }
}

Watch *watch_begin(Cli *cli, const WireDomain *dom, WatchStage *stage, void *arg)
{
    Watch *watch = g_new0(Watch, 1);
    const WireDomainOpenConsoleArgs args = { .dom = *dom };

    *watch = (Watch){ .cli = cli, .dom = *dom, .stage = stage, .arg = arg };
    wait_queue_init(&watch->changed);
    watch->line = g_string_new(NULL);
    watch->tail = g_ptr_array_new_with_free_func(g_free);
    watch->module = g_ptr_array_new_with_free_func(g_free);
    watch->failed = g_ptr_array_new_with_free_func(g_free);
    /* A console that somebody else looks at tells us nothing; addresses still do. */
    if (wire_call_stream(cli->client, WIRE_PROGRAM_REMOTE, PROC_DOMAIN_OPEN_CONSOLE, &args, NULL,
                         WIRE_NO_TIMEOUT, &watch->stream, NULL))
        watch->fiber = fiber_ref(fiber_spawn_or_abort("watch", watch_fiber, watch));
    return watch;
}

void watch_end(Watch *watch)
{
    if (!watch)
        return;
    fiber_shield_begin();
    if (watch->fiber) {
        fiber_cancel(watch->fiber);
        (void)!fiber_join(watch->fiber, FINISH_MS, NULL);
        fiber_unref(watch->fiber);
    }
    wire_stream_free(watch->stream);
    fiber_shield_end();
    g_string_free(watch->line, TRUE);
    g_ptr_array_unref(watch->tail);
    g_ptr_array_unref(watch->module);
    g_ptr_array_unref(watch->failed);
    g_free(watch->address);
    g_free(watch->last_stage);
    g_free(watch);
}

/* ---- waiting ---- */

static bool is_complete(const Watch *watch, unsigned what)
{
    return (!(what & WATCH_ADDRESS) || watch->address) && (!(what & WATCH_CLOUD_INIT) || watch->is_done);
}

AWAITS static bool look(Watch *watch, Error **err)
{
    const WireDomainGetStateArgs args = { .dom = watch->dom };
    WireDomainGetStateRet state = { 0 };

    if (!cli_call(watch->cli, PROC_DOMAIN_GET_STATE, &args, &state, err))
        return false;
    if (state.state != VIR_DOMAIN_RUNNING && state.state != VIR_DOMAIN_BLOCKED)
        return error_set(err, ERROR_INVALID_STATE, "it does not run any more");
    if (watch->address)
        return true;
    if (!machine_address(watch->cli, &watch->dom, &watch->address, err))
        return false;
    if (watch->address)
        tell(watch, "address", watch->address);
    return true;
}

/* A guest whose console is elsewhere may have an agent, which can ask cloud-init itself. */
AWAITS static void ask_agent(Watch *watch)
{
    static const char *const argv[] = { "cloud-init", "status", NULL };
    const Guest guest = { watch->cli, &watch->dom };
    const gint64 now_us = g_get_monotonic_time();
    g_auto(GuestExit) ended = { 0 };

    if (now_us - watch->asked_us < ASK_MS * 1000 || watch->has_cloud_init)
        return;
    watch->asked_us = now_us;
    if (!guest_run(&guest, argv, ANSWER_MS, &ended, NULL) || !ended.out)
        return;
    watch->is_done = strstr(ended.out, "status: done") || strstr(ended.out, "status: error") ||
                     strstr(ended.out, "status: disabled");
    watch->has_failed = watch->has_failed || strstr(ended.out, "status: error");
}

static bool tell_timeout(const Watch *watch, unsigned what, uint64_t timeout_ms, Error **err)
{
    const bool no_address = (what & WATCH_ADDRESS) && !watch->address;

    return error_set(err, ERROR_TIMEOUT, "%s%s%s after %" G_GUINT64_FORMAT " s; it came as far as: %s",
                     no_address ? "it has no address" : "",
                     no_address && (what & WATCH_CLOUD_INIT) && !watch->is_done ? ", and " : "",
                     (what & WATCH_CLOUD_INIT) && !watch->is_done ? "cloud-init has not ended" : "",
                     timeout_ms / 1000, watch->last_stage ? watch->last_stage : "nothing on its console");
}

bool watch_wait(Watch *watch, unsigned what, uint64_t timeout_ms, Error **err)
{
    const gint64 end_us = g_get_monotonic_time() + (gint64)timeout_ms * 1000;

    while (!is_complete(watch, what)) {
        g_autoptr(Error) why = NULL;
        if (watch->is_panic)
            return error_set(err, ERROR_OPERATION_FAILED, "its kernel panicked");
        if (!look(watch, err))
            return false;
        if (watch->address && (what & WATCH_CLOUD_INIT))
            ask_agent(watch);
        if (is_complete(watch, what))
            break;
        if (g_get_monotonic_time() > end_us)
            return tell_timeout(watch, what, timeout_ms, err);
        if (!wait_queue_wait(&watch->changed, POLL_MS, &why) && error_code(why) != ERROR_TIMEOUT)
            return error_propagate(err, g_steal_pointer(&why));
    }
    if ((what & WATCH_CLOUD_INIT) && watch->has_failed)
        return error_set(err, ERROR_OPERATION_FAILED, "cloud-init has failed in part");
    return true;
}

const char *watch_address(const Watch *watch)
{
    return watch->address;
}

char *watch_lines(const Watch *watch)
{
    const GPtrArray *lines = watch->failed->len ? watch->failed : watch->tail;
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < lines->len; i++)
        g_string_append_printf(text, "    %s\n", (const char *)lines->pdata[i]);
    return g_string_free(text, FALSE);
}
