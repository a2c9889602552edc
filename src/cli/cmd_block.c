/* Block jobs: copies, commits and pulls of disks of running domains, and waiting for them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/loop.h"
#include "cli/class.h"
#include "cli/commands.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "cli/progress.h"

#define POLL_MS 500

static const char *const job_names[] = { "Unknown job",  "Block Pull",          "Block Copy",
                                         "Block Commit", "Active Block Commit", "Backup" };

/* ---- Ctrl-C ends what runs in the daemon, not just us ---- */

typedef struct Interrupt {
    bool is_set;
    sd_event_source *source;
    sigset_t before;
} Interrupt;

static int on_interrupt(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    ((Interrupt *)arg)->is_set = true;
    return 0;
}

/* In the shell Ctrl-C cancels this fiber; elsewhere we watch for it ourselves. */
static void interrupt_begin(Interrupt *interrupt, const Cli *cli)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, &interrupt->before);
    if (!cli->interactive)
        (void)sd_event_add_signal(loop_event(), &interrupt->source, SIGINT, on_interrupt, interrupt);
}

static void interrupt_end(Interrupt *interrupt)
{
    sd_event_source_unref(interrupt->source);
    sigprocmask(SIG_SETMASK, &interrupt->before, NULL);
}

/* ---- waiting ---- */

typedef struct BlockWait {
    Cli *cli;
    WireDomain dom;
    const char *path;
    const char *word; /* "Copy" */
    int status;       /* what an event said of the end; -1: none did */
    int32_t callback;
    unsigned abort_flags;
    Interrupt interrupt;
} BlockWait;

static void wait_on_event(Cli *cli, uint32_t program, int32_t proc, const void *message, void *arg)
{
    const WireDomainEventBlockJob2Msg *event = message;
    BlockWait *wait = arg;

    if (program == WIRE_PROGRAM_REMOTE && proc == PROC_DOMAIN_EVENT_BLOCK_JOB_2 &&
        event->callback_id == wait->callback && (*wait->path == '/' || strcmp(event->dst, wait->path) == 0))
        wait->status = event->status;
}

AWAITS static bool wait_begin(BlockWait *wait, Error **err)
{
    const WireConnectDomainEventCallbackRegisterAnyArgs args = { .event_id = VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2,
                                                                 .dom = &wait->dom };
    WireConnectDomainEventCallbackRegisterAnyRet ret = { 0 };

    wait->status = -1;
    if (!cli_call(wait->cli, PROC_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, &args, &ret, err))
        return false;
    wait->callback = ret.callback_id;
    wait->cli->on_event = wait_on_event;
    wait->cli->on_event_arg = wait;
    interrupt_begin(&wait->interrupt, wait->cli);
    return true;
}

AWAITS static void wait_end(BlockWait *wait)
{
    const WireConnectDomainEventCallbackDeregisterAnyArgs args = { .callback_id = wait->callback };

    interrupt_end(&wait->interrupt);
    wait->cli->on_event = NULL;
    (void)!cli_call(wait->cli, PROC_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, &args, NULL, NULL);
}

AWAITS static bool job_info(Cli *cli, const WireDomain *dom, const char *path, unsigned flags,
                            WireDomainGetBlockJobInfoRet *ret_info, Error **err)
{
    const WireDomainGetBlockJobInfoArgs args = { .dom = *dom, .path = (char *)path, .flags = flags };

    return cli_call(cli, PROC_DOMAIN_GET_BLOCK_JOB_INFO, &args, ret_info, err);
}

AWAITS static bool job_abort_call(Cli *cli, const WireDomain *dom, const char *path, unsigned flags,
                                  Error **err)
{
    const WireDomainBlockJobAbortArgs args = { .dom = *dom, .path = (char *)path, .flags = flags };

    return cli_call(cli, PROC_DOMAIN_BLOCK_JOB_ABORT, &args, NULL, err);
}

