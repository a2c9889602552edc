/* What is left to do by hand for networks, volumes, secrets and checkpoints; the rest is rows (class_rows.c).
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/class.h"
#include "cli/commands.h"
#include "cli/output.h"

#define OPT_OF(kind, option, text, required) OPT(CLI_STRING, option, text, .class = kind, .flags = required)

/* ---- net-dhcp-leases ---- */

static const CliOption leases_options[] = {
    OPT_OF(&class_network, "network", "name or UUID of the network", CLI_REQUIRED),
    OPT_ARG("mac", "mac", "only this MAC address"),
    { 0 },
};

static const CliColumn lease_columns[] = { { "Expiry Time", "expires", "number" },
                                           { "MAC address", "mac" },
                                           { "Protocol", "protocol" },
                                           { "IP address", "address" },
                                           { "Hostname", "hostname", "string|null" },
                                           { "Client ID or DUID", "client_id", "string|null" },
                                           { 0 } };

static bool leases_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireNetworkGetDhcpLeasesRet *ret = answer;
    CliTable *table = table_new(lease_columns, 0);
    for (unsigned i = 0; i < ret->n_leases; i++) {
        const WireNetworkDhcpLease *lease = &ret->leases[i];
        time_t expires = (time_t)lease->expirytime;
        struct tm tm;
        char text[32] = "";
        if (localtime_r(&expires, &tm))
            strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
        table_row(table);
        table_cell(table, json_integer(lease->expirytime), "%s", text);
        table_cell_text(table, lease->mac);
        table_cell_text(table, lease->type == VIR_IP_ADDR_TYPE_IPV4 ? "ipv4" : "ipv6");
        table_cell(table, NULL, "%s/%u", lease->ipaddr, lease->prefix);
        table_cell_text(table, lease->hostname);
        table_cell_text(table, lease->clientid);
    }
    return cli_print_table(cli, table, err);
}

/* ---- net-update ---- */

#define UPDATE_SECTIONS                                                                                      \
    "bridge domain ip ip-dhcp-host ip-dhcp-range forward forward-interface forward-pf portgroup dns-host "   \
    "dns-txt dns-srv"
static const CliOption update_options[] = {
    OPT_OF(&class_network, "network", "name or UUID of the network", CLI_REQUIRED),
    OPT(CLI_STRING, "command", "what to do; add is add-last", .flags = CLI_REQUIRED | CLI_ONE_OF,
        .words = "modify delete add-last add-first add"),
    OPT(CLI_STRING, "section", "what the XML is", .flags = CLI_REQUIRED | CLI_ONE_OF,
        .words = UPDATE_SECTIONS),
    OPT(CLI_STRING, "xml", "the element, or a file with it", .flags = CLI_REQUIRED,
        .complete = COMPLETE_FILE),
    OPT_INT("parent-index", "number of the <ip> that holds it, from 0"),
    OPT_FLAG("config", VIR_NETWORK_UPDATE_AFFECT_CONFIG, "change the stored definition"),
    OPT_FLAG("live", VIR_NETWORK_UPDATE_AFFECT_LIVE, "change the running network"),
    OPT_FLAG("current", 0, "change what runs, or the definition if it does not run (the default)"),
    { 0 },
};

