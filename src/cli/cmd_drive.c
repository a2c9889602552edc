/* Commands that plug disks into a domain and out of it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cli/commands.h"
#include "cli/domain.h"
#include "cli/output.h"
#include "cli/row.h"

#define OPT_PERSISTENT OPT_BOOL("persistent", "now and in the stored definition")
#define OPT_WORDS(option, list, text)                                                                        \
    OPT(CLI_STRING, option, text, .flags = CLI_NAMED | CLI_ONE_OF, .words = list)

static const CliOption attach_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "source", "path of the image or device", .flags = CLI_REQUIRED,
        .complete = COMPLETE_FILE),
    OPT_REQUIRED("target", "its name in the guest, such as vdb"),
    OPT_NAMED("targetbus", "virtio, scsi, usb, sata, ide or fdc; default: as the name says"),
    OPT_NAMED("driver", "who reads the image; default: qemu"),
    OPT_NAMED("subdriver", "format of the image; default: raw"),
    OPT_NAMED("cache", "cache mode"),
    OPT_NAMED("io", "native, threads or io_uring"),
    OPT_WORDS("type", "disk cdrom floppy lun", "what the guest sees"),
    OPT_WORDS("mode", "readonly shareable", "how it is shared"),
    OPT_WORDS("sourcetype", "file block", "kind of the source; default: block below /dev"),
    OPT_NAMED("serial", "serial number"),
    OPT_NAMED("wwn", "world wide name"),
    OPT_NAMED("alias", "name of its own, with ua- before it"),
    OPT_BOOL("print-xml", "print the XML instead"),
    OPT_PERSISTENT,
    OPT_AFFECT,
    { 0 },
};

static void append_attribute(GString *xml, const char *name, const char *value)
{
    g_autofree char *text = value ? g_markup_escape_text(value, -1) : NULL;
    if (text)
        g_string_append_printf(xml, " %s='%s'", name, text);
}

static void append_child(GString *xml, const char *name, const char *value)
{
    g_autofree char *text = value ? g_markup_escape_text(value, -1) : NULL;
    if (text)
        g_string_append_printf(xml, "<%s>%s</%s>", name, text, name);
}

static bool is_block(const CliArgs *args)
{
    const char *type = args_get(args, "sourcetype");
    return type ? strcmp(type, "block") == 0 : g_str_has_prefix(args_get(args, "source"), "/dev/");
}

static char *attach_xml(const CliArgs *args)
{
    GString *xml = g_string_new("<disk");
    append_attribute(xml, "type", is_block(args) ? "block" : "file");
    append_attribute(xml, "device", args_get(args, "type"));
    g_string_append(xml, "><driver");
    append_attribute(xml, "name", args_has(args, "driver") ? args_get(args, "driver") : "qemu");
    append_attribute(xml, "type", args_has(args, "subdriver") ? args_get(args, "subdriver") : "raw");
    append_attribute(xml, "cache", args_get(args, "cache"));
    append_attribute(xml, "io", args_get(args, "io"));
    g_string_append(xml, "/><source");
    append_attribute(xml, is_block(args) ? "dev" : "file", args_get(args, "source"));
    g_string_append(xml, "/><target");
    append_attribute(xml, "dev", args_get(args, "target"));
    append_attribute(xml, "bus", args_get(args, "targetbus"));
    g_string_append(xml, "/>");
    if (args_has(args, "mode"))
        g_string_append_printf(xml, "<%s/>", args_get(args, "mode"));
    append_child(xml, "serial", args_get(args, "serial"));
    append_child(xml, "wwn", args_get(args, "wwn"));
    if (args_has(args, "alias")) {
        g_string_append(xml, "<alias");
        append_attribute(xml, "name", args_get(args, "alias"));
        g_string_append(xml, "/>");
    }
    g_string_append(xml, "</disk>");
    return g_string_free(xml, FALSE);
}

static bool attach_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = attach_xml(args);
    uint32_t flags = 0;

    cli_doing(cli, "Failed to attach disk");
    if (args_has(args, "print-xml")) {
        cli_say(cli, "%s\n", xml);
        return true;
    }
    if (!cli_domain(cli, args, &dom, err) || !cli_affect_flags(cli, args, &dom, &flags, err))
        return false;
    const WireDomainAttachDeviceFlagsArgs call = { .dom = dom, .xml = xml, .flags = flags };
    if (!cli_call(cli, PROC_DOMAIN_ATTACH_DEVICE_FLAGS, &call, NULL, err))
        return false;
    cli_message(cli, "Disk attached successfully");
    return true;
}

static const CliOption detach_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "target", "target or source of the disk", .flags = CLI_REQUIRED,
        .complete = COMPLETE_DOMAIN_DISK),
    OPT_BOOL("print-xml", "print the XML of what would be detached instead"),
    OPT_PERSISTENT,
    OPT_AFFECT,
    { 0 },
};

/* The disk that is meant, in its domain's document (owned, whatever happens). */
static bool find_disk(Cli *cli, const WireDomain *dom, bool inactive, const char *name, XmlDoc **ret_doc,
                      xmlNode **ret_disk, Error **err)
{
    g_autofree char *xml = NULL;
    g_autoptr(GPtrArray) nodes = NULL;

    if (!cli_domain_xml(cli, dom, inactive ? VIR_DOMAIN_XML_INACTIVE : 0, &xml, err) ||
        !xml_parse(xml, ret_doc, err) || !xml_select(*ret_doc, NULL, "/domain/devices/disk", &nodes, err))
        return false;
    for (unsigned i = 0; i < nodes->len; i++) {
        static const char *const places[] = { "./target/@dev", "./source/@file", "./source/@dev",
                                              "./source/@name" };
        for (size_t k = 0; k < G_N_ELEMENTS(places); k++) {
            g_autofree char *text = xml_get(*ret_doc, nodes->pdata[i], places[k]);
            if (g_strcmp0(text, name) == 0) {
                *ret_disk = nodes->pdata[i];
                return true;
            }
        }
    }
    return error_set(err, ERROR_DEVICE_MISSING, "No disk found whose source path or target is %s", name);
}

