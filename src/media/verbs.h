/* The requests that lodge-media knows, by file. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "media/media.h"

/* seed.c: {path, label, files: [{name, text | base64}]} -> {bytes}. The file is made or replaced. */
bool media_iso_make(const Json *request, Json **ret_result, Error **err);
/* seed.c: {path} -> {label, files: [{name, base64}]}: what lies in its root, at most 1 MiB each. */
bool media_iso_read(const Json *request, Json **ret_result, Error **err);
/* fetch.c: see there. */
bool media_fetch(const Json *request, Json **ret_result, Error **err);