/* Until the job is over, or ready. *ret_ready: it is ready and goes on. */
AWAITS static bool wait_for_job(BlockWait *wait, unsigned timeout_s, bool *ret_ready, Error **err)
{
    const uint64_t deadline_ms = timeout_s ? loop_now_ms() + (uint64_t)timeout_s * 1000 : UINT64_MAX;
    CliProgress progress = { 0 };
    bool is_over = false, ok = true, is_late = false;

    *ret_ready = false;
    progress_begin(&progress, wait->cli, wait->word, 0, true);
    while (ok && !is_over && !*ret_ready) {
        WireDomainGetBlockJobInfoRet info = { 0 };
        ok = job_info(wait->cli, &wait->dom, wait->path, 0, &info, err);
        is_over = ok && !info.found;
        *ret_ready = ok && info.found && info.cur == info.end &&
                     (info.type == VIR_DOMAIN_BLOCK_JOB_TYPE_COPY ||
                      info.type == VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT);
        if (!ok || is_over || *ret_ready)
            break;
        progress.total = info.end;
        progress_update(&progress, info.cur);
        is_late = loop_now_ms() >= deadline_ms;
        if (is_late || wait->interrupt.is_set || !fiber_sleep(POLL_MS, NULL)) {
            progress_end(&progress);
            fiber_shield_begin();
            ok = job_abort_call(wait->cli, &wait->dom, wait->path, wait->abort_flags, err);
            fiber_shield_end();
            return ok && error_set(err, ERROR_CANCELLED, "%s aborted%s", wait->word,
                                   is_late ? ": it took too long" : "");
        }
    }
    progress_end(&progress);
    if (!ok || *ret_ready)
        return ok;
    for (unsigned i = 0; i < 20 && wait->status < 0; i++) /* the event comes right after */
        (void)!fiber_sleep(50, NULL);
    if (wait->status == VIR_DOMAIN_BLOCK_JOB_FAILED)
        return error_set(err, ERROR_OPERATION_FAILED, "%s failed", wait->word) ||
               error_hint(err, "the daemon's log says why");
    if (wait->status == VIR_DOMAIN_BLOCK_JOB_CANCELED)
        return error_set(err, ERROR_CANCELLED, "%s aborted", wait->word);
    return true;
}

/* What --wait and those that imply it do after the job was begun by @proc. */
AWAITS static bool begin_and_wait(Cli *cli, const CliArgs *args, BlockWait *wait, int32_t proc,
                                  const void *call, const char *begun, bool has_end, Error **err)
{
    const bool pivots = has_end && args_has(args, "pivot");
    const char *finish = proc == PROC_DOMAIN_BLOCK_COPY ? "finish" : "keep-overlay";
    const bool finishes = has_end && args_has(args, finish);
    int64_t timeout_s = 0;
    bool ready = false;

    if (!args_get_int(args, "timeout", 1, 1 << 30, &timeout_s, err))
        return false;
    if (!args_has(args, "wait") && !pivots && !finishes && timeout_s == 0) {
        if (!cli_call(cli, proc, call, NULL, err))
            return false;
        cli_message(cli, "%s started", begun);
        return true;
    }
    wait->abort_flags = args_has(args, "async") ? VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC : 0;
    if (!wait_begin(wait, err))
        return false;
    bool ok = cli_call(cli, proc, call, NULL, err) && wait_for_job(wait, (unsigned)timeout_s, &ready, err);
    if (ok && ready && (pivots || finishes))
        ok = job_abort_call(cli, &wait->dom, wait->path, pivots ? VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT : 0, err);
    wait_end(wait);
    if (!ok)
        return false;
    cli_message(cli, "%s",
                !ready     ? "The job is complete"
                : pivots   ? "Successfully pivoted"
                : finishes ? "The job is complete, the domain keeps its image"
                           : "Both images are the same now and stay so until the job is ended");
    return true;
}

static bool get_bandwidth(const CliArgs *args, uint64_t *ret_bandwidth, Error **err)
{
    int64_t value = 0;

    if (!args_get_int(args, "bandwidth", 0, INT64_MAX, &value, err))
        return false;
    *ret_bandwidth = (uint64_t)value;
    return true;
}

/* ---- commands ---- */

static void add_attribute(GString *xml, const char *name, const char *value)
{
    g_autofree char *text = g_markup_escape_text(value, -1);
    g_string_append_printf(xml, " %s='%s'", name, text);
}

