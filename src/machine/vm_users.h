/* Which machines use an image. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/host.h"

/* Adds the names (owned) of machines that have the image @path, or the volume that it is, in the chain of a
 * disk;
 * @running: only those that run. By the text of paths; never waits. */
void machine_list_users(Host *host, const char *path, bool running, GPtrArray *names);
