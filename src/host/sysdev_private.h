/* What the readers of devices share. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/macros.h"
#include "host/sysdev.h"

/* A device that is being read. */
typedef struct SysDevice {
    const char *root;
    const char *path;   /* "/sys/devices/..." */
    const char *name;   /* the last part of it */
    GHashTable *uevent; /* what the kernel says of it: "DEVTYPE" -> "disk" */
    GHashTable *udev;   /* what udev knows: "ID_SERIAL" -> ...; empty without udev */
    GPtrArray *links;   /* char *, owned: names that udev gave it below /dev */
} SysDevice;

/* The text of a file below the device, without blanks around it, fit for a document; NULL: none. Owned. */
PRINTF(2, 3) char *sysdev_text(const SysDevice *device, const char *format, ...);
/* A number in such a file, of any base. */
PRINTF(3, 4) bool sysdev_number(const SysDevice *device, uint64_t *ret_value, const char *format, ...);
PRINTF(2, 3) OptU32 sysdev_u32(const SysDevice *device, const char *format, ...); /* absent: there is none */
/* The bytes of a file, at most @max. NULL: it cannot be read. Owned. */
uint8_t *sysdev_bytes(const SysDevice *device, const char *file, size_t max, size_t *ret_len);
/* The last part of where a link leads; NULL: there is none. Owned. */
PRINTF(2, 3) char *sysdev_link(const SysDevice *device, const char *format, ...);
/* Names in a directory below it, sorted. Owned: of char *. */
GPtrArray *sysdev_list(const SysDevice *device, const char *directory);
bool sysdev_has(const SysDevice *device, const char *file);

/* "0000:00:03.0" */
bool sysdev_parse_pci(const char *text, NodedevAddress *ret_address);
NodedevGroup *sysdev_read_iommu_group(const SysDevice *device, bool with_addresses);
void sysdev_add_mdev_types(const SysDevice *device, NodeDeviceDef *def);
NodedevCapPart *sysdev_add_part(NodeDeviceDef *def, NodedevPart type);
/* Fills in what is special about a PCI device (sysdev_pci.c). */
bool sysdev_read_pci(const SysDevice *device, NodeDeviceDef *def);
/* The fields of vital product data; false: it is broken. */
bool sysdev_parse_vpd(const uint8_t *data, size_t len, NodedevCapPart *part);
