/* Commands that keep the memory of a domain in a file, and bring it back. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"
#include "wire/params.h"

#define OPT_SAVE_FILE OPT_FILE("the saved state")
#define OPT_RUNNING OPT_BOOL("running", "let it run when it is restored, whatever it did when it was saved")
#define OPT_PAUSED OPT_BOOL("paused", "leave it paused when it is restored")

static unsigned state_flags(const CliArgs *args)
{
    return (args_has(args, "running") ? VIR_DOMAIN_SAVE_RUNNING : 0) |
           (args_has(args, "paused") ? VIR_DOMAIN_SAVE_PAUSED : 0);
}

/* The daemon's working directory is not ours. */
static char *absolute_path(const char *path)
{
    return g_path_is_absolute(path) ? g_strdup(path) : g_canonicalize_filename(path, NULL);
}

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

/* A call that may take long, with its progress on stderr if asked for. */
static bool call_with_progress(Cli *cli, bool verbose, const WireDomain *dom, const char *label, int32_t proc,
                               const void *args, Error **err)
{
    if (!verbose || cli->json)
        return cli_call(cli, proc, args, NULL, err);
    Progress progress = { .cli = cli, .dom = dom, .label = label };
    Fiber *fiber = fiber_ref(fiber_spawn_or_abort("progress", progress_fiber, &progress));
    bool ok = cli_call(cli, proc, args, NULL, err);
    fiber_cancel(fiber);
    (void)!fiber_join(fiber, 6000, NULL);
    fiber_unref(fiber);
    if (ok)
        fprintf(stderr, "\r%s: [100 %%]\n", label);
    else
        fputc('\n', stderr);
    return ok;
}

/* ---- save and restore ---- */

static const CliOption save_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_FILE("where to store the state"),
    OPT_BOOL("bypass-cache", "write without the page cache"),
    { .name = "xml",
      .type = CLI_STRING,
      .complete = COMPLETE_FILE,
      .doc = "file with changed XML to store with the state" },
    OPT_RUNNING,
    OPT_PAUSED,
    OPT_BOOL("verbose", "show the progress"),
    { 0 },
};

static bool save_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    const char *file = args_get(args, "file");
    g_autofree char *path = absolute_path(file);
    unsigned flags = state_flags(args) | (args_has(args, "bypass-cache") ? VIR_DOMAIN_SAVE_BYPASS_CACHE : 0);
    bool verbose = args_has(args, "verbose");
    if (args_has(args, "xml") && !cli_read_file(args_get(args, "xml"), &xml, err))
        return false;
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to save domain '%s' to %s", dom.name, file);
    WireDomainSaveFlagsArgs with = { .dom = dom, .to = path, .dxml = xml, .flags = flags };
    WireDomainSaveArgs plain = { .dom = dom, .to = path };
    bool ok = flags || xml
                  ? call_with_progress(cli, verbose, &dom, "Save", PROC_DOMAIN_SAVE_FLAGS, &with, err)
                  : call_with_progress(cli, verbose, &dom, "Save", PROC_DOMAIN_SAVE, &plain, err);
    if (!ok)
        return false;
    cli_message(cli, "Domain '%s' saved to %s", dom.name, file);
    return true;
}

static const CliOption restore_options[] = {
    OPT_SAVE_FILE,
    OPT_BOOL("bypass-cache", "read without the page cache"),
    { .name = "xml",
      .type = CLI_STRING,
      .complete = COMPLETE_FILE,
      .doc = "file with changed XML to use instead of the stored one" },
    OPT_BOOL("running", "let it run, whatever it did when it was saved"),
    OPT_BOOL("paused", "leave it paused"),
    OPT_BOOL("reset-nvram", "start with a fresh copy of the firmware's variables"),
    { 0 },
};

static bool restore_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *xml = NULL;
    const char *file = args_get(args, "file");
    g_autofree char *path = absolute_path(file);
    unsigned flags = state_flags(args) | (args_has(args, "bypass-cache") ? VIR_DOMAIN_SAVE_BYPASS_CACHE : 0) |
                     (args_has(args, "reset-nvram") ? VIR_DOMAIN_SAVE_RESET_NVRAM : 0);
    if (args_has(args, "xml") && !cli_read_file(args_get(args, "xml"), &xml, err))
        return false;
    cli_doing(cli, "Failed to restore domain from %s", file);
    WireDomainRestoreFlagsArgs with = { .from = path, .dxml = xml, .flags = flags };
    WireDomainRestoreArgs plain = { .from = path };
    if (flags || xml ? !cli_call(cli, PROC_DOMAIN_RESTORE_FLAGS, &with, NULL, err)
                     : !cli_call(cli, PROC_DOMAIN_RESTORE, &plain, NULL, err))
        return false;
    cli_message(cli, "Domain restored from %s", file);
    return true;
}

