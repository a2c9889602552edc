/* A backup as a folder, read-only, by FUSE: TARGET.raw for each disk, and definition.xml. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backup/manifest.h"

/* Serves until it is unmounted, or SIGINT or SIGTERM comes; blocks. @only: a disk; NULL: all.
 * @ready: called when it is mounted.
 *
 * ERROR_OPERATION_FAILED: this host has no FUSE, or does not let us mount there */
MUST_CHECK bool mount_serve(Repo *repo, const Manifest *manifest, const char *only, const char *mountpoint,
                            void (*ready)(void *arg), void *arg, Error **err);
