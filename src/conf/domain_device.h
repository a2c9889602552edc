/* The devices of a domain, whatever their kind: one table says where each kind lives. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_flags.h"

/* In the order of the document. */
typedef enum DeviceKind {
    DEVICE_DISK,
    DEVICE_CONTROLLER,
    DEVICE_LEASE,
    DEVICE_FILESYSTEM,
    DEVICE_INTERFACE,
    DEVICE_SMARTCARD,
    DEVICE_SERIAL,
    DEVICE_PARALLEL,
    DEVICE_CONSOLE,
    DEVICE_CHANNEL,
    DEVICE_INPUT,
    DEVICE_TPM,
    DEVICE_GRAPHICS,
    DEVICE_SOUND,
    DEVICE_AUDIO,
    DEVICE_VIDEO,
    DEVICE_HOSTDEV,
    DEVICE_REDIRDEV,
    DEVICE_HUB,
    DEVICE_WATCHDOG,
    DEVICE_MEMBALLOON,
    DEVICE_RNG,
    DEVICE_NVRAM,
    DEVICE_PANIC,
    DEVICE_SHMEM,
    DEVICE_MEMORY,
    DEVICE_IOMMU,
    DEVICE_VSOCK,
    DEVICE_CRYPTO,
    DEVICE_PSTORE,
    DEVICE_KIND_COUNT
} DeviceKind;
extern const EnumNames device_kind_names; /* the element names */

typedef struct DeviceDef {
    DeviceKind kind;
    void *def; /* DiskDef, ControllerDef ... by kind */
} DeviceDef;
void device_def_free(DeviceDef *device); /* with what it holds; NULL does nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeviceDef, device_def_free)

/* Reads one device element, as attach-device gets it. @for_def: the machine it is meant for; its defaults
 * apply. Errors as domain_def_parse(); an element that is no device is ERROR_CONFIG_UNSUPPORTED. */
MUST_CHECK bool device_def_parse(const char *xml, size_t len, DomainParseFlags flags,
                                 const DomainDef *for_def, DeviceDef **ret_device, Error **err);
void device_def_format(DeviceKind kind, const void *def, DomainFormatFlags flags, unsigned indent,
                       GString *out);
DeviceDef *device_def_copy(const DeviceDef *device);

const XmlTable *device_table(DeviceKind kind);
/* NULL for kinds without (lease, graphics, audio). */
DeviceInfo *device_info(DeviceKind kind, void *def);

/* Where a device's characters go or come from, whatever the kind of device; NULL if it has no such thing, or
 * is another name of a device that has (the first console). */
CharSource *device_char_source(DeviceKind kind, void *def);

/* Calls @func for every device that @def has, in the order of the document. @def must not gain or lose
 * devices meanwhile. Returning false stops. True if all were visited. */
bool domain_each_device(DomainDef *def,
                        bool (*func)(void *arg, DeviceKind kind, void *device, DeviceInfo *info), void *arg);

/* The list of a kind, NULL if empty; also NULL for kinds of which a machine has one at most. */
GPtrArray *domain_device_list(const DomainDef *def, DeviceKind kind);

/* Takes over @device->def and frees the shell; disks and controllers go to their place in the order.
 * ERROR_OPERATION_FAILED if the machine can have only one and has it. @device is owned either way. */
MUST_CHECK bool domain_add_device(DomainDef *def, DeviceDef *device, Error **err);
/* Appends an owned struct to the list of its kind (single ones must be absent). */
void domain_append_device(DomainDef *def, DeviceKind kind, void *device);
/* Controllers in the order that reading the document would give them: those that were added for the addresses
 * of others move to their kind. */
void domain_order_controllers(DomainDef *def);
/* Takes @device out of @def; the caller owns it. False if it is not there. */
bool domain_steal_device(DomainDef *def, DeviceKind kind, const void *device);

/* Borrowed; NULL if there is none. */
/* NULL: there is none of that name. */
const DiskIotune *domain_find_throttle_group(const DomainDef *def, const char *name);
DiskDef *domain_find_disk(const DomainDef *def, const char *target_or_path);
bool storage_is_empty(const StorageSource *source); /* nothing is in the drive */
/* All images of a disk: its chain, then what a block job writes and what is below that. @source NULL: the
 * first; NULL after the last. One that a job writes into may be both. */
const StorageSource *disk_next_source(const DiskDef *disk, const StorageSource *source);
bool storage_is_local(const StorageSource *source); /* a file or block device of this host */
/* Both may stand beside the source of a disk, too. */
const StorageAuth *disk_auth(const DiskDef *disk, const StorageSource *source);
const VolumeEncryption *disk_encryption(const DiskDef *disk, const StorageSource *source);
ControllerDef *domain_find_controller(const DomainDef *def, ControllerType type, uint32_t index);
InterfaceDef *domain_find_interface(const DomainDef *def, const char *target_or_mac);
InterfaceDef *domain_find_interface_alias(const DomainDef *def, const char *alias);
GraphicsDef *domain_find_graphics(const DomainDef *def, GraphicsType type);
/* Number of a disk by its name: "vda" 0, "sdab" 27; -1 if it is not such a name. */
int disk_name_index(const char *target);
