/* The machine itself: defined, started, watched while it installs, started again as it is to be. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "cli/console.h"
#include "cli/domain.h"
#include "cli/install_job.h"
#include "cli/output.h"
#include "install/document.h"

#define LOOK_MS 500

static bool is_active(InstallJob *job, bool *ret_active, Error **err)
{
    return cli_domain_is_active(job->cli, &job->dom, ret_active, err);
}

static void destroy(void *arg)
{
    InstallJob *job = arg;
    const WireDomainDestroyFlagsArgs stop = { .dom = job->dom };
    const WireDomainUndefineFlagsArgs forget = {
        .dom = job->dom, .flags = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_NVRAM
    };

    (void)!cli_call(job->cli, PROC_DOMAIN_DESTROY_FLAGS, &stop, NULL, NULL); /* it may have ended */
    if (!args_has(job->args, "transient") && !args_has(job->args, "reinstall"))
        (void)!cli_call(job->cli, PROC_DOMAIN_UNDEFINE_FLAGS, &forget, NULL, NULL);
}

static bool define(InstallJob *job, const char *xml, WireDomain *ret_dom, Error **err)
{
    const WireDomainDefineXmlArgs call = { .xml = (char *)xml };

    return cli_call(job->cli, PROC_DOMAIN_DEFINE_XML, &call, ret_dom, err);
}

static bool create_transient(InstallJob *job, const char *xml, Error **err)
{
    const WireDomainCreateXmlArgs call = { .xml_desc = (char *)xml };

    wire_domain_clear(&job->dom); /* of one that is installed again */
    if (!cli_call(job->cli, PROC_DOMAIN_CREATE_XML, &call, &job->dom, err))
        return false;
    undo_push(&job->undo, destroy, job);
    return true;
}

/* Runs as it installs, and is stored as it is to be. */
static bool begin_two(InstallJob *job, Error **err)
{
    const InstallBoot boot = { .kernel = job->kernel,
                               .initrd = job->initrd,
                               .arguments = job->arguments->str };
    g_autofree char *first = install_first_document(job->install, &boot);
    g_autofree char *last = install_document(job->install);
    g_auto(WireDomain) stored = { 0 };

    return create_transient(job, first, err) &&
           (args_has(job->args, "transient") || define(job, last, &stored, err));
}

static bool begin_one(InstallJob *job, Error **err)
{
    g_autofree char *xml = install_document(job->install);

    if (args_has(job->args, "transient"))
        return create_transient(job, xml, err);
    if (!define(job, xml, &job->dom, err))
        return false;
    undo_push(&job->undo, destroy, job);
    const WireDomainCreateArgs start = { .dom = job->dom };
    return cli_call(job->cli, PROC_DOMAIN_CREATE, &start, NULL, err);
}

/* ---- what people see meanwhile ---- */

typedef enum Show { SHOW_NOTHING, SHOW_TEXT, SHOW_PICTURE } Show;

static bool has_display(const InstallJob *job)
{
    return doc_has(job->install->domain, "devices/graphics");
}

static bool choose_show(InstallJob *job, Show *ret_show, Error **err)
{
    const char *asked = args_get(job->args, "autoconsole");
    const bool people = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !job->cli->json;

    *ret_show = SHOW_NOTHING;
    if (args_has(job->args, "noautoconsole") || (asked && strcmp(asked, "none") == 0)) {
        job->asks_nothing = true;
        return true;
    }
    if (asked && strcmp(asked, "text") != 0 && strcmp(asked, "graphical") != 0 &&
        strcmp(asked, "default") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--autoconsole is text, graphical or none, not '%s'",
                         asked);
    if (asked && strcmp(asked, "text") == 0)
        *ret_show = SHOW_TEXT;
    else if (asked && strcmp(asked, "graphical") == 0)
        *ret_show = SHOW_PICTURE;
    else if (people && !has_display(job))
        *ret_show = SHOW_TEXT;
    else if (people)
        *ret_show = SHOW_PICTURE;
    return true;
}

/* virt-viewer in a process of its own; it goes on when we end. */
static bool view(InstallJob *job)
{
    g_autofree char *program = g_find_program_in_path("virt-viewer");
    const char *display = getenv("DISPLAY") ? getenv("DISPLAY") : getenv("WAYLAND_DISPLAY");

    if (!display || !program) {
        install_warn(job, "%s; 'lodge vncdisplay %s' or 'lodge domdisplay %s' says where its display is",
                     display ? "virt-viewer is not installed" : "there is no DISPLAY to show it on",
                     job->name, job->name);
        return false;
    }
    const char *const argv[] = { program,  "--connect", job->cli->uri ? job->cli->uri : "qemu:///system",
                                 "--wait", job->name,   NULL };
    char **env = g_get_environ();
    const ProcessSpec spec = {
        .argv = argv, .envp = (const char *const *)env, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1
    };
    Process *process = NULL;
    g_autoptr(Error) failed = NULL;
    const bool ok = process_start(&spec, &process, &failed);
    if (!ok)
        install_warn(job, "%s", error_message(failed));
    process_free(process); /* it runs on */
    g_strfreev(env);
    return ok;
}

