/* The requests of lodge-media that installing needs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "media/media.h"

/* extract.c: {path, folder, files} -> {label, files} */
MediaFunc media_extract;
