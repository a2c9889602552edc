/* Commands about secrets, host devices and host interfaces. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"

/* ---- secrets ---- */

#define OPT_SECRET                                                                                           \
    {                                                                                                        \
        .name = "secret", .type = CLI_STRING, .flags = CLI_REQUIRED, .complete = COMPLETE_SECRET,            \
        .doc = "UUID of the secret"                                                                          \
    }

static const CliOption secret_options[] = { OPT_SECRET, { 0 } };
static const CliOption secret_dumpxml_options[] = { OPT_SECRET, OPT_XPATH, { 0 } };
static const CliOption secret_define_options[] = { OPT_FILE("the XML; - reads the standard input"), { 0 } };

static bool lookup_secret(Cli *cli, const CliArgs *args, WireSecret *ret_secret, Error **err)
{
    const char *text = args_get(args, "secret");
    WireSecretLookupByUuidArgs call;
    WireSecretLookupByUuidRet ret;
    cli_doing(cli, "failed to get secret '%s'", text);
    if (!uuid_parse(text, &call.uuid, err) || !cli_call(cli, PROC_SECRET_LOOKUP_BY_UUID, &call, &ret, err))
        return false;
    cli_doing(cli, NULL);
    *ret_secret = ret.secret;
    return true;
}

static bool secret_list_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const CliColumn columns[] = { { "UUID", "uuid" }, { "Usage", "usage" } };
    static const char *const types[] = { "none", "volume", "ceph", "iscsi", "tls", "vtpm" };
    WireConnectListAllSecretsArgs call = { .need_results = 1 };
    g_auto(WireConnectListAllSecretsRet) ret = { 0 };
    cli_doing(cli, "Failed to list secrets");
    if (!cli_call(cli, PROC_CONNECT_LIST_ALL_SECRETS, &call, &ret, err))
        return false;
    CliTable *table = table_new(columns, G_N_ELEMENTS(columns));
    for (unsigned i = 0; i < ret.n_secrets; i++) {
        const WireSecret *secret = &ret.secrets[i];
        char uuid[UUID_STRING_LEN];
        int type = secret->usage_type;
        uuid_format(&secret->uuid, uuid);
        table_row(table);
        table_cell_text(table, uuid);
        if (type > 0 && type < (int)G_N_ELEMENTS(types))
            table_cell(table, NULL, "%s %s", types[type], secret->usage_id);
        else
            table_cell(table, json_null(), "Unused");
    }
    cli_print_table(cli, table);
    return true;
}

static bool secret_define_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autofree char *xml = NULL;
    g_auto(WireSecretDefineXmlRet) ret = { 0 };
    char uuid[UUID_STRING_LEN];
    const char *file = args_get(args, "file");
    if (!cli_read_file(file, &xml, err))
        return false;
    cli_doing(cli, "Failed to set attributes from %s", file);
    WireSecretDefineXmlArgs call = { .xml = xml };
    if (!cli_call(cli, PROC_SECRET_DEFINE_XML, &call, &ret, err))
        return false;
    uuid_format(&ret.secret.uuid, uuid);
    cli_message(cli, "Secret %s created", uuid);
    return true;
}

static bool secret_dumpxml_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireSecret) secret = { 0 };
    g_auto(WireSecretGetXmlDescRet) ret = { 0 };
    if (!lookup_secret(cli, args, &secret, err))
        return false;
    WireSecretGetXmlDescArgs call = { .secret = secret };
    return cli_call(cli, PROC_SECRET_GET_XML_DESC, &call, &ret, err) &&
           cli_print_xml(cli, args, ret.xml, err);
}

static bool secret_undefine_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireSecret) secret = { 0 };
    if (!lookup_secret(cli, args, &secret, err))
        return false;
    cli_doing(cli, "Failed to delete secret %s", args_get(args, "secret"));
    WireSecretUndefineArgs call = { .secret = secret };
    if (!cli_call(cli, PROC_SECRET_UNDEFINE, &call, NULL, err))
        return false;
    cli_message(cli, "Secret %s deleted", args_get(args, "secret"));
    return true;
}

