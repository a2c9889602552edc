/* Does a changed document still describe the same hardware? Everything the guest can see must stay; what only
 * the host sees (paths, names, passwords, limits: the rows' column host_side) may change. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_rows.h"
#include "conf/domain_xml.h"

static bool note_first(void *arg, const char *path, const XmlRow *row)
{
    *(char **)arg = g_strdup(path);
    return false;
}

bool domain_def_check_abi_stable(const DomainDef *old, const DomainDef *new, Error **err)
{
    g_autofree char *path = NULL;
    xml_table_diff_guest(&domain_table, old, new, note_first, &path);
    if (!path)
        return true;
    error_set(err, ERROR_CONFIG_UNSUPPORTED, "the guest would notice a change of '%s'", path);
    return error_hint(err, "change only what the host sees: paths, names, passwords, limits");
}
