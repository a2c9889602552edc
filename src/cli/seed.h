/* The seed of a machine: the ISO image that cloud-init reads, as a volume beside its disk. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "cli/place.h"

/* Makes the volume @name of @files ([{name, text}]). */
AWAITS MUST_CHECK bool seed_put(Cli *cli, const WireStoragePool *pool, const char *name, const Json *files,
                                WireStorageVol *ret_volume, Error **err);
/* [{name, text}] of a seed that @volume holds; owned. */
AWAITS MUST_CHECK bool seed_get(Cli *cli, const WireStorageVol *volume, Json **ret_files, Error **err);
