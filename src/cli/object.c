/* What networks, storage pools and network filters have in common: they are found by name or UUID, defined by
 * XML, started and stopped. The protocol has a procedure of its own for each, but all take and return the
 * same things. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/object.h"

#include <string.h>

#include "base/uuid.h"
#include "cli/domain.h"
#include "cli/output.h"

/* The arguments of every procedure used here: the object, then flags or a number. */
typedef struct ObjectArgs {
    NamedObject object;
    uint32_t number;
} ObjectArgs;

typedef struct XmlArgs {
    char *xml;
    uint32_t flags;
} XmlArgs;

#define SAME_LAYOUT(type, member) G_STATIC_ASSERT(offsetof(type, member) == offsetof(ObjectArgs, number))
G_STATIC_ASSERT(sizeof(WireStoragePool) == sizeof(NamedObject));
G_STATIC_ASSERT(sizeof(WireNwfilter) == sizeof(NamedObject));
G_STATIC_ASSERT(offsetof(WireStoragePool, uuid) == offsetof(NamedObject, uuid));
G_STATIC_ASSERT(offsetof(WireNwfilter, uuid) == offsetof(NamedObject, uuid));
SAME_LAYOUT(WireNetworkGetXmlDescArgs, flags);
SAME_LAYOUT(WireNetworkSetAutostartArgs, autostart);
SAME_LAYOUT(WireStoragePoolGetXmlDescArgs, flags);
SAME_LAYOUT(WireStoragePoolCreateArgs, flags);
SAME_LAYOUT(WireStoragePoolSetAutostartArgs, autostart);
SAME_LAYOUT(WireNwfilterGetXmlDescArgs, flags);

const ObjectKind object_network = {
    .group = GROUP_NETWORK,
    .option = "network",
    .title = "Network",
    .by_name = PROC_NETWORK_LOOKUP_BY_NAME,
    .by_uuid = PROC_NETWORK_LOOKUP_BY_UUID,
    .get_xml = PROC_NETWORK_GET_XML_DESC,
    .define = PROC_NETWORK_DEFINE_XML,
    .define_flags = PROC_NETWORK_DEFINE_XML_FLAGS,
    .create_xml = PROC_NETWORK_CREATE_XML,
    .create = PROC_NETWORK_CREATE,
    .destroy = PROC_NETWORK_DESTROY,
    .undefine = PROC_NETWORK_UNDEFINE,
    .set_autostart = PROC_NETWORK_SET_AUTOSTART,
    .get_autostart = PROC_NETWORK_GET_AUTOSTART,
    .is_active = PROC_NETWORK_IS_ACTIVE,
    .is_persistent = PROC_NETWORK_IS_PERSISTENT,
};

const ObjectKind object_pool = {
    .group = GROUP_POOL,
    .option = "pool",
    .title = "Pool",
    .by_name = PROC_STORAGE_POOL_LOOKUP_BY_NAME,
    .by_uuid = PROC_STORAGE_POOL_LOOKUP_BY_UUID,
    .get_xml = PROC_STORAGE_POOL_GET_XML_DESC,
    .define = PROC_STORAGE_POOL_DEFINE_XML,
    .define_flags = PROC_STORAGE_POOL_DEFINE_XML,
    .create_xml = PROC_STORAGE_POOL_CREATE_XML,
    .create = PROC_STORAGE_POOL_CREATE,
    .destroy = PROC_STORAGE_POOL_DESTROY,
    .undefine = PROC_STORAGE_POOL_UNDEFINE,
    .set_autostart = PROC_STORAGE_POOL_SET_AUTOSTART,
    .get_autostart = PROC_STORAGE_POOL_GET_AUTOSTART,
    .is_active = PROC_STORAGE_POOL_IS_ACTIVE,
    .is_persistent = PROC_STORAGE_POOL_IS_PERSISTENT,
};