/* The <disk> to copy to; owned. */
static bool copy_document(const CliArgs *args, char **ret_xml, Error **err)
{
    const bool is_block = args_has(args, "blockdev");
    GString *xml = NULL;

    if (args_has(args, "xml"))
        return cli_read_file(args_get(args, "xml"), ret_xml, err);
    if (!args_has(args, "dest"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "either a destination or --xml is needed");
    g_autofree char *path = g_canonicalize_filename(args_get(args, "dest"), NULL);
    xml = g_string_new("<disk");
    add_attribute(xml, "type", is_block ? "block" : "file");
    g_string_append(xml, ">\n  <source");
    add_attribute(xml, is_block ? "dev" : "file", path);
    g_string_append(xml, "/>\n");
    if (args_has(args, "format")) {
        g_string_append(xml, "  <driver");
        add_attribute(xml, "type", args_get(args, "format"));
        g_string_append(xml, "/>\n");
    }
    g_string_append(xml, "</disk>\n");
    *ret_xml = g_string_free(xml, FALSE);
    return true;
}

static bool copy_run(Cli *cli, const CliArgs *args, Error **err)
{
    BlockWait wait = { .cli = cli, .path = args_get(args, "path"), .word = "Copy" };
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    WireTypedParam params[3];
    unsigned n = 0;
    int64_t granularity = 0, buffer = 0;
    uint64_t bandwidth = 0;

    if (!copy_document(args, &xml, err))
        return false;
    if (args_has(args, "print-xml")) {
        cli_say(cli, "%s", xml);
        return true;
    }
    if (!get_bandwidth(args, &bandwidth, err) ||
        !args_get_int(args, "granularity", 1, UINT32_MAX, &granularity, err) ||
        !args_get_int(args, "buf-size", 1, INT64_MAX, &buffer, err) || !cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to copy disk '%s'", wait.path);
    wait.dom = dom;
    if (bandwidth && !args_has(args, "bytes") && __builtin_mul_overflow(bandwidth, 1 << 20, &bandwidth))
        return error_set(err, ERROR_OVERFLOW, "no disk is copied as fast as that");
    if (bandwidth)
        params[n++] = (WireTypedParam){ (char *)VIR_DOMAIN_BLOCK_COPY_BANDWIDTH,
                                        { .type = VIR_TYPED_PARAM_ULLONG, .ul = bandwidth } };
    if (granularity)
        params[n++] = (WireTypedParam){ (char *)VIR_DOMAIN_BLOCK_COPY_GRANULARITY,
                                        { .type = VIR_TYPED_PARAM_UINT, .ui = (uint32_t)granularity } };
    if (buffer)
        params[n++] = (WireTypedParam){ (char *)VIR_DOMAIN_BLOCK_COPY_BUF_SIZE,
                                        { .type = VIR_TYPED_PARAM_ULLONG, .ul = (uint64_t)buffer } };
    const WireDomainBlockCopyArgs call = { .dom = dom,
                                           .path = (char *)wait.path,
                                           .destxml = xml,
                                           .params = params,
                                           .n_params = n,
                                           .flags = args_flags(args) };
    return begin_and_wait(cli, args, &wait, PROC_DOMAIN_BLOCK_COPY, &call, "Block Copy", true, err);
}

static bool commit_run(Cli *cli, const CliArgs *args, Error **err)
{
    BlockWait wait = { .cli = cli, .path = args_get(args, "path"), .word = "Commit" };
    g_auto(WireDomain) dom = { 0 };
    uint64_t bandwidth = 0;
    unsigned flags = args_flags(args);

    if (args_has(args, "pivot") || args_has(args, "keep-overlay"))
        flags |= VIR_DOMAIN_BLOCK_COMMIT_ACTIVE;
    if (!get_bandwidth(args, &bandwidth, err) || !cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to commit disk '%s'", wait.path);
    wait.dom = dom;
    const WireDomainBlockCommitArgs call = { .dom = dom,
                                             .disk = (char *)wait.path,
                                             .base = (char *)args_get(args, "base"),
                                             .top = (char *)args_get(args, "top"),
                                             .bandwidth = bandwidth,
                                             .flags = flags };
    return begin_and_wait(cli, args, &wait, PROC_DOMAIN_BLOCK_COMMIT, &call,
                          flags & VIR_DOMAIN_BLOCK_COMMIT_ACTIVE ? "Active Block Commit" : "Block Commit",
                          true, err);
}

static bool pull_run(Cli *cli, const CliArgs *args, Error **err)
{
    BlockWait wait = { .cli = cli, .path = args_get(args, "path"), .word = "Pull" };
    g_auto(WireDomain) dom = { 0 };
    uint64_t bandwidth = 0;

    if (!get_bandwidth(args, &bandwidth, err) || !cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to pull disk '%s'", wait.path);
    wait.dom = dom;
    const WireDomainBlockRebaseArgs call = { .dom = dom,
                                             .path = (char *)wait.path,
                                             .base = (char *)args_get(args, "base"),
                                             .bandwidth = bandwidth,
                                             .flags = args_flags(args) };
    return begin_and_wait(cli, args, &wait, PROC_DOMAIN_BLOCK_REBASE, &call, "Block Pull", false, err);
}

static bool print_job(Cli *cli, const CliArgs *args, const WireDomain *dom, Error **err)
{
    const char *path = args_get(args, "path");
    const unsigned flags = args_has(args, "bytes") ? VIR_DOMAIN_BLOCK_JOB_INFO_BANDWIDTH_BYTES : 0;
    WireDomainGetBlockJobInfoRet info = { 0 };

    if (!job_info(cli, dom, path, flags, &info, err))
        return false;
    const char *name = NAME_OF(job_names, info.type, job_names[0]);
    if (cli->json) {
        cli_print_json(cli, info.found ? json_pack("{s:s, s:I, s:I, s:I}", "type", name, "bandwidth",
                                                   (json_int_t)info.bandwidth, "done", (json_int_t)info.cur,
                                                   "total", (json_int_t)info.end)
                                       : json_null());
        return true;
    }
    if (!info.found) {
        cli_message(cli, "No current block job for %s", path);
        return true;
    }
    if (args_has(args, "raw")) {
        cli_say(cli, " type=%s\n bandwidth=%" PRIu64 "\n cur=%" PRIu64 "\n end=%" PRIu64 "\n", name,
                info.bandwidth, info.cur, info.end);
        return true;
    }
    const unsigned percent =
        info.end ? (unsigned)((double)MIN(info.cur, info.end) * 100 / (double)info.end) : 0;
    cli_say(cli, "%s: [%3u %%]", name, percent);
    if (info.bandwidth)
        cli_say(cli, "    Bandwidth limit: %" PRIu64 " %s/s", info.bandwidth, flags ? "bytes" : "MiB");
    cli_say(cli, "\n");
    return true;
}

static bool job_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *path = args_get(args, "path");
    g_auto(WireDomain) dom = { 0 };
    uint64_t bandwidth = 0;

    if (!get_bandwidth(args, &bandwidth, err) || !cli_domain(cli, args, &dom, err))
        return false;
    if (args_has(args, "abort") || args_has(args, "async") || args_has(args, "pivot")) {
        cli_doing(cli, "Failed to end the block job of disk '%s'", path);
        if (!job_abort_call(cli, &dom, path,
                            (args_has(args, "async") ? VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC : 0u) |
                                (args_has(args, "pivot") ? VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT : 0u),
                            err))
            return false;
        cli_message(cli, args_has(args, "pivot") ? "Successfully pivoted" : "Block job of %s aborted", path);
        return true;
    }
    if (!args_has(args, "bandwidth"))
        return print_job(cli, args, &dom, err);
    const WireDomainBlockJobSetSpeedArgs call = { .dom = dom,
                                                  .path = (char *)path,
                                                  .bandwidth = bandwidth,
                                                  .flags = args_has(args, "bytes")
                                                               ? VIR_DOMAIN_BLOCK_JOB_SPEED_BANDWIDTH_BYTES
                                                               : 0 };
    if (!cli_call(cli, PROC_DOMAIN_BLOCK_JOB_SET_SPEED, &call, NULL, err))
        return false;
    cli_message(cli, "Block job of %s has its new limit", path);
    return true;
}

/* ---- moving a disk ---- */

typedef struct Move {
    Cli *cli;
    WireDomain dom;
    CliProgress progress;
    Interrupt interrupt;
} Move;

/* Shows how far the daemon is, and tells it when the user has had enough. */
static void move_fiber(void *arg)
{
    Move *move = arg;
    const WireDomainGetJobInfoArgs args = { .dom = move->dom };
    const WireDomainAbortJobArgs abort = { .dom = move->dom };
    bool is_told = false;

    while (fiber_sleep(POLL_MS / 2, NULL)) {
        WireDomainGetJobInfoRet info = { 0 };
        if (move->interrupt.is_set && !is_told)
            is_told = wire_call_remote(move->cli->client, PROC_DOMAIN_ABORT_JOB, &abort, NULL, 5000, NULL);
        if (!wire_call_remote(move->cli->client, PROC_DOMAIN_GET_JOB_INFO, &args, &info, 5000, NULL) ||
            info.data_total == 0)
            continue;
        move->progress.total = info.data_total;
        move->progress.in_bytes = info.data_total > 1000;
        progress_update(&move->progress, info.data_processed);
    }
}

static bool move_run(Cli *cli, const CliArgs *args, Error **err)
{
    Move move = { .cli = cli };
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireLodgeDiskMoveRet) ret = { 0 };

    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to move disk '%s' of domain '%s'", args_get(args, "disk"), dom.name);
    move.dom = dom;
    const WireLodgeDiskMoveArgs call = { .dom = dom,
                                         .disk = (char *)args_get(args, "disk"),
                                         .pool = (char *)args_get(args, "pool"),
                                         .format = (char *)args_get(args, "format"),
                                         .flags = args_flags(args) };
    progress_begin(&move.progress, cli, args_get(args, "disk"), 0, true);
    interrupt_begin(&move.interrupt, cli);
    g_autoptr(Fiber) fiber = fiber_ref(fiber_spawn_or_abort("move", move_fiber, &move));
    const bool ok = lodge_call(cli, LODGE_PROC_DISK_MOVE, &call, &ret, WIRE_NO_TIMEOUT, err);
    fiber_cancel(fiber);
    (void)!fiber_join(fiber, WIRE_NO_TIMEOUT, NULL);
    interrupt_end(&move.interrupt);
    progress_end(&move.progress);
    if (!ok)
        return false;
    cli_say(cli, "Disk %s of domain %s is '%s' now\n", call.disk, dom.name, ret.path);
    if (ret.left)
        cli_say(cli, "The old image is still there: %s\n", ret.left);
    cli_print_json(cli, json_pack("{s:s, s:s?}", "path", ret.path, "left", ret.left));
    return true;
}

/* ---- options ---- */

#define OPT_DISK                                                                                             \
    OPT(CLI_STRING, "path", "target or source of the disk", .flags = CLI_REQUIRED,                           \
        .complete = COMPLETE_DOMAIN_DISK)
#define OPT_BANDWIDTH OPT(CLI_INT, "bandwidth", "limit in MiB per second; 0: none", .flags = CLI_NAMED)
#define OPT_WAITS                                                                                            \
    OPT_BOOL("wait", "wait until the job has ended, or both images are the same"),                           \
        OPT_BOOL("verbose", "progress is shown on a terminal anyway"),                                       \
        OPT(CLI_INT, "timeout", "seconds after which the job is aborted; implies --wait",                    \
            .flags = CLI_NAMED),                                                                             \
        OPT_BOOL("async", "do not wait for the end of a job that is aborted")

static const CliOption copy_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_DISK,
    OPT(CLI_STRING, "dest", "path of the copy", .complete = COMPLETE_FILE),
    OPT_BANDWIDTH,
    OPT_FLAG("shallow", VIR_DOMAIN_BLOCK_COPY_SHALLOW,
             "copy the active image only, on top of the same chain"),
    OPT_FLAG("reuse-external", VIR_DOMAIN_BLOCK_COPY_REUSE_EXT,
             "the copy is there already and is overwritten"),
    OPT_BOOL("blockdev", "the copy is a block device"),
    OPT_WAITS,
    OPT_BOOL("pivot", "go on with the copy when it is complete; implies --wait"),
    OPT_BOOL("finish", "leave the copy as it is when it is complete; implies --wait"),
    OPT(CLI_STRING, "xml", "file with a <disk> that says where to", .flags = CLI_NAMED,
        .complete = COMPLETE_FILE),
    OPT_NAMED("format", "format of the copy; default: that of the disk"),
    OPT(CLI_INT, "granularity", "bytes that are copied as one when the guest writes: a power of 2",
        .flags = CLI_NAMED),
    OPT(CLI_INT, "buf-size", "bytes that are under way at most", .flags = CLI_NAMED),
    OPT_BOOL("bytes", "the limit is in bytes per second"),
    OPT_FLAG("transient-job", VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB,
             "the job may end with the domain; needed for domains that are defined"),
    OPT_FLAG("synchronous-writes", VIR_DOMAIN_BLOCK_COPY_SYNCHRONOUS_WRITES,
             "the guest's writes wait until the copy has them, too"),
    OPT_BOOL("print-xml", "print the XML instead"),
    { 0 },
};

static const CliOption commit_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_DISK,
    OPT_BANDWIDTH,
    OPT_NAMED("base", "path of the image to commit into, or vda[INDEX]; default: the last of the chain"),
    OPT_FLAG("shallow", VIR_DOMAIN_BLOCK_COMMIT_SHALLOW, "commit into the image right below"),
    OPT_NAMED("top", "path of the first image that is committed, or vda[INDEX]; default: the active one"),
    OPT_FLAG("active", VIR_DOMAIN_BLOCK_COMMIT_ACTIVE, "the active image is committed, too"),
    OPT_FLAG("delete", VIR_DOMAIN_BLOCK_COMMIT_DELETE, "remove images that were committed"),
    OPT_WAITS,
    OPT_BOOL("pivot", "go on with the base when it has all; implies --active --wait"),
    OPT_BOOL("keep-overlay", "stay on the active image when the base has all; implies --active --wait"),
    OPT_FLAG("keep-relative", VIR_DOMAIN_BLOCK_COMMIT_RELATIVE, "names in the images stay relative"),
    OPT_FLAG("bytes", VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES, "the limit is in bytes per second"),
    { 0 },
};

