/* Looking at images: what a machine is about to use, what a file is. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/trail.h"
#include "conf/domain_xml.h"
#include "core/host.h"

/* Looks at every image the machine needs, each in the worker lane of its mount, and completes @live: backing
 * chains, formats. Adds to @dac what QEMU must be able to open. An optional medium that is missing is taken
 * out (startupPolicy). */
AWAITS MUST_CHECK bool storage_prepare(Host *host, DomainDef *live, GPtrArray *dac, Error **err);
/* The same for one disk of @live. */
AWAITS MUST_CHECK bool storage_prepare_disk(Host *host, const DomainDef *live, DiskDef *disk, GPtrArray *dac,
                                            Error **err);

typedef struct StorageInfo {
    uint64_t capacity, allocation, physical; /* bytes */
    StorageFormat format;
    uid_t uid;
    gid_t gid;
    mode_t mode;
    FileId id;
    bool is_block;
    bool is_optical; /* a device that reads discs */
    bool is_foreign; /* a foreign link led to it (base/trail.h); only of files that everybody may read */
} StorageInfo;
/* ERROR_SYSTEM "Cannot access storage file '...'"; ERROR_TIMEOUT naming path and mount; what
 * image_read_header() says. @format ABSENT: raw. */
AWAITS MUST_CHECK bool storage_probe(const char *path, StorageFormat format, uint64_t timeout_ms,
                                     StorageInfo *ret_info, Error **err);
/* A file is named inside an image, which its owner (or a QEMU that broke out) can write: it must not lend us
 * the reach of root to read what he cannot. An image of root may name anything.
 * ERROR_OPERATION_FAILED naming both. */
MUST_CHECK bool storage_judge_named(const Config *config, const char *image_path, const StorageInfo *image,
                                    const char *path, const StorageInfo *file, Error **err);
/* The same for code that runs in a worker: blocks. Returns 0 or an errno. */
MUST_CHECK int storage_probe_now(const char *path, StorageFormat format, StorageInfo *ret_info);
