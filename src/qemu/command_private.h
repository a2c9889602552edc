/* What the parts of the command line share. Only command*.c, device.c and alias.c include this. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_check.h"
#include "qemu/command.h"
#include "qemu/device.h"

/* ---- device objects: thin, so that a device reads like its properties ---- */
Json *device_new(const char *driver);
void prop_str(Json *object, const char *key, const char *value); /* NULL: left out */
PRINTF(3, 4) void prop_format(Json *object, const char *key, const char *format, ...);
void prop_uint(Json *object, const char *key, uint64_t value);
void prop_some(Json *object, const char *key, uint64_t value);                         /* 0: left out */
void prop_enum(Json *object, const char *key, const EnumNames *names, unsigned value); /* 0: left out */
void prop_opt(Json *object, const char *key, OptU32 value); /* left out when not set */
void prop_bool(Json *object, const char *key, bool value);
void prop_tristate(Json *object, const char *key, Tristate value); /* true/false; absent: left out */
void prop_on_off(Json *object, const char *key, Tristate value);   /* "on"/"off" */
void prop_virtio(Json *object, const VirtioOptions *virtio);
/* id, bus and addr from alias and address, boot order, ROM. */
MUST_CHECK bool prop_info(Json *object, const DomainDef *def, const DeviceInfo *info, Error **err);
/* "virtio-net-pci", "-transitional", "-non-transitional", "virtio-net-device" for mmio */
char *virtio_driver(const char *kind, VirtioModel model, const DeviceInfo *info);

/* ---- the parts, in the order of the command line ---- */
MUST_CHECK bool build_machine(const PlanContext *c, Plan *plan, Error **err); /* -machine -accel */
MUST_CHECK bool build_cpu(const PlanContext *c, Plan *plan, Error **err);
MUST_CHECK bool build_memory(const PlanContext *c, Plan *plan,
                             Error **err); /* -m, backends, -smp, -numa, iothreads */
MUST_CHECK bool build_clock_and_boot(const PlanContext *c, Plan *plan, Error **err);
MUST_CHECK bool build_smbios(const PlanContext *c, Plan *plan, Error **err);
MUST_CHECK bool build_generation_id(const PlanContext *c, Plan *plan, Error **err);
void build_acpi_table(const PlanContext *c, Plan *plan);
/* Applies <qemu:override> to a -device object. */
void override_device(const DomainDef *def, Json *device);
/* What the host's firmware says; caller frees with xml_table_free(&sysinfo_table, ...).
 * ERROR_CONFIG_UNSUPPORTED: it says nothing. */
MUST_CHECK bool host_sysinfo(SysinfoDef **ret_sysinfo, Error **err);

/* Where a piece of the guest's memory is on the host. */
typedef struct Ram {
    const char *id, *alias;
    uint64_t bytes;
    unsigned cell;
    bool is_whole; /* all of the machine's memory, which saved states know by its old name */
    MemoryAccess access;
    Tristate discard;
    const char *path;    /* a file of the user's; NULL: none */
    uint64_t page_bytes; /* 0: as the cell has them */
    uint64_t align_bytes;
    const CpuSet *host_nodes;
    bool is_pmem, is_readonly;
    bool is_sparse;   /* the guest takes of it what it is told to */
    bool is_own_file; /* grows as it is written */
} Ram;
MUST_CHECK bool memory_backend(const PlanContext *c, const Ram *ram, Json **ret_object, Error **err);
MUST_CHECK bool plan_interface_hostdev(const PlanContext *c, const InterfaceDef *iface, Plan *plan,
                                       Error **err);
MUST_CHECK bool plan_vhost_user_disk(const PlanContext *c, const DiskDef *disk, Plan *plan, Error **err);
/* The node @name with the LUN of an iSCSI server. @secret_id: of the password, if @source has .auth. */
MUST_CHECK bool plan_iscsi_node(const StorageSource *source, const char *name, const char *secret_id,
                                bool readonly, Plan *plan, Error **err);
/* The descriptor of a vhost device of the kernel. */
void prop_vhost_fd(const PlanContext *c, Json *device, const char *fd_name, Plan *plan);
unsigned disk_boot_index(const PlanContext *c, const DiskDef *disk); /* 0: none */

/* ---- for the plans of devices ---- */

/* The node through which QEMU reaches the data of @source, with the objects that it needs (command_source.c).
 * *ret_node: its name; owned. */
MUST_CHECK bool plan_storage(const PlanContext *c, const DiskDef *disk, const StorageSource *source,
                             Plan *plan, char **ret_node, Error **err);
/* "libvirt-3-format" */
char *source_node_name(const StorageSource *source, const char *layer);
/* Properties that the nodes of a disk have in common. */
void prop_cache(Json *node, const DiskDef *disk);
/* The object with a secret that was prepared under @id. */
MUST_CHECK bool plan_secret(const PlanContext *c, Plan *plan, const char *id, Error **err);

/* The -device step, with id, bus and address from @info (NULL: @device has what it needs). @device is owned.
 * ERROR_CONFIG_UNSUPPORTED if this QEMU lacks the driver. */
MUST_CHECK bool add_device(const PlanContext *c, Plan *plan, Json *device, const DeviceInfo *info,
                           Error **err);
/* A chardev for @source with id "char" + @alias; @wait for servers is off. Files and sockets come as
 * descriptors where env->fds has them. @spice_name: what a channel of spice is for. */
MUST_CHECK bool plan_chardev(const PlanContext *c, const char *alias, const CharSource *source,
                             const char *spice_name, Plan *plan, Error **err);
/* A device on top of it. */
Json *char_device_new(const DeviceInfo *info, const char *driver);
/* <boot dev='hd'/><boot dev='network'/>: the bootindex of the first device of a class; 0: none. */
unsigned boot_rank(const PlanContext *c, BootDev dev);

unsigned disk_boot_index(const PlanContext *c, const DiskDef *disk); /* 0: none */

/* Where def->controllers has (type, index): its alias; NULL if there is none. */
const char *controller_alias(const DomainDef *def, ControllerType type, unsigned index);

/* ---- what the rows of device.c are made of ---- */

DevicePlan plan_crypto, plan_filesystem, plan_hostdev, plan_memory, plan_pstore, plan_shmem, plan_tpm,
    plan_vsock;
DevicePlan plan_audio, plan_channel, plan_console, plan_controller, plan_disk, plan_graphics, plan_hub,
    plan_input, plan_interface, plan_iommu, plan_memballoon, plan_panic, plan_parallel, plan_redirdev,
    plan_rng, plan_serial, plan_smartcard, plan_sound, plan_video, plan_watchdog;
/* alias.c: NULL if the scheme has no name for this one. Caller owns. */
typedef char *DeviceAlias(const DomainDef *def, const void *device);
DeviceAlias alias_disk, alias_controller, alias_console, alias_memory;