static const CliOption pull_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_DISK,
    OPT_BANDWIDTH,
    OPT_NAMED("base", "path of the image that stays below, or vda[INDEX]; default: none does"),
    OPT_WAITS,
    OPT_FLAG("keep-relative", VIR_DOMAIN_BLOCK_REBASE_RELATIVE, "the name in the image stays relative"),
    OPT_FLAG("bytes", VIR_DOMAIN_BLOCK_REBASE_BANDWIDTH_BYTES, "the limit is in bytes per second"),
    { 0 },
};

static const CliOption job_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_DISK,
    OPT_BOOL("abort", "end the job"),
    OPT_BOOL("async", "end it and do not wait for its end"),
    OPT_BOOL("pivot", "end a copy or commit so that the domain goes on with the new image"),
    OPT_BOOL("info", "tell of the job (the default)"),
    OPT_BOOL("bytes", "limits are in bytes per second"),
    OPT_BOOL("raw", "tell of it in numbers"),
    OPT_BANDWIDTH,
    { 0 },
};

static const CliOption move_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "disk", "target of the disk, such as vda", .flags = CLI_REQUIRED,
        .complete = COMPLETE_DOMAIN_DISK),
    OPT(CLI_STRING, "pool", "name of the pool", .flags = CLI_REQUIRED, .class = &class_pool),
    OPT_NAMED("format", "format of the new image; default: as it is"),
    OPT_FLAG("remove-source", LODGE_DISK_MOVE_REMOVE_SOURCE, "remove the old image, if nobody else needs it"),
    { 0 },
};