static const CliOption secret_set_options[] = {
    OPT_SECRET,
    { .name = "file",
      .type = CLI_STRING,
      .flags = CLI_NAMED,
      .complete = COMPLETE_FILE,
      .doc = "file with the value in base64; - reads the standard input" },
    OPT_BOOL("plain", "the file holds the value itself"),
    OPT_STRING("base64", "the value in base64; others on this machine may see it while the command runs"),
    { 0 },
};

static bool secret_set_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireSecret) secret = { 0 };
    g_autofree char *text = g_strdup(args_get(args, "base64"));
    if (!text && !args_has(args, "file")) {
        error_set(err, ERROR_INVALID_ARGUMENT, "Input secret value is missing");
        return error_hint(err, "add --file FILE; - reads the standard input");
    }
    if (!text && !cli_read_file(args_get(args, "file"), &text, err))
        return false;
    if (!lookup_secret(cli, args, &secret, err))
        return false;
    cli_doing(cli, "Failed to set secret value");
    WireSecretSetValueArgs call = { .secret = secret };
    g_autofree guchar *decoded = NULL;
    gsize len = strlen(text);
    if (args_has(args, "plain")) {
        call.value = (WireBytes){ .data = (uint8_t *)text, .len = (uint32_t)len };
    } else {
        decoded = g_base64_decode(text, &len);
        call.value = (WireBytes){ .data = decoded, .len = (uint32_t)len };
    }
    if (!cli_call(cli, PROC_SECRET_SET_VALUE, &call, NULL, err))
        return false;
    cli_message(cli, "Secret value set");
    return true;
}

static const CliOption secret_get_options[] = { OPT_SECRET,
                                                OPT_BOOL("plain", "print the value itself"),
                                                { 0 } };

static bool secret_get_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireSecret) secret = { 0 };
    g_auto(WireSecretGetValueRet) ret = { 0 };
    if (!lookup_secret(cli, args, &secret, err))
        return false;
    WireSecretGetValueArgs call = { .secret = secret };
    if (!cli_call(cli, PROC_SECRET_GET_VALUE, &call, &ret, err))
        return false;
    if (args_has(args, "plain") && !cli->json) {
        fwrite(ret.value.data, 1, ret.value.len, cli->out);
        return true;
    }
    g_autofree char *encoded = g_base64_encode(ret.value.data, ret.value.len);
    cli_print_value(cli, "base64", encoded);
    return true;
}

/* ---- host devices ---- */

static const CliOption device_list_options[] = {
    OPT_STRING("cap", "only devices that can do this: net, pci, usb, storage and so on, separated by commas"),
    OPT_BOOL("inactive", "only devices that do not run"),
    OPT_BOOL("all", "all devices"),
    { 0 },
};

static bool device_flags(const char *caps, unsigned *flags, Error **err)
{
    /* In the order of the flags, which begin at bit 0. */
    static const char *const names[] = { "system",    "pci",          "usb_device", "usb",        "net",
                                         "scsi_host", "scsi_target",  "scsi",       "storage",    "fc_host",
                                         "vports",    "scsi_generic", "drm",        "mdev_types", "mdev",
                                         "ccw",       "css",          "vdpa",       "ap_card",    "ap_queue",
                                         "ap_matrix", "vpd" };
    g_auto(GStrv) words = g_strsplit(caps ? caps : "", ",", -1);
    for (char **word = words; *word; word++) {
        unsigned i = 0;
        while (i < G_N_ELEMENTS(names) && strcmp(names[i], *word) != 0)
            i++;
        if (i == G_N_ELEMENTS(names)) {
            error_set(err, ERROR_INVALID_ARGUMENT, "Invalid capability type '%s'", *word);
            return error_hint(err, "see 'lodge help nodedev-list'");
        }
        *flags |= 1u << i;
    }
    return true;
}

