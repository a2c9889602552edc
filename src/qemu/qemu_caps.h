/* What an installed QEMU can do, probed once per binary over QMP and cached by path, mtime and size (also of
 * the firmware descriptor folder and /dev/kvm's usability).
 *
 * QemuCaps is immutable and counted. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

typedef struct QemuCaps QemuCaps;
typedef struct QemuCapsCache QemuCapsCache;

/* @cache_dir: where probed results are kept as JSON (made if absent). @uid/@gid: probe QEMU runs as that user
 * if we are root. */
QemuCapsCache *qemu_caps_cache_new(const char *cache_dir, uid_t uid, gid_t gid);
void qemu_caps_cache_free(QemuCapsCache *cache);

/* Probes if needed (several callers share one probe). ERROR_CONFIG_UNSUPPORTED "... does not exist / is not
 * executable"; a QEMU that dies while probed: ERROR_REFUSED with its stderr. @binary absolute. */
AWAITS MUST_CHECK bool qemu_caps_get(QemuCapsCache *cache, const char *binary, QemuCaps **ret_caps,
                                     Error **err);
/* The default emulator for @arch ("x86_64"; NULL: the host's): /usr/bin/qemu-system-ARCH.
 * ERROR_CONFIG_UNSUPPORTED naming the Debian package if it is not installed. */
AWAITS MUST_CHECK bool qemu_caps_get_default(QemuCapsCache *cache, const char *arch, QemuCaps **ret_caps,
                                             Error **err);
/* Binaries of all architectures present on this host; array of char*: pairs arch, path. Does not probe. */
GPtrArray *qemu_caps_list_binaries(void);

QemuCaps *qemu_caps_ref(QemuCaps *caps);
void qemu_caps_unref(QemuCaps *caps);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuCaps, qemu_caps_unref)

const char *qemu_caps_binary(const QemuCaps *caps);
const char *qemu_caps_arch(const QemuCaps *caps); /* "x86_64" */
uint64_t qemu_caps_version(const QemuCaps *caps); /* 7002022 */
const char *qemu_caps_package(const QemuCaps *caps);
const Json *qemu_caps_firmware(const QemuCaps *caps); /* as firmware_load() gave it; borrowed */
bool qemu_caps_has_kvm(const QemuCaps *caps);         /* built in and /dev/kvm can be opened */
bool qemu_caps_has_device(const QemuCaps *caps, const char *driver);
/* A property of a device ("virtio-blk-pci", "iommu_platform"); "machine" stands for the machine types
 * ("machine", "vmport"). Kept for the drivers in the table of qemu_caps_probe.c; asking about another one is
 * logged as a bug. */
bool qemu_caps_has_device_property(const QemuCaps *caps, const char *driver, const char *property);
bool qemu_caps_has_command(const QemuCaps *caps, const char *qmp_command);
/* A path into the QMP schema: "blockdev-add/driver=file/aio=io_uring", "query-cpus-fast>/thread-id". The
 * notation and the table in which each question must stand are in qemu_caps_schema.c; another question is
 * logged as a bug. */
bool qemu_caps_has_schema(const QemuCaps *caps, const char *query);
bool qemu_caps_has_option(const QemuCaps *caps, const char *option,
                          const char *parameter); /* -OPTION parameter= */

typedef struct QemuMachine {
    const char *name;  /* "pc-q35-7.2" */
    const char *alias; /* "q35" or NULL */
    bool is_default;
    unsigned max_cpus;
    bool hotplug_cpus, numa_mem_supported, deprecated;
    const char *default_cpu_type, *default_ram_id;
} QemuMachine;
/* By name or alias; NULL @name: the default. NULL if unknown. */
const QemuMachine *qemu_caps_machine(const QemuCaps *caps, const char *name);

typedef struct QemuCpuModel {
    const char *name;
    const char *typename;
    bool usable;                 /* on this host with this accelerator */
    const char *const *blockers; /* features that make it unusable; NULL-terminated */
    bool deprecated, is_static;
} QemuCpuModel;
const QemuCpuModel *qemu_caps_cpu_models(const QemuCaps *caps, bool kvm, size_t *ret_count);
/* The host model as this QEMU sees it (full expansion of "host" for KVM, "max" for TCG, with what cannot be
 * migrated): borrowed {"name": "host", "props": {...}, "unmigratable": ["invtsc", ...]}. props holds the
 * features that are on (true) and the CPU's identity (family, model, stepping, vendor, ...); a feature that
 * is absent is off. NULL if it cannot tell. */
const Json *qemu_caps_host_cpu(const QemuCaps *caps, bool kvm);
/* What cpu mode host-model means with this QEMU: <model>, <vendor> and <feature> elements, appended at
 * @indent. */
MUST_CHECK bool qemu_caps_format_host_model(const QemuCaps *caps, bool kvm, unsigned indent, GString *out,
                                            Error **err);

/* The domainCapabilities document (virsh domcapabilities) for this emulator, element for element as the
 * reference daemon prints it where Lodge supports the same. @machine, @virt_type NULL: defaults. Caller owns.
 * ERROR_INVALID_ARGUMENT: a machine or type that this emulator does not have. */
MUST_CHECK bool qemu_caps_format_domain(const QemuCaps *caps, const char *machine, const char *virt_type,
                                        char **ret_xml, Error **err);
/* The <guest> elements of the capabilities document, appended to @out. AWAITS: probes each binary. An
 * emulator that fails is named in the log and left out; ERROR_CANCELLED is the only failure. */
AWAITS MUST_CHECK bool qemu_caps_format_guests(QemuCapsCache *cache, GString *out, Error **err);
