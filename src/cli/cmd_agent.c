/* Commands that ask the agent inside the guest. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/row.h"
#include "wire/params.h"

#define KEYS_FILE_MAX (1u << 20)

/* ---- domtime ---- */

static const CliOption domtime_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_BOOL("now", "set it to this machine's time"),
    OPT_BOOL("pretty", "print date and time instead of seconds"),
    OPT_FLAG("sync", VIR_DOMAIN_TIME_SYNC, "set it from the guest's own hardware clock"),
    OPT(CLI_INT, "time", "set it to so many seconds since 1970", .arg = "seconds"),
    { 0 },
};

static bool domtime_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireDomainGetTimeRet *ret = answer;
    time_t seconds = (time_t)ret->seconds;
    struct tm tm;
    char text[64] = "";
    if (gmtime_r(&seconds, &tm))
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    if (args_has(args, "pretty"))
        cli_say(cli, "Time: %s\n", text);
    else
        cli_say(cli, "Time: %" PRId64 "\n", ret->seconds);
    cli_print_json(cli, json_pack("{s:I, s:i, s:s}", "seconds", (json_int_t)ret->seconds, "nanoseconds",
                                  (int)ret->nseconds, "utc", text));
    return true;
}

static bool domtime_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(RowCall) call = { 0 };
    if (!args_has(args, "now") && !args_has(args, "sync") && !args_has(args, "time"))
        return row_run(cli, args, err);
    if (!row_prepare(cli, args, cli_args_command(args)->store, &call, err))
        return false;
    if (args_has(args, "now"))
        row_set_number(&call, "seconds", (uint64_t)time(NULL));
    return row_call(cli, &call, err);
}

/* ---- domhostname ---- */

static const CliOption hostname_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "source", "who to ask", .flags = CLI_ONE_OF, .words = "lease agent",
        .flag = VIR_DOMAIN_GET_HOSTNAME_LEASE),
    { 0 },
};

/* ---- guestinfo ---- */

#define OPT_INFO(option, bit, text)                                                                          \
    OPT(CLI_BOOL, option, text, .arg = "types", .flag = VIR_DOMAIN_GUEST_INFO_##bit)

static const CliOption guestinfo_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_INFO("user", USERS, "users that are logged in"),
    OPT_INFO("os", OS, "the operating system"),
    OPT_INFO("timezone", TIMEZONE, "the time zone"),
    OPT_INFO("hostname", HOSTNAME, "the host name"),
    OPT_INFO("filesystem", FILESYSTEM, "mounted file systems"),
    OPT_INFO("disk", DISKS, "disks"),
    OPT_INFO("interface", INTERFACES, "network interfaces"),
    { 0 },
};

static bool guestinfo_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireDomainGetGuestInfoRet *ret = answer;
    CliRecord *record = record_new(20);
    for (unsigned i = 0; i < ret->n_params; i++) {
        g_autofree char *text = wire_param_format(&ret->params[i]);
        g_autofree char *label = g_strdup_printf("%-20s: ", ret->params[i].field);
        record_add(record, label, ret->params[i].field, param_json(&ret->params[i]), "%s", text);
    }
    cli_print_record(cli, record);
    return true;
}

/* ---- file systems ---- */

static const CliOption active_options[] = { OPT_DOMAIN_ACTIVE, { 0 } };

static const CliColumn fsinfo_columns[] = { { "Mountpoint", "mountpoint" },
                                            { "Name", "name" },
                                            { "Type", "type" },
                                            { "Target", "targets", "[string]" },
                                            { 0 } };

static bool fsinfo_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireDomainGetFsinfoRet *ret = answer;
    if (ret->n_info == 0 && !cli->json) {
        cli_message(cli, "No filesystems are mounted in the domain");
        return true;
    }
    CliTable *table = table_new(fsinfo_columns, 0);
    for (unsigned i = 0; i < ret->n_info; i++) {
        const WireDomainFsinfo *info = &ret->info[i];
        GString *targets = g_string_new(NULL);
        Json *list = json_array();
        for (unsigned j = 0; j < info->n_dev_aliases; j++) {
            g_string_append_printf(targets, "%s%s", j ? "," : "", info->dev_aliases[j]);
            json_array_append_new(list, json_string(info->dev_aliases[j]));
        }
        table_row(table);
        table_cell_text(table, info->mountpoint);
        table_cell_text(table, info->name);
        table_cell_text(table, info->fstype);
        table_cell(table, list, "%s", targets->str);
        g_string_free(targets, TRUE);
    }
    return cli_print_table(cli, table, err);
}

static const CliOption freeze_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "mountpoint", "only these; default: all", .flags = CLI_MANY, .arg = "mountpoints"),
    { 0 },
};

static const CliOption fstrim_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_SIZE, "minimum", "leave smaller free ranges alone", .arg = "minimum"),
    OPT_ARG("mountpoint", "mount_point", "only this one"),
    { 0 },
};

