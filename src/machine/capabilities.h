/* What this host and its QEMUs can do, as documents and as numbers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/host.h"
#include "qemu/qemu_caps.h"

QemuCapsCache *host_qemu_caps(Host *host);
/* The capabilities document (virsh capabilities); caller owns. */
AWAITS MUST_CHECK bool host_get_capabilities_xml(Host *host, char **ret_xml, Error **err);
/* virsh domcapabilities; NULL arguments select defaults. */
AWAITS MUST_CHECK bool host_get_domain_capabilities_xml(Host *host, const char *emulator, const char *arch,
                                                        const char *machine, const char *virt_type,
                                                        char **ret_xml, Error **err);
AWAITS MUST_CHECK bool host_get_qemu_version(Host *host, uint64_t *ret_version, Error **err); /* 7002022 */
int host_get_max_vcpus(Host *host, const char *type);
