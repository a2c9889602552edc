/* Commands that came to virsh late: groups of limits, memory devices, messages, certificates of displays. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"
#include "wire/params.h"

/* ---- throttle groups ---- */

#define OPT_LIMIT(option, param, text) OPT(CLI_SIZE, option, text, .arg = param)
#define OPT_LIMITS(what, member, text)                                                                       \
    OPT_LIMIT("total-" what, "total_" member, text " both ways"),                                            \
        OPT_LIMIT("read-" what, "read_" member, text " read"),                                               \
        OPT_LIMIT("write-" what, "write_" member, text " written")
#define OPT_GROUP OPT(CLI_STRING, "group-name", "name of the group", .flags = CLI_REQUIRED)

static const CliOption throttle_set_options[] = {
    OPT_DOMAIN,
    OPT_GROUP,
    OPT_LIMITS("bytes-sec", "bytes_sec", "bytes per second"),
    OPT_LIMITS("iops-sec", "iops_sec", "operations per second"),
    OPT_LIMITS("bytes-sec-max", "bytes_sec_max", "bytes per second for a moment"),
    OPT_LIMITS("iops-sec-max", "iops_sec_max", "operations per second for a moment"),
    OPT_LIMITS("bytes-sec-max-length", "bytes_sec_max_length", "seconds that the moment lasts for bytes"),
    OPT_LIMITS("iops-sec-max-length", "iops_sec_max_length", "seconds that the moment lasts for operations"),
    OPT_LIMIT("size-iops-sec", "size_iops_sec", "bytes that count as one operation"),
    OPT_AFFECT,
    { 0 },
};
static const CliOption throttle_del_options[] = { OPT_DOMAIN, OPT_GROUP, OPT_AFFECT, { 0 } };
static const CliOption throttle_list_options[] = {
    OPT_DOMAIN, OPT_BOOL("inactive", "the stored definition, also while the domain runs"), { 0 }
};
static const CliOption throttle_info_options[] = {
    OPT_DOMAIN, OPT_GROUP, OPT_BOOL("inactive", "the stored definition, also while the domain runs"), { 0 }
};

static bool throttle_set_run(Cli *cli, const CliArgs *args, Error **err)
{
    WireTypedParam params[20] = { 0 };
    WireDomainSetThrottleGroupArgs call = { .group = (char *)args_get(args, "group-name"),
                                            .params = params,
                                            .flags = args_flags(args) };
    g_auto(WireDomain) dom = { 0 };

    for (const CliOption *o = throttle_set_options; o->name; o++) {
        uint64_t value = 0;
        if (!o->arg || !args_has(args, o->name))
            continue;
        if (!args_get_size(args, o->name, &value, err))
            return false;
        params[call.n_params++] =
            (WireTypedParam){ .field = (char *)o->arg,
                              .value = { .type = VIR_TYPED_PARAM_ULLONG, .ul = value } };
    }
    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Unable to set throttle group '%s'", call.group);
    call.dom = dom;
    if (!cli_call(cli, PROC_DOMAIN_SET_THROTTLE_GROUP, &call, NULL, err))
        return false;
    cli_say(cli, "Throttle group '%s' set\n", call.group);
    return true;
}

static bool throttle_del_run(Cli *cli, const CliArgs *args, Error **err)
{
    WireDomainDelThrottleGroupArgs call = { .group = (char *)args_get(args, "group-name"),
                                            .flags = args_flags(args) };
    g_auto(WireDomain) dom = { 0 };

    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Unable to delete throttle group '%s'", call.group);
    call.dom = dom;
    if (!cli_call(cli, PROC_DOMAIN_DEL_THROTTLE_GROUP, &call, NULL, err))
        return false;
    cli_say(cli, "Throttle group '%s' deleted\n", call.group);
    return true;
}

static bool throttle_groups(Cli *cli, const CliArgs *args, XmlDoc **ret_doc, GPtrArray **ret_groups,
                            Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;

    return cli_domain(cli, args, &dom, err) &&
           cli_domain_xml(cli, &dom, args_has(args, "inactive") ? VIR_DOMAIN_XML_INACTIVE : 0, &xml, err) &&
           xml_parse(xml, ret_doc, err) &&
           xml_select(*ret_doc, NULL, "/domain/throttlegroups/throttlegroup", ret_groups, err);
}

static const CliColumn throttle_columns[] = { { "Name", "name" }, { 0 } };

