/* What documents ask for beside devices: properties that override ours, the generation id, ACPI tables, and
 * the host's SMBIOS. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/units.h"
#include "conf/domain_rows.h"
#include "host/node.h"
#include "qemu/command_private.h"

/* ---- <qemu:override> ---- */

/* The rows have checked type and value. */
static Json *property_value(const QemuProperty *property)
{
    int64_t number = 0;
    if (strcmp(property->type, "bool") == 0)
        return json_boolean(strcmp(property->value, "true") == 0);
    if (strcmp(property->type, "string") != 0 && parse_int(property->value, &number, NULL))
        return json_integer(number);
    return json_string_nocheck(property->value);
}

void override_device(const DomainDef *def, Json *device)
{
    const char *alias = json_string_value(json_object_get(device, "id"));
    for (DEF_EACH(QemuOverride, override, def->qemu ? def->qemu->overrides : NULL)) {
        if (g_strcmp0(override->alias, alias) != 0)
            continue;
        for (DEF_EACH(QemuProperty, property, override->properties)) {
            if (strcmp(property->type, "remove") == 0)
                json_object_del(device, property->name);
            else
                json_object_set_new_nocheck(device, property->name, property_value(property));
        }
    }
}

/* ---- <genid>, <os><acpi> ---- */

bool build_generation_id(const PlanContext *c, Plan *plan, Error **err)
{
    if (!c->def->has_genid)
        return true;
    char guid[UUID_STRING_LEN];
    uuid_format(&c->def->genid, guid);
    Json *device = device_new("vmgenid");
    prop_str(device, "guid", guid);
    prop_str(device, "id", "vmgenid0");
    plan_at(plan, "/domain/genid");
    return add_device(c, plan, device, NULL, err);
}

void build_acpi_table(const PlanContext *c, Plan *plan)
{
    if (!c->def->os.acpi_table)
        return;
    g_autofree char *path = option_escape(c->def->os.acpi_table);
    plan_at(plan, "/domain/os/acpi/table");
    plan_text(plan, "-acpitable", "sig=SLIC,file=%s", path);
}

/* ---- <smbios mode='host'> ---- */

bool host_sysinfo(SysinfoDef **ret_sysinfo, Error **err)
{
    g_autofree char *xml = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    if (!node_get_sysinfo_xml(&xml, err) ||
        !xml_document_read(xml, strlen(xml), "(the host's SMBIOS)", &doc, err))
        return false;
    XmlReader reader = { .source = "(the host's SMBIOS)" };
    void *sysinfo = NULL;
    if (!xml_table_read(&sysinfo_table, &reader, xmlDocGetRootElement(doc), &sysinfo, err))
        return false;
    *ret_sysinfo = sysinfo;
    return true;
}
