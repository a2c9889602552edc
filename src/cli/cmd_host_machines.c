/* `lodge host`: machines when the host ends, and when it begins again.
 *
 * What ran is written down before anything is done, so a host that dies in the middle starts it all the same.
 * What belongs to one machine is in its metadata: when it comes, how it goes, and how to know that it is
 * there. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <libxml/parser.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/units.h"
#include "base/uuid.h"
#include "cli/class.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"

#define STATE "/var/lib/libvirt/lodge-machines.json"
#define STATE_MAX ((size_t)4194304)
#define POLICY_URI "urn:lodge:host:1"
#define POLICY_KEY "lodge-host"
#define POLL_MS 250
#define READY_MS 120000
#define ORDER_MAX 9999
#define SECONDS_MAX 86400

static const CliOption host_options[] = {
    OPT(CLI_STRING, "operation", "what to do", .flags = CLI_REQUIRED | CLI_ONE_OF,
        .words = "shutdown-machines start-machines machine"),
    OPT(CLI_STRING, "domain", "machine: name, id or UUID of the machine", .complete = COMPLETE_DOMAIN),
    OPT(CLI_STRING, "order", "machine: those with smaller numbers come first, and go last (default 100)",
        .flags = CLI_NAMED),
    OPT(CLI_STRING, "on-shutdown", "machine: how it goes, if not as all others",
        .flags = CLI_NAMED | CLI_ONE_OF, .words = "save shutdown poweroff ignore"),
    OPT(CLI_STRING, "ready", "machine: when the next ones may come: started, agent, or after so many seconds",
        .flags = CLI_NAMED),
    OPT(CLI_STRING, "settings",
        "file with ON_SHUTDOWN and so on (default /etc/default/lodge-machines, or libvirt-guests)",
        .flags = CLI_NAMED, .complete = COMPLETE_FILE),
    OPT(CLI_STRING, "state", "file that says which machines ran (default " STATE ")", .flags = CLI_NAMED,
        .complete = COMPLETE_FILE),
    { 0 },
};

/* ---- settings ---- */

typedef enum Way { WAY_DEFAULT, WAY_SAVE, WAY_SHUTDOWN, WAY_POWEROFF, WAY_IGNORE } Way;
static const char *const way_names[] = { "", "save", "shutdown", "poweroff", "ignore" };

typedef struct Settings {
    Way way;
    bool comes_back;
    unsigned timeout_s, parallel, delay_s;
    bool bypass_cache;
} Settings;

static Way way_find(const char *word)
{
    for (size_t i = 1; i < G_N_ELEMENTS(way_names); i++) {
        if (g_strcmp0(way_names[i], word) == 0)
            return (Way)i;
    }
    return g_strcmp0(word, "suspend") == 0 ? WAY_SAVE : WAY_DEFAULT;
}

static bool settings_number(const char *key, const char *value, unsigned *ret_number, Error **err)
{
    uint64_t number;

    if (!parse_uint(value, &number, NULL) || number > SECONDS_MAX)
        return error_set(err, ERROR_CONFIG_SYNTAX, "%s is a number up to %d, not '%s'", key, SECONDS_MAX,
                         value);
    *ret_number = (unsigned)number;
    return true;
}

static bool settings_take(Settings *settings, const char *key, const char *value, Error **err)
{
    unsigned flag = 0;

    if (strcmp(key, "ON_SHUTDOWN") == 0) {
        settings->way = way_find(value);
        return settings->way || error_set(err, ERROR_CONFIG_SYNTAX,
                                          "ON_SHUTDOWN is suspend, shutdown, poweroff or "
                                          "ignore, not '%s'",
                                          value);
    }
    if (strcmp(key, "ON_BOOT") == 0) {
        settings->comes_back = strcmp(value, "start") == 0;
        return settings->comes_back || strcmp(value, "ignore") == 0 ||
               error_set(err, ERROR_CONFIG_SYNTAX, "ON_BOOT is start or ignore, not '%s'", value);
    }
    if (strcmp(key, "SHUTDOWN_TIMEOUT") == 0)
        return settings_number(key, value, &settings->timeout_s, err);
    if (strcmp(key, "PARALLEL_SHUTDOWN") == 0)
        return settings_number(key, value, &settings->parallel, err);
    if (strcmp(key, "START_DELAY") == 0)
        return settings_number(key, value, &settings->delay_s, err);
    if (strcmp(key, "BYPASS_CACHE") == 0 && settings_number(key, value, &flag, err))
        settings->bypass_cache = flag != 0;
    return strcmp(key, "BYPASS_CACHE") != 0 || !err ||
           !*err; /* others (URIS, SYNC_TIME) change nothing here */
}