/* ---- users ---- */

static const CliOption password_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "user", "name of the user", .flags = CLI_REQUIRED, .arg = "user"),
    OPT(CLI_STRING, "password", "the new password; others on this machine may see it while the command runs",
        .flags = CLI_REQUIRED, .arg = "password"),
    OPT_FLAG("encrypted", VIR_DOMAIN_PASSWORD_ENCRYPTED, "it is already encrypted"),
    { 0 },
};

static const CliOption get_keys_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "user", "name of the user", .flags = CLI_REQUIRED, .arg = "user"),
    { 0 },
};

static bool keys_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireDomainAuthorizedSshKeysGetRet *ret = answer;
    Json *list = json_array();
    for (unsigned i = 0; i < ret->n_keys; i++) {
        cli_say(cli, "%s\n", ret->keys[i]);
        json_array_append_new(list, json_string(ret->keys[i]));
    }
    cli_print_json(cli, list);
    return true;
}

static const CliOption set_keys_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT_REQUIRED("user", "name of the user"),
    OPT(CLI_STRING, "file", "file with the keys", .complete = COMPLETE_FILE),
    OPT_BOOL("reset", "these keys and no others"),
    OPT_BOOL("remove", "take these keys away"),
    { 0 },
};

static bool set_keys_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(GPtrArray) keys = g_ptr_array_new();
    g_autofree char *text = NULL;
    const char *file = args_get(args, "file");
    if (!file && !args_has(args, "reset"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "which keys? A --file with them is needed");
    if (!cli_domain(cli, args, &dom, err) || (file && !file_read(file, KEYS_FILE_MAX, &text, NULL, err)))
        return false;
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    for (char **line = lines; *line; line++) {
        if (*g_strstrip(*line) && **line != '#')
            g_ptr_array_add(keys, *line);
    }
    const WireDomainAuthorizedSshKeysSetArgs call = { .dom = dom,
                                                      .user = (char *)args_get(args, "user"),
                                                      .keys = (char **)keys->pdata,
                                                      .n_keys = keys->len,
                                                      .flags =
                                                          args_has(args, "reset") ? 0
                                                          : args_has(args, "remove")
                                                              ? VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_REMOVE
                                                              : VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND };
    return cli_call(cli, PROC_DOMAIN_AUTHORIZED_SSH_KEYS_SET, &call, NULL, err);
}

/* ---- CPUs ---- */

static const CliOption guestvcpus_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "cpulist", "these CPUs, such as 1-3", .flags = CLI_NAMED),
    OPT_BOOL("enable", "use them"),
    OPT_BOOL("disable", "use them no longer"),
    { 0 },
};

static bool guestvcpus_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_auto(WireDomainGetGuestVcpusRet) ret = { 0 };
    const char *cpus = args_get(args, "cpulist");
    const bool acts = args_has(args, "enable") || args_has(args, "disable");
    if (acts != (cpus != NULL))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "One of options --enable or --disable is required by option --cpulist");
    if (!cli_domain(cli, args, &dom, err))
        return false;
    if (cpus) {
        const WireDomainSetGuestVcpusArgs call = { .dom = dom,
                                                   .cpumap = (char *)cpus,
                                                   .state = args_has(args, "enable") };
        return cli_call(cli, PROC_DOMAIN_SET_GUEST_VCPUS, &call, NULL, err);
    }
    const WireDomainGetGuestVcpusArgs call = { .dom = dom };
    if (!cli_call(cli, PROC_DOMAIN_GET_GUEST_VCPUS, &call, &ret, err))
        return false;
    CliRecord *record = record_new(15);
    for (unsigned i = 0; i < ret.n_params; i++) {
        g_autofree char *text = wire_param_format(&ret.params[i]);
        g_autofree char *label = g_strdup_printf("%-15s: ", ret.params[i].field);
        record_add(record, label, ret.params[i].field, param_json(&ret.params[i]), "%s", text);
    }
    cli_print_record(cli, record);
    return true;
}

/* ---- the agent itself ---- */

static const CliOption agent_command_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_INT, "timeout", "seconds to wait for the answer", .flags = CLI_NAMED, .arg = "timeout", .min = 1,
        .otherwise = "-1"),
    OPT_BOOL("async", "do not wait for the answer"),
    OPT_BOOL("block", "wait for the answer as long as it takes"),
    OPT_BOOL("pretty", "print the answer in several lines"),
    OPT(CLI_STRING, "cmd", "the command, as JSON", .flags = CLI_REQUIRED | CLI_MANY, .arg = "cmd"),
    { 0 },
};

/* JSON goes out as it is, or laid out for reading. */
static bool print_answer(Cli *cli, const char *text, bool pretty, Error **err)
{
    AUTO_JSON value = NULL;
    if (cli->json || pretty) {
        if (!json_parse(text, strlen(text), "the answer", &value, err))
            return false;
        g_autofree char *lines = json_format_pretty(value);
        fprintf(cli->out, "%s\n", lines);
        return true;
    }
    fprintf(cli->out, "%s\n", text);
    return true;
}

