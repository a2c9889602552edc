/* Machines in files: save, restore, managed save, core dumps. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_save.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

RPC_VM_HANDLER(domain_save)
{
    return vm_save(vm, args->to, NULL, 0, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_save_flags)
{
    return vm_save(vm, args->to, args->dxml, args->flags, rpc_caller(call), err);
}

RPC_HANDLER(domain_restore)
{
    return vm_restore(call->host, args->from, NULL, 0, rpc_caller(call), err);
}

RPC_HANDLER(domain_restore_flags)
{
    return vm_restore(call->host, args->from, args->dxml, args->flags, rpc_caller(call), err);
}

/* The newer calls name the file and the document as parameters. */
static bool save_read_params(const WireTypedParam *params, uint32_t n_params, const char **ret_file,
                             const char **ret_dxml, Error **err)
{
    for (uint32_t i = 0; i < n_params; i++) {
        const WireTypedParam *param = &params[i];
        const char **target = NULL;
        if (strcmp(param->field, VIR_DOMAIN_SAVE_PARAM_FILE) == 0)
            target = ret_file;
        else if (strcmp(param->field, VIR_DOMAIN_SAVE_PARAM_DXML) == 0)
            target = ret_dxml;
        if (!target)
            return error_set(err, ERROR_INVALID_ARGUMENT, "parameter '%s' not supported", param->field);
        if (param->value.type != VIR_TYPED_PARAM_STRING)
            return error_set(err, ERROR_INVALID_ARGUMENT, "parameter '%s' must be a string", param->field);
        if (*target)
            return error_set(err, ERROR_INVALID_ARGUMENT, "parameter '%s' occurs multiple times",
                             param->field);
        *target = param->value.s;
    }
    return true;
}

RPC_VM_HANDLER(domain_save_params)
{
    const char *file = NULL, *dxml = NULL;

    if (!save_read_params(args->params, args->n_params, &file, &dxml, err))
        return false;
    if (!file)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "missing 'file' parameter");
    return vm_save(vm, file, dxml, args->flags, rpc_caller(call), err);
}

RPC_HANDLER(domain_restore_params)
{
    const char *file = NULL, *dxml = NULL;

    if (!save_read_params(args->params, args->n_params, &file, &dxml, err))
        return false;
    if (!file)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "missing 'file' parameter");
    return vm_restore(call->host, file, dxml, args->flags, rpc_caller(call), err);
}

RPC_HANDLER(domain_save_image_get_xml_desc)
{
    return save_image_get_xml(call->host, args->file, args->flags, &ret->xml, err);
}

RPC_HANDLER(domain_save_image_define_xml)
{
    return save_image_define_xml(call->host, args->file, args->dxml, args->flags, err);
}

RPC_VM_HANDLER(domain_managed_save)
{
    return vm_managed_save(vm, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_managed_save_remove)
{
    return rpc_check_flags(call, args->flags, 0, err) && vm_managed_save_remove(vm, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_managed_save_get_xml_desc)
{
    return vm_managed_save_get_xml(vm, args->flags, &ret->xml, err);
}

RPC_VM_HANDLER(domain_managed_save_define_xml)
{
    return vm_managed_save_define_xml(vm, args->dxml, args->flags, err);
}

RPC_VM_HANDLER(domain_core_dump)
{
    return vm_core_dump(vm, args->to, VIR_DOMAIN_CORE_DUMP_FORMAT_RAW, args->flags, rpc_caller(call), err);
}

RPC_VM_HANDLER(domain_core_dump_with_format)
{
    return vm_core_dump(vm, args->to, args->dumpformat, args->flags, rpc_caller(call), err);
}

const RpcEntry rpc_entries_save[] = {
    RPC_ENTRY(domain_save),
    RPC_ENTRY(domain_save_flags),
    RPC_ENTRY(domain_save_params),
    RPC_ENTRY(domain_restore),
    RPC_ENTRY(domain_restore_flags),
    RPC_ENTRY(domain_restore_params),
    RPC_ENTRY(domain_save_image_get_xml_desc),
    RPC_ENTRY(domain_save_image_define_xml),
    RPC_ENTRY(domain_managed_save),
    RPC_ENTRY(domain_managed_save_remove),
    RPC_ENTRY(domain_managed_save_get_xml_desc),
    RPC_ENTRY(domain_managed_save_define_xml),
    RPC_ENTRY(domain_core_dump),
    RPC_ENTRY(domain_core_dump_with_format),
    { 0 },
};