static int compare_devices(const void *a, const void *b)
{
    return g_ascii_strcasecmp(((const WireNodeDevice *)a)->name, ((const WireNodeDevice *)b)->name);
}

static bool device_list_run(Cli *cli, const CliArgs *args, Error **err)
{
    WireConnectListAllNodeDevicesArgs call = { .need_results = 1 };
    g_auto(WireConnectListAllNodeDevicesRet) ret = { 0 };
    if (!device_flags(args_get(args, "cap"), &call.flags, err))
        return false;
    if (args_has(args, "inactive"))
        call.flags |= VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE;
    else if (!args_has(args, "all"))
        call.flags |= VIR_CONNECT_LIST_NODE_DEVICES_ACTIVE;
    cli_doing(cli, "Failed to list node devices");
    if (!cli_call(cli, PROC_CONNECT_LIST_ALL_NODE_DEVICES, &call, &ret, err))
        return false;
    if (ret.n_devices)
        qsort(ret.devices, ret.n_devices, sizeof(ret.devices[0]), compare_devices);
    Json *list = json_array();
    for (unsigned i = 0; i < ret.n_devices; i++) {
        json_array_append_new(list, json_string(ret.devices[i].name));
        if (!cli->json)
            fprintf(cli->out, "%s\n", ret.devices[i].name);
    }
    cli_print_json(cli, list);
    return true;
}

static const CliOption device_dumpxml_options[] = {
    { .name = "device",
      .type = CLI_STRING,
      .flags = CLI_REQUIRED,
      .complete = COMPLETE_NODEDEV,
      .doc = "name of the device" },
    OPT_XPATH,
    { 0 },
};

static bool device_dumpxml_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireNodeDeviceGetXmlDescRet) ret = { 0 };
    const char *name = args_get(args, "device");
    WireNodeDeviceGetXmlDescArgs call = { .name = (char *)name };
    cli_doing(cli, "Could not find matching device '%s'", name);
    return cli_call(cli, PROC_NODE_DEVICE_GET_XML_DESC, &call, &ret, err) &&
           cli_print_xml(cli, args, ret.xml, err);
}

/* ---- host interfaces ---- */

static const CliOption iface_list_options[] = {
    OPT_BOOL("inactive", "only interfaces that are down"),
    OPT_BOOL("all", "all interfaces"),
    { 0 },
};

static int compare_interfaces(const void *a, const void *b)
{
    return g_ascii_strcasecmp(((const WireInterface *)a)->name, ((const WireInterface *)b)->name);
}

static bool iface_list_run(Cli *cli, const CliArgs *args, Error **err)
{
    static const CliColumn columns[] = { { "Name", "name" }, { "State", "state" }, { "MAC Address", "mac" } };
    WireConnectListAllInterfacesArgs call = { .need_results = 1,
                                              .flags = VIR_CONNECT_LIST_INTERFACES_ACTIVE };
    g_auto(WireConnectListAllInterfacesRet) ret = { 0 };
    if (args_has(args, "inactive"))
        call.flags = VIR_CONNECT_LIST_INTERFACES_INACTIVE;
    if (args_has(args, "all"))
        call.flags = VIR_CONNECT_LIST_INTERFACES_INACTIVE | VIR_CONNECT_LIST_INTERFACES_ACTIVE;
    cli_doing(cli, "Failed to list interfaces");
    if (!cli_call(cli, PROC_CONNECT_LIST_ALL_INTERFACES, &call, &ret, err))
        return false;
    if (ret.n_ifaces)
        qsort(ret.ifaces, ret.n_ifaces, sizeof(ret.ifaces[0]), compare_interfaces);
    CliTable *table = table_new(columns, G_N_ELEMENTS(columns));
    for (unsigned i = 0; i < ret.n_ifaces; i++) {
        WireInterfaceIsActiveArgs ask = { .iface = ret.ifaces[i] };
        WireInterfaceIsActiveRet active;
        bool known = cli_call(cli, PROC_INTERFACE_IS_ACTIVE, &ask, &active, NULL);
        table_row(table);
        table_cell_text(table, ret.ifaces[i].name);
        table_cell_text(table, !known ? NULL : active.active ? "active" : "inactive");
        table_cell_text(table, ret.ifaces[i].mac);
    }
    cli_print_table(cli, table);
    return true;
}

