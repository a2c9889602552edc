/* Which procedures this server knows. Known ones without a row are answered "not supported". */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/handlers.h"

#include "rpc/auth.h"

static const RpcEntry no_entries[] = { { 0 } };

const RpcTable rpc_tables[] = {
    { WIRE_PROGRAM_REMOTE, rpc_entries_auth },
    { WIRE_PROGRAM_REMOTE, rpc_entries_auth_sasl },
    { WIRE_PROGRAM_REMOTE, rpc_entries_block },
    { WIRE_PROGRAM_REMOTE, rpc_entries_checkpoint },
    { WIRE_PROGRAM_REMOTE, rpc_entries_connect },
    { WIRE_PROGRAM_REMOTE, rpc_entries_console },
    { WIRE_PROGRAM_REMOTE, rpc_entries_define },
    { WIRE_PROGRAM_REMOTE, rpc_entries_device },
    { WIRE_PROGRAM_REMOTE, rpc_entries_domain },
    { WIRE_PROGRAM_REMOTE, rpc_entries_event },
    { WIRE_PROGRAM_REMOTE, rpc_entries_guest },
    { WIRE_PROGRAM_REMOTE, rpc_entries_host },
    { WIRE_PROGRAM_REMOTE, rpc_entries_host_tune },
    { WIRE_PROGRAM_REMOTE, rpc_entries_info },
    { WIRE_PROGRAM_REMOTE, rpc_entries_interface },
    { WIRE_PROGRAM_REMOTE, rpc_entries_life },
    { WIRE_PROGRAM_REMOTE, rpc_entries_machine },
    { WIRE_PROGRAM_REMOTE, rpc_entries_launch },
    { WIRE_PROGRAM_REMOTE, rpc_entries_network },
    { WIRE_PROGRAM_REMOTE, rpc_entries_nodedev },
    { WIRE_PROGRAM_REMOTE, rpc_entries_nwfilter },
    { WIRE_PROGRAM_REMOTE, rpc_entries_migrate },
    { WIRE_PROGRAM_REMOTE, rpc_entries_save },
    { WIRE_PROGRAM_REMOTE, rpc_entries_secret },
    { WIRE_PROGRAM_REMOTE, rpc_entries_snapshot },
    { WIRE_PROGRAM_REMOTE, rpc_entries_storage },
    { WIRE_PROGRAM_REMOTE, rpc_entries_tunables },
    { WIRE_PROGRAM_QEMU, rpc_entries_qemu },
    { WIRE_PROGRAM_LODGE, rpc_entries_host_bridge },
    { WIRE_PROGRAM_LODGE, rpc_entries_image },
    { WIRE_PROGRAM_LODGE, rpc_entries_lodge },
    { WIRE_PROGRAM_LODGE, rpc_entries_lodge_backup },
    { WIRE_PROGRAM_LODGE, rpc_entries_lodge_memory },
    { WIRE_PROGRAM_LODGE, rpc_entries_lodge_block },
    { WIRE_PROGRAM_LODGE, rpc_entries_lodge_firewall },
    { WIRE_PROGRAM_LODGE, rpc_entries_lodge_snapshot },
    { WIRE_PROGRAM_LODGE, rpc_entries_lodge_storage },
    { WIRE_PROGRAM_LODGE, rpc_entries_lodge_network },
    { WIRE_PROGRAM_LXC, no_entries },
    { 0 },
};

const RpcTable rpc_admin_tables[] = {
    { WIRE_PROGRAM_ADMIN, rpc_entries_admin },
    { 0 },
};