/* ---- the XML inside a saved state ---- */

static const CliOption image_dumpxml_options[] = {
    OPT_SAVE_FILE,
    OPT_BOOL("security-info", "with passwords"),
    OPT_XPATH,
    { 0 },
};

static bool image_xml(Cli *cli, const char *path, unsigned flags, char **ret_xml, Error **err)
{
    WireDomainSaveImageGetXmlDescArgs call = { .file = (char *)path, .flags = flags };
    WireDomainSaveImageGetXmlDescRet ret;
    if (!cli_call(cli, PROC_DOMAIN_SAVE_IMAGE_GET_XML_DESC, &call, &ret, err))
        return false;
    *ret_xml = ret.xml;
    return true;
}

static bool image_dumpxml_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *xml = NULL;
    g_autofree char *path = absolute_path(args_get(args, "file"));
    unsigned flags = args_has(args, "security-info") ? VIR_DOMAIN_SAVE_IMAGE_XML_SECURE : 0;
    return image_xml(cli, path, flags, &xml, err) && cli_print_xml(cli, args, xml, err);
}

static const CliOption image_define_options[] = {
    OPT_SAVE_FILE,
    { .name = "xml",
      .type = CLI_STRING,
      .flags = CLI_REQUIRED,
      .complete = COMPLETE_FILE,
      .doc = "file with the new XML" },
    OPT_RUNNING,
    OPT_PAUSED,
    { 0 },
};

static bool image_define_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *xml = NULL;
    const char *file = args_get(args, "file");
    g_autofree char *path = absolute_path(file);
    if (!cli_read_file(args_get(args, "xml"), &xml, err))
        return false;
    cli_doing(cli, "Failed to update %s", file);
    WireDomainSaveImageDefineXmlArgs call = { .file = path, .dxml = xml, .flags = state_flags(args) };
    if (!cli_call(cli, PROC_DOMAIN_SAVE_IMAGE_DEFINE_XML, &call, NULL, err))
        return false;
    cli_message(cli, "State file %s updated.", file);
    return true;
}

static const CliOption image_edit_options[] = { OPT_SAVE_FILE, OPT_RUNNING, OPT_PAUSED, { 0 } };

typedef struct EditImage {
    const char *path;      /* NULL: the managed save image of */
    const WireDomain *dom; /* this domain */
    unsigned flags;
} EditImage;

static bool image_apply(Cli *cli, const char *edited, bool relaxed, void *arg, Error **err)
{
    const EditImage *edit = arg;
    if (edit->path) {
        WireDomainSaveImageDefineXmlArgs call = { .file = (char *)edit->path,
                                                  .dxml = (char *)edited,
                                                  .flags = edit->flags };
        return cli_call(cli, PROC_DOMAIN_SAVE_IMAGE_DEFINE_XML, &call, NULL, err);
    }
    WireDomainManagedSaveDefineXmlArgs call = { .dom = *edit->dom,
                                                .dxml = (char *)edited,
                                                .flags = edit->flags };
    return cli_call(cli, PROC_DOMAIN_MANAGED_SAVE_DEFINE_XML, &call, NULL, err);
}

static bool image_edit_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *xml = NULL;
    const char *file = args_get(args, "file");
    g_autofree char *path = absolute_path(file);
    EditImage edit = { .path = path, .flags = state_flags(args) };
    if (!image_xml(cli, path, VIR_DOMAIN_SAVE_IMAGE_XML_SECURE, &xml, err))
        return false;
    g_autofree char *what = g_strdup_printf("Saved image %s XML configuration", file);
    return cli_edit(cli, what, xml, image_apply, &edit, err);
}

/* ---- managed save: the daemon chooses the file and restores it at the next start ---- */

static const CliOption managedsave_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_BOOL("bypass-cache", "write without the page cache"),
    OPT_RUNNING,
    OPT_PAUSED,
    OPT_BOOL("verbose", "show the progress"),
    { 0 },
};

static bool managedsave_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to save domain '%s' state", dom.name);
    WireDomainManagedSaveArgs call = {
        .dom = dom,
        .flags = state_flags(args) | (args_has(args, "bypass-cache") ? VIR_DOMAIN_SAVE_BYPASS_CACHE : 0)
    };
    if (!call_with_progress(cli, args_has(args, "verbose"), &dom, "Managedsave", PROC_DOMAIN_MANAGED_SAVE,
                            &call, err))
        return false;
    cli_message(cli, "Domain '%s' state saved", dom.name);
    return true;
}