static bool agent_command_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(RowCall) call = { 0 };
    if (!row_prepare(cli, args, cli_args_command(args)->proc, &call, err))
        return false;
    if (args_has(args, "async"))
        row_set_number(&call, "timeout", VIR_DOMAIN_QEMU_AGENT_COMMAND_NOWAIT);
    if (args_has(args, "block"))
        row_set_number(&call, "timeout", (uint64_t)VIR_DOMAIN_QEMU_AGENT_COMMAND_BLOCK);
    if (!row_call(cli, &call, err))
        return false;
    const WireQemuDomainAgentCommandRet *ret = call.ret;
    return !ret->result || print_answer(cli, ret->result, args_has(args, "pretty"), err);
}

static const CliOption agent_timeout_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_INT, "timeout",
        "seconds to wait for answers; -1: the daemon's default, -2: for ever (default), 0: not at all",
        .flags = CLI_NAMED, .arg = "timeout", .min = -2, .otherwise = "-2"),
    { 0 },
};

const CliCommand commands_agent[] = {
    COMMAND("domtime", GROUP_MONITOR, "show or set the guest's clock", domtime_options, domtime_run,
            .proc = PROC_DOMAIN_GET_TIME, .store = PROC_DOMAIN_SET_TIME, .tell = domtime_tell,
            .exclusive = "now sync time",
            .json = "{\"seconds\": number, \"nanoseconds\": number, \"utc\": string}"),
    COMMAND("domhostname", GROUP_DOMAIN, "print the guest's host name", hostname_options, NULL,
            .proc = PROC_DOMAIN_GET_HOSTNAME, .doing = "failed to get hostname", .show = "hostname"),
    COMMAND("guestinfo", GROUP_DOMAIN, "show what the agent knows about the guest", guestinfo_options, NULL,
            .proc = PROC_DOMAIN_GET_GUEST_INFO, .tell = guestinfo_tell, .json = "{NAME: value}"),
    COMMAND("domfsinfo", GROUP_DOMAIN, "list the guest's file systems", active_options, NULL,
            .proc = PROC_DOMAIN_GET_FSINFO, .doing = "Unable to get filesystem information",
            .tell = fsinfo_tell, .columns = fsinfo_columns),
    COMMAND("domfsfreeze", GROUP_DOMAIN, "stop writes to the guest's file systems", freeze_options, NULL,
            .proc = PROC_DOMAIN_FSFREEZE, .doing = "Unable to freeze filesystems",
            .done = "Froze {=filesystems} filesystem(s)"),
    COMMAND("domfsthaw", GROUP_DOMAIN, "allow writes to the guest's file systems again", freeze_options, NULL,
            .proc = PROC_DOMAIN_FSTHAW, .doing = "Unable to thaw filesystems",
            .done = "Thawed {=filesystems} filesystem(s)"),
    COMMAND("domfstrim", GROUP_DOMAIN, "let the guest give back unused disk space", fstrim_options, NULL,
            .proc = PROC_DOMAIN_FSTRIM, .doing = "Unable to invoke fstrim"),
    COMMAND("set-user-password", GROUP_DOMAIN, "set a password inside the guest", password_options, NULL,
            .proc = PROC_DOMAIN_SET_USER_PASSWORD, .done = "Password set successfully for {user} in {name}"),
    COMMAND("get-user-sshkeys", GROUP_DOMAIN, "list the SSH keys that may log in as a user of the guest",
            get_keys_options, NULL, .proc = PROC_DOMAIN_AUTHORIZED_SSH_KEYS_GET, .tell = keys_tell,
            .json = "[string]"),
    COMMAND("set-user-sshkeys", GROUP_DOMAIN, "let SSH keys log in as a user of the guest, or no longer",
            set_keys_options, set_keys_run, .exclusive = "reset remove",
            .doc =
                "The keys of the file are added, one a line. With --reset they replace all others; without a "
                "file that removes all."),
    COMMAND("guestvcpus", GROUP_DOMAIN, "show or set which CPUs the guest uses", guestvcpus_options,
            guestvcpus_run, .exclusive = "enable disable",
            .json = "{\"vcpus\": string, \"online\": string, \"offlinable\": string}"),
    COMMAND("qemu-agent-command", GROUP_DOMAIN, "send a command to the guest's agent", agent_command_options,
            agent_command_run, .program = WIRE_PROGRAM_QEMU, .proc = QEMU_PROC_DOMAIN_AGENT_COMMAND,
            .exclusive = "timeout async block", .json = "the agent's answer"),
    COMMAND("guest-agent-timeout", GROUP_DOMAIN, "set how long the daemon waits for the guest's agent",
            agent_timeout_options, NULL, .proc = PROC_DOMAIN_AGENT_SET_RESPONSE_TIMEOUT),
    { 0 },
};