const CliCommand commands_block[] = {
    COMMAND("blockcommit", GROUP_DOMAIN, "write what images have into the one below them", commit_options,
            commit_run, .exclusive = "pivot keep-overlay"),
    COMMAND("blockcopy", GROUP_DOMAIN, "copy a disk of a running domain", copy_options, copy_run,
            .exclusive = "pivot finish; dest xml",
            .doc = "When the copy is complete it follows what the guest writes, until the job is ended: "
                   "--finish, or "
                   "'lodge blockjob DOMAIN DISK --abort', leaves it as it is then; --pivot goes on with it."),
    COMMAND("blockjob", GROUP_DOMAIN, "show, limit or end the block job of a disk", job_options, job_run,
            .exclusive = "info abort; info async; info pivot; raw abort; raw async; raw pivot; bandwidth "
                         "abort; bandwidth "
                         "async; bandwidth pivot; bandwidth info; bandwidth raw",
            .json = "{\"type\": string, \"bandwidth\": number, \"done\": number, \"total\": number}|null"),
    COMMAND("blockpull", GROUP_DOMAIN, "copy what is below into a disk's active image", pull_options,
            pull_run),
    COMMAND("disk-move", GROUP_LODGE, "move a disk to another storage pool, also while the domain runs",
            move_options, move_run,
            .doc =
                "All that the disk shows goes into one new volume, with what is below its image. The domain "
                "goes on there once that is complete; Ctrl-C, and 'lodge domjobabort DOMAIN' elsewhere, "
                "leave all as it was. 'lodge jobs' shows the move while it lasts.",
            .json = "{\"path\": string, \"left\": string|null}"),
    { 0 },
};