static const CliOption domain_options[] = { OPT_DOMAIN, { 0 } };

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
    if (!has.result) {
        cli_message(cli, "Domain '%s' has no managed save image; removal skipped", dom.name);
        return true;
    }
    cli_doing(cli, "Failed to remove managed save image for domain '%s'", dom.name);
    WireDomainManagedSaveRemoveArgs call = { .dom = dom };
    if (!cli_call(cli, PROC_DOMAIN_MANAGED_SAVE_REMOVE, &call, NULL, err))
        return false;
    cli_message(cli, "Removed managedsave image for domain '%s'", dom.name);
    return true;
}

static const CliOption managedsave_dumpxml_options[] = {
    OPT_DOMAIN,
    OPT_BOOL("security-info", "with passwords"),
    OPT_XPATH,
    { 0 },
};

static bool managedsave_xml(Cli *cli, const WireDomain *dom, unsigned flags, char **ret_xml, Error **err)
{
    WireDomainManagedSaveGetXmlDescArgs call = { .dom = *dom, .flags = flags };
    WireDomainManagedSaveGetXmlDescRet ret;
    if (!cli_call(cli, PROC_DOMAIN_MANAGED_SAVE_GET_XML_DESC, &call, &ret, err))
        return false;
    *ret_xml = ret.xml;
    return true;
}

static bool managedsave_dumpxml_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    unsigned flags = args_has(args, "security-info") ? VIR_DOMAIN_SAVE_IMAGE_XML_SECURE : 0;
    return cli_domain(cli, args, &dom, err) && managedsave_xml(cli, &dom, flags, &xml, err) &&
           cli_print_xml(cli, args, xml, err);
}

static const CliOption managedsave_define_options[] = {
    OPT_DOMAIN,
    { .name = "xml",
      .type = CLI_STRING,
      .flags = CLI_REQUIRED,
      .complete = COMPLETE_FILE,
      .doc = "file with the new XML" },
    OPT_RUNNING,
    OPT_PAUSED,
    { 0 },
};

static bool managedsave_define_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    if (!cli_read_file(args_get(args, "xml"), &xml, err) || !cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to update %s XML configuration", dom.name);
    WireDomainManagedSaveDefineXmlArgs call = { .dom = dom, .dxml = xml, .flags = state_flags(args) };
    if (!cli_call(cli, PROC_DOMAIN_MANAGED_SAVE_DEFINE_XML, &call, NULL, err))
        return false;
    cli_message(cli, "Managed save state file of domain '%s' updated.", dom.name);
    return true;
}

static const CliOption managedsave_edit_options[] = { OPT_DOMAIN, OPT_RUNNING, OPT_PAUSED, { 0 } };

static bool managedsave_edit_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    if (!cli_domain(cli, args, &dom, err) ||
        !managedsave_xml(cli, &dom, VIR_DOMAIN_SAVE_IMAGE_XML_SECURE, &xml, err))
        return false;
    EditImage edit = { .dom = &dom, .flags = state_flags(args) };
    g_autofree char *what = g_strdup_printf("Managed save image of domain '%s' XML configuration", dom.name);
    return cli_edit(cli, what, xml, image_apply, &edit, err);
}

/* ---- dump ---- */

static const CliOption dump_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_FILE("where to store the memory"),
    OPT_BOOL("live", "let it run meanwhile"),
    OPT_BOOL("crash", "stop it afterwards"),
    OPT_BOOL("bypass-cache", "write without the page cache"),
    OPT_BOOL("reset", "reset it afterwards"),
    OPT_BOOL("verbose", "show the progress"),
    OPT_BOOL("memory-only", "a core file of the memory alone"),
    { .name = "format",
      .type = CLI_STRING,
      .words = "elf kdump-zlib kdump-lzo kdump-snappy win-dmp",
      .doc = "format of a core file; needs --memory-only" },
    { 0 },
};

static bool dump_format(const CliArgs *args, unsigned *ret_format, Error **err)
{
    static const char *const formats[] = { "elf", "kdump-zlib", "kdump-lzo", "kdump-snappy", "win-dmp" };
    const char *name = args_get(args, "format");
    unsigned number = 0;
    if (!name)
        return true;
    while (number < G_N_ELEMENTS(formats) && strcmp(formats[number], name) != 0)
        number++;
    if (number == G_N_ELEMENTS(formats)) {
        error_set(err, ERROR_INVALID_ARGUMENT,
                  "format '%s' is not supported, expecting 'kdump-zlib', 'kdump-lzo', "
                  "'kdump-snappy', 'win-dmp' or 'elf'",
                  name);
        return error_hint(err, "see 'lodge help dump'");
    }
    if (!args_has(args, "memory-only")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "--format only works with --memory-only");
        return error_hint(err, "add --memory-only");
    }
    *ret_format = number;
    return true;
}

