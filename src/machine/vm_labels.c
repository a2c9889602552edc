/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_labels.h"

#include <string.h>

#include "conf/domain_def.h"
#include "conf/metadata.h"
#include "conf/xml_table.h"
#include "core/object_class.h"
#include "machine/vm_define.h"

#define LABELS_MAX 4096

void vm_labels_clear(VmLabels *labels)
{
    g_clear_pointer(&labels->owner, g_free);
    g_clear_pointer(&labels->tags, g_free);
}

static void labels_free(void *data)
{
    vm_labels_clear(data);
    g_free(data);
}

static char *attribute(const xmlNode *root, const char *name)
{
    xmlChar *value = xmlGetProp(root, (const xmlChar *)name);
    char *copy = value ? g_strdup((const char *)value) : NULL;

    xmlFree(value);
    return copy;
}

static bool labels_take(const xmlNode *root, void *arg, Error **err)
{
    *(VmLabels *)arg = (VmLabels){ attribute(root, "owner"), attribute(root, "tags") };
    return true;
}

bool vm_labels_get(Vm *vm, VmLabels *ret_labels)
{
    const Object *object = vm_object(vm);
    const DomainDef *def = object->live ? object->live : object->config;
    g_autofree char *text = NULL;

    /* Most have none, which is seen without reading XML. */
    if (!def || !def->metadata || !strstr(def->metadata, VM_LABELS_NAMESPACE) ||
        !vm_get_metadata(vm, METADATA_ELEMENT, VM_LABELS_NAMESPACE, 0, &text, NULL) ||
        strlen(text) > LABELS_MAX)
        return false;
    VmLabels *labels = g_new0(VmLabels, 1);
    if (!xml_document_use(text, strlen(text), "(metadata)", labels_take, labels, labels_free, NULL))
        return false;
    *ret_labels = *labels;
    g_free(labels);
    return true;
}

char *vm_labels_format(const VmLabels *labels)
{
    g_autofree char *owner = labels->owner ? g_markup_printf_escaped(" owner='%s'", labels->owner) : NULL;
    g_autofree char *tags = labels->tags ? g_markup_printf_escaped(" tags='%s'", labels->tags) : NULL;

    return owner || tags ? g_strdup_printf("<access%s%s/>", owner ? owner : "", tags ? tags : "") : NULL;
}