const ObjectKind object_filter = {
    .group = GROUP_FILTER,
    .option = "nwfilter",
    .title = "Network filter",
    .by_name = PROC_NWFILTER_LOOKUP_BY_NAME,
    .by_uuid = PROC_NWFILTER_LOOKUP_BY_UUID,
    .get_xml = PROC_NWFILTER_GET_XML_DESC,
    .define = PROC_NWFILTER_DEFINE_XML,
    .define_flags = PROC_NWFILTER_DEFINE_XML_FLAGS,
    .undefine = PROC_NWFILTER_UNDEFINE,
};

static const ObjectKind *object_kind(const CliArgs *args)
{
    static const ObjectKind *const kinds[] = { &object_network, &object_pool, &object_filter };
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i]->group == cli_args_command(args)->group)
            return kinds[i];
    }
    g_assert_not_reached();
}

bool object_lookup(Cli *cli, const ObjectKind *kind, const char *text, NamedObject *ret_object, Error **err)
{
    WireNetworkLookupByUuidArgs by_uuid;
    WireNetworkLookupByNameArgs by_name = { .name = (char *)text };
    WireNetworkLookupByNameRet ret;
    cli_doing(cli, "failed to get %s '%s'", kind->option, text);
    bool found = strlen(text) == UUID_STRING_LEN - 1 && uuid_parse(text, &by_uuid.uuid, NULL) &&
                 cli_call(cli, kind->by_uuid, &by_uuid, &ret, NULL);
    if (!found && !cli_call(cli, kind->by_name, &by_name, &ret, err))
        return false;
    cli_doing(cli, NULL);
    *ret_object = ret.net;
    return true;
}

static bool lookup(Cli *cli, const CliArgs *args, NamedObject *ret_object, Error **err)
{
    const ObjectKind *kind = object_kind(args);
    return object_lookup(cli, kind, args_get(args, kind->option), ret_object, err);
}

bool object_ask(Cli *cli, int32_t proc, const NamedObject *object, bool *ret_yes, Error **err)
{
    ObjectArgs call = { .object = *object };
    WireNetworkIsActiveRet ret;
    if (!cli_call(cli, proc, &call, &ret, err))
        return false;
    *ret_yes = ret.active != 0;
    return true;
}

const char *object_yes_no(Cli *cli, int32_t proc, const NamedObject *object)
{
    bool yes = false;
    if (!object_ask(cli, proc, object, &yes, NULL))
        return "no autostart";
    return yes ? "yes" : "no";
}

static bool define_xml(Cli *cli, const ObjectKind *kind, const char *xml, bool validate,
                       NamedObject *ret_object, Error **err)
{
    XmlArgs call = { .xml = (char *)xml, .flags = validate ? 1 : 0 };
    WireNetworkDefineXmlRet ret;
    if (!cli_call(cli, validate ? kind->define_flags : kind->define, &call, &ret, err))
        return false;
    *ret_object = ret.net;
    return true;
}

bool object_define_run(Cli *cli, const CliArgs *args, Error **err)
{
    const ObjectKind *kind = object_kind(args);
    g_auto(NamedObject) object = { 0 };
    g_autofree char *xml = NULL;
    const char *file = args_get(args, "file");
    if (!cli_read_file(file, &xml, err))
        return false;
    cli_doing(cli, "Failed to define %s from %s", kind->option, file);
    if (!define_xml(cli, kind, xml, args_has(args, "validate"), &object, err))
        return false;
    cli_message(cli, "%s %s defined from %s", kind->title, object.name, file);
    return true;
}

bool object_create_xml_run(Cli *cli, const CliArgs *args, Error **err)
{
    const ObjectKind *kind = object_kind(args);
    g_autofree char *xml = NULL;
    const char *file = args_get(args, "file");
    g_auto(WireNetworkCreateXmlRet) ret = { 0 };
    if (!cli_read_file(file, &xml, err))
        return false;
    cli_doing(cli, "Failed to create %s from %s", kind->option, file);
    XmlArgs call = { .xml = xml };
    if (!cli_call(cli, kind->create_xml, &call, &ret, err))
        return false;
    cli_message(cli, "%s %s created from %s", kind->title, ret.net.name, file);
    return true;
}

