/* What QEMU has to do with each kind of device: one row per kind says how it is named, where it sits, in
 * which order its kind comes, and what its plan is. A new kind of device is a new row. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_device.h"
#include "qemu/command.h"
#include "qemu/plan.h"

/* What a plan depends on. All borrowed. */
typedef struct PlanContext {
    const DomainDef *def;
    const QemuCaps *caps;
    const QemuCommandEnv *env;
    const QemuMachine *machine;
    bool is_hot; /* the machine runs: <boot dev=> was given away at its start */
} PlanContext;

/* The kind of address that a device needs. */
typedef enum DevicePlace {
    PLACE_NONE, /* part of the board, or placed by its name or number (drives, ports, cards) */
    PLACE_PCI,
    PLACE_PCIE,         /* a PCIe port of its own where the machine has PCIe */
    PLACE_ROOT_COMPLEX, /* on pcie.0 itself */
    PLACE_VIRTIO,       /* of the two, what the virtio model says; device_place() tells */
    PLACE_USB,
} DevicePlace;

/* Devices take their turns by kind: who comes first gets the lower slot, and guests see that. */
typedef enum DeviceOrder {
    DEVICE_ORDER_COMMAND, /* on the command line: what sits on a bus comes after it */
    DEVICE_ORDER_PCI,
    DEVICE_ORDER_USB,
    DEVICE_ORDER_COUNT
} DeviceOrder;

typedef bool DevicePlan(const PlanContext *c, const void *device, Plan *plan, Error **err);

typedef struct DeviceClass {
    const char *prefix;                                       /* of its alias; NULL: it has none */
    char *(*alias)(const DomainDef *def, const void *device); /* a scheme of its own; NULL: by prefix */
    DevicePlace place;
    DevicePlace (*place_of)(const void *device); /* where it depends on the device; NULL: @place */
    size_t virtio_model;                         /* PLACE_VIRTIO: offset of its VirtioModel */
    uint8_t order[DEVICE_ORDER_COUNT];           /* 0: takes no part */
    uint8_t (*suborder)(const void *device);     /* added on the command line; NULL: 0 */
    bool can_plug;                               /* into a machine that runs, and out of it */
    DevicePlan *plan;                            /* NULL: not supported */
} DeviceClass;
extern const DeviceClass device_classes[DEVICE_KIND_COUNT];

/* One device of a machine. */
typedef struct DeviceRef {
    DeviceKind kind;
    void *device;
    DeviceInfo *info; /* NULL: its kind has none */
    unsigned rank;
} DeviceRef;
/* All devices that take part, of DeviceRef. Caller owns; @def must keep its devices meanwhile. */
GArray *devices_in_order(DomainDef *def, DeviceOrder order);
/* @kind stands later on the command line than @other. */
bool device_comes_after(DeviceKind kind, DeviceKind other);
DevicePlace device_place(DeviceKind kind, const void *device);

/* Appends the steps of one device of c->def.
 *
 * ERROR_CONFIG_UNSUPPORTED   what it wants can't be done by this QEMU, or by Lodge so far
 * ERROR_NO_NETWORK           an interface of a network that is not there */
MUST_CHECK bool device_plan(const PlanContext *c, DeviceKind kind, const void *device, Plan *plan,
                            Error **err);
/* The same for what is in the drive @disk alone: its nodes and what they need. */
MUST_CHECK bool device_plan_medium(const PlanContext *c, const DiskDef *disk, Plan *plan, Error **err);
/* Nodes of @source, an image that @disk does not have (yet), open as if it had: a copy, an overlay. @below:
 * an image whose nodes are there, on which it is put; NULL: on none, whatever its header says. */
MUST_CHECK bool device_plan_image(const PlanContext *c, const DiskDef *disk, const StorageSource *source,
                                  const StorageSource *below, Plan *plan, Error **err);
/* The same with nodes for all that is below in @source->backing. */
MUST_CHECK bool device_plan_chain(const PlanContext *c, const DiskDef *disk, const StorageSource *source,
                                  Plan *plan, Error **err);
char *device_medium_node(const DiskDef *disk); /* the node that the drive has; caller owns */
/* Names of descriptors that plans use when env->fds has them; caller owns. */
char *device_tap_fd_name(const char *alias, unsigned queue);
char *device_vhost_fd_name(const char *alias, unsigned queue);
char *device_vdpa_fd_name(const char *alias);
char *device_passt_fd_name(const char *alias);    /* QEMU's end of the line to the helper */
char *device_char_fd_name(const char *alias);     /* what the character device writes to */
char *device_char_log_fd_name(const char *alias); /* its log file */
char *device_source_fd_name(const StorageSource *source, unsigned number); /* of a group */
char *device_vsock_fd_name(const char *alias);
char *device_vhost_scsi_fd_name(const char *alias);
char *device_tpm_fd_name(const char *alias, bool is_cancel);
/* Paths of sockets in the machine's folder, or where the document says; caller owns. */
char *device_virtiofs_socket(const char *lib_dir, const FilesystemDef *filesystem);
char *device_tpm_socket(const char *lib_dir, const TpmDef *tpm);
char *device_dbus_address(const char *lib_dir); /* of the machine's own bus */
bool filesystem_is_virtiofs(const FilesystemDef *filesystem);
/* A network card of the host as the host device that it is; what it points to is the interface's. */
void interface_as_hostdev(const InterfaceDef *iface, HostdevDef *ret_hostdev);