static char *format_disk(XmlDoc *doc, xmlNode *disk)
{
    g_autoptr(GPtrArray) one = g_ptr_array_new();

    g_ptr_array_add(one, disk);
    return xml_format_nodes(doc, one, false);
}

static bool detach_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autofree char *xml = NULL;
    g_autoptr(XmlDoc) doc = NULL;
    xmlNode *disk = NULL;
    uint32_t flags = 0;

    cli_doing(cli, "Failed to detach disk");
    if (!cli_domain(cli, args, &dom, err) || !cli_affect_flags(cli, args, &dom, &flags, err))
        return false;
    const bool inactive = (flags & VIR_DOMAIN_AFFECT_CONFIG) && !(flags & VIR_DOMAIN_AFFECT_LIVE);
    if (!find_disk(cli, &dom, inactive, args_get(args, "target"), &doc, &disk, err))
        return false;
    xml = format_disk(doc, disk);
    if (args_has(args, "print-xml")) {
        cli_say(cli, "%s\n", xml);
        return true;
    }
    const WireDomainDetachDeviceFlagsArgs call = { .dom = dom, .xml = xml, .flags = flags };
    if (!cli_call(cli, PROC_DOMAIN_DETACH_DEVICE_FLAGS, &call, NULL, err))
        return false;
    cli_message(cli, "Disk detached successfully");
    return true;
}

/* ---- media ---- */

static const CliOption media_options[] = {
    OPT_DOMAIN,
    OPT(CLI_STRING, "path", "target or source of the drive", .flags = CLI_REQUIRED,
        .complete = COMPLETE_DOMAIN_DISK),
    OPT(CLI_STRING, "source", "path of the medium", .complete = COMPLETE_FILE),
    OPT_BOOL("eject", "take the medium out"),
    OPT_BOOL("insert", "put one into the empty drive"),
    OPT_BOOL("update", "put one in whatever is in there (the default)"),
    OPT_BOOL("force", "also if the guest has locked the drive"),
    OPT_BOOL("block", "the medium is a block device; default: it is below /dev"),
    OPT_BOOL("print-xml", "print the XML instead"),
    OPT_PERSISTENT,
    OPT_AFFECT,
    { 0 },
};

/* What belongs to the medium goes; what is the drive's stays. */
static void media_take_out(xmlNode *disk)
{
    static const char *const names[] = { "source", "backingStore", "auth", "encryption", "mirror" };

    for (xmlNode *child = disk->children, *next; child; child = next) {
        next = child->next;
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
            if (child->type == XML_ELEMENT_NODE && xmlStrEqual(child->name, (const xmlChar *)names[i])) {
                xmlUnlinkNode(child);
                xmlFreeNode(child);
                break;
            }
        }
    }
}

