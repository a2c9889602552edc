/* `lodge web`, `lodge events`, `lodge history`, `lodge usage`, `lodge counters`, `lodge alerts`: what the
 * daemon's web knows, asked by the command line's own connection, also of another host. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "cli/commands.h"
#include "cli/lodge_call.h"
#include "cli/output.h"

/* ---- users and tokens ---- */

/* One line of the terminal without echo, or of standard input. Owned; NULL: nothing came. */
static char *read_password(void)
{
    char *typed = isatty(STDIN_FILENO) ? getpass("Password: ") : NULL;
    g_autofree char *line = NULL;
    size_t size = 0;

    if (isatty(STDIN_FILENO))
        return g_strdup(typed);
    char *room = NULL;
    if (getline(&room, &size, stdin) > 0)
        line = g_strdup(g_strchomp(room));
    free(room);
    return g_steal_pointer(&line);
}

static bool user_put(Cli *cli, const char *name, const char *role, bool is_new, bool with_password,
                     Error **err)
{
    g_autofree char *password = with_password ? read_password() : NULL;
    g_autofree char *target = is_new ? g_strdup("/users") : g_strdup_printf("/users/%s", name);
    AUTO_JSON answer = NULL;

    if (with_password && !password)
        return error_set(err, ERROR_INVALID_ARGUMENT, "no password was given");
    return lodge_web_call(cli, is_new ? "POST" : "PATCH", target,
                          json_pack("{s:s*,s:s*,s:s*}", "name", is_new ? name : NULL, "password", password,
                                    "role", role),
                          &answer, err);
}

static const CliColumn user_columns[] = {
    { "Name", "name" }, { "Role", "role" }, { "Created", "created" }, { 0 }
};
static const CliColumn token_columns[] = { { "Id", "id" },           { "Name", "name" },
                                           { "Role", "role" },       { "Machine", "machine" },
                                           { "Expires", "expires" }, { 0 } };

