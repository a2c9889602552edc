/* The one place that says no. Today a caller is either allowed everything or reads only; the rules that the
 * protocol names for each procedure decide what that means with some arguments. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/access.h"

#include <string.h>

#include "wire/wire_enums.h"
#include "wire/wire_gen.h"

bool access_applies(const WireAccess *rule, const void *args)
{
    if (!rule->when && !rule->unless)
        return true;
    const uint32_t value = *(const uint32_t *)((const char *)args + rule->field);
    if (rule->equals)
        return value == rule->when;
    return (value & rule->when) || (rule->unless && !(value & rule->unless));
}

/* Reading, that is: every right that a read-only connection has. */
static bool perm_is_reading(uint8_t perm)
{
    return perm == WIRE_PERM_GETATTR || perm == WIRE_PERM_READ ||
           strncmp(wire_perm_names[perm], "search_", strlen("search_")) == 0;
}

/* What a procedure needs in any case is in its own rule, which knows some surprising refusals. */
static bool read_only_may_call(const WireProc *proc, const void *args)
{
    if (proc->read_only != WIRE_READ_ONLY_CONDITIONAL)
        return proc->read_only == WIRE_READ_ONLY_OK;
    for (unsigned i = 0; i < proc->n_access; i++) {
        if (!perm_is_reading(proc->access[i].perm) && access_applies(&proc->access[i], args))
            return false;
    }
    return true;
}

bool access_check_call(const Caller *caller, const WireProc *proc, const void *args, Error **err)
{
    if (!caller || !caller->read_only || read_only_may_call(proc, args))
        return true;
    error_set(err, ERROR_DENIED, "read only access prevents %s", proc->api);
    if (err && g_str_has_prefix(proc->api, "virDomain"))
        error_set_remote(*err, VIR_ERR_OPERATION_DENIED, VIR_FROM_DOMAIN);
    return false;
}
