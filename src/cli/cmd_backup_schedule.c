/* `lodge backup schedule`: backups by the clock. The daemon keeps the list and starts `lodge backup create`.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "backup/retention.h"
#include "base/units.h"
#include "cli/backup.h"
#include "cli/class.h"
#include "cli/commands.h"
#include "cli/lodge_call.h"
#include "cli/output.h"

static bool schedule_call(Cli *cli, const char *operation, const Json *order, Json **ret_list, Error **err)
{
    g_autofree char *json = order ? json_format(order) : g_strdup("");
    const WireLodgeBackupScheduleArgs args = { .operation = (char *)operation, .json = json };
    g_auto(WireLodgeBackupScheduleRet) ret = { 0 };

    return lodge_call(cli, LODGE_PROC_BACKUP_SCHEDULE, &args, &ret, WIRE_NO_TIMEOUT, err) &&
           json_parse(ret.json, strlen(ret.json), "the daemon's schedule", ret_list, err);
}

/* "90s", "30m", "6h", "1d", "2w" */
static bool parse_every(const char *text, int64_t *ret_s, Error **err)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
    const size_t len = strlen(text);
    uint64_t number = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(units) && len > 1; i++) {
        g_autofree char *digits = g_strndup(text, len - 1);
        if (text[len - 1] != units[i].letter || !parse_uint(digits, &number, NULL) || number > INT32_MAX)
            continue;
        *ret_s = (int64_t)number * units[i].seconds;
        return true;
    }
    error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no length of time", text);
    return error_hint(err, "30m, 6h, 1d or 2w");
}

static Json *schedule_prune_options(const CliArgs *args, Error **err)
{
    g_autoptr(Json) list = json_array();

    for (unsigned rule = 0; rule < RETENTION_RULE_COUNT; rule++) {
        const char *name = retention_rule_name((RetentionRule)rule);
        int64_t n = 0;
        if (!args_get_int(args, name, 0, INT32_MAX, &n, err))
            return NULL;
        g_autofree char *word = g_strdup_printf("--%s=%" G_GINT64_FORMAT, name, n);
        if (n > 0)
            json_array_append_new(list, json_string(word));
    }
    return g_steal_pointer(&list);
}

static char *schedule_time(const Json *order, const char *key)
{
    const int64_t time_s = json_get_int(order, key, 0);
    g_autoptr(GDateTime) time = time_s ? g_date_time_new_from_unix_local(time_s) : NULL;

    return time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S") : NULL;
}

static char *schedule_every(int64_t seconds)
{
    return seconds % 86400 == 0  ? g_strdup_printf("%dd", (int)(seconds / 86400))
           : seconds % 3600 == 0 ? g_strdup_printf("%dh", (int)(seconds / 3600))
           : seconds % 60 == 0   ? g_strdup_printf("%dm", (int)(seconds / 60))
                                 : g_strdup_printf("%ds", (int)seconds);
}

/* The name of a machine; of one that went its UUID. Owned. */
static char *schedule_machine(Cli *cli, const CliArgs *args, const char *uuid)
{
    g_auto(WireDomain) dom = { 0 };

    return g_strdup(uuid && class_lookup_text(cli, &class_domain, args, uuid, &dom, NULL) ? dom.name : uuid);
}

static const CliColumn schedule_columns[] = { { "Machine", "machine" },
                                              { "Repository", "repository" },
                                              { "Every", "every_s", "number" },
                                              { "Last", "last", "string|null" },
                                              { "Next", "next", "string|null" },
                                              { "State", "state" },
                                              { NULL, "uuid" },
                                              { NULL, "failure", "string|null" },
                                              { NULL, "options", "[string]" },
                                              { 0 } };

static bool schedule_list_run(Cli *cli, const CliArgs *args, Error **err)
{
    AUTO_JSON list = NULL;
    size_t index = 0;
    Json *order;

    cli_doing(cli, "Failed to list schedules of backups");
    if (!schedule_call(cli, "list", NULL, &list, err))
        return false;
    CliTable *table = table_new(schedule_columns, 0);
    json_array_foreach (list, index, order) {
        const int64_t every_s = json_get_int(order, "every_s", 0);
        g_autofree char *machine = schedule_machine(cli, args, json_get_str(order, "domain"));
        g_autofree char *every = schedule_every(every_s);
        g_autofree char *last = schedule_time(order, "last_s"), *next = schedule_time(order, "next_s");
        const char *failure = json_get_str(order, "failure");
        Json *options = json_array();
        json_array_extend(options, json_get_arr(order, "create"));
        json_array_extend(options, json_get_arr(order, "prune"));
        table_row(table);
        table_cell_text(table, machine);
        table_cell_text(table, json_get_str(order, "repository"));
        table_cell(table, json_integer(every_s), "%s", every);
        table_cell_text(table, last);
        table_cell_text(table, next);
        table_cell_text(table, json_get_bool(order, "running", false) ? "running"
                               : failure                              ? "failed"
                                                                      : "waiting");
        table_cell_text(table, json_get_str(order, "domain"));
        table_cell_text(table, failure);
        table_cell(table, options, " ");
        if (failure)
            fprintf(stderr, "warning: %s: %s\n", machine, failure);
    }
    return cli_print_table(cli, table, err);
}

