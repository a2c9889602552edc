/* What answers tell of a machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "http/route.h"
#include "machine/vm.h"

extern const HttpField machine_fields[];        /* of lists */
extern const HttpField machine_detail_fields[]; /* of one */

/* Never waits: nobody is asked for more than is known. New reference. */
Json *machine_json(HttpHub *hub, Vm *vm);
/* Asks for addresses and sizes, too. NULL with @err: it is there no more. */
AWAITS Json *machine_json_detail(HttpHub *hub, Vm *vm, Error **err);
const char *machine_state_name(const Vm *vm);

/* By name or UUID; a reference. ERROR_NO_DOMAIN */
Vm *machine_find(Host *host, const char *text, Error **err);
/* The machine that the first parameter names by name or UUID, if whoever asks may see it. A reference.
 * ERROR_NO_DOMAIN */
Vm *machine_of(HttpRequest *req, Error **err);
/* As the protocol names it; borrowed from @vm. */
WireDomain machine_handle(const Vm *vm);
