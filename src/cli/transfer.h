/* The content of volumes: from a local file and into one. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

/* @fd: of the local file, from where it stands; borrowed. @path: for messages. With flags a file goes
 * without its holes. */
AWAITS MUST_CHECK bool transfer_upload(Cli *cli, const WireStorageVolUploadArgs *call, int fd,
                                       const char *path, Error **err);
AWAITS MUST_CHECK bool transfer_download(Cli *cli, const WireStorageVolDownloadArgs *call, int fd,
                                         const char *path, Error **err);
