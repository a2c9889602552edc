/* The tables of the domain document. domain_rows_*.c define them; domain_xml.c reads and writes with them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"
#include "conf/xml_table.h"

#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

/* shared by devices (domain_rows_shared.c) */
extern const XmlTable address_table; /* <address type=...> of the guest, or of the host */
extern const XmlTable vcpu_pin_table, numa_distance_table;
/* What a place for bytes must have. @may_choose_path: the daemon chooses the path of a unix socket. */
MUST_CHECK bool char_source_finish(XmlReader *reader, const xmlNode *element, CharSource *source,
                                   bool may_choose_path, Error **err);
/* alias, acpi, address; the second with boot, the third with boot and rom: to INCLUDE in a device */
extern const XmlTable device_info_table, bootable_info_table, rom_device_info_table;
extern const XmlTable virtio_options_table;     /* attributes, to INCLUDE in a <driver> */
extern const XmlTable security_label_table;     /* <seclabel> of a device source */
extern const XmlTable named_value_table;        /* <entry name=..>value</entry> */
extern const XmlTable source_pci_address_table; /* <address> of a host's PCI device: no type */

/* Kinds of backing images that no machine can be started with. */
#define BACKING_TYPES_REFUSED                                                                                \
    REFUSED_VALUES(BIT(STORAGE_NVME) | BIT(STORAGE_VHOST_USER) | BIT(STORAGE_VOLUME),                        \
                   "a backing image is a file, a device, or on a server")
#define METADATA_CACHE_ROW(Type, member)                                                                     \
    GROUP("metadata_cache",                                                                                  \
          ROWS(CHILD("max_size", Type, member, .unit = XML_UNIT_BYTES, .max = INT64_MAX, .doc = "size")),    \
          .doc = "qcow2: cache of the image's tables")

/* storage (domain_rows_disk.c, domain_rows_source.c) */
extern const XmlTable disk_table, disk_mirror_table;
extern const XmlTable backing_table;        /* StorageSource: an image and the chain below it */
extern const XmlTable backing_chain_table;  /* the same, but only what is below: to INCLUDE */
extern const XmlTable storage_source_table; /* <source> */
extern const XmlTable storage_auth_table;
extern const XmlTable storage_host_table;
extern const XmlTable iotune_table;
extern const XmlTable lease_table;
extern const XmlTable filesystem_table;

extern const XmlTable controller_table; /* domain_rows_controller.c */
extern const XmlTable interface_table;  /* domain_rows_interface.c */

/* character devices (domain_rows_char.c) */
extern const XmlTable char_source_table; /* <source>, <protocol>, <log>, attribute type: to INCLUDE */
extern const XmlTable serial_table;
extern const XmlTable parallel_table;
extern const XmlTable console_table;
extern const XmlTable channel_table;
extern const XmlTable smartcard_table;
extern const XmlTable redirdev_table;

/* what people see, hear and touch (domain_rows_display.c) */
extern const XmlTable input_table;
extern const XmlTable graphics_table;
extern const XmlTable listen_table;
extern const XmlTable video_table;
extern const XmlTable sound_table;
extern const XmlTable audio_table;

/* the rest (domain_rows_device.c) */
extern const XmlTable memballoon_table;
extern const XmlTable rng_table;
extern const XmlTable watchdog_table;
extern const XmlTable panic_table;
extern const XmlTable tpm_table;
extern const XmlTable hostdev_table;
extern const XmlTable hub_table;
extern const XmlTable memory_device_table;
extern const XmlTable iommu_table;
extern const XmlTable vsock_table;
extern const XmlTable shmem_table;
extern const XmlTable nvram_device_table;
extern const XmlTable crypto_table;
extern const XmlTable pstore_table;
extern const XmlTable redirfilter_table;

/* CPU, features, clock, tuning (domain_rows_cpu.c, domain_rows_tune.c) */
extern const XmlTable cpu_table;
extern const XmlTable cpu_feature_table;
extern const XmlTable features_table;
extern const XmlTable clock_table;
extern const XmlTable blkiotune_table;
extern const XmlTable memtune_table;
extern const XmlTable memory_backing_table;
extern const XmlTable vcpu_table;
extern const XmlTable iothread_table;
extern const XmlTable cputune_table;
extern const XmlTable numatune_table;
extern const XmlTable main_loop_table;
extern const XmlTable perf_event_table;

/* elements that are kept as they came (domain_rows_kept.c) */
extern const XmlCustom cachetune_check;
extern const XmlCustom memorytune_check;
extern const XmlCustom msrs_check;
extern const XmlCustom keywrap_check;
extern const XmlCustom idmap_check;
extern const XmlCustom launch_security_check;

/* the machine (domain_rows_machine.c) */
extern const XmlTable sysinfo_table;
extern const XmlTable nvram_table; /* <nvram> in <os> */
extern const XmlTable os_table;
extern const XmlTable domain_table;