static void print_cell(CliTable *table, Json *value)
{
    if (json_is_integer(value))
        table_cell(table, json_incref(value), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        table_cell(table, json_incref(value), "%.1f", json_real_value(value));
    else if (json_is_boolean(value))
        table_cell(table, json_incref(value), "%s", json_is_true(value) ? "yes" : "no");
    else
        table_cell_text(table, json_is_string(value) ? json_string_value(value) : NULL);
}

/* A table of the "items" of what @target answers: their members have the columns' names. */
static bool print_items(Cli *cli, const char *target, const CliColumn *columns, Error **err)
{
    AUTO_JSON answer = NULL;
    const Json *item;
    size_t i;

    if (!lodge_web_call(cli, "GET", target, NULL, &answer, err))
        return false;
    g_autoptr(CliTable) table = table_new(columns, 0);
    json_array_foreach (json_get_arr(answer, "items"), i, item) {
        table_row(table);
        for (const CliColumn *column = columns; column->key; column++)
            print_cell(table, json_object_get(item, column->key));
    }
    return cli_print_table(cli, g_steal_pointer(&table), err);
}

static bool name_is_needed(const char *name, const char *operation, Error **err)
{
    return name || error_set(err, ERROR_INVALID_ARGUMENT, "'web %s' needs a name", operation);
}

static bool user_run(Cli *cli, const CliArgs *args, const char *operation, const char *name, Error **err)
{
    const char *role = args_get(args, "role");
    g_autofree char *target = g_strdup_printf("/users/%s", name ? name : "");
    AUTO_JSON answer = NULL;

    if (strcmp(operation, "list") == 0)
        return print_items(cli, "/users", user_columns, err);
    if (!name_is_needed(name, "user", err))
        return false;
    if (strcmp(operation, "remove") == 0) {
        if (!lodge_web_call(cli, "DELETE", target, NULL, &answer, err))
            return false;
    } else if (!user_put(cli, name,
                         role                            ? role
                         : strcmp(operation, "add") == 0 ? "viewer"
                                                         : NULL,
                         strcmp(operation, "add") == 0, strcmp(operation, "set-role") != 0, err)) {
        return false;
    }
    cli_message(cli, "User %s %s", name,
                strcmp(operation, "add") == 0      ? "added"
                : strcmp(operation, "remove") == 0 ? "removed"
                                                   : "changed");
    return true;
}

static bool token_run(Cli *cli, const CliArgs *args, const char *operation, const char *name, Error **err)
{
    const char *role = args_get(args, "role"), *days = args_get(args, "days");
    g_autofree char *target = g_strdup_printf("/tokens/%s", name ? name : "");
    AUTO_JSON answer = NULL;

    if (strcmp(operation, "list") == 0)
        return print_items(cli, "/tokens", token_columns, err);
    if (!name_is_needed(name, "token", err))
        return false;
    if (strcmp(operation, "remove") == 0) {
        if (!lodge_web_call(cli, "DELETE", target, NULL, &answer, err))
            return false;
        cli_message(cli, "Token %s removed", name);
        return true;
    }
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autoptr(GDateTime) until =
        days ? g_date_time_add_days(now, (int)g_ascii_strtoll(days, NULL, 10)) : NULL;
    g_autofree char *expires = until ? g_date_time_format(until, "%Y-%m-%dT%H:%M:%SZ") : NULL;
    if (!lodge_web_call(cli, "POST", "/tokens",
                        json_pack("{s:s,s:s,s:s*,s:s*}", "name", name, "role", role ? role : "viewer",
                                  "machine", args_get(args, "domain"), "expires", expires),
                        &answer, err))
        return false;
    if (cli->format == CLI_TEXT) {
        fprintf(cli->out, "%s\n", json_get_str(answer, "token"));
        return true;
    }
    cli_print_json(cli, g_steal_pointer(&answer));
    return true;
}

/* ---- the page ---- */

static bool open_run(Cli *cli, bool open, Error **err)
{
    AUTO_JSON answer = NULL;

    if (!lodge_web_call(cli, "POST", "/links", NULL, &answer, err))
        return false;
    const char *url = json_get_str(answer, "url");
    if (!url) {
        error_set(err, ERROR_OPERATION_FAILED, "the web console listens on no port");
        return error_hint(err, "web_port in libvirtd.conf; is it taken by another program?");
    }
    g_autofree char *program = open ? g_find_program_in_path("xdg-open") : NULL;
    if (!program) {
        fprintf(cli->out, "%s\n", url);
        return true;
    }
    const char *const argv[] = { program, url, NULL };
    g_autoptr(Process) process = NULL;
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = argv;
    return process_start(&spec, &process, err);
}

static const char nginx[] = "location %s/ {\n"
                            "    proxy_pass http://unix:%s:;\n"
                            "    proxy_http_version 1.1;\n"
                            "    proxy_set_header Host $http_host;\n"
                            "    proxy_set_header X-Forwarded-For $remote_addr;\n"
                            "    proxy_set_header X-Forwarded-Proto $scheme;\n"
                            "    proxy_set_header Upgrade $http_upgrade;\n"
                            "    proxy_set_header Connection $http_connection;\n"
                            "    proxy_buffering off;\n"
                            "    proxy_request_buffering off;\n"
                            "    proxy_read_timeout 1h;\n"
                            "    client_max_body_size 0;\n"
                            "}\n";
static const char caddy[] = "handle %s/* {\n"
                            "    reverse_proxy unix/%s {\n"
                            "        flush_interval -1\n"
                            "    }\n"
                            "}\n";
static const char apache[] =
    "# modules: proxy proxy_http\n"
    "ProxyPreserveHost On\n"
    "RequestHeader set X-Forwarded-Proto expr=%%{REQUEST_SCHEME}\n"
    "ProxyPass \"%1$s/\" \"unix:%2$s|http://localhost%1$s/\" upgrade=websocket flushpackets=on\n";

/* The prefix is the daemon's, as its configuration has it. */
static bool proxy_run(Cli *cli, const char *server, Error **err)
{
    AUTO_JSON answer = NULL;

    if (!lodge_web_call(cli, "GET", "/proxy", NULL, &answer, err))
        return false;
    const char *prefix = json_get_str(answer, "prefix"), *socket = json_get_str(answer, "socket");
    if (!prefix || !socket)
        return error_set(err, ERROR_INTERNAL, "the daemon does not say where its web is");
    if (g_strcmp0(server, "nginx") == 0)
        fprintf(cli->out, nginx, prefix, socket);
    else if (g_strcmp0(server, "caddy") == 0)
        fprintf(cli->out, caddy, prefix, socket);
    else if (g_strcmp0(server, "apache") == 0)
        fprintf(cli->out, apache, prefix, socket);
    else
        return error_set(err, ERROR_INVALID_ARGUMENT, "'web proxy-config' needs nginx, caddy or apache");
    return true;
}

static const CliOption web_options[] = {
    OPT(CLI_STRING, "what", "link, user, token or proxy-config", .flags = CLI_ONE_OF,
        .words = "link user token proxy-config"),
    OPT_STRING("operation", "user: list, add, set-password, set-role, remove; token: list, add, remove; "
                            "proxy-config: nginx, caddy, apache"),
    OPT_STRING("name", "of the user or the token (remove: its id)"),
    OPT(CLI_STRING, "role", "viewer, operator or admin", .flags = CLI_NAMED | CLI_ONE_OF,
        .words = "viewer operator admin"),
    OPT(CLI_STRING, "domain", "token add: the only machine it is for", .flags = CLI_NAMED,
        .complete = COMPLETE_DOMAIN),
    OPT(CLI_STRING, "days", "token add: how long it is good for; always by default", .flags = CLI_NAMED),
    OPT_BOOL("open", "open the page in a browser instead of printing its link"),
    { 0 },
};

static bool web_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *what = args_get(args, "what"), *operation = args_get(args, "operation");
    const char *name = args_get(args, "name");

    if (!what || strcmp(what, "link") == 0)
        return open_run(cli, args_has(args, "open"), err);
    if (strcmp(what, "proxy-config") == 0)
        return proxy_run(cli, operation, err);
    const char *const user_words[] = { "list", "add", "set-password", "set-role", "remove", NULL };
    const char *const token_words[] = { "list", "add", "remove", NULL };
    const bool is_user = strcmp(what, "user") == 0;
    if (!operation || !g_strv_contains(is_user ? user_words : token_words, operation))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'web %s' needs one of: %s", what,
                         is_user ? "list, add, set-password, set-role, remove" : "list, add, remove");
    return is_user ? user_run(cli, args, operation, name, err) : token_run(cli, args, operation, name, err);
}