static bool schedule_change(Cli *cli, const CliArgs *args, const char *operation, Json *order, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *repository = backup_repo_path(args);
    AUTO_JSON owned = order;
    AUTO_JSON list = NULL;
    char uuid[UUID_STRING_LEN];

    /* One whose machine went is removed by its UUID. */
    const char *text = args_get(args, "domain");
    if (class_lookup_text(cli, &class_domain, args, text, &dom, err))
        uuid_format(&dom.uuid, uuid);
    else if (strcmp(operation, "remove") == 0 && strlen(text) == UUID_STRING_LEN - 1)
        g_strlcpy(uuid, text, sizeof(uuid));
    else
        return false;
    if (err && *err)
        g_clear_pointer(err, error_free);
    json_object_set_new(owned, "domain", json_string(uuid));
    json_object_set_new(owned, "repository", json_string(repository));
    return schedule_call(cli, operation, owned, &list, err);
}

static bool schedule_add_run(Cli *cli, const CliArgs *args, Error **err)
{
    int64_t every_s = 0;

    cli_doing(cli, "Failed to schedule backups of '%s'", args_get(args, "domain"));
    if (!parse_every(args_get(args, "every"), &every_s, err))
        return false;
    Json *prune = schedule_prune_options(args, err), *create = json_array();
    if (!prune)
        return false;
    if (args_has(args, "quiesce"))
        json_array_append_new(create, json_string("--quiesce"));
    if (args_has(args, "decrypt"))
        json_array_append_new(create, json_string("--decrypt"));
    g_auto(GStrv) excluded = g_strsplit(args_has(args, "exclude") ? args_get(args, "exclude") : "", "\n", -1);
    for (char **disk = excluded; *disk && **disk; disk++) {
        g_autofree char *word = g_strconcat("--exclude=", *disk, NULL);
        json_array_append_new(create, json_string(word));
    }
    Json *order =
        json_pack("{s:I, s:o, s:o}", "every_s", (json_int_t)every_s, "create", create, "prune", prune);
    if (!schedule_change(cli, args, "add", order, err))
        return false;
    cli_message(cli, "Machine '%s' is backed up every %s", args_get(args, "domain"), args_get(args, "every"));
    return true;
}

static bool schedule_remove_run(Cli *cli, const CliArgs *args, Error **err)
{
    cli_doing(cli, "Failed to remove the schedule of '%s'", args_get(args, "domain"));
    if (!schedule_change(cli, args, "remove", json_object(), err))
        return false;
    cli_message(cli, "Machine '%s' is no longer backed up into '%s'", args_get(args, "domain"),
                args_get(args, "repository"));
    return true;
}

/* "schedule add VM REPO": the first word says what is wanted. */
static bool schedule_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *action = args_get(args, "action");

    if (strcmp(action, "list") == 0)
        return schedule_list_run(cli, args, err);
    if (!args_has(args, "domain") || !args_has(args, "repository") ||
        (strcmp(action, "add") == 0 && !args_has(args, "every"))) {
        error_set(err, ERROR_INVALID_ARGUMENT, "a machine and a repository have to be named%s",
                  strcmp(action, "add") == 0 ? ", and --every" : "");
        return error_hint(err, "lodge backup schedule add web /backup --every 1d --keep-daily 7");
    }
    return strcmp(action, "add") == 0 ? schedule_add_run(cli, args, err)
                                      : schedule_remove_run(cli, args, err);
}

#define OPT_KEEP(rule, text) OPT(CLI_INT, rule, text, .flags = CLI_NAMED)

static const CliOption schedule_options[] = {
    OPT(CLI_STRING, "action", "what to do", .flags = CLI_REQUIRED | CLI_ONE_OF, .words = "add list remove"),
    OPT(CLI_STRING, "domain", DOMAIN_DOC, .complete = COMPLETE_DOMAIN),
    OPT(CLI_STRING, "repository", "folder of the repository", .complete = COMPLETE_FILE),
    OPT_NAMED("every", "time in between: 30m, 6h, 1d, 2w"),
    OPT_BOOL("quiesce", "freeze the file systems of a running guest for the moment of the backup"),
    OPT(CLI_STRING, "exclude", "target of a disk to leave out; may be given several times",
        .flags = CLI_NAMED | CLI_LINES, .complete = COMPLETE_DOMAIN_DISK),
    OPT_BOOL("decrypt", "take encrypted disks, too: their content lies in the repository in the clear"),
    OPT_KEEP("keep-last", "after each backup prune: keep the newest N"),
    OPT_KEEP("keep-hourly", "of each of the last N hours with backups keep the newest"),
    OPT_KEEP("keep-daily", "likewise of days"),
    OPT_KEEP("keep-weekly", "likewise of weeks"),
    OPT_KEEP("keep-monthly", "likewise of months"),
    OPT_KEEP("keep-yearly", "likewise of years"),
    { 0 },
};

const CliCommand commands_backup_schedule[] = {
    COMMAND("backup-schedule", GROUP_BACKUP, "let the daemon back machines up by the clock", schedule_options,
            schedule_run, .columns = schedule_columns,
            .doc = "'add MACHINE REPOSITORY --every 1d --keep-daily 7' backs it up now and every day, and "
                   "removes what "
                   "no rule keeps; 'list' tells when each was and will be; 'remove MACHINE REPOSITORY' ends "
                   "it. What "
                   "was due while no daemon ran is made up for once."),
    { 0 },
};
