/* The tables of all handlers, by program. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/dispatch.h"

/* The version of the library that this server is as good as. */
#define RPC_API_LEVEL 9000000

/* For RpcServerSpec.tables. */
extern const RpcTable rpc_tables[];
extern const RpcTable rpc_admin_tables[];

/* One per handle_*.c */
extern const RpcEntry rpc_entries_admin[];
extern const RpcEntry rpc_entries_block[];
extern const RpcEntry rpc_entries_checkpoint[];
extern const RpcEntry rpc_entries_connect[];
extern const RpcEntry rpc_entries_console[];
extern const RpcEntry rpc_entries_define[];
extern const RpcEntry rpc_entries_device[];
extern const RpcEntry rpc_entries_domain[];
extern const RpcEntry rpc_entries_event[];
extern const RpcEntry rpc_entries_guest[];
extern const RpcEntry rpc_entries_host[];
extern const RpcEntry rpc_entries_host_bridge[];
extern const RpcEntry rpc_entries_host_tune[];
extern const RpcEntry rpc_entries_image[];
extern const RpcEntry rpc_entries_info[];
extern const RpcEntry rpc_entries_interface[];
extern const RpcEntry rpc_entries_life[];
extern const RpcEntry rpc_entries_lodge[];
extern const RpcEntry rpc_entries_lodge_backup[];
extern const RpcEntry rpc_entries_lodge_memory[];
extern const RpcEntry rpc_entries_lodge_block[];
extern const RpcEntry rpc_entries_lodge_firewall[];
extern const RpcEntry rpc_entries_lodge_snapshot[];
extern const RpcEntry rpc_entries_lodge_storage[];
extern const RpcEntry rpc_entries_lodge_network[];
extern const RpcEntry rpc_entries_machine[];
extern const RpcEntry rpc_entries_launch[];
extern const RpcEntry rpc_entries_network[];
extern const RpcEntry rpc_entries_nodedev[];
extern const RpcEntry rpc_entries_nwfilter[];
extern const RpcEntry rpc_entries_qemu[];
extern const RpcEntry rpc_entries_migrate[];
extern const RpcEntry rpc_entries_save[];
extern const RpcEntry rpc_entries_secret[];
extern const RpcEntry rpc_entries_snapshot[];
extern const RpcEntry rpc_entries_storage[];
extern const RpcEntry rpc_entries_tunables[];