/* ---- the journal ---- */

static const CliColumn journal_columns[] = {
    { "Time", "time" },
    { "Kind", "kind" },
    { "Name", "name" },
    { "What", "what" },
    { "Who", "who" },
    { "From", "from" },
    { "Result", "result" },
    { NULL, "detail" },
    { NULL, "difference" },
    { NULL, "cursor" },
    { 0 },
};

static const CliOption events_options[] = {
    OPT(CLI_STRING, "since", "what came after this time (2026-01-31T12:00:00Z), or after a cursor",
        .flags = CLI_NAMED),
    OPT(CLI_STRING, "domain", "of one machine only", .flags = CLI_NAMED, .complete = COMPLETE_DOMAIN),
    OPT(CLI_STRING, "limit", "at most so many; 200", .flags = CLI_NAMED),
    { 0 },
};
static const CliOption history_options[] = {
    OPT(CLI_STRING, "domain", "name or UUID of the machine, also of one that is gone", .flags = CLI_REQUIRED,
        .complete = COMPLETE_DOMAIN),
    OPT(CLI_STRING, "since", "what came after this time (2026-01-31T12:00:00Z), or after a cursor",
        .flags = CLI_NAMED),
    OPT(CLI_STRING, "limit", "at most so many; 200", .flags = CLI_NAMED),
    OPT_BOOL("diff", "show what changed in its definition instead, as 'diff -u' tells it"),
    { 0 },
};

/* @path with those of the options @names ("since", or "domain=machine" where the web calls it otherwise) that
 * were given. Owned. */
static char *target_with(const char *path, const CliArgs *args, const char *const *names)
{
    GString *target = g_string_new(path);

    g_string_append_c(target, '?');
    for (; *names; names++) {
        g_auto(GStrv) pair = g_strsplit(*names, "=", 2);
        const char *value = args_get(args, pair[0]);
        g_autofree char *escaped = value ? g_uri_escape_string(value, NULL, FALSE) : NULL;
        if (escaped)
            g_string_append_printf(target, "%s=%s&", pair[1] ? pair[1] : pair[0], escaped);
    }
    return g_string_free(target, FALSE);
}

static bool journal_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const char *const names[] = { "since", "domain=machine", "limit", NULL };
    g_autofree char *target = target_with("/journal", args, names);

    return print_items(cli, target, journal_columns, err);
}

static void print_difference(Cli *cli, const Json *item)
{
    const char *who = json_get_str(item, "who"), *difference = json_get_str(item, "difference");
    g_autofree char *text = difference ? text_printable_lines(difference) : NULL;

    if (text)
        fprintf(cli->out, "%s %s%s%s\n%s\n", json_get_str(item, "time"), json_get_str(item, "what"),
                who ? " by " : "", who ? who : "", text);
}

