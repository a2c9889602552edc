/* Commands that keep the memory of a domain in a file, and bring it back. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/row.h"

#define OPT_STATE_FILE(member, text)                                                                         \
    OPT(CLI_STRING, "file", text, .flags = CLI_REQUIRED | CLI_PATH, .arg = member, .complete = COMPLETE_FILE)
#define OPT_STATE                                                                                            \
    OPT_FLAG("running", VIR_DOMAIN_SAVE_RUNNING,                                                             \
             "let it run when it is restored, whatever it did when it was saved"),                           \
        OPT_FLAG("paused", VIR_DOMAIN_SAVE_PAUSED, "leave it paused when it is restored")
#define OPT_BYPASS OPT_FLAG("bypass-cache", VIR_DOMAIN_SAVE_BYPASS_CACHE, "go around the page cache")
#define OPT_VERBOSE OPT_BOOL("verbose", "show the progress")
#define OPT_SECURE OPT_FLAG("security-info", VIR_DOMAIN_SAVE_IMAGE_XML_SECURE, "with passwords")

/* ---- progress (--verbose): a second fiber asks how far the job is while the first waits for its end ---- */

typedef struct Progress {
    Cli *cli;
    const WireDomain *dom;
    const char *label;
} Progress;

static void progress_fiber(void *arg)
{
    Progress *progress = arg;
    WireDomainGetJobInfoArgs args = { .dom = *progress->dom };
    int percent = 0;
    while (fiber_sleep(500, NULL)) {
        WireDomainGetJobInfoRet info;
        if (!wire_call_remote(progress->cli->client, PROC_DOMAIN_GET_JOB_INFO, &args, &info, 5000, NULL) ||
            info.data_total == 0)
            continue;
        uint64_t done = info.data_total - MIN(info.data_remaining, info.data_total);
        percent = MAX(percent, (int)((double)done * 100 / (double)info.data_total));
        fprintf(stderr, "\r%s: [%3d %%]", progress->label, percent);
    }
}

bool row_call_with_progress(Cli *cli, const CliArgs *args, RowCall *call, Error **err)
{
    if (cli->json)
        return row_call(cli, call, err);
    g_autofree char *label = g_strdup(cli_args_command(args)->name);
    label[0] = g_ascii_toupper(label[0]);
    Progress progress = { .cli = cli, .dom = call->object, .label = label };
    Fiber *fiber = fiber_ref(fiber_spawn_or_abort("progress", progress_fiber, &progress));
    bool ok = row_call(cli, call, err);
    fiber_cancel(fiber);
    (void)!fiber_join(fiber, 6000, NULL);
    fiber_unref(fiber);
    if (ok)
        fprintf(stderr, "\r%s: [100 %%]\n", label);
    else
        fputc('\n', stderr);
    return ok;
}

/* ---- options ---- */

static const CliOption save_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_STATE_FILE("to", "where to store the state"),
    OPT_BYPASS,
    OPT_XML("xml", "dxml", 0, "file with changed XML to store with the state"),
    OPT_STATE,
    OPT_VERBOSE,
    { 0 },
};
static const CliOption restore_options[] = {
    OPT_STATE_FILE("from", "the saved state"),
    OPT_BYPASS,
    OPT_XML("xml", "dxml", 0, "file with changed XML to use instead of the stored one"),
    OPT_FLAG("running", VIR_DOMAIN_SAVE_RUNNING, "let it run, whatever it did when it was saved"),
    OPT_FLAG("paused", VIR_DOMAIN_SAVE_PAUSED, "leave it paused"),
    OPT_FLAG("reset-nvram", VIR_DOMAIN_SAVE_RESET_NVRAM,
             "start with a fresh copy of the firmware's variables"),
    { 0 },
};
static const CliOption image_dumpxml_options[] = {
    OPT_STATE_FILE("file", "the saved state"), OPT_SECURE, OPT_XPATH, { 0 }
};
static const CliOption image_define_options[] = {
    OPT_STATE_FILE("file", "the saved state"),
    OPT_XML("xml", "dxml", CLI_REQUIRED, "file with the new XML"),
    OPT_STATE,
    { 0 },
};
static const CliOption image_edit_options[] = { OPT_STATE_FILE("file", "the saved state"), OPT_STATE, { 0 } };
static const CliOption managedsave_options[] = {
    OPT_DOMAINS(COMPLETE_DOMAIN_ACTIVE), OPT_BYPASS, OPT_STATE, OPT_VERBOSE, { 0 },
};
static const CliOption domain_options[] = { OPT_DOMAIN, { 0 } };
static const CliOption managedsave_dumpxml_options[] = { OPT_DOMAIN, OPT_SECURE, OPT_XPATH, { 0 } };
static const CliOption managedsave_define_options[] = {
    OPT_DOMAIN,
    OPT_XML("xml", "dxml", CLI_REQUIRED, "file with the new XML"),
    OPT_STATE,
    { 0 },
};
static const CliOption managedsave_edit_options[] = { OPT_DOMAIN, OPT_STATE, { 0 } };
static const CliOption dump_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_STATE_FILE("to", "where to store the memory"),
    OPT_FLAG("live", VIR_DUMP_LIVE, "let it run meanwhile"),
    OPT_FLAG("crash", VIR_DUMP_CRASH, "stop it afterwards"),
    OPT_FLAG("bypass-cache", VIR_DUMP_BYPASS_CACHE, "write without the page cache"),
    OPT_FLAG("reset", VIR_DUMP_RESET, "reset it afterwards"),
    OPT_VERBOSE,
    OPT_FLAG("memory-only", VIR_DUMP_MEMORY_ONLY, "a core file of the memory alone"),
    OPT(CLI_STRING, "format", "format of a core file; needs --memory-only", .flags = CLI_ONE_OF,
        .arg = "dumpformat", .words = "elf kdump-zlib kdump-lzo kdump-snappy win-dmp"),
    { 0 },
};

