/* Which machines there are: look-ups, lists, and what is known of each without asking anybody. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_define.h"
#include "machine/vm_info.h"
#include "rpc/convert.h"
#include "rpc/handle_object.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

#define DOMAIN_LIST_MAX 16384

/* ---- look-ups ---- */

RPC_HANDLER(domain_lookup_by_id)
{
    return rpc_answer_domain(vm_find_by_id(call->host, args->id, err), &ret->dom);
}

/* ---- lists ---- */

RPC_HANDLER(connect_list_domains)
{
    g_autoptr(GPtrArray) vms = NULL;

    if (args->maxids < 0 || args->maxids > DOMAIN_LIST_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "at most %d domains can be listed, not %d",
                         DOMAIN_LIST_MAX, args->maxids);
    if (!vm_list(call->host, VIR_CONNECT_LIST_DOMAINS_ACTIVE, &vms, err))
        return false;
    ret->n_ids = MIN(vms->len, (uint32_t)args->maxids);
    ret->ids = g_new0(int32_t, MAX(ret->n_ids, 1));
    for (uint32_t i = 0; i < ret->n_ids; i++)
        ret->ids[i] = vm_id(g_ptr_array_index(vms, i));
    return true;
}

/* ---- what a machine is ---- */

RPC_VM_HANDLER(domain_get_os_type)
{
    ret->type = g_strdup(vm_os_type(vm));
    return true;
}

RPC_VM_HANDLER(domain_get_info)
{
    VmInfo info = { 0 };

    if (!vm_get_info(vm, &info, err))
        return false;
    ret->state = (uint8_t)info.state;
    ret->max_mem = info.max_memory_bytes / 1024;
    ret->memory = info.memory_bytes / 1024;
    ret->nr_virt_cpu = (uint16_t)MIN(info.n_vcpus, UINT16_MAX);
    ret->cpu_time = info.cpu_time_ns;
    return true;
}

RPC_VM_HANDLER(domain_get_state)
{
    int reason = 0;

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    ret->state = (int32_t)vm_state(vm, &reason);
    ret->reason = reason;
    return true;
}

RPC_VM_HANDLER(domain_get_control_info)
{
    VmControl control = { 0 };

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    if (!vm_is_running(vm))
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    vm_get_control(vm, &control);
    ret->state = control.state;
    ret->details = control.details;
    ret->state_time = control.state_ms;
    return true;
}

RPC_VM_HANDLER(domain_is_updated)
{
    ret->updated = vm_is_updated(vm);
    return true;
}

RPC_VM_HANDLER(domain_has_managed_save_image)
{
    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    ret->result = vm_has_managed_save(vm);
    return true;
}

RPC_VM_HANDLER(domain_get_xml_desc)
{
    return vm_get_xml(vm, args->flags, rpc_caller(call), &ret->xml, err);
}

RPC_VM_HANDLER(domain_get_max_memory)
{
    ret->memory = vm_get_max_memory(vm) / 1024;
    return true;
}

RPC_VM_HANDLER(domain_get_max_vcpus)
{
    unsigned count = 0;

    /* Documented for running domains only. */
    if (!vm_get_vcpu_count(vm, VIR_DOMAIN_VCPU_LIVE | VIR_DOMAIN_VCPU_MAXIMUM, &count, err))
        return false;
    ret->num = (int32_t)count;
    return true;
}

RPC_VM_HANDLER(domain_get_vcpus_flags)
{
    unsigned count = 0;

    if (!vm_get_vcpu_count(vm, args->flags, &count, err))
        return false;
    ret->num = (int32_t)count;
    return true;
}

RPC_VM_HANDLER(domain_get_metadata)
{
    return vm_get_metadata(vm, args->type, args->uri, args->flags, &ret->metadata, err);
}

RPC_VM_HANDLER(domain_get_messages)
{
    g_autoptr(GPtrArray) messages = NULL;

    if (!vm_get_messages(vm, args->flags, &messages, err))
        return false;
    rpc_take_strings(messages, &ret->msgs, &ret->n_msgs);
    return true;
}

static void domain_fill_label(const char *label, bool enforcing, WireDomainGetSecurityLabelRet *ret_label)
{
    ret_label->label = g_strdup(label ? label : "");
    ret_label->n_label = (uint32_t)strlen(ret_label->label) + 1; /* with the NUL */
    ret_label->enforcing = enforcing;
}

RPC_VM_HANDLER(domain_get_security_label)
{
    g_autofree char *label = NULL;
    bool enforcing = false;

    vm_get_security_label(vm, &label, &enforcing);
    domain_fill_label(label, enforcing, ret);
    return true;
}

RPC_VM_HANDLER(domain_get_security_label_list)
{
    g_autoptr(GPtrArray) labels = vm_list_security_labels(vm);

    ret->labels = g_new0(WireDomainGetSecurityLabelRet, MAX(labels->len, 1));
    ret->n_labels = labels->len;
    ret->ret = (int32_t)labels->len;
    for (guint i = 0; i < labels->len; i++)
        domain_fill_label(g_ptr_array_index(labels, i), false, &ret->labels[i]);
    return true;
}

const RpcEntry rpc_entries_domain[] = {
    RPC_OBJECT(domain_lookup_by_name, lookup_by_name, domain_class),
    RPC_OBJECT(domain_lookup_by_uuid, lookup_by_uuid, domain_class),
    RPC_ENTRY(domain_lookup_by_id),
    RPC_OBJECT(connect_list_all_domains, list_all, domain_class),
    RPC_OBJECT(connect_num_of_domains, num_active, domain_class),
    RPC_OBJECT(connect_num_of_defined_domains, num_inactive, domain_class),
    RPC_ENTRY(connect_list_domains),
    RPC_OBJECT(connect_list_defined_domains, names_inactive, domain_class),
    RPC_ENTRY(domain_get_os_type),
    RPC_ENTRY(domain_get_info),
    RPC_ENTRY(domain_get_state),
    RPC_ENTRY(domain_get_control_info),
    RPC_OBJECT(domain_is_active, is_active, domain_class),
    RPC_OBJECT(domain_is_persistent, is_persistent, domain_class),
    RPC_ENTRY(domain_is_updated),
    RPC_OBJECT(domain_get_autostart, get_autostart, domain_class),
    RPC_OBJECT(domain_set_autostart, set_autostart, domain_class),
    RPC_ENTRY(domain_has_managed_save_image),
    RPC_ENTRY(domain_get_xml_desc),
    RPC_ENTRY(domain_get_max_memory),
    RPC_ENTRY(domain_get_max_vcpus),
    RPC_ENTRY(domain_get_vcpus_flags),
    RPC_ENTRY(domain_get_metadata),
    RPC_ENTRY(domain_get_messages),
    RPC_ENTRY(domain_get_security_label),
    RPC_ENTRY(domain_get_security_label_list),
    { 0 },
};