static bool history_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const char *const names[] = { "since", "domain=machine", "limit", NULL };
    g_autofree char *target = target_with("/journal", args, names);
    AUTO_JSON answer = NULL;
    const Json *item;
    size_t i;

    if (!args_has(args, "diff") || cli->format != CLI_TEXT)
        return journal_run(cli, args, err);
    if (!lodge_web_call(cli, "GET", target, NULL, &answer, err))
        return false;
    json_array_foreach (json_get_arr(answer, "items"), i, item)
        print_difference(cli, item);
    return true;
}

/* ---- what was measured and counted ---- */

/* "/machines/NAME/WHAT", or "/host/WHAT" without a machine. Owned. */
static char *machine_path(const CliArgs *args, const char *what)
{
    const char *domain = args_get(args, "domain");
    g_autofree char *escaped = domain ? g_uri_escape_string(domain, NULL, FALSE) : NULL;

    return domain ? g_strdup_printf("/machines/%s/%s", escaped, what) : g_strdup_printf("/host/%s", what);
}

static const CliColumn usage_columns[] = { { "Time", "time" },
                                           { "CPU %", "cpu_percent" },
                                           { "Memory", "memory_used_bytes" },
                                           { "Read/s", "disk_read_bps" },
                                           { "Written/s", "disk_write_bps" },
                                           { "Received/s", "net_rx_bps" },
                                           { "Sent/s", "net_tx_bps" },
                                           { 0 } };
static const CliColumn counter_columns[] = {
    { "What", "what" }, { "Count", "count" }, { "Last", "last_time" }, { "Reason", "last_reason" }, { 0 }
};
static const CliOption usage_options[] = {
    OPT(CLI_STRING, "domain", "name or UUID of the machine; the host without", .complete = COMPLETE_DOMAIN),
    OPT(CLI_STRING, "since", "from this time on (2026-01-31T12:00:00Z); the last hour", .flags = CLI_NAMED),
    OPT(CLI_STRING, "until", "up to this time; now", .flags = CLI_NAMED),
    OPT(CLI_STRING, "step", "at least so many seconds between two lines", .flags = CLI_NAMED),
    { 0 },
};
static const CliOption counters_options[] = {
    OPT(CLI_STRING, "domain", "name or UUID of the machine", .flags = CLI_REQUIRED,
        .complete = COMPLETE_DOMAIN),
    { 0 },
};

static bool usage_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const char *const names[] = { "since", "until", "step", NULL };
    g_autofree char *path = machine_path(args, "history"), *target = target_with(path, args, names);

    return print_items(cli, target, usage_columns, err);
}

static bool counters_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *path = machine_path(args, "counters");

    return print_items(cli, path, counter_columns, err);
}

/* ---- alerts ---- */

static const CliColumn alert_columns[] = {
    { "Id", "id" },         { "Kind", "kind" },
    { "Object", "object" }, { "Severity", "severity" },
    { "Since", "since" },   { "Known", "acknowledged" },
    { "Detail", "detail" }, { NULL, "hint" },
    { NULL, "command" },    { 0 },
};
static const char *const alert_numbers[] = { "pool_percent",  "backup_days", "certificate_days",
                                             "agent_minutes", "crash_count", "crash_minutes" };

static const CliOption alerts_options[] = {
    OPT(CLI_STRING, "what", "list, acknowledge or settings", .flags = CLI_ONE_OF,
        .words = "list acknowledge settings"),
    OPT_STRING("id", "acknowledge: of the alert"),
    OPT(CLI_STRING, "mail-to", "settings: who gets mail; 'none': nobody", .flags = CLI_NAMED),
    OPT(CLI_STRING, "hook", "settings: a program that reads each as JSON; 'none'", .flags = CLI_NAMED),
    OPT(CLI_STRING, "pool-percent", "settings: used, from which a pool is full", .flags = CLI_NAMED),
    OPT(CLI_STRING, "backup-days", "settings: age from which a backup is too old", .flags = CLI_NAMED),
    OPT(CLI_STRING, "certificate-days", "settings: before a certificate ends", .flags = CLI_NAMED),
    OPT(CLI_STRING, "agent-minutes", "settings: without a guest's agent", .flags = CLI_NAMED),
    OPT(CLI_STRING, "crash-count", "settings: so many crashes are too many", .flags = CLI_NAMED),
    OPT(CLI_STRING, "crash-minutes", "settings: within how many minutes", .flags = CLI_NAMED),
    { 0 },
};