static void media_put_in(xmlNode *disk, const char *path, bool block)
{
    xmlNode *source = xmlNewNode(NULL, (const xmlChar *)"source");

    xmlSetProp(source, (const xmlChar *)(block ? "dev" : "file"), (const xmlChar *)path);
    xmlSetProp(disk, (const xmlChar *)"type", (const xmlChar *)(block ? "block" : "file"));
    if (disk->children)
        xmlAddPrevSibling(disk->children, source);
    else
        xmlAddChild(disk, source);
}

static bool media_check(const CliArgs *args, XmlDoc *doc, xmlNode *disk, Error **err)
{
    g_autoptr(GPtrArray) sources = NULL;
    g_autofree char *device = xml_get(doc, disk, "./@device");
    g_autofree char *target = xml_get(doc, disk, "./target/@dev");
    const char *source = args_get(args, "source");

    if (g_strcmp0(device, "cdrom") != 0 && g_strcmp0(device, "floppy") != 0) {
        error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no CD or floppy drive", target);
        return error_hint(err, "attach-disk and detach-disk plug other disks");
    }
    if (!xml_select(doc, disk, "./source", &sources, err))
        return false;
    if (args_has(args, "eject") && sources->len == 0)
        return error_set(err, ERROR_INVALID_STATE, "The disk device '%s' doesn't have media", target);
    if (args_has(args, "insert") && sources->len > 0)
        return error_set(err, ERROR_INVALID_STATE, "The disk device '%s' already has media", target);
    if (!args_has(args, "eject") && !source) {
        error_set(err, ERROR_INVALID_ARGUMENT, "No disk source specified for %s",
                  args_has(args, "insert") ? "inserting" : "updating");
        return error_hint(err, "--source names it; --eject takes it out");
    }
    return !args_has(args, "eject") || !source ||
           error_set(err, ERROR_INVALID_ARGUMENT, "a medium that is taken out has no --source");
}

static bool media_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(WireDomain) dom = { 0 };
    g_autoptr(XmlDoc) doc = NULL;
    xmlNode *disk = NULL;
    const char *source = args_get(args, "source");
    uint32_t flags = 0;

    cli_doing(cli, "Failed to complete action %s on media",
              args_has(args, "eject")    ? "eject"
              : args_has(args, "insert") ? "insert"
                                         : "update");
    if (!cli_domain(cli, args, &dom, err) || !cli_affect_flags(cli, args, &dom, &flags, err))
        return false;
    const bool inactive = (flags & VIR_DOMAIN_AFFECT_CONFIG) && !(flags & VIR_DOMAIN_AFFECT_LIVE);
    if (!find_disk(cli, &dom, inactive, args_get(args, "path"), &doc, &disk, err) ||
        !media_check(args, doc, disk, err))
        return false;
    media_take_out(disk);
    if (source)
        media_put_in(disk, source, args_has(args, "block") || g_str_has_prefix(source, "/dev/"));
    g_autofree char *xml = format_disk(doc, disk);
    if (args_has(args, "print-xml")) {
        cli_say(cli, "%s\n", xml);
        return true;
    }
    const WireDomainUpdateDeviceFlagsArgs call = {
        .dom = dom,
        .xml = xml,
        .flags = flags | (args_has(args, "force") ? VIR_DOMAIN_DEVICE_MODIFY_FORCE : 0)
    };
    if (!cli_call(cli, PROC_DOMAIN_UPDATE_DEVICE_FLAGS, &call, NULL, err))
        return false;
    cli_message(cli, "Successfully %s media.",
                args_has(args, "eject")    ? "ejected"
                : args_has(args, "insert") ? "inserted"
                                           : "updated");
    return true;
}

const CliCommand commands_drive[] = {
    COMMAND("change-media", GROUP_DOMAIN, "change what is in a CD or floppy drive", media_options, media_run,
            .doc = "A drive that the guest has locked is opened by the guest; one that does not within some "
                   "seconds "
                   "keeps its medium, unless --force.",
            .exclusive = EXCLUSIVE_AFFECT "; persistent current; eject insert update"),
    COMMAND("attach-disk", GROUP_DOMAIN, "add a disk", attach_options, attach_run,
            .exclusive = EXCLUSIVE_AFFECT "; persistent current"),
    COMMAND("detach-disk", GROUP_DOMAIN, "remove a disk", detach_options, detach_run,
            .exclusive = EXCLUSIVE_AFFECT "; persistent current"),
    { 0 },
};