static bool managedsave_remove_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    WireDomainHasManagedSaveImageRet has;
    if (!cli_domain(cli, args, &dom, err))
        return false;
    WireDomainHasManagedSaveImageArgs ask = { .dom = dom };
    cli_doing(cli, "Failed to check for domain managed save image");
    if (!cli_call(cli, PROC_DOMAIN_HAS_MANAGED_SAVE_IMAGE, &ask, &has, err))
        return false;
    if (has.result)
        return row_run(cli, args, err);
    cli_message(cli, "Domain '%s' has no managed save image; removal skipped", dom.name);
    return true;
}

static bool dump_run(Cli *cli, const CliArgs *args, Error **err)
{
    if (args_has(args, "memory-only") || !args_has(args, "format"))
        return row_run(cli, args, err);
    error_set(err, ERROR_INVALID_ARGUMENT, "--format only works with --memory-only");
    return error_hint(err, "add --memory-only");
}

#define ROW(command, procedure, text, rows, ...)                                                             \
    {                                                                                                        \
        .name = command, .group = GROUP_DOMAIN, .proc = procedure, .summary = text, .options = rows,         \
        __VA_ARGS__                                                                                          \
    }
#define STATE_ROW(...) ROW(__VA_ARGS__, .exclusive = "running paused")

const CliCommand commands_save[] = {
    STATE_ROW("save", PROC_DOMAIN_SAVE_FLAGS, "store the memory of a domain in a file and stop it",
              save_options, .plain = PROC_DOMAIN_SAVE, .doing = "Failed to save domain '{name}' to {file}",
              .done = "Domain '{name}' saved to {file}",
              .doc = "Stores everything that a running domain knows and stops it, so that 'lodge restore' "
                     "can go "
                     "on from there. Its disks must not change meanwhile."),
    STATE_ROW("restore", PROC_DOMAIN_RESTORE_FLAGS, "go on with a domain from a saved state", restore_options,
              .plain = PROC_DOMAIN_RESTORE, .doing = "Failed to restore domain from {file}",
              .done = "Domain restored from {file}"),
    ROW("save-image-dumpxml", PROC_DOMAIN_SAVE_IMAGE_GET_XML_DESC, "print the XML in a saved state",
        image_dumpxml_options, .show = "xml"),
    STATE_ROW("save-image-define", PROC_DOMAIN_SAVE_IMAGE_DEFINE_XML, "replace the XML in a saved state",
              image_define_options, .doing = "Failed to update {file}", .done = "State file {file} updated."),
    STATE_ROW("save-image-edit", PROC_DOMAIN_SAVE_IMAGE_GET_XML_DESC,
              "change the XML in a saved state in an editor", image_edit_options, .run = row_edit,
              .always = VIR_DOMAIN_SAVE_IMAGE_XML_SECURE, .store = PROC_DOMAIN_SAVE_IMAGE_DEFINE_XML,
              .done = "Saved image {file} XML configuration"),
    STATE_ROW("managedsave", PROC_DOMAIN_MANAGED_SAVE,
              "store the memory of a domain and stop it until its next start", managedsave_options,
              .doing = "Failed to save domain '{name}' state", .done = "Domain '{name}' state saved",
              .doc = "Like save, but the daemon keeps the file and uses it at the next start."),
    ROW("managedsave-remove", PROC_DOMAIN_MANAGED_SAVE_REMOVE, "forget the managed save image of a domain",
        domain_options, .doing = "Failed to remove managed save image for domain '{name}'",
        .done = "Removed managedsave image for domain '{name}'", .run = managedsave_remove_run),
    ROW("managedsave-dumpxml", PROC_DOMAIN_MANAGED_SAVE_GET_XML_DESC, "print the XML in a managed save image",
        managedsave_dumpxml_options, .show = "xml"),
    STATE_ROW("managedsave-define", PROC_DOMAIN_MANAGED_SAVE_DEFINE_XML,
              "replace the XML in a managed save image", managedsave_define_options,
              .doing = "Failed to update {name} XML configuration",
              .done = "Managed save state file of domain '{name}' updated."),
    STATE_ROW("managedsave-edit", PROC_DOMAIN_MANAGED_SAVE_GET_XML_DESC,
              "change the XML in a managed save image in an editor", managedsave_edit_options,
              .run = row_edit, .always = VIR_DOMAIN_SAVE_IMAGE_XML_SECURE,
              .store = PROC_DOMAIN_MANAGED_SAVE_DEFINE_XML,
              .done = "Managed save image of domain '{name}' XML configuration"),
    ROW("dump", PROC_DOMAIN_CORE_DUMP_WITH_FORMAT, "store the memory of a domain for analysis", dump_options,
        .exclusive = "live crash; live reset; crash reset",
        .doing = "Failed to core dump domain '{name}' to {file}", .done = "Domain '{name}' dumped to {file}",
        .run = dump_run),
    { 0 },
};