static const CliOption iface_dumpxml_options[] = {
    { .name = "interface",
      .type = CLI_STRING,
      .flags = CLI_REQUIRED,
      .complete = COMPLETE_INTERFACE,
      .doc = "name of the interface" },
    OPT_BOOL("inactive", "the stored definition"),
    OPT_XPATH,
    { 0 },
};

static bool iface_dumpxml_run(Cli *cli, const CliArgs *args, Error **err)
{
    const char *name = args_get(args, "interface");
    WireInterfaceLookupByNameArgs lookup = { .name = (char *)name };
    g_auto(WireInterfaceLookupByNameRet) iface = { 0 };
    g_auto(WireInterfaceGetXmlDescRet) ret = { 0 };
    cli_doing(cli, "failed to get interface '%s'", name);
    if (!cli_call(cli, PROC_INTERFACE_LOOKUP_BY_NAME, &lookup, &iface, err))
        return false;
    WireInterfaceGetXmlDescArgs call = { .iface = iface.iface, .flags = args_has(args, "inactive") ? 1 : 0 };
    return cli_call(cli, PROC_INTERFACE_GET_XML_DESC, &call, &ret, err) &&
           cli_print_xml(cli, args, ret.xml, err);
}

#define ROW(command, in, text, rows, shape, handler)                                                         \
    {                                                                                                        \
        .name = command, .group = in, .summary = text, .options = rows, .json = shape, .run = handler        \
    }

const CliCommand commands_other[] = {
    ROW("secret-define", GROUP_SECRET, "store the definition of a secret", secret_define_options, NULL,
        secret_define_run),
    ROW("secret-dumpxml", GROUP_SECRET, "print the XML of a secret", secret_dumpxml_options,
        "{\"xml\": string}", secret_dumpxml_run),
    ROW("secret-get-value", GROUP_SECRET, "print the value of a secret", secret_get_options,
        "{\"base64\": string}", secret_get_run),
    ROW("secret-list", GROUP_SECRET, "list secrets", NULL, "[{\"uuid\": string, \"usage\": string|null}]",
        secret_list_run),
    { .name = "secret-set-value",
      .group = GROUP_SECRET,
      .summary = "set the value of a secret",
      .options = secret_set_options,
      .exclusive = "file base64",
      .run = secret_set_run },
    ROW("secret-undefine", GROUP_SECRET, "remove a secret", secret_options, NULL, secret_undefine_run),
    { .name = "nodedev-list",
      .group = GROUP_NODEDEV,
      .summary = "list the devices of the host",
      .options = device_list_options,
      .exclusive = "inactive all",
      .json = "[string]",
      .run = device_list_run },
    ROW("nodedev-dumpxml", GROUP_NODEDEV, "print the XML of a device of the host", device_dumpxml_options,
        "{\"xml\": string}", device_dumpxml_run),
    { .name = "iface-list",
      .group = GROUP_INTERFACE,
      .summary = "list the network interfaces of the host",
      .options = iface_list_options,
      .exclusive = "inactive all",
      .json = "[{\"name\": string, \"state\": string|null, \"mac\": string}]",
      .run = iface_list_run },
    ROW("iface-dumpxml", GROUP_INTERFACE, "print the XML of a network interface of the host",
        iface_dumpxml_options, "{\"xml\": string}", iface_dumpxml_run),
    { 0 },
};
