/* What a source on a server needs from this host before QEMU can use it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"
#include "core/host.h"

/* Fills in what the configuration says (TLS) and what has to be looked up (users of NFS become numbers).
 * ERROR_CONFIG_UNSUPPORTED: there is no such user or group. */
AWAITS MUST_CHECK bool remote_prepare(const Host *host, StorageSource *source, Error **err);