static bool throttle_list_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) groups = NULL;

    if (!throttle_groups(cli, args, &doc, &groups, err))
        return false;
    CliTable *table = table_new(throttle_columns, 1);
    for (guint i = 0; i < groups->len; i++) {
        g_autofree char *name = xml_get(doc, groups->pdata[i], "./group_name");
        table_row(table);
        table_cell_text(table, name);
    }
    return cli_print_table(cli, table, err);
}

static bool throttle_info_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) groups = NULL;
    g_autoptr(CliRecord) record = record_new(24);

    if (!throttle_groups(cli, args, &doc, &groups, err))
        return false;
    for (guint i = 0; i < groups->len; i++) {
        g_autofree char *name = xml_get(doc, groups->pdata[i], "./group_name");
        if (g_strcmp0(name, args_get(args, "group-name")) != 0)
            continue;
        for (const xmlNode *limit = ((xmlNode *)groups->pdata[i])->children; limit; limit = limit->next) {
            g_autofree char *text =
                limit->type == XML_ELEMENT_NODE ? xml_get(doc, (xmlNode *)limit, ".") : NULL;
            g_autofree char *label = g_strdup_printf("%s:", (const char *)limit->name);
            if (text && strcmp((const char *)limit->name, "group_name") != 0)
                record_add(record, label, (const char *)limit->name,
                           json_integer(g_ascii_strtoll(text, NULL, 10)), "%s", text);
        }
        cli_print_record(cli, g_steal_pointer(&record));
        return true;
    }
    return error_set(err, ERROR_INVALID_ARGUMENT, "throttle group '%s' was not found",
                     args_get(args, "group-name"));
}

/* ---- update-memory-device ---- */

static const CliOption memory_options[] = {
    OPT_DOMAIN,
    OPT_BOOL("print-xml", "print the changed device instead of changing it"),
    OPT(CLI_STRING, "alias", "alias of the device, as dumpxml shows it", .flags = CLI_NAMED),
    OPT(CLI_INT, "node", "NUMA node of the guest that the device is in", .flags = CLI_NAMED),
    OPT(CLI_SIZE, "requested-size", "memory that the guest is to have of it, in KiB unless it has a unit",
        .flags = CLI_NAMED | CLI_REQUIRED, .unit = 1024),
    OPT_AFFECT,
    { 0 },
};

/* The one that --alias and --node mean. */
static bool find_memory(XmlDoc *doc, const CliArgs *args, xmlNode **ret_memory, Error **err)
{
    g_autoptr(GPtrArray) all = NULL;
    unsigned count = 0;

    if (!xml_select(doc, NULL, "/domain/devices/memory", &all, err))
        return false;
    for (guint i = 0; i < all->len; i++) {
        g_autofree char *alias = xml_get(doc, all->pdata[i], "./alias/@name");
        g_autofree char *node = xml_get(doc, all->pdata[i], "./target/node");
        if ((args_has(args, "alias") && g_strcmp0(alias, args_get(args, "alias")) != 0) ||
            (args_has(args, "node") && g_strcmp0(node, args_get(args, "node")) != 0))
            continue;
        *ret_memory = all->pdata[i];
        count++;
    }
    if (count == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "no memory device found");
    if (count > 1) {
        error_set(err, ERROR_INVALID_ARGUMENT, "multiple memory devices found");
        return error_hint(err, "use --alias or --node to select the desired one");
    }
    return true;
}

static bool set_requested(XmlDoc *doc, xmlNode *memory, uint64_t bytes, Error **err)
{
    g_autofree char *text = g_strdup_printf("%" PRIu64, bytes / 1024);
    g_autoptr(GPtrArray) found = NULL;

    if (!xml_select(doc, memory, "./target/requested", &found, err))
        return false;
    if (found->len != 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "virtio-mem device is missing <requested/>");
    xmlNodeSetContent(found->pdata[0], (const xmlChar *)text);
    xmlSetProp(found->pdata[0], (const xmlChar *)"unit", (const xmlChar *)"KiB");
    return true;
}

