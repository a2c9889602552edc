/* What backups need of the daemon beyond libvirt's calls. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "machine/vm_state_files.h"
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "wire/wire_enums.h"

RPC_HANDLER(lodge_domain_files)
{
    g_autoptr(Vm) vm = rpc_find_vm(call, &args->dom, err);
    AUTO_JSON files = NULL;

    if (!vm || !rpc_check_flags(call, args->flags, LODGE_DOMAIN_FILES_PUT, err))
        return false;
    if (args->flags & LODGE_DOMAIN_FILES_PUT) {
        if (!json_parse(args->json, strlen(args->json), "the list of files", &files, err) ||
            !vm_write_state_files(vm, files, rpc_caller(call), err))
            return false;
        ret->json = g_strdup("[]");
        return true;
    }
    if (!vm_read_state_files(vm, &files, err))
        return false;
    ret->json = json_format(files);
    return true;
}

const RpcEntry rpc_entries_lodge_backup[] = {
    RPC_ENTRY(lodge_domain_files),
    { 0 },
};
