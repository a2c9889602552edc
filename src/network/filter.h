/* Network filters: what frames the interfaces of machines may send and get.
 *
 * A filter is an object of filter_class; a *binding* ties one to an interface of the host (the tap of a
 * machine's) with the values of its variables. The rules of all bindings are one table of nftables in the
 * bridge family. A filter that changes takes all interfaces along that use it, in one transaction: the old
 * rules hold until the new ones do, and for good if those are refused. What somebody else removes is put
 * back.
 *
 * Addresses of a guest that nobody told (the variable IP) are learned from what it sends, or from what DHCP
 * servers give it (CTRL_IP_LEARNING). Until then a rule that asks for one of them fits no frame. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/nwfilter.h"
#include "core/object.h"

extern const ObjectClass filter_class, filter_binding_class;

/* Gives the host registries of filters and bindings. Once, before anything is loaded. */
void filter_open(Host *host);
/* Reads the definitions (a host that has none yet gets the standard set), and the bindings that an earlier
 * daemon left, whose rules are made anew. */
AWAITS MUST_CHECK bool filter_load(Host *host, Error **err);
/* Somebody removed rules of ours, perhaps ourselves: looks, and puts back what is gone. */
void filter_check_rules(Host *host);

/* Binds the filter that @iface, of the machine @owner, names to its interface of the host; one that is bound
 * changes, and stays as it was if that fails.
 *
 * ERROR_INTERNAL            "referenced filter 'x' is missing", "Cannot instantiate filter due to
 * unresolvable variables ..." ERROR_CONFIG_UNSUPPORTED  what nftables, or this kernel, cannot do */
AWAITS MUST_CHECK bool filter_bind(Host *host, const char *owner, const Uuid *owner_uuid,
                                   const InterfaceDef *iface, Error **err);
/* Takes it back; one that is not bound is no error. Failures are logged. */
AWAITS void filter_unbind(Host *host, const char *port);

const char *filter_binding_filter(const Object *binding); /* name of its filter; borrowed */