static bool memory_run(Cli *cli, const CliArgs *args, Error **err)
{
    const uint32_t flags = args_flags(args);
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) one = g_ptr_array_new();
    xmlNode *memory = NULL;
    uint64_t bytes = 0;

    if (!args_get_size(args, "requested-size", &bytes, err) || !cli_domain(cli, args, &dom, err) ||
        !cli_domain_xml(cli, &dom, flags & VIR_DOMAIN_AFFECT_CONFIG ? VIR_DOMAIN_XML_INACTIVE : 0, &xml,
                        err) ||
        !xml_parse(xml, &doc, err) || !find_memory(doc, args, &memory, err) ||
        !set_requested(doc, memory, bytes, err))
        return false;
    g_ptr_array_add(one, memory);
    g_autofree char *changed = xml_format_nodes(doc, one, false);
    if (args_has(args, "print-xml")) {
        fprintf(cli->out, "%s\n", changed);
        return true;
    }
    cli_doing(cli, "Failed to update memory device of %s", dom.name);
    WireDomainUpdateDeviceFlagsArgs call = { .dom = dom, .xml = changed, .flags = flags };
    if (!cli_call(cli, PROC_DOMAIN_UPDATE_DEVICE_FLAGS, &call, NULL, err))
        return false;
    cli_say(cli, "Memory device of %s updated\n", dom.name);
    return true;
}

/* ---- dommessages ---- */

static const CliOption messages_options[] = {
    OPT_DOMAIN,
    OPT_FLAG("deprecation", VIR_DOMAIN_MESSAGE_DEPRECATION, "only of what QEMU gives up"),
    OPT_FLAG("tainting", VIR_DOMAIN_MESSAGE_TAINTING,
             "only why the machine is not as the daemon would have it"),
    OPT_FLAG("io-errors", VIR_DOMAIN_MESSAGE_IOERRORS, "only the last error of each disk"),
    { 0 },
};
static const CliColumn messages_columns[] = { { "Message", "message" }, { 0 } };

static bool messages_run(Cli *cli, const CliArgs *args, Error **err)
{
    WireDomainGetMessagesArgs call = { .flags = args_flags(args) };
    g_auto(WireDomainGetMessagesRet) ret = { 0 };
    g_auto(WireDomain) dom = { 0 };

    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to get messages of %s", dom.name);
    call.dom = dom;
    if (!cli_call(cli, PROC_DOMAIN_GET_MESSAGES, &call, &ret, err))
        return false;
    CliTable *table = table_new(messages_columns, 1);
    for (unsigned i = 0; i < ret.n_msgs; i++) {
        table_row(table);
        table_cell_text(table, ret.msgs[i]);
    }
    return cli_print_table(cli, table, err);
}

/* ---- domdisplay-reload ---- */

static const CliOption reload_options[] = {
    OPT_DOMAIN_ACTIVE,
    OPT(CLI_STRING, "type", "kind of display", .flags = CLI_NAMED | CLI_ONE_OF, .words = "any vnc"),
    { 0 },
};

static bool reload_run(Cli *cli, const CliArgs *args, Error **err)
{
    WireDomainGraphicsReloadArgs call = { .type = args_has(args, "type") ? args_get_word(args, "type") : 0 };
    g_auto(WireDomain) dom = { 0 };

    if (!cli_domain(cli, args, &dom, err))
        return false;
    cli_doing(cli, "Failed to reload the displays of %s", dom.name);
    call.dom = dom;
    if (!cli_call(cli, PROC_DOMAIN_GRAPHICS_RELOAD, &call, NULL, err))
        return false;
    cli_say(cli, "Certificates of the displays of %s read again\n", dom.name);
    return true;
}

const CliCommand commands_more[] = {
    COMMAND("domthrottlegroupset", GROUP_DOMAIN, "make or change a group of limits that disks share",
            throttle_set_options, throttle_set_run, .exclusive = EXCLUSIVE_AFFECT),
    COMMAND("domthrottlegroupdel", GROUP_DOMAIN, "remove a group of limits that disks share",
            throttle_del_options, throttle_del_run, .exclusive = EXCLUSIVE_AFFECT),
    COMMAND("domthrottlegrouplist", GROUP_DOMAIN, "list the groups of limits that disks share",
            throttle_list_options, throttle_list_run, .columns = throttle_columns),
    COMMAND("domthrottlegroupinfo", GROUP_DOMAIN, "show the limits of a group", throttle_info_options,
            throttle_info_run, .json = "{NAME: number}"),
    COMMAND("update-memory-device", GROUP_DOMAIN, "change how much memory a guest gets of a memory device",
            memory_options, memory_run, .exclusive = EXCLUSIVE_AFFECT),
    COMMAND("dommessages", GROUP_MONITOR, "show what people should know about a domain", messages_options,
            messages_run, .columns = messages_columns),
    COMMAND("domdisplay-reload", GROUP_DOMAIN, "read the certificates of a domain's displays again",
            reload_options, reload_run),
    { 0 },
};
