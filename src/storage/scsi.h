/* SCSI adapters of this host and the disks that they show: what scsi and iscsi pools have in common. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "storage/pool_backend.h"

/* The disks of the adapter hostN as volumes "unit:BUS:TARGET:LUN", their paths below the pool's target. Waits
 * until udev has named those that appeared. */
AWAITS MUST_CHECK bool scsi_scan_host(Pool *pool, unsigned host, PoolScan *scan, Error **err);

/* fill_source() of iscsi and iscsi-direct: the machine talks to the target itself. */
MUST_CHECK bool iscsi_fill_source(Pool *pool, const Volume *volume, StorageSource *io_source, Error **err);