static bool get_xml(Cli *cli, const ObjectKind *kind, const NamedObject *object, unsigned flags,
                    char **ret_xml, Error **err)
{
    ObjectArgs call = { .object = *object, .number = flags };
    WireNetworkGetXmlDescRet ret;
    if (!cli_call(cli, kind->get_xml, &call, &ret, err))
        return false;
    *ret_xml = ret.xml;
    return true;
}

bool object_dumpxml_run(Cli *cli, const CliArgs *args, Error **err)
{
    const ObjectKind *kind = object_kind(args);
    g_auto(NamedObject) object = { 0 };
    g_autofree char *xml = NULL;
    bool inactive = kind != &object_filter && args_has(args, "inactive");
    return lookup(cli, args, &object, err) && get_xml(cli, kind, &object, inactive ? 1 : 0, &xml, err) &&
           cli_print_xml(cli, args, xml, err);
}

static bool edit_apply(Cli *cli, const char *edited, bool relaxed, void *arg, Error **err)
{
    g_auto(NamedObject) object = { 0 };
    return define_xml(cli, arg, edited, !relaxed, &object, err);
}

bool object_edit_run(Cli *cli, const CliArgs *args, Error **err)
{
    const ObjectKind *kind = object_kind(args);
    g_auto(NamedObject) object = { 0 };
    g_autofree char *xml = NULL;
    if (!lookup(cli, args, &object, err) ||
        !get_xml(cli, kind, &object, kind == &object_filter ? 0 : 1, &xml, err))
        return false;
    g_autofree char *what = g_strdup_printf("%s %s XML configuration", kind->title, object.name);
    return cli_edit(cli, what, xml, edit_apply, (void *)kind, err);
}

/* One call on an object, with the words for failure and success. */
static bool simple_call(Cli *cli, const CliArgs *args, int32_t proc, unsigned number, const char *verb,
                        const char *done, Error **err)
{
    const ObjectKind *kind = object_kind(args);
    g_auto(NamedObject) object = { 0 };
    if (!lookup(cli, args, &object, err))
        return false;
    cli_doing(cli, "Failed to %s %s %s", verb, kind->option, object.name);
    ObjectArgs call = { .object = object, .number = number };
    if (!cli_call(cli, proc, &call, NULL, err))
        return false;
    cli_message(cli, "%s %s %s", kind->title, object.name, done);
    return true;
}

bool object_start_run(Cli *cli, const CliArgs *args, Error **err)
{
    unsigned flags = 0;
    if (object_kind(args) == &object_pool)
        flags = (args_has(args, "build") ? VIR_STORAGE_POOL_CREATE_WITH_BUILD : 0) |
                (args_has(args, "overwrite") ? VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE : 0) |
                (args_has(args, "no-overwrite") ? VIR_STORAGE_POOL_CREATE_WITH_BUILD_NO_OVERWRITE : 0);
    return simple_call(cli, args, object_kind(args)->create, flags, "start", "started", err);
}

bool object_destroy_run(Cli *cli, const CliArgs *args, Error **err)
{
    return simple_call(cli, args, object_kind(args)->destroy, 0, "destroy", "destroyed", err);
}

bool object_undefine_run(Cli *cli, const CliArgs *args, Error **err)
{
    bool filter = object_kind(args) == &object_filter;
    return simple_call(cli, args, object_kind(args)->undefine, 0, "undefine",
                       filter ? "undefined" : "has been undefined", err);
}

bool object_autostart_run(Cli *cli, const CliArgs *args, Error **err)
{
    bool on = !args_has(args, "disable");
    return simple_call(cli, args, object_kind(args)->set_autostart, on, on ? "mark" : "unmark",
                       on ? "marked as autostarted" : "unmarked as autostarted", err);
}

bool object_name_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(NamedObject) object = { 0 };
    if (!lookup(cli, args, &object, err))
        return false;
    cli_print_value(cli, "name", object.name);
    return true;
}

bool object_uuid_run(Cli *cli, const CliArgs *args, Error **err)
{
    g_auto(NamedObject) object = { 0 };
    char uuid[UUID_STRING_LEN];
    if (!lookup(cli, args, &object, err))
        return false;
    uuid_format(&object.uuid, uuid);
    cli_print_value(cli, "uuid", uuid);
    return true;
}
