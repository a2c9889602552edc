/* Title, description and the free elements below <metadata>, of the running machine, the definition or both.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/metadata.h"
#include "machine/vm_define.h"
#include "machine/vm_edit.h"
#include "machine/vm_query.h"

/* Takes the texts of @from; what it had goes there. */
static void metadata_swap(DomainDef *def, void *data)
{
    DomainDef *from = data;
    const DomainDef old = *def;

    def->title = from->title;
    def->description = from->description;
    def->metadata = from->metadata;
    from->title = old.title;
    from->description = old.description;
    from->metadata = old.metadata;
}

bool vm_set_metadata(Vm *vm, int type, const char *metadata, const char *key, const char *uri, unsigned flags,
                     const Caller *caller, Error **err)
{
    g_autoptr(DomainDef) live = NULL;
    g_auto(VmEdit) edit = { 0 };

    if (!check_flags(flags, 3, "qemuDomainSetMetadata", err) ||
        !metadata_check(type, metadata, key, uri, err) || !vm_edit_begin(vm, flags, caller, &edit, err) ||
        (edit.config && !metadata_set(METADATA_OF(edit.config), type, metadata, key, uri, err)))
        return false;
    if (edit.live) {
        live = domain_def_copy(vm->live);
        if (!metadata_set(METADATA_OF(live), type, metadata, key, uri, err) ||
            !vm_xml_check_readable(live, err))
            return false;
        vm_edit_set_live(&edit, metadata_swap, live);
    }
    return vm_edit_commit(&edit, &(Event){ .id = EVENT_METADATA_CHANGE, .type = type, .text1 = uri }, err);
}

bool vm_get_metadata(Vm *vm, int type, const char *uri, unsigned flags, char **ret_text, Error **err)
{
    const DomainDef *def = NULL;

    if (!check_flags(flags, 3, "qemuDomainGetMetadata", err) ||
        !metadata_check(type, NULL, NULL, type == METADATA_ELEMENT ? uri : NULL, err) ||
        !vm_get_affected_def(vm, flags, &def, err))
        return false;
    if (!metadata_get(METADATA_OF((DomainDef *)def), type, uri, ret_text, err))
        return false;
    return *ret_text || error_set(err, ERROR_NO_DOMAIN_METADATA, "Requested metadata element is not present");
}
