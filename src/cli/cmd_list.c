/* `lodge list`: the domains, filtered. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/uuid.h"
#include "cli/class.h"
#include "cli/commands.h"
#include "cli/domain.h"
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

/* The states of all in one call: a host may be far away. uuid -> WireDomainGetStateRet;
 * those that are not in it are asked for one by one. */
AWAITS static GHashTable *list_states(Cli *cli)
{
    const WireConnectGetAllDomainStatsArgs args = { .stats = VIR_DOMAIN_STATS_STATE,
                                                    .flags = VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT };
    g_auto(WireConnectGetAllDomainStatsRet) ret = { 0 };
    GHashTable *states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    if (!cli_call(cli, PROC_CONNECT_GET_ALL_DOMAIN_STATS, &args, &ret, NULL))
        return states;
    for (unsigned i = 0; i < ret.n_ret_stats; i++) {
        const WireDomainStatsRecord *record = &ret.ret_stats[i];
        char uuid[UUID_STRING_LEN];
        int64_t state, reason;
        if (!wire_param_get_int64(record->params, record->n_params, "state.state", &state) ||
            !wire_param_get_int64(record->params, record->n_params, "state.reason", &reason))
            continue;
        uuid_format(&record->dom.uuid, uuid);
        WireDomainGetStateRet *found = g_new0(WireDomainGetStateRet, 1);
        *found = (WireDomainGetStateRet){ .state = (int32_t)state, .reason = (int32_t)reason };
        g_hash_table_insert(states, g_strdup(uuid), found);
    }
    return states;
}

AWAITS static bool list_state(Cli *cli, GHashTable *states, const WireDomain *dom, const char *uuid,
                              WireDomainGetStateRet *ret_state)
{
    const WireDomainGetStateArgs args = { .dom = *dom };
    const WireDomainGetStateRet *found = g_hash_table_lookup(states, uuid);

    if (!found)
        return cli_call(cli, PROC_DOMAIN_GET_STATE, &args, ret_state, NULL);
    *ret_state = *found;
    return true;
}

static void add_row(Cli *cli, CliTable *table, GHashTable *states, const WireDomain *dom, bool managed_save,
                    bool title)
{
    char uuid[UUID_STRING_LEN];
    uuid_format(&dom->uuid, uuid);
    WireDomainGetStateRet state;
    /* It may have been undefined since the list was made. */
    if (!list_state(cli, states, dom, uuid, &state))
        return;
    const char *text = domain_state_name(state.state);
    if (managed_save && state.state == VIR_DOMAIN_SHUTOFF && has_saved_image(cli, dom))
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
    if (title) {
        g_autofree char *words = domain_title(cli, dom);
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

static const CliColumn list_columns[] = { { "Id", "id", "number|null" },
                                          { "Name", "name" },
                                          { "State", "state" },
                                          { NULL, "uuid" },
                                          { "Title", "title", "string (with --title)" },
                                          { 0 } };

static bool list_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireConnectListAllDomainsRet) list = { 0 };
    bool names = args_has(args, "name") || args_has(args, "uuid") || args_has(args, "id");
    bool title = args_has(args, "title");
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
    CliTable *table = table_new(list_columns, title ? 5 : 4);
    g_autoptr(GHashTable) states =
        list.n_domains > 1 ? list_states(cli) : g_hash_table_new(g_str_hash, g_str_equal);
    for (unsigned i = 0; i < list.n_domains; i++)
        add_row(cli, table, states, &list.domains[i], args_has(args, "managed-save"), title);
    return cli_print_table(cli, table, err);
}

const CliCommand commands_list[] = {
    COMMAND("list", GROUP_MONITOR, "list domains", list_options, list_run,
            .doc = "Lists the running domains, or those that the options ask for. Filters of different kinds "
                   "must all apply; of the same kind, one is enough.",
            .exclusive = "", .columns = list_columns),
    { 0 },
};
