/* A volume as everybody may hold it: counted, with the names that handles carry. What can be done with it is
 * in volume.h. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef struct Volume Volume;

Volume *volume_ref(Volume *volume);
void volume_unref(Volume *volume);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Volume, volume_unref)

/* What handles carry; borrowed, never NULL. */
const char *volume_pool_name(const Volume *volume);
const char *volume_name(const Volume *volume);
const char *volume_key(const Volume *volume);
const char *volume_path(const Volume *volume);