static bool update_run(Cli *cli, const CliArgs *args, Error **err)
{
    enum { ADD = 5 }; /* the fifth word */
    const char *xml = args_get(args, "xml");
    g_auto(WireNetwork) net = { 0 };
    g_autofree char *text = NULL;
    int64_t index = -1;

    if (*xml != '<' && !cli_read_file(xml, &text, err))
        return false;
    if (!args_get_int(args, "parent-index", 0, INT32_MAX, &index, err) ||
        !class_lookup(cli, &class_network, args, &net, err))
        return false;
    cli_doing(cli, "Failed to update network %s", net.name);
    const unsigned command = args_get_word(args, "command") + 1;
    WireNetworkUpdateArgs call = { .net = net,
                                   .command =
                                       command == ADD ? VIR_NETWORK_UPDATE_COMMAND_ADD_FIRST - 1 : command,
                                   .section = args_get_word(args, "section") + 1,
                                   .parent_index = (int32_t)index,
                                   .xml = text ? text : (char *)xml,
                                   .flags = args_flags(args) };
    if (!cli_call(cli, PROC_NETWORK_UPDATE, &call, NULL, err))
        return false;
    cli_message(cli, "Updated network %s %s", net.name,
                !call.flags                                      ? "as it is now"
                : call.flags == VIR_NETWORK_UPDATE_AFFECT_CONFIG ? "persistent config"
                : call.flags == VIR_NETWORK_UPDATE_AFFECT_LIVE   ? "live state"
                                                                 : "persistent config and live state");
    return true;
}

/* ---- documents made of options ---- */

void row_add_element(GString *xml, const char *element, const CliArgs *args, const char *option)
{
    const char *value = args_get(args, option);
    g_autofree char *escaped = value ? g_markup_escape_text(value, -1) : NULL;
    if (value)
        g_string_append_printf(xml, "  <%s>%s</%s>\n", element, escaped, element);
}

bool row_use_document(Cli *cli, const CliArgs *args, const char *member, const GString *xml, Error **err)
{
    const CliCommand *command = cli_args_command(args);
    g_auto(RowCall) call = { 0 };
    if (args_has(args, "print-xml")) {
        cli_print_text(cli, "xml", xml->str);
        return true;
    }
    if (!row_prepare(cli, args, command->proc, &call, err))
        return false;
    row_set_string(&call, member, xml->str);
    g_autofree char *doing = row_text(command->doing, args, &call);
    cli_doing(cli, "%s", doing);
    if (!row_call(cli, &call, err))
        return false;
    g_autofree char *done = row_text(command->done, args, &call);
    cli_message(cli, "%s", done);
    return true;
}

static const CliOption volume_options[] = {
    OPT_OF(&class_pool, "pool", "name or UUID of the pool", CLI_REQUIRED),
    OPT_REQUIRED("name", "name of the volume"),
    OPT(CLI_SIZE, "capacity", "size, in bytes unless it has a unit", .flags = CLI_REQUIRED),
    OPT(CLI_SIZE, "allocation", "space to take now, in bytes unless it has a unit"),
    OPT(CLI_STRING, "format", "format of the image", .words = "raw qcow2 qcow qed vmdk vpc bochs"),
    OPT_STRING("backing-vol", "the volume below it"),
    OPT_STRING("backing-vol-format", "format of the volume below it"),
    OPT_FLAG("prealloc-metadata", VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA,
             "make the tables of a qcow2 image now"),
    OPT_BOOL("print-xml", "print the XML instead of creating the volume"),
    { 0 },
};

static bool volume_run(Cli *cli, const CliArgs *args, Error **err)
{
    uint64_t capacity = 0, allocation = 0;
    g_autoptr(GString) xml = g_string_new("<volume>\n");
    if (!args_get_size(args, "capacity", &capacity, err) ||
        !args_get_size(args, "allocation", &allocation, err))
        return false;
    row_add_element(xml, "name", args, "name");
    g_string_append_printf(xml, "  <capacity>%" PRIu64 "</capacity>\n", capacity);
    if (args_has(args, "allocation"))
        g_string_append_printf(xml, "  <allocation>%" PRIu64 "</allocation>\n", allocation);
    if (args_has(args, "format")) {
        g_autofree char *format = g_markup_escape_text(args_get(args, "format"), -1);
        g_string_append_printf(xml, "  <target>\n    <format type='%s'/>\n  </target>\n", format);
    }
    if (args_has(args, "backing-vol")) {
        g_string_append(xml, "  <backingStore>\n  ");
        row_add_element(xml, "path", args, "backing-vol");
        if (args_has(args, "backing-vol-format")) {
            g_autofree char *format = g_markup_escape_text(args_get(args, "backing-vol-format"), -1);
            g_string_append_printf(xml, "    <format type='%s'/>\n", format);
        }
        g_string_append(xml, "  </backingStore>\n");
    }
    g_string_append(xml, "</volume>\n");
    return row_use_document(cli, args, "xml", xml, err);
}