/* KEY=VALUE as a shell reads it. */
static bool settings_load(const CliArgs *args, Settings *settings, Error **err)
{
    const char *const usual[] = { "/etc/default/lodge-machines", "/etc/default/libvirt-guests",
                                  "/etc/sysconfig/libvirt-guests" };
    const char *path = args_get(args, "settings");
    g_autofree char *text = NULL;

    for (size_t i = 0; !path && i < G_N_ELEMENTS(usual); i++) {
        if (access(usual[i], F_OK) == 0)
            path = usual[i];
    }
    if (!path)
        return true;
    if (!cli_read_file(path, &text, err))
        return false;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        char *equals = strchr(g_strstrip(lines[i]), '=');
        if (*lines[i] == '#' || !equals)
            continue;
        *equals = '\0';
        g_autofree char *value = g_shell_unquote(equals + 1, NULL);
        if (!settings_take(settings, lines[i], value ? value : equals + 1, err))
            return error_prefix(err, "%s:%u", path, i + 1);
    }
    return true;
}

/* ---- one machine's own ---- */

typedef struct Machine {
    Cli *cli;
    const Settings *settings;
    WireDomain dom; /* owned */
    unsigned order;
    Way way;
    bool waits_for_agent;
    unsigned ready_s;
    Error *err;
} Machine;

static void machine_clear(gpointer data)
{
    Machine *machine = data;

    wire_domain_clear(&machine->dom);
    error_free(machine->err);
}

static char *policy_get(const xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetProp(node, (const xmlChar *)name);
    char *copy = value ? g_strdup((const char *)value) : NULL;

    xmlFree(value);
    return copy;
}

static bool ready_parse(const char *word, Machine *machine)
{
    uint64_t seconds = 0;

    machine->waits_for_agent = g_strcmp0(word, "agent") == 0;
    if (machine->waits_for_agent || !word || strcmp(word, "started") == 0)
        return true;
    if (!parse_uint(word, &seconds, NULL) || seconds > SECONDS_MAX)
        return false;
    machine->ready_s = (unsigned)seconds;
    return true;
}

