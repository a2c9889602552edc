/* What backups need of the daemon beyond libvirt's calls. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "machine/backup_schedule.h"
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

/* "list", "add" an order, "remove" {"domain", "repository"}; answers with what is there then. */
RPC_HANDLER(lodge_backup_schedule)
{
    AUTO_JSON order = NULL;

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    if (strcmp(args->operation, "list") != 0) {
        const bool adds = strcmp(args->operation, "add") == 0;
        if (!adds && strcmp(args->operation, "remove") != 0)
            return error_set(err, ERROR_INVALID_ARGUMENT, "unknown operation '%s'", args->operation);
        if (!json_parse(args->json, strlen(args->json), "the schedule", &order, err) ||
            !(adds ? backup_schedule_add(call->host, order, err)
                   : backup_schedule_remove(call->host, json_get_str(order, "domain"),
                                            json_get_str(order, "repository"), err)))
            return false;
    }
    AUTO_JSON list = backup_schedule_list(call->host);
    ret->json = json_format(list);
    return true;
}

const RpcEntry rpc_entries_lodge_backup[] = {
    RPC_ENTRY(lodge_backup_schedule),
    RPC_ENTRY(lodge_domain_files),
    { 0 },
};