static bool dump_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    const char *file = args_get(args, "file");
    g_autofree char *path = absolute_path(file);
    unsigned format = 0;
    unsigned flags = (args_has(args, "live") ? VIR_DUMP_LIVE : 0) |
                     (args_has(args, "crash") ? VIR_DUMP_CRASH : 0) |
                     (args_has(args, "bypass-cache") ? VIR_DUMP_BYPASS_CACHE : 0) |
                     (args_has(args, "reset") ? VIR_DUMP_RESET : 0) |
                     (args_has(args, "memory-only") ? VIR_DUMP_MEMORY_ONLY : 0);
    if (!dump_format(args, &format, err) || !cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to core dump domain '%s' to %s", dom.name, file);
    bool verbose = args_has(args, "verbose");
    WireDomainCoreDumpWithFormatArgs with = { .dom = dom, .to = path, .dumpformat = format, .flags = flags };
    WireDomainCoreDumpArgs plain = { .dom = dom, .to = path, .flags = flags };
    bool ok =
        args_has(args, "format")
            ? call_with_progress(cli, verbose, &dom, "Dump", PROC_DOMAIN_CORE_DUMP_WITH_FORMAT, &with, err)
            : call_with_progress(cli, verbose, &dom, "Dump", PROC_DOMAIN_CORE_DUMP, &plain, err);
    if (!ok)
        return false;
    cli_message(cli, "Domain '%s' dumped to %s", dom.name, file);
    return true;
}

const CliCommand commands_save[] = {
    { .name = "save",
      .group = GROUP_DOMAIN,
      .summary = "store the memory of a domain in a file and stop it",
      .doc = "Stores everything that a running domain knows and stops it, so that 'lodge restore' can go on "
             "from "
             "there. Its disks must not change meanwhile.",
      .options = save_options,
      .exclusive = "running paused",
      .run = save_run },
    { .name = "restore",
      .group = GROUP_DOMAIN,
      .summary = "go on with a domain from a saved state",
      .options = restore_options,
      .exclusive = "running paused",
      .run = restore_run },
    { .name = "save-image-dumpxml",
      .group = GROUP_DOMAIN,
      .summary = "print the XML in a saved state",
      .options = image_dumpxml_options,
      .json = "{\"xml\": string}",
      .run = image_dumpxml_run },
    { .name = "save-image-define",
      .group = GROUP_DOMAIN,
      .summary = "replace the XML in a saved state",
      .options = image_define_options,
      .exclusive = "running paused",
      .run = image_define_run },
    { .name = "save-image-edit",
      .group = GROUP_DOMAIN,
      .summary = "change the XML in a saved state in an editor",
      .options = image_edit_options,
      .exclusive = "running paused",
      .run = image_edit_run },
    { .name = "managedsave",
      .group = GROUP_DOMAIN,
      .summary = "store the memory of a domain and stop it until its next start",
      .doc = "Like save, but the daemon keeps the file and uses it at the next start.",
      .options = managedsave_options,
      .exclusive = "running paused",
      .run = managedsave_run },
    { .name = "managedsave-remove",
      .group = GROUP_DOMAIN,
      .summary = "forget the managed save image of a domain",
      .options = domain_options,
      .run = managedsave_remove_run },
    { .name = "managedsave-dumpxml",
      .group = GROUP_DOMAIN,
      .summary = "print the XML in a managed save image",
      .options = managedsave_dumpxml_options,
      .json = "{\"xml\": string}",
      .run = managedsave_dumpxml_run },
    { .name = "managedsave-define",
      .group = GROUP_DOMAIN,
      .summary = "replace the XML in a managed save image",
      .options = managedsave_define_options,
      .exclusive = "running paused",
      .run = managedsave_define_run },
    { .name = "managedsave-edit",
      .group = GROUP_DOMAIN,
      .summary = "change the XML in a managed save image in an editor",
      .options = managedsave_edit_options,
      .exclusive = "running paused",
      .run = managedsave_edit_run },
    { .name = "dump",
      .group = GROUP_DOMAIN,
      .summary = "store the memory of a domain for analysis",
      .options = dump_options,
      .exclusive = "live crash; live reset; crash reset",
      .run = dump_run },
    { 0 },
};