AWAITS static void machine_read_policy(Machine *machine)
{
    WireDomainGetMetadataArgs args = { .dom = machine->dom,
                                       .type = VIR_DOMAIN_METADATA_ELEMENT,
                                       .uri = (char *)POLICY_URI };
    g_auto(WireDomainGetMetadataRet) ret = { 0 };
    uint64_t order;

    machine->order = 100;
    if (!cli_call(machine->cli, PROC_DOMAIN_GET_METADATA, &args, &ret, NULL))
        return;
    xmlDoc *doc = xmlReadMemory(ret.metadata, (int)strlen(ret.metadata), NULL, NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    if (root) {
        g_autofree char *way = policy_get(root, "on-shutdown"), *ready = policy_get(root, "ready"),
                        *number = policy_get(root, "order");
        machine->way = way_find(way);
        (void)!ready_parse(ready, machine); /* written by us */
        if (number && parse_uint(number, &order, NULL) && order <= ORDER_MAX)
            machine->order = (unsigned)order;
    }
    xmlFreeDoc(doc);
}

static bool machine_set_policy(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    Machine machine = { 0 };
    g_autoptr(GString) text = g_string_new("<host");
    uint64_t order = 0;

    if (!args_has(args, "domain"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "lodge host machine needs the name of a machine");
    if (args_has(args, "order") && (!parse_uint(args_get(args, "order"), &order, NULL) || order > ORDER_MAX))
        return error_set(err, ERROR_INVALID_ARGUMENT, "--order is a number up to %d", ORDER_MAX);
    if (args_has(args, "ready") && !ready_parse(args_get(args, "ready"), &machine))
        return error_set(err, ERROR_INVALID_ARGUMENT, "--ready is started, agent or a number of seconds");
    if (!cli_domain(cli, args, &dom, err))
        return false;
    static const char *const names[] = { "order", "on-shutdown", "ready" };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (args_has(args, names[i]))
            g_string_append_printf(text, " %s='%s'", names[i], args_get(args, names[i]));
    }
    g_string_append(text, "/>");
    const bool removes = strcmp(text->str, "<host/>") == 0;
    WireDomainSetMetadataArgs set = { .dom = dom,
                                      .type = VIR_DOMAIN_METADATA_ELEMENT,
                                      .metadata = removes ? NULL : text->str,
                                      .key = (char *)POLICY_KEY,
                                      .uri = (char *)POLICY_URI,
                                      .flags = VIR_DOMAIN_AFFECT_CONFIG };
    if (!cli_call(cli, PROC_DOMAIN_SET_METADATA, &set, NULL, err))
        return false;
    if (dom.id >= 0) { /* a host that ends asks the running one */
        set.flags = VIR_DOMAIN_AFFECT_LIVE;
        if (!cli_call(cli, PROC_DOMAIN_SET_METADATA, &set, NULL, err))
            return false;
    }
    cli_message(cli,
                removes ? "Domain '%s' goes and comes as all others"
                        : "Domain '%s' has its own way to go and come",
                dom.name);
    return true;
}

static int machine_compare(const void *a, const void *b)
{
    const Machine *x = a, *y = b;

    return x->order != y->order ? (x->order < y->order ? -1 : 1) : strcmp(x->dom.name, y->dom.name);
}

/* ---- the end ---- */

AWAITS static bool machine_is_off(Machine *machine, Error **err)
{
    WireDomainGetStateArgs args = { .dom = machine->dom };
    WireDomainGetStateRet state;

    /* A transient one is gone. */
    return !cli_call(machine->cli, PROC_DOMAIN_GET_STATE, &args, &state, err) ||
           state.state == VIR_DOMAIN_SHUTOFF;
}

AWAITS static bool machine_power_off(Machine *machine, Error **err)
{
    WireDomainDestroyArgs args = { .dom = machine->dom };

    return cli_call(machine->cli, PROC_DOMAIN_DESTROY, &args, NULL, err);
}

AWAITS static bool machine_shut_down(Machine *machine, Error **err)
{
    WireDomainShutdownArgs args = { .dom = machine->dom };
    const uint64_t until_ms = loop_now_ms() + (uint64_t)machine->settings->timeout_s * 1000;

    if (!cli_call(machine->cli, PROC_DOMAIN_SHUTDOWN, &args, NULL, err))
        return false;
    while (!machine_is_off(machine, NULL)) {
        if (machine->settings->timeout_s && loop_now_ms() > until_ms) {
            cli_say(machine->cli, "'%s' has not shut down in %u s: it is powered off", machine->dom.name,
                    machine->settings->timeout_s);
            return machine_power_off(machine, err);
        }
        if (!fiber_sleep(POLL_MS, err))
            return false;
    }
    return true;
}

AWAITS static bool machine_save(Machine *machine, Error **err)
{
    WireDomainManagedSaveArgs args = { .dom = machine->dom,
                                       .flags = machine->settings->bypass_cache ? VIR_DOMAIN_SAVE_BYPASS_CACHE
                                                                                : 0 };
    g_autoptr(Error) why = NULL;

    if (cli_call(machine->cli, PROC_DOMAIN_MANAGED_SAVE, &args, NULL, &why))
        return true;
    cli_say(machine->cli, "'%s' cannot be saved, so it is shut down: %s", machine->dom.name,
            error_message(why));
    return machine_shut_down(machine, err);
}

AWAITS static void machine_go(void *item)
{
    Machine *machine = item;
    const Way way = machine->way ? machine->way : machine->settings->way;

    switch (way) {
    case WAY_SAVE:
        (void)!machine_save(machine, &machine->err);
        return;
    case WAY_POWEROFF:
        (void)!machine_power_off(machine, &machine->err);
        return;
    case WAY_IGNORE:
        return;
    default:
        (void)!machine_shut_down(machine, &machine->err);
    }
}

static const char *state_path(const CliArgs *args)
{
    return args_has(args, "state") ? args_get(args, "state") : STATE;
}

AWAITS static bool state_write(const CliArgs *args, const GArray *machines, Error **err)
{
    AUTO_JSON list = json_array();

    for (guint i = 0; i < machines->len; i++) {
        const Machine *machine = &g_array_index(machines, Machine, i);
        char uuid[UUID_STRING_LEN];
        uuid_format(&machine->dom.uuid, uuid);
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", machine->dom.name, "uuid", uuid));
    }
    g_autofree char *text = json_format_pretty(list);
    return file_replace(state_path(args), text, strlen(text), 0600, err);
}

static GArray *machines_list(Cli *cli, const Settings *settings, unsigned flags, Error **err)
{
    g_auto(WireConnectListAllDomainsRet) list = { 0 };
    g_autoptr(GArray) machines = g_array_new(FALSE, TRUE, sizeof(Machine));

    g_array_set_clear_func(machines, machine_clear);
    if (!cli_list_domains(cli, flags, &list, err))
        return NULL;
    for (unsigned i = 0; i < list.n_domains; i++) {
        Machine machine = { .cli = cli, .settings = settings, .dom = list.domains[i] };
        list.domains[i] = (WireDomain){ 0 };
        machine_read_policy(&machine);
        g_array_append_val(machines, machine);
    }
    qsort(machines->data, machines->len, sizeof(Machine), machine_compare);
    return g_steal_pointer(&machines);
}

/* What failed is told; the others go on. */
static bool machines_judge(Cli *cli, const GArray *machines, Error **err)
{
    unsigned n_failed = 0;

    for (guint i = 0; i < machines->len; i++) {
        const Machine *machine = &g_array_index(machines, Machine, i);
        if (!machine->err)
            continue;
        n_failed++;
        cli_report(cli, machine->err);
    }
    return n_failed == 0 ||
           error_set(err, ERROR_OPERATION_FAILED, "%u of %u machines", n_failed, machines->len);
}

static bool host_shut_down(Cli *cli, const CliArgs *args, Error **err)
{
    Settings settings = { .way = WAY_SHUTDOWN, .comes_back = true, .timeout_s = 300, .parallel = 4 };

    if (!settings_load(args, &settings, err))
        return false;
    g_autoptr(GArray) machines = machines_list(cli, &settings, VIR_CONNECT_LIST_DOMAINS_ACTIVE, err);
    if (!machines || (settings.comes_back && !state_write(args, machines, err)))
        return false;
    if (settings.parallel == 0)
        settings.parallel = 1;
    /* From the last to the first; those of one order at the same time, so many at once. */
    for (guint end = machines->len; end > 0;) {
        guint begin = end - 1;
        while (begin > 0 && end - begin < settings.parallel &&
               g_array_index(machines, Machine, begin - 1).order ==
                   g_array_index(machines, Machine, begin).order)
            begin--;
        fiber_run_all("machine", machine_go, &g_array_index(machines, Machine, begin), end - begin,
                      sizeof(Machine));
        end = begin;
    }
    if (!machines_judge(cli, machines, err))
        return false;
    cli_message(cli, "%u machines have gone", machines->len);
    return true;
}

/* ---- the beginning ---- */

static bool state_has(const Json *state, const Machine *machine)
{
    char uuid[UUID_STRING_LEN];
    size_t i;
    Json *one;

    uuid_format(&machine->dom.uuid, uuid);
    json_array_foreach (state, i, one) {
        if (g_strcmp0(json_get_str(one, "uuid"), uuid) == 0)
            return true;
    }
    return false;
}

/* An agent that answers anything is there. */
AWAITS static void machine_wait_ready(Machine *machine)
{
    const uint64_t until_ms = loop_now_ms() + READY_MS;
    const WireQemuDomainAgentCommandArgs args = { .dom = machine->dom,
                                                  .cmd = (char *)"{\"execute\":\"guest-ping\"}",
                                                  .timeout = 5 };

    if (machine->ready_s && !fiber_sleep((uint64_t)machine->ready_s * 1000, NULL))
        return;
    while (machine->waits_for_agent && loop_now_ms() < until_ms) {
        g_auto(WireQemuDomainAgentCommandRet) ret = { 0 };
        if (wire_call(machine->cli->client, WIRE_PROGRAM_QEMU, QEMU_PROC_DOMAIN_AGENT_COMMAND, &args, &ret,
                      READY_MS, NULL) ||
            !fiber_sleep(POLL_MS * 4, NULL))
            return;
    }
    if (machine->waits_for_agent)
        cli_say(machine->cli, "the agent of '%s' has not answered: the next ones come all the same",
                machine->dom.name);
}

AWAITS static bool machine_come(Machine *machine, Error **err)
{
    WireDomainCreateWithFlagsArgs args = {
        .dom = machine->dom, .flags = machine->settings->bypass_cache ? VIR_DOMAIN_START_BYPASS_CACHE : 0
    };
    g_auto(WireDomainCreateWithFlagsRet) ret = { 0 };

    if (!machine_is_off(machine, NULL))
        return true; /* autostart was faster */
    if (!cli_call(machine->cli, PROC_DOMAIN_CREATE_WITH_FLAGS, &args, &ret, err))
        return false;
    machine_wait_ready(machine);
    return true;
}

static bool host_start(Cli *cli, const CliArgs *args, Error **err)
{
    Settings settings = { .comes_back = true };
    g_autofree char *text = NULL;
    g_autoptr(Json) state = NULL;
    g_autoptr(Error) why = NULL;
    size_t len;
    unsigned n = 0;

    if (!settings_load(args, &settings, err))
        return false;
    if (!settings.comes_back)
        return true;
    if (!file_read(state_path(args), STATE_MAX, &text, &len, &why))
        return error_errno(why) == ENOENT || error_propagate(err, g_steal_pointer(&why));
    if (!json_parse(text, len, state_path(args), &state, err))
        return false;
    g_autoptr(GArray) machines = machines_list(cli, &settings, 0, err);
    for (guint i = 0; machines && i < machines->len; i++) {
        Machine *machine = &g_array_index(machines, Machine, i);
        if (!state_has(state, machine))
            continue;
        if (n++ && settings.delay_s && !fiber_sleep((uint64_t)settings.delay_s * 1000, err))
            return false;
        (void)!machine_come(machine, &machine->err);
    }
    if (!machines || !machines_judge(cli, machines, err))
        return false;
    (void)unlink(state_path(args)); /* at worst they are started once more, which does nothing */
    cli_message(cli, "%u machines have come", n);
    return true;
}

/* ---- the command ---- */

static bool host_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *operation = args_get(args, "operation");

    if (strcmp(operation, "machine") == 0)
        return machine_set_policy(cli, args, err);
    cli_doing(cli, strcmp(operation, "start-machines") == 0 ? "Failed to start machines"
                                                            : "Failed to shut machines down");
    return strcmp(operation, "start-machines") == 0 ? host_start(cli, args, err)
                                                    : host_shut_down(cli, args, err);
}

const CliCommand commands_host_machines[] = {
    COMMAND("host", GROUP_LODGE, "machines when the host ends and begins", host_options, host_run,
            .doc =
                "shutdown-machines has all machines that run saved, shut down or powered off, as the "
                "settings and each "
                "machine's own say, and start-machines has them come back, in order. The unit "
                "lodged-machines.service "
                "calls both. Settings are those of libvirt-guests: ON_SHUTDOWN (suspend, shutdown, poweroff, "
                "ignore), "
                "ON_BOOT (start, ignore), SHUTDOWN_TIMEOUT, PARALLEL_SHUTDOWN, START_DELAY, BYPASS_CACHE."),
    { 0 },
};
