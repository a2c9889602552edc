/* How clients come in: what a listening socket tells about those who come through it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

typedef enum RpcAuth { RPC_AUTH_NONE = 0, RPC_AUTH_SASL = 1, RPC_AUTH_POLKIT = 2 } RpcAuth; /* of auth_list */
typedef enum RpcVia { RPC_VIA_UNIX, RPC_VIA_TCP, RPC_VIA_TLS } RpcVia;

typedef struct RpcDoor {
    RpcVia via;
    RpcAuth auth;
    bool read_only;
} RpcDoor;