/* ---- pools made of options ---- */

#define POOL_TYPES "dir fs netfs logical disk iscsi iscsi-direct scsi mpath rbd sheepdog gluster zfs vstorage"
#define POOL_AS_OPTIONS                                                                                      \
    OPT_REQUIRED("name", "name of the pool"),                                                                \
        OPT(CLI_STRING, "type", "kind of the pool", .flags = CLI_REQUIRED, .words = POOL_TYPES),             \
        OPT_STRING("source-host", "server that has the storage"),                                            \
        OPT_STRING("source-path", "folder or share there"),                                                  \
        OPT_STRING("source-dev", "device that it consists of, or IQN of the target"),                        \
        OPT_STRING("source-name", "name of the volume group or cluster pool"),                               \
        OPT_STRING("target", "where the volumes appear"),                                                    \
        OPT_STRING("source-format", "format of the file system, table or group"),                            \
        OPT(CLI_STRING, "auth-type", "how to log in", .words = "chap ceph"),                                 \
        OPT_STRING("auth-username", "who logs in"),                                                          \
        OPT_OF(&class_secret, "secret-uuid", "secret that has the password", 0),                             \
        OPT_STRING("secret-usage", "the same by its usage"), OPT_STRING("adapter-name", "SCSI adapter"),     \
        OPT_STRING("adapter-wwnn", "node name of a FC adapter"),                                             \
        OPT_STRING("adapter-wwpn", "port name of a FC adapter"),                                             \
        OPT_STRING("adapter-parent", "the adapter that it is made on"),                                      \
        OPT_STRING("source-protocol-ver", "version of NFS"),                                                 \
        OPT_STRING("source-initiator", "IQN of the initiator"),                                              \
        OPT_BOOL("print-xml", "print the XML instead")

static const CliOption pool_define_as_options[] = {
    POOL_AS_OPTIONS,
    OPT_VALIDATE(VIR_STORAGE_POOL_DEFINE_VALIDATE),
    { 0 },
};
static const CliOption pool_create_as_options[] = {
    POOL_AS_OPTIONS,
    OPT_FLAG("build", VIR_STORAGE_POOL_CREATE_WITH_BUILD, "make what it needs first"),
    OPT_FLAG("no-overwrite", VIR_STORAGE_POOL_CREATE_WITH_BUILD_NO_OVERWRITE,
             "with --build: keep data that is there"),
    OPT_FLAG("overwrite", VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE,
             "with --build: overwrite data that is there"),
    { 0 },
};

/* name='value' for each option that is given; nothing at all if none is. */
static void add_attributes(GString *xml, const char *element, const CliArgs *args, const char *const *pairs,
                           const char *content)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (; pairs[0]; pairs += 2) {
        const char *value = args_get(args, pairs[1]);
        g_autofree char *escaped = value ? g_markup_escape_text(value, -1) : NULL;
        if (value)
            g_string_append_printf(text, " %s='%s'", pairs[0], escaped);
    }
    if (text->len) {
        g_string_append_printf(xml, "    <%s%s", element, text->str);
        if (content)
            g_string_append_printf(xml, ">%s</%s>\n", content, element);
        else
            g_string_append(xml, "/>\n");
    }
}