static bool show(InstallJob *job, Show what, bool *ret_shown, Error **err)
{
    *ret_shown = false;
    if (what == SHOW_PICTURE)
        *ret_shown = view(job) && false; /* its end says nothing of the installation's */
    if (what != SHOW_TEXT)
        return true;
    g_autoptr(Error) failed = NULL;
    if (!console_run(job->cli, &job->dom, NULL, 0, &failed) && error_code(failed) == ERROR_CANCELLED)
        return error_propagate(err, g_steal_pointer(&failed));
    if (failed)
        install_warn(job, "%s", error_message(failed));
    *ret_shown = !failed;
    return true;
}

/* ---- the end of the installation ---- */

/* *ret_ended: it has ended; false: the time was over. */
static bool wait_for_end(InstallJob *job, int64_t minutes, bool *ret_ended, Error **err)
{
    const int64_t deadline_us = minutes < 0 ? -1 : g_get_monotonic_time() + minutes * 60 * G_USEC_PER_SEC;

    for (;;) {
        bool active = false;
        g_autoptr(Error) failed = NULL;
        /* A transient one is gone when it ends. */
        if (!is_active(job, &active, &failed) && wire_error_code(failed) != VIR_ERR_NO_DOMAIN)
            return error_propagate(err, g_steal_pointer(&failed));
        *ret_ended = !active;
        if (!active || (deadline_us >= 0 && g_get_monotonic_time() >= deadline_us))
            return true;
        if (!fiber_sleep(LOOK_MS, err))
            return false;
    }
}

static bool read_wait(InstallJob *job, int64_t *ret_minutes, bool *ret_given, Error **err)
{
    const char *text = args_get(job->args, "wait");
    char *end = NULL;

    *ret_given = text != NULL;
    *ret_minutes = -1;
    if (!text || !*text)
        return true;
    *ret_minutes = strtol(text, &end, 10);
    return !*end || error_set(err, ERROR_INVALID_ARGUMENT, "--wait is a number of minutes, not '%s'", text);
}

static bool start_again(InstallJob *job, Error **err)
{
    const WireDomainCreateArgs call = { .dom = job->dom };

    if (args_has(job->args, "noreboot") || args_has(job->args, "transient")) {
        cli_message(job->cli, "Domain creation completed.\n'lodge start %s' starts it", job->name);
        return true;
    }
    cli_say(job->cli, "Restarting guest.\n");
    if (!cli_call(job->cli, PROC_DOMAIN_CREATE, &call, NULL, err))
        return error_prefix(err, "starting '%s' after the installation", job->name);
    cli_message(job->cli, "Domain creation completed.");
    return true;
}

static bool follow(InstallJob *job, Error **err)
{
    const bool two = job->install->method != METHOD_NONE;
    Show what;
    bool shown = false, given = false, ended = false, active = false;
    int64_t minutes = -1;

    if (!choose_show(job, &what, err) || !read_wait(job, &minutes, &given, err) ||
        !show(job, what, &shown, err))
        return false;
    if (args_has(job->args, "destroy-on-exit")) {
        destroy(job);
        return true;
    }
    if (!two) {
        cli_message(job->cli, "Domain creation completed.");
        return true;
    }
    if (!given && shown && is_active(job, &active, NULL) && active) {
        cli_say(job->cli,
                "Domain is still running. Installation may be in progress.\n"
                "'lodge console %s' goes on with it.\n",
                job->name);
        return true;
    }
    if (!given && job->asks_nothing) {
        cli_message(job->cli, "Domain is still running. Installation may be in progress.\n"
                              "You can reconnect to the console to complete the installation process.");
        return true;
    }
    if (minutes >= 0)
        cli_say(job->cli, "Waiting %" G_GINT64_FORMAT " minute%s for the installation to complete.\n",
                minutes, minutes == 1 ? "" : "s");
    else
        cli_say(job->cli, "Domain installation still in progress. Waiting for installation to complete.\n");
    fflush(job->cli->out);
    if (!wait_for_end(job, minutes, &ended, err))
        return error_code(*err) == ERROR_CANCELLED
                   ? error_hint(err,
                                "the machine '%s' goes on installing: 'lodge console %s' shows it, "
                                "'lodge start %s' starts it when it is done",
                                job->name, job->name, job->name)
                   : false;
    if (!ended) {
        cli_say(job->cli, "Installation has exceeded the time: the machine is left as it is.\n");
        job->cli->exit_code = CLI_EXIT_FAILED;
        return true;
    }
    cli_say(job->cli, "Domain has shut down. Continuing.\n");
    install_source_remove(job);
    return start_again(job, err);
}

bool install_start(InstallJob *job, Error **err)
{
    const bool two = job->install->method != METHOD_NONE;

    cli_say(job->cli, "\nStarting install...\n");
    fflush(job->cli->out);
    if (!(two || job->has_seed ? begin_two(job, err) : begin_one(job, err)))
        return false;
    if (args_has(job->args, "autostart")) {
        const WireDomainSetAutostartArgs call = { .dom = job->dom, .autostart = 1 };
        if (!cli_call(job->cli, PROC_DOMAIN_SET_AUTOSTART, &call, NULL, err))
            return false;
    }
    undo_keep(&job->undo);
    install_source_end(job); /* QEMU has read kernel and initrd */
    install_source_clear(job);
    if (!follow(job, err))
        return false;
    if (job->answers && access(job->answers, F_OK) == 0)
        install_warn(job, "'%s' has what the system is told on its first start: remove it when that is done",
                     job->answers);
    return true;
}
