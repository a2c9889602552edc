/* `lodge list`: the domains, filtered. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/units.h"
#include "base/uuid.h"
#include "cli/class.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/lodge_call.h"
#include "cli/output.h"
#include "wire/params.h"

#define FILTER(option, bit, text) OPT_FLAG(option, VIR_CONNECT_LIST_DOMAINS_##bit, text)
#define STATES                                                                                               \
    ((unsigned)VIR_CONNECT_LIST_DOMAINS_RUNNING | VIR_CONNECT_LIST_DOMAINS_PAUSED |                          \
     VIR_CONNECT_LIST_DOMAINS_SHUTOFF | VIR_CONNECT_LIST_DOMAINS_OTHER)
#define BOTH ((unsigned)VIR_CONNECT_LIST_DOMAINS_INACTIVE | VIR_CONNECT_LIST_DOMAINS_ACTIVE)

static const CliOption list_options[] = {
    OPT(CLI_STRING, "domain", "only these domains, running or not: names, ids or UUIDs", .flags = CLI_MANY,
        .complete = COMPLETE_DOMAIN),
    FILTER("inactive", INACTIVE, "only domains that do not run"),
    OPT_FLAG("all", BOTH, "all domains, running or not"),
    FILTER("transient", TRANSIENT, "only domains without a stored definition"),
    FILTER("persistent", PERSISTENT, "only domains with a stored definition"),
    FILTER("with-snapshot", HAS_SNAPSHOT, "only domains with snapshots"),
    FILTER("without-snapshot", NO_SNAPSHOT, "only domains without snapshots"),
    FILTER("with-checkpoint", HAS_CHECKPOINT, "only domains with checkpoints"),
    FILTER("without-checkpoint", NO_CHECKPOINT, "only domains without checkpoints"),
    FILTER("state-running", RUNNING, "only running domains"),
    FILTER("state-paused", PAUSED, "only paused domains"),
    FILTER("state-shutoff", SHUTOFF, "only domains that are shut off"),
    FILTER("state-other", OTHER, "only domains in any other state"),
    FILTER("autostart", AUTOSTART, "only domains that start with the host"),
    FILTER("no-autostart", NO_AUTOSTART, "only domains that do not start with the host"),
    FILTER("with-managed-save", MANAGEDSAVE, "only domains with a managed save image"),
    FILTER("without-managed-save", NO_MANAGEDSAVE, "only domains without a managed save image"),
    OPT_BOOL("uuid", "print UUIDs only"),
    OPT_BOOL("name", "print names only"),
    OPT_BOOL("id", "print ids only"),
    OPT_BOOL("table", "print a table (the default)"),
    OPT_BOOL("managed-save", "show domains with a managed save image as saved"),
    OPT_BOOL("title", "add the titles"),
    OPT_BOOL("wide", "add addresses, CPUs, memory and the time of the CPUs"),
    { 0 },
};

/* A state, or a name, says by itself whether running ones are meant. */
static unsigned list_flags(const CliArgs *args)
{
    unsigned flags = args_flags(args);
    if (flags & STATES)
        return flags & ~BOTH;
    if (*args_get_many(args, "domain"))
        return flags;
    return flags & BOTH ? flags : flags | VIR_CONNECT_LIST_DOMAINS_ACTIVE;
}

/* Leaves only those that are named; false with @err if one is not there at all. */
static bool keep_named(Cli *cli, const CliArgs *args, WireConnectListAllDomainsRet *list, Error **err)
{
    g_autoptr(GHashTable) wanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    char *const *name = args_get_many(args, "domain");
    unsigned n = 0;
    if (!*name)
        return true;
    for (; *name; name++) {
        g_auto(WireDomain) dom = { 0 };
        if (!class_lookup_text(cli, &class_domain, args, *name, &dom, err))
            return false;
        g_hash_table_add(wanted, g_strdup(dom.name));
    }
    for (unsigned i = 0; i < list->n_domains; i++) {
        if (g_hash_table_contains(wanted, list->domains[i].name))
            list->domains[n++] = list->domains[i];
        else
            wire_domain_clear(&list->domains[i]);
    }
    list->n_domains = n;
    return true;
}