static void add_pool_source(GString *xml, const CliArgs *args)
{
    g_autoptr(GString) secret = g_string_new(NULL);
    g_string_append(xml, "  <source>\n");
    add_attributes(xml, "host", args, (const char *const[]){ "name", "source-host", NULL }, NULL);
    add_attributes(xml, "dir", args, (const char *const[]){ "path", "source-path", NULL }, NULL);
    add_attributes(xml, "device", args, (const char *const[]){ "path", "source-dev", NULL }, NULL);
    if (args_has(args, "adapter-wwnn") || args_has(args, "adapter-wwpn"))
        add_attributes(xml, "adapter type='fc_host'", args,
                       (const char *const[]){ "parent", "adapter-parent", "wwnn", "adapter-wwnn", "wwpn",
                                              "adapter-wwpn", NULL },
                       NULL);
    else
        add_attributes(xml, "adapter type='scsi_host'", args,
                       (const char *const[]){ "name", "adapter-name", NULL }, NULL);
    add_attributes(secret, "secret", args,
                   (const char *const[]){ "uuid", "secret-uuid", "usage", "secret-usage", NULL }, NULL);
    add_attributes(xml, "auth", args,
                   (const char *const[]){ "type", "auth-type", "username", "auth-username", NULL },
                   secret->str);
    row_add_element(xml, "name", args, "source-name");
    add_attributes(xml, "format", args, (const char *const[]){ "type", "source-format", NULL }, NULL);
    add_attributes(xml, "protocol", args, (const char *const[]){ "ver", "source-protocol-ver", NULL }, NULL);
    if (args_has(args, "source-initiator")) {
        g_string_append(xml, "    <initiator>\n");
        add_attributes(xml, "iqn", args, (const char *const[]){ "name", "source-initiator", NULL }, NULL);
        g_string_append(xml, "    </initiator>\n");
    }
    g_string_append(xml, "  </source>\n");
}

static bool pool_as_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *type = g_markup_escape_text(args_get(args, "type"), -1);
    g_autoptr(GString) xml = g_string_new(NULL);
    g_string_append_printf(xml, "<pool type='%s'>\n", type);
    row_add_element(xml, "name", args, "name");
    add_pool_source(xml, args);
    if (args_has(args, "target")) {
        g_string_append(xml, "  <target>\n  ");
        row_add_element(xml, "path", args, "target");
        g_string_append(xml, "  </target>\n");
    }
    g_string_append(xml, "</pool>\n");
    return row_use_document(cli, args, "xml", xml, err);
}

static const CliOption sources_as_options[] = {
    OPT(CLI_STRING, "type", "kind of pool", .flags = CLI_REQUIRED, .words = POOL_TYPES),
    OPT_STRING("host", "server that has the storage"),
    OPT_STRING("port", "its port"),
    OPT_STRING("initiator", "IQN of the initiator"),
    { 0 },
};

static bool sources_as_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(GString) xml = g_string_new("<source>\n");
    g_auto(WireConnectFindStoragePoolSourcesRet) ret = { 0 };
    add_attributes(xml, "host", args, (const char *const[]){ "name", "host", "port", "port", NULL }, NULL);
    if (args_has(args, "initiator")) {
        g_string_append(xml, "    <initiator>\n");
        add_attributes(xml, "iqn", args, (const char *const[]){ "name", "initiator", NULL }, NULL);
        g_string_append(xml, "    </initiator>\n");
    }
    g_string_append(xml, "</source>\n");
    cli_doing(cli, "Failed to find any %s pool sources", args_get(args, "type"));
    WireConnectFindStoragePoolSourcesArgs call = { .type = (char *)args_get(args, "type"),
                                                   .src_spec = args_has(args, "host") ? xml->str : NULL };
    if (!cli_call(cli, PROC_CONNECT_FIND_STORAGE_POOL_SOURCES, &call, &ret, err))
        return false;
    cli_print_text(cli, "xml", ret.xml);
    return true;
}

/* ---- values of secrets ---- */

static const CliOption set_options[] = {
    OPT_OF(&class_secret, "secret", "UUID of the secret", CLI_REQUIRED),
    OPT(CLI_STRING, "file", "file with the value in base64; - reads the standard input", .flags = CLI_NAMED,
        .complete = COMPLETE_FILE),
    OPT_BOOL("plain", "the file holds the value itself"),
    OPT_STRING("base64", "the value in base64; others on this machine may see it while the command runs"),
    { 0 },
};

