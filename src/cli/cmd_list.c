/* `lodge list`: the domains, filtered. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"

static const CliOption list_options[] = {
    OPT_BOOL("inactive", "only domains that do not run"),
    OPT_BOOL("all", "all domains, running or not"),
    OPT_BOOL("transient", "only domains without a stored definition"),
    OPT_BOOL("persistent", "only domains with a stored definition"),
    OPT_BOOL("with-snapshot", "only domains with snapshots"),
    OPT_BOOL("without-snapshot", "only domains without snapshots"),
    OPT_BOOL("with-checkpoint", "only domains with checkpoints"),
    OPT_BOOL("without-checkpoint", "only domains without checkpoints"),
    OPT_BOOL("state-running", "only running domains"),
    OPT_BOOL("state-paused", "only paused domains"),
    OPT_BOOL("state-shutoff", "only domains that are shut off"),
    OPT_BOOL("state-other", "only domains in any other state"),
    OPT_BOOL("autostart", "only domains that start with the host"),
    OPT_BOOL("no-autostart", "only domains that do not start with the host"),
    OPT_BOOL("with-managed-save", "only domains with a managed save image"),
    OPT_BOOL("without-managed-save", "only domains without a managed save image"),
    OPT_BOOL("uuid", "print UUIDs only"),
    OPT_BOOL("name", "print names only"),
    OPT_BOOL("id", "print ids only"),
    OPT_BOOL("table", "print a table (the default)"),
    OPT_BOOL("managed-save", "show domains with a managed save image as saved"),
    OPT_BOOL("title", "add the titles"),
    { 0 },
};

static unsigned list_flags(const CliArgs *args)
{
    static const struct {
        const char *option;
        unsigned flag;
    } filters[] = {
        { "transient", VIR_CONNECT_LIST_DOMAINS_TRANSIENT },
        { "persistent", VIR_CONNECT_LIST_DOMAINS_PERSISTENT },
        { "with-snapshot", VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT },
        { "without-snapshot", VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT },
        { "with-checkpoint", VIR_CONNECT_LIST_DOMAINS_HAS_CHECKPOINT },
        { "without-checkpoint", VIR_CONNECT_LIST_DOMAINS_NO_CHECKPOINT },
        { "autostart", VIR_CONNECT_LIST_DOMAINS_AUTOSTART },
        { "no-autostart", VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART },
        { "with-managed-save", VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE },
        { "without-managed-save", VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE },
    };
    static const struct {
        const char *option;
        unsigned flag;
    } states[] = {
        { "state-running", VIR_CONNECT_LIST_DOMAINS_RUNNING },
        { "state-paused", VIR_CONNECT_LIST_DOMAINS_PAUSED },
        { "state-shutoff", VIR_CONNECT_LIST_DOMAINS_SHUTOFF },
        { "state-other", VIR_CONNECT_LIST_DOMAINS_OTHER },
    };
    unsigned flags = VIR_CONNECT_LIST_DOMAINS_ACTIVE;
    if (args_has(args, "inactive"))
        flags = VIR_CONNECT_LIST_DOMAINS_INACTIVE;
    if (args_has(args, "all"))
        flags = VIR_CONNECT_LIST_DOMAINS_INACTIVE | VIR_CONNECT_LIST_DOMAINS_ACTIVE;
    for (size_t i = 0; i < G_N_ELEMENTS(filters); i++)
        flags |= args_has(args, filters[i].option) ? filters[i].flag : 0;
    /* A state says by itself whether running ones are meant. */
    unsigned wanted = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
        wanted |= args_has(args, states[i].option) ? states[i].flag : 0;
    if (wanted)
        flags = (flags & ~(unsigned)(VIR_CONNECT_LIST_DOMAINS_ACTIVE | VIR_CONNECT_LIST_DOMAINS_INACTIVE)) |
                wanted;
    return flags;
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

static void add_row(Cli *cli, CliTable *table, const WireDomain *dom, bool managed_save, bool title)
{
    char uuid[UUID_STRING_LEN];
    uuid_format(&dom->uuid, uuid);
    WireDomainGetStateArgs state_args = { .dom = *dom };
    WireDomainGetStateRet state;
    /* It may have been undefined since the list was made. */
    if (!cli_call(cli, PROC_DOMAIN_GET_STATE, &state_args, &state, NULL))
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

static bool list_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const CliColumn columns[] = {
        { "Id", "id" }, { "Name", "name" }, { "State", "state" }, { NULL, "uuid" }, { "Title", "title" }
    };
    g_auto(WireConnectListAllDomainsRet) list = { 0 };
    bool names = args_has(args, "name") || args_has(args, "uuid") || args_has(args, "id");
    bool title = args_has(args, "title");
    if (names && args_has(args, "table")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "Only one of --table and --name, --uuid, --id can be given");
        return error_hint(err, "see 'lodge help list'");
    }
    cli_doing(cli, "Failed to list domains");
    if (!cli_list_domains(cli, list_flags(args), &list, err))
        return false;
    if (names && !cli->json) {
        print_names(cli, args, &list);
        return true;
    }
    CliTable *table = table_new(columns, title ? 5 : 4);
    for (unsigned i = 0; i < list.n_domains; i++)
        add_row(cli, table, &list.domains[i], args_has(args, "managed-save"), title);
    cli_print_table(cli, table);
    return true;
}

const CliCommand commands_list[] = {
    { .name = "list",
      .group = GROUP_MONITOR,
      .summary = "list domains",
      .doc = "Lists the running domains, or those that the options ask for. Filters of different kinds must "
             "all apply; of the same kind, one is enough.",
      .options = list_options,
      .exclusive = "",
      .json =
          "[{\"id\": number|null, \"name\": string, \"state\": string, \"uuid\": string, \"title\": string "
          "(with --title)}]",
      .run = list_run },
    { 0 },
};