/* As people look for them: running ones by id, then the others by name. */
static int compare_domains(const void *a, const void *b)
{
    const WireDomain *x = a, *y = b;
    if ((x->id < 0) != (y->id < 0))
        return x->id < 0 ? 1 : -1;
    if (x->id >= 0 && x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return g_ascii_strcasecmp(x->name, y->name);
}

bool cli_list_domains(Cli *cli, unsigned flags, WireConnectListAllDomainsRet *ret, Error **err)
{
    WireConnectListAllDomainsArgs list = { .need_results = 1, .flags = flags };
    if (!cli_call(cli, PROC_CONNECT_LIST_ALL_DOMAINS, &list, ret, err))
        return false;
    if (ret->n_domains)
        qsort(ret->domains, ret->n_domains, sizeof(ret->domains[0]), compare_domains);
    return true;
}

static bool has_saved_image(Cli *cli, const WireDomain *dom)
{
    WireDomainHasManagedSaveImageArgs args = { .dom = *dom };
    WireDomainHasManagedSaveImageRet ret;
    return cli_call(cli, PROC_DOMAIN_HAS_MANAGED_SAVE_IMAGE, &args, &ret, NULL) && ret.result;
}

static char *domain_title(Cli *cli, const WireDomain *dom)
{
    WireDomainGetMetadataArgs args = { .dom = *dom, .type = VIR_DOMAIN_METADATA_TITLE };
    WireDomainGetMetadataRet ret;
    return cli_call(cli, PROC_DOMAIN_GET_METADATA, &args, &ret, NULL) ? ret.metadata : g_strdup("");
}

/* What is known of all of them, asked for at once: a host may be far away. What is not in it is asked for one
 * by one, of a daemon that does not answer such calls. */
typedef struct Facts {
    WireConnectGetAllDomainStatsRet stats;
    GHashTable *records; /* uuid -> WireDomainStatsRecord */
    Json *answer;
    GHashTable *items; /* uuid -> the machine as a page sees it */
} Facts;

static void facts_clear(Facts *facts)
{
    wire_connect_get_all_domain_stats_ret_clear(&facts->stats);
    g_hash_table_unref(facts->records);
    json_decref(facts->answer);
    g_hash_table_unref(facts->items);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Facts, facts_clear)

AWAITS static void facts_ask(Cli *cli, bool wants_more, Facts *facts)
{
    const WireConnectGetAllDomainStatsArgs args = {
        .stats =
            VIR_DOMAIN_STATS_STATE |
            (wants_more ? VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_VCPU : 0),
        .flags = VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT,
    };
    size_t index;
    Json *item;

    facts->records = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    facts->items = g_hash_table_new(g_str_hash, g_str_equal);
    if (!cli_call(cli, PROC_CONNECT_GET_ALL_DOMAIN_STATS, &args, &facts->stats, NULL))
        return;
    for (unsigned i = 0; i < facts->stats.n_ret_stats; i++) {
        WireDomainStatsRecord *record = &facts->stats.ret_stats[i];
        char uuid[UUID_STRING_LEN];
        uuid_format(&record->dom.uuid, uuid);
        g_hash_table_insert(facts->records, g_strdup(uuid), record);
    }
    if (!wants_more || !lodge_web_call(cli, "GET", "/machines", NULL, &facts->answer, NULL))
        return;
    json_array_foreach (json_object_get(facts->answer, "items"), index, item)
        if (json_get_str(item, "uuid"))
            g_hash_table_insert(facts->items, (char *)json_get_str(item, "uuid"), item);
}

static bool facts_number(const Facts *facts, const char *uuid, const char *name, int64_t *ret_value)
{
    const WireDomainStatsRecord *record = g_hash_table_lookup(facts->records, uuid);

    return record && wire_param_get_int64(record->params, record->n_params, name, ret_value);
}

AWAITS static bool list_state(Cli *cli, const Facts *facts, const WireDomain *dom, const char *uuid,
                              WireDomainGetStateRet *ret_state)
{
    const WireDomainGetStateArgs args = { .dom = *dom };
    int64_t state, reason;

    if (!facts_number(facts, uuid, "state.state", &state) ||
        !facts_number(facts, uuid, "state.reason", &reason))
        return cli_call(cli, PROC_DOMAIN_GET_STATE, &args, ret_state, NULL);
    *ret_state = (WireDomainGetStateRet){ .state = (int32_t)state, .reason = (int32_t)reason };
    return true;
}

static void add_wide_cells(CliTable *table, const Facts *facts, const char *uuid)
{
    const Json *addresses = json_object_get(g_hash_table_lookup(facts->items, uuid), "addresses");
    g_autoptr(GString) text = g_string_new(NULL);
    int64_t vcpus, kib, ns;

    for (size_t i = 0; i < json_array_size(addresses); i++)
        g_string_append_printf(text, "%s%s", i ? " " : "", json_string_value(json_array_get(addresses, i)));
    table_cell(table, addresses ? json_deep_copy(addresses) : json_array(), "%s", text->str);
    if (facts_number(facts, uuid, "vcpu.current", &vcpus))
        table_cell(table, json_integer(vcpus), "%d", (int)vcpus);
    else
        table_cell_text(table, NULL);
    if (facts_number(facts, uuid, "balloon.current", &kib)) {
        g_autofree char *size = human_size((uint64_t)kib << 10);
        table_cell(table, json_integer(kib << 10), "%s", size);
    } else {
        table_cell_text(table, NULL);
    }
    if (facts_number(facts, uuid, "cpu.time", &ns)) {
        g_autofree char *time = duration_format((uint64_t)ns / 1000000);
        table_cell(table, json_integer(ns), "%s", time);
    } else {
        table_cell_text(table, NULL);
    }
}

static void add_row(Cli *cli, CliTable *table, const Facts *facts, const WireDomain *dom, const CliArgs *args)
{
    char uuid[UUID_STRING_LEN];
    uuid_format(&dom->uuid, uuid);
    WireDomainGetStateRet state;
    /* It may have been undefined since the list was made. */
    if (!list_state(cli, facts, dom, uuid, &state))
        return;
    const char *text = domain_state_name(state.state);
    const Json *item = g_hash_table_lookup(facts->items, uuid);
    if (args_has(args, "managed-save") && state.state == VIR_DOMAIN_SHUTOFF &&
        (item ? json_is_true(json_object_get(item, "has_managed_save")) : has_saved_image(cli, dom)))
        text = "saved";
    table_row(table);
    if (dom->id >= 0)
        table_cell(table, json_integer(dom->id), "%d", dom->id);
    else
        table_cell_text(table, NULL);
    table_cell_text(table, dom->name);
    /* A pause that nobody asked for. */
    if (state.state == VIR_DOMAIN_PAUSED && state.reason == VIR_DOMAIN_PAUSED_IOERROR)
        table_cell(table, json_string(text), "%s (%s)", text, domain_reason_name(state.state, state.reason));
    else
        table_cell_text(table, text);
    table_cell_text(table, uuid);
    if (args_has(args, "wide"))
        add_wide_cells(table, facts, uuid);
    if (args_has(args, "title")) {
        const char *known = json_get_str(item, "title");
        g_autofree char *words = item ? g_strdup(known ? known : "") : domain_title(cli, dom);
        table_cell_text(table, words);
    }
}

static void print_names(Cli *cli, const CliArgs *args, const WireConnectListAllDomainsRet *list)
{
    for (unsigned i = 0; i < list->n_domains; i++) {
        const WireDomain *dom = &list->domains[i];
        char uuid[UUID_STRING_LEN];
        const char *gap = "";
        uuid_format(&dom->uuid, uuid);
        if (args_has(args, "id")) {
            if (dom->id >= 0)
                fprintf(cli->out, "%d", dom->id);
            else
                fputc('-', cli->out);
            gap = " ";
        }
        if (args_has(args, "uuid")) {
            fprintf(cli->out, "%s%s", gap, uuid);
            gap = " ";
        }
        if (args_has(args, "name"))
            fprintf(cli->out, "%s%s", gap, dom->name);
        fputc('\n', cli->out);
    }
}

#define LIST_COLUMNS                                                                                         \
    { "Id", "id", "number|null" }, { "Name", "name" }, { "State", "state" },                                 \
    {                                                                                                        \
        NULL, "uuid"                                                                                         \
    }
#define TITLE_COLUMN                                                                                         \
    {                                                                                                        \
        "Title", "title", "string (with --title)"                                                            \
    }
static const CliColumn list_columns[] = { LIST_COLUMNS, TITLE_COLUMN, { 0 } };
static const CliColumn wide_columns[] = { LIST_COLUMNS,
                                          { "Addresses", "addresses", "[string]" },
                                          { "CPUs", "vcpus", "number|null" },
                                          { "Memory", "memory", "number|null" },
                                          { "CPU time", "cpu_time_ns", "number|null" },
                                          TITLE_COLUMN,
                                          { 0 } };

static bool list_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireConnectListAllDomainsRet) list = { 0 };
    bool names = args_has(args, "name") || args_has(args, "uuid") || args_has(args, "id");
    const bool wide = args_has(args, "wide");
    if (names && args_has(args, "table")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "Only one of --table and --name, --uuid, --id can be given");
        return error_hint(err, "see 'lodge help list'");
    }
    cli_doing(cli, "Failed to list domains");
    if (!cli_list_domains(cli, list_flags(args), &list, err) || !keep_named(cli, args, &list, err))
        return false;
    if (names && !cli->json) {
        print_names(cli, args, &list);
        return true;
    }
    g_auto(Facts) facts = { 0 };
    facts_ask(cli, wide || args_has(args, "title") || args_has(args, "managed-save"), &facts);
    CliTable *table =
        table_new(wide ? wide_columns : list_columns, (wide ? 8 : 4) + (args_has(args, "title") ? 1 : 0));
    for (unsigned i = 0; i < list.n_domains; i++)
        add_row(cli, table, &facts, &list.domains[i], args);
    return cli_print_table(cli, table, err);
}

const CliCommand commands_list[] = {
    COMMAND("list", GROUP_MONITOR, "list domains", list_options, list_run,
            .doc = "Lists the running domains, or those that the options ask for. Filters of different kinds "
                   "must all apply; of the same kind, one is enough.",
            .exclusive = "", .columns = list_columns),
    { 0 },
};
