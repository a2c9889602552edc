/* Where machines and images that lodge makes go: pools and networks, which are made where a host has none. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"
#include "install/install.h"

typedef enum PlaceMake { PLACE_MUST_BE, PLACE_MAKE } PlaceMake;

/* A pool by name, active. One that is not there is made if it is "default" (the folder of images) or
 * "library" (beside it), and the user is told. *ret_path: its folder, owned.
 * ERROR_NO_STORAGE_POOL: it is not there */
AWAITS MUST_CHECK bool place_pool(Cli *cli, const char *name, PlaceMake make, WireStoragePool *ret_pool,
                                  char **ret_path, Error **err);
/* A network that is active; "default" is made. ERROR_NO_NETWORK */
AWAITS MUST_CHECK bool place_network(Cli *cli, const char *name, Error **err);
/* Whether the daemon is one of an ordinary user's, which has no networks. */
/* Fills in what this host's QEMU gives a machine that is about to be made: emulator, machine type, limits. */
AWAITS MUST_CHECK bool place_platform(Cli *cli, Install *install, Error **err);
bool place_is_session(const Cli *cli);
/* ROOT/var/log/libvirt/qemu/NAME of the daemon that we talk to, if that can be known; owned, NULL. */
char *place_log(const Cli *cli, const char *name);

/* ---- volumes ---- */

AWAITS MUST_CHECK bool volume_find(Cli *cli, const WireStoragePool *pool, const char *name,
                                   WireStorageVol *ret_volume, Error **err);
AWAITS MUST_CHECK bool volume_create(Cli *cli, const WireStoragePool *pool, const char *xml,
                                     WireStorageVol *ret_volume, Error **err);
/* Makes a file of the pool that holds what @fd has, all or nothing. @mode: its permissions. */
AWAITS MUST_CHECK bool volume_put(Cli *cli, const WireStoragePool *pool, const char *name, mode_t mode,
                                  int fd, WireStorageVol *ret_volume, Error **err);
/* What was made and is not wanted after all goes, as far as possible. Waits a few seconds for what still
 * works on it: an upload or a machine that has just been broken off. Without a name: nothing. Not cancelled.
 */
AWAITS void volume_drop(Cli *cli, const WireStorageVol *volume);
/* At most @max bytes as text; owned. */
AWAITS MUST_CHECK bool volume_get_text(Cli *cli, const WireStorageVol *volume, size_t max, char **ret_text,
                                       Error **err);
/* Refuses if somebody needs it, whose name the message has. */
AWAITS MUST_CHECK bool volume_delete(Cli *cli, const WireStorageVol *volume, Error **err);
