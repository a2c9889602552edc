/* Rules across several elements of a domain document. Rules inside one element sit beside its table. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "conf/domain_def.h"

/* Checks a document whose defaults are filled in.
 *
 * ERROR_XML_INVALID         contradicts itself: two disks of one name, more vCPUs than the most ...
 * ERROR_CONFIG_UNSUPPORTED  makes sense, but can't be had */
MUST_CHECK bool domain_check(const DomainDef *def, Error **err);
/* What a definition may say, but no machine can start with. @def as it is about to run. Errors as above. */
MUST_CHECK bool domain_check_start(const DomainDef *def, Error **err);

/* What QEMU would refuse in words of its own: more on a controller or board than it has room for. */
MUST_CHECK bool domain_check_room(const DomainDef *def, Error **err);

/* The parts of it; the order is that in which a user would fix them. */
MUST_CHECK bool domain_check_tuning(const DomainDef *def, Error **err);
MUST_CHECK bool domain_check_guest(const DomainDef *def, Error **err);
MUST_CHECK bool domain_check_controllers(const DomainDef *def, Error **err);
MUST_CHECK bool domain_check_disks(const DomainDef *def, Error **err);
MUST_CHECK bool domain_check_devices(const DomainDef *def, Error **err);
MUST_CHECK bool domain_check_chars(const DomainDef *def, Error **err);
MUST_CHECK bool domain_check_displays(const DomainDef *def, Error **err);
MUST_CHECK bool domain_check_interfaces(const DomainDef *def, Error **err);

/* ERROR_CONFIG_UNSUPPORTED: something of it is given, though the device is none of virtio's. */
MUST_CHECK bool domain_check_virtio_options(const VirtioOptions *options, Error **err);
/* SecurityLabel: those of the machine, or of a source. */
MUST_CHECK bool domain_check_labels(const GPtrArray *labels, bool of_source, Error **err);
bool domain_has_iothread(const DomainDef *def, uint32_t id);
bool domain_is_x86(const DomainDef *def);
/* The part of it that is about devices that reach into the host. */
MUST_CHECK bool domain_check_host_devices(const DomainDef *def, Error **err);

/* Whether processes beside QEMU can see the guest's memory. */
bool domain_has_shared_memory(const DomainDef *def);
/* What the machine has without its <memory> devices, in bytes. */
uint64_t domain_initial_memory(const DomainDef *def);
/* Whether both mean the same device of the host. */
bool hostdev_is_same_source(const HostdevDef *a, const HostdevDef *b);

/* ERROR_XML_INVALID: longer than what a file system takes once the longest of the endings of a machine's
 * files
 * (_VARS.fd.new, .xml.damaged) is added. */
MUST_CHECK bool domain_check_name_length(const char *name, Error **err);