/* Those that were given; NULL with @err, if one is no number. */
static Json *alert_settings_given(const CliArgs *args, Error **err)
{
    static const char *const texts[][2] = { { "mail-to", "mail_to" }, { "hook", "hook" } };
    Json *given = json_object();

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        const char *text = args_get(args, texts[i][0]);
        if (text)
            json_object_set_new(given, texts[i][1],
                                strcmp(text, "none") == 0 ? json_null() : json_string(text));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(alert_numbers); i++) {
        g_autofree char *option = g_strdelimit(g_strdup(alert_numbers[i]), "_", '-');
        const char *text = args_get(args, option);
        guint64 number;
        if (!text)
            continue;
        if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT16, &number, NULL)) {
            json_decref(given);
            error_set(err, ERROR_INVALID_ARGUMENT, "'--%s' needs a number, not '%s'", option, text);
            return NULL;
        }
        json_object_set_new(given, alert_numbers[i], json_integer((json_int_t)number));
    }
    return given;
}

static bool alert_settings_run(Cli *cli, const CliArgs *args, Error **err)
{
    Json *given = alert_settings_given(args, err);
    const char *name;
    AUTO_JSON answer = NULL;
    Json *value;

    if (!given)
        return false;
    const bool is_change = json_object_size(given) > 0;
    if (!is_change)
        g_clear_pointer(&given, json_decref);
    if (!lodge_web_call(cli, is_change ? "PUT" : "GET", "/alerts/settings", given, &answer, err))
        return false;
    if (cli->format != CLI_TEXT) {
        cli_print_json(cli, g_steal_pointer(&answer));
        return true;
    }
    json_object_foreach (answer, name, value) {
        if (json_is_integer(value))
            fprintf(cli->out, "%-18s%" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
        else
            fprintf(cli->out, "%-18s%s\n", name, json_is_string(value) ? json_string_value(value) : "-");
    }
    return true;
}

static bool alerts_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *what = args_get(args, "what"), *id = args_get(args, "id");
    g_autofree char *escaped = id ? g_uri_escape_string(id, NULL, FALSE) : NULL;
    g_autofree char *target = g_strdup_printf("/alerts/%s/acknowledge", id ? escaped : "");
    AUTO_JSON answer = NULL;

    if (!what || strcmp(what, "list") == 0)
        return print_items(cli, "/alerts", alert_columns, err);
    if (strcmp(what, "settings") == 0)
        return alert_settings_run(cli, args, err);
    if (!id)
        return error_set(err, ERROR_INVALID_ARGUMENT, "'alerts acknowledge' needs the id of an alert");
    if (!lodge_web_call(cli, "POST", target, NULL, &answer, err))
        return false;
    cli_message(cli, "Alert %s acknowledged", id);
    return true;
}

const CliCommand commands_web[] = {
    COMMAND("web", GROUP_LODGE, "open the web console; keep its users and tokens", web_options, web_run,
            .doc =
                "Without arguments prints a link that logs in once, within ten minutes. Users of the web are "
                "viewers (who see everything but passwords), operators (who start, stop and watch machines) "
                "or "
                "administrators; passwords are read from the terminal or standard input. A token lets a "
                "program in ('Authorization: Bearer TOKEN') and is printed once."),
    COMMAND("events", GROUP_LODGE, "show what happened on the host, and who asked for what", events_options,
            journal_run, .doc = "The newest entries of the journal, or with --since what came after it.",
            .columns = journal_columns),
    COMMAND("history", GROUP_LODGE, "show what happened to a machine", history_options, history_run,
            .columns = journal_columns),
    COMMAND("usage", GROUP_LODGE, "show what a machine or the host used over time", usage_options, usage_run,
            .doc = "CPU, memory (bytes), disks and network (bytes each second) as they were measured: every "
                   "10 seconds for a day, every minute for a week, every 15 minutes for a year. Of the host, "
                   "disks and network are those of all machines.",
            .columns = usage_columns),
    COMMAND("counters", GROUP_LODGE, "show what went wrong with a machine, and how often", counters_options,
            counters_run, .columns = counter_columns),
    COMMAND("alerts", GROUP_LODGE, "show what somebody should attend to; say when, and who is told",
            alerts_options, alerts_run,
            .doc =
                "An alert begins when a machine should run and does not, crashes again and again, waits for "
                "space or had an I/O error, when its guest's agent is silent or its last backup too old, "
                "when a pool fills up or a certificate ends; it ends when that is over. Both are told once: "
                "by an event, and as the settings say by mail (with the host's sendmail) and to a program. "
                "0 switches a rule off.",
            .columns = alert_columns),
    { 0 },
};