static bool set_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireSecret) secret = { 0 };
    g_autofree char *text = g_strdup(args_get(args, "base64"));
    if (!text && !args_has(args, "file")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "Input secret value is missing");
        return error_hint(err, "add --file FILE; - reads the standard input");
    }
    if (!text && !cli_read_file(args_get(args, "file"), &text, err))
        return false;
    if (!class_lookup(cli, &class_secret, args, &secret, err))
        return false;
    cli_doing(cli, "Failed to set secret value");
    WireSecretSetValueArgs call = { .secret = secret };
    g_autofree guchar *decoded = NULL;
    gsize len = strlen(text);
    if (!args_has(args, "plain"))
        decoded = g_base64_decode(text, &len);
    call.value = (WireBytes){ .data = decoded ? decoded : (uint8_t *)text, .len = (uint32_t)len };
    if (!cli_call(cli, PROC_SECRET_SET_VALUE, &call, NULL, err))
        return false;
    cli_message(cli, "Secret value set");
    return true;
}

static const CliOption get_options[] = {
    OPT_OF(&class_secret, "secret", "UUID of the secret", CLI_REQUIRED),
    OPT_BOOL("plain", "print the value itself"),
    { 0 },
};

static bool get_tell(Cli *cli, const CliArgs *args, const void *answer, Error **err)
{
    const WireSecretGetValueRet *ret = answer;
    if (args_has(args, "plain") && !cli->json) {
        fwrite(ret->value.data, 1, ret->value.len, cli->out);
        return true;
    }
    g_autofree char *encoded = g_base64_encode(ret->value.data, ret->value.len);
    cli_print_text(cli, "base64", encoded);
    return true;
}

const CliCommand commands_object[] = {
    COMMAND("net-dhcp-leases", GROUP_NETWORK, "list the addresses that a network has given out",
            leases_options, NULL, .proc = PROC_NETWORK_GET_DHCP_LEASES,
            .doing = "Failed to get leases info for {name}", .tell = leases_tell, .columns = lease_columns),
    COMMAND("pool-define-as", GROUP_POOL, "define a pool", pool_define_as_options, pool_as_run,
            .class = &class_pool, .proc = PROC_STORAGE_POOL_DEFINE_XML,
            .doing = "Failed to define pool {name}", .done = "Pool {name} defined",
            .json = "{\"message\": string}; with --print-xml {\"xml\": string}"),
    COMMAND("find-storage-pool-sources-as", GROUP_POOL, "look for sources of pools", sources_as_options,
            sources_as_run, .json = "{\"xml\": string}"),
    COMMAND("pool-create-as", GROUP_POOL, "make and start a pool that is not kept", pool_create_as_options,
            pool_as_run, .class = &class_pool, .proc = PROC_STORAGE_POOL_CREATE_XML,
            .doing = "Failed to create pool {name}", .done = "Pool {name} created",
            .exclusive = "no-overwrite overwrite",
            .json = "{\"message\": string}; with --print-xml {\"xml\": string}"),
    COMMAND("net-update", GROUP_NETWORK, "change a part of a network", update_options, update_run,
            .exclusive = "current config; current live"),
    COMMAND("vol-create-as", GROUP_VOLUME, "make a volume", volume_options, volume_run,
            .class = &class_volume, .proc = PROC_STORAGE_VOL_CREATE_XML,
            .doing = "Failed to create vol {name}", .done = "Vol {name} created",
            .json = "{\"message\": string}; with --print-xml {\"xml\": string}"),
    COMMAND("secret-get-value", GROUP_SECRET, "print the value of a secret", get_options, NULL,
            .proc = PROC_SECRET_GET_VALUE, .tell = get_tell, .json = "{\"base64\": string}"),
    COMMAND("secret-set-value", GROUP_SECRET, "set the value of a secret", set_options, set_run,
            .exclusive = "file base64"),
    { 0 },
};
