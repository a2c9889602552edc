/* Rows of the remaining devices. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_rows.h"
#include <stdio.h>

#include "base/units.h"
#include "conf/xml_internal.h"

const XmlTable memballoon_table =
    TABLE(MemballoonDef, "memballoon",
          ROWS(ATTR("model", MemballoonDef, model, .names = &memballoon_model_names, .flags = ROW_REQUIRED,
                    .doc = "kind of balloon; none: no balloon"),
               ATTR("autodeflate", MemballoonDef, autodeflate, .names = &tristate_on_off_names,
                    .doc = "give memory back before the guest kills processes"),
               ATTR("freePageReporting", MemballoonDef, free_page_reporting, .names = &tristate_on_off_names,
                    .doc = "the guest reports pages that it does not use"),
               GROUP("stats",
                     ROWS(ATTR("period", MemballoonDef, stats_period_s, .flags = ROW_CHANGEABLE,
                               .max = INT32_MAX, .doc = "seconds")),
                     HOST_SIDE, .doc = "how often the guest reports statistics"),
               INCLUDE(MemballoonDef, info, &device_info_table),
               GROUP("driver", ROWS(INCLUDE(MemballoonDef, virtio, &virtio_options_table)),
                     .doc = "virtio options")),
          .doc = "A device through which the host takes memory back from the guest.");

static bool rng_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    RngDef *rng = base;
    if (!rng->rate_bytes.value)
        rng->rate_bytes = rng->rate_period_ms = (OptU32){ 0 };
    if (rng->backend != RNG_BACKEND_EGD || !rng->source)
        return true;
    if (!rng->source->type)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "missing EGD backend type");
    return char_source_finish(reader, element, rng->source, false, err);
}

const XmlTable rng_table =
    TABLE(RngDef, "rng",
          ROWS(ATTR("model", RngDef, model, .names = &virtio_model_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .flags = ROW_REQUIRED, .doc = "kind of device"),
               GROUP("rate",
                     ROWS(ATTR("bytes", RngDef, rate_bytes, .max = UINT32_MAX, .flags = ROW_MAY_BE_EMPTY,
                               .doc = "bytes in each period"),
                          ATTR("period", RngDef, rate_period_ms, .max = UINT32_MAX, .flags = ROW_MAY_BE_EMPTY,
                               .doc = "milliseconds")),
                     HOST_SIDE, .doc = "how much the guest may take"),
               GROUP("backend",
                     ROWS(ATTR("model", RngDef, backend, .names = &rng_backend_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .flags = ROW_REQUIRED,
                               .doc = "where the randomness comes from"),
                          TEXT(RngDef, device, ONLY(RngDef, backend, BIT(RNG_BACKEND_RANDOM)),
                               .doc = "path of the device"),
                          INCLUDE_OBJECT(RngDef, source, &char_source_table,
                                         ONLY(RngDef, backend, BIT(RNG_BACKEND_EGD)))),
                     HOST_SIDE, .flags = ROW_REQUIRED | ROW_SINGLE, .bad_code = ERROR_XML_INVALID,
                     .doc = "where the randomness comes from"),
               GROUP("driver", ROWS(INCLUDE(RngDef, virtio, &virtio_options_table)), .doc = "virtio options"),
               INCLUDE(RngDef, info, &device_info_table)),
          .finish = rng_finish, .doc = "A source of random numbers.");

const XmlTable watchdog_table =
    TABLE(WatchdogDef, "watchdog",
          ROWS(ATTR("model", WatchdogDef, model, .names = &watchdog_model_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .flags = ROW_REQUIRED,
                    .missing_code = ERROR_INTERNAL, .doc = "kind of device"),
               ATTR("action", WatchdogDef, action, HOST_SIDE, .names = &watchdog_action_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .fallback = "reset",
                    .doc = "what happens when the guest stops feeding it"),
               INCLUDE(WatchdogDef, info, &device_info_table)),
          .doc = "A timer that acts when the guest hangs.");

const XmlTable panic_table =
    TABLE(PanicDef, "panic",
          ROWS(ATTR("model", PanicDef, model, .names = &panic_model_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .fallback = "isa", .doc = "kind of device"),
               INCLUDE(PanicDef, info, &device_info_table)),
          .doc = "A device through which a crashing guest tells the host.");

static bool tpm_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    static const char *const banks[] = { "sha1", "sha256", "sha384", "sha512", NULL };
    const TpmDef *tpm = base;
    Uuid uuid;

    if (tpm->encryption_secret && !uuid_parse(tpm->encryption_secret, &uuid, NULL))
        return xml_error(reader, element, ERROR_INTERNAL, err, "Unable to parse secret uuid '%s'",
                         tpm->encryption_secret);
    for (const xmlNode *backend = element->children; backend; backend = backend->next) {
        for (const xmlNode *list = backend->children; list; list = list->next) {
            if (list->type != XML_ELEMENT_NODE || !xmlStrEqual(list->name, BAD_CAST "active_pcr_banks"))
                continue;
            for (const xmlNode *bank = list->children; bank; bank = bank->next) {
                if (bank->type == XML_ELEMENT_NODE && !g_strv_contains(banks, (const char *)bank->name))
                    return xml_error(reader, list, ERROR_CONFIG_UNSUPPORTED, err,
                                     "Unsupported PCR banks '%s'", (const char *)bank->name);
            }
        }
    }
    return true;
}

const XmlTable tpm_table =
    TABLE(TpmDef, "tpm",
          ROWS(ATTR("model", TpmDef, model, .names = &tpm_model_names, .fallback = "tpm-tis",
                    .doc = "what the guest sees"),
               GROUP("backend",
                     ROWS(ATTR("type", TpmDef, backend, .names = &tpm_backend_names, .flags = ROW_REQUIRED,
                               .doc = "kind of TPM"),
                          ATTR("version", TpmDef, version, .names = &tpm_version_names,
                               ONLY(TpmDef, backend, BIT(TPM_BACKEND_EMULATOR)), .doc = "version of the TPM"),
                          ATTR("persistent_state", TpmDef, persistent_state, .names = &tristate_yes_no_names,
                               .bad_code = ERROR_INTERNAL, ONLY(TpmDef, backend, BIT(TPM_BACKEND_EMULATOR)),
                               .doc = "keep the state of transient machines"),
                          ATTR("debug", TpmDef, debug, HOST_SIDE, .max = UINT32_MAX,
                               ONLY(TpmDef, backend, BIT(TPM_BACKEND_EMULATOR)), .doc = "log level"),
                          GROUP("device",
                                ROWS(ATTR("path", TpmDef, device_path, .doc = "path of the host's TPM")),
                                ONLY(TpmDef, backend, BIT(TPM_BACKEND_PASSTHROUGH)), .doc = "the host's TPM"),
                          GROUP("encryption",
                                ROWS(ATTR("secret", TpmDef, encryption_secret, .doc = "UUID of the secret")),
                                ONLY(TpmDef, backend, BIT(TPM_BACKEND_EMULATOR)),
                                .doc = "encryption of the state"),
                          GROUP("active_pcr_banks",
                                ROWS(FLAG("sha1", TpmDef, pcr_sha1, .doc = "SHA-1"),
                                     FLAG("sha256", TpmDef, pcr_sha256, .doc = "SHA-256"),
                                     FLAG("sha384", TpmDef, pcr_sha384, .doc = "SHA-384"),
                                     FLAG("sha512", TpmDef, pcr_sha512, .doc = "SHA-512")),
                                ONLY(TpmDef, backend, BIT(TPM_BACKEND_EMULATOR)),
                                .doc = "PCR banks to activate"),
                          GROUP("source",
                                ROWS(ATTR("type", TpmDef, external_type, .doc = "always unix"),
                                     ATTR("mode", TpmDef, external_mode, .doc = "always connect"),
                                     ATTR("path", TpmDef, external_path, .doc = "path of the socket")),
                                ONLY(TpmDef, backend, BIT(TPM_BACKEND_EXTERNAL)),
                                .doc = "socket of an external TPM")),
                     .flags = ROW_REQUIRED | ROW_SINGLE, .bad_code = ERROR_XML_INVALID,
                     .doc = "the TPM behind"),
               INCLUDE(TpmDef, info, &device_info_table)),
          .finish = tpm_finish, .doc = "A trusted platform module.");

/* ---- host devices ---- */

#define TYPE(mask) ONLY(HostdevDef, type, mask)
#define USB_ID(text, member, what)                                                                           \
    GROUP(text,                                                                                              \
          ROWS(ATTR("id", HostdevDef, member, .flags = ROW_HEX, .width = 4, .min = 1, .max = 0xffff,         \
                    .doc = "number")),                                                                       \
          TYPE(BIT(HOSTDEV_USB)), .doc = what)

static bool is_usb(const void *base, unsigned flags)
{
    const HostdevDef *hostdev = base;
    return hostdev->usb_bus.is_set || hostdev->usb_device.is_set || hostdev->usb_port;
}

/* An empty one is as good as none. */
static bool hostdev_has_source(const void *base, unsigned flags)
{
    const HostdevDef *hostdev = base;
    return hostdev->type != HOSTDEV_USB || hostdev->usb_vendor.is_set || is_usb(base, flags) ||
           hostdev->startup_policy != STARTUP_POLICY_ABSENT || hostdev->guest_reset != USB_GUEST_RESET_ABSENT;
}

static const XmlRow hostdev_source_rows[] = {
    ATTR("protocol", HostdevDef, protocol, .names = &hostdev_protocol_names,
         .bad_code = ERROR_CONFIG_UNSUPPORTED, TYPE(BIT(HOSTDEV_SCSI) | BIT(HOSTDEV_SCSI_HOST)),
         .doc = "iscsi: a LUN of a server; vhost: of the kernel"),
    ATTR("name", HostdevDef, iscsi_name, TYPE(BIT(HOSTDEV_SCSI)),
         .doc = "qualified name of the target, / and the LUN"),
    ATTR("wwpn", HostdevDef, vhost_wwpn, TYPE(BIT(HOSTDEV_SCSI_HOST)), .doc = "port of a vhost SCSI host"),
    ATTR("startupPolicy", HostdevDef, startup_policy, .names = &startup_policy_names, TYPE(BIT(HOSTDEV_USB)),
         .doc = "what to do when the device is missing at start"),
    ATTR("missing", HostdevDef, is_missing, TYPE(BIT(HOSTDEV_USB)), .flags = ROW_LIVE,
         .doc = "the machine runs without it"),
    ATTR("guestReset", HostdevDef, guest_reset, .names = &usb_guest_reset_names, TYPE(BIT(HOSTDEV_USB)),
         .doc = "whether the guest can reset the device"),
    ATTR("writeFiltering", HostdevDef, write_filtering, .names = &tristate_yes_no_names,
         TYPE(BIT(HOSTDEV_PCI)), .doc = "filter writes to the configuration space"),
    USB_ID("vendor", usb_vendor, "vendor of a USB device"),
    USB_ID("product", usb_product, "product of a USB device"),
    GROUP("address",
          ROWS(ATTR("bus", HostdevDef, usb_bus, .flags = ROW_ANY_BASE, .max = UINT32_MAX,
                    .doc = "bus on the host"),
               ATTR("device", HostdevDef, usb_device, .flags = ROW_ANY_BASE, .max = UINT32_MAX,
                    .doc = "device on the bus"),
               ATTR("port", HostdevDef, usb_port, .doc = "port on the bus, through hubs as in 1.2")),
          TYPE(BIT(HOSTDEV_USB)), .show = is_usb, .doc = "where a USB device is on the host"),
    EMBED("address", HostdevDef, source_address, &source_pci_address_table, TYPE(BIT(HOSTDEV_PCI)),
          .doc = "where a PCI device is on the host"),
    GROUP("address", ROWS(ATTR("uuid", HostdevDef, mdev_uuid, .doc = "UUID of the mediated device")),
          TYPE(BIT(HOSTDEV_MDEV)), .doc = "the mediated device"),
    GROUP("adapter", ROWS(ATTR("name", HostdevDef, adapter, .doc = "scsi_hostN")), TYPE(BIT(HOSTDEV_SCSI)),
          .doc = "SCSI host of the host"),
    GROUP("address",
          ROWS(ATTR("bus", HostdevDef, scsi_bus, .flags = ROW_REQUIRED, .max = UINT32_MAX, .doc = "bus"),
               ATTR("target", HostdevDef, scsi_target, .flags = ROW_REQUIRED, .max = UINT32_MAX,
                    .doc = "target"),
               ATTR("unit", HostdevDef, scsi_unit, .flags = ROW_REQUIRED, .max = UINT64_MAX, .doc = "unit")),
          TYPE(BIT(HOSTDEV_SCSI)), .doc = "where a SCSI device is on the host"),
    LIST("host", HostdevDef, iscsi_hosts, &storage_host_table, TYPE(BIT(HOSTDEV_SCSI)),
         .doc = "iSCSI server"),
    OBJECT("auth", HostdevDef, iscsi_auth, &storage_auth_table, TYPE(BIT(HOSTDEV_SCSI)),
           .doc = "credentials"),
    GROUP("initiator",
          ROWS(GROUP("iqn", ROWS(ATTR("name", HostdevDef, iscsi_initiator, .doc = "name")),
                     .doc = "qualified name of the initiator")),
          TYPE(BIT(HOSTDEV_SCSI)), .doc = "who QEMU is for an iSCSI target"),
    KEPT("block", REFUSED("only containers have it"), .doc = "block device for a container"),
    KEPT("char", REFUSED("only containers have it"), .doc = "character device for a container"),
    KEPT("interface", REFUSED("only containers have it"), .doc = "network device for a container"),
    { 0 }
};

static bool hostdev_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    const HostdevDef *hostdev = base;
    const bool is_local_scsi = hostdev->type == HOSTDEV_SCSI && hostdev->mode != HOSTDEV_CAPABILITIES &&
                               hostdev->protocol != HOSTDEV_PROTOCOL_ISCSI;

    if (hostdev->type != HOSTDEV_SCSI && (hostdev->sgio || hostdev->rawio))
        return xml_error(reader, element, ERROR_XML_INVALID, err, "%s is only supported for scsi host device",
                         hostdev->sgio ? "sgio" : "rawio");
    if (is_local_scsi && !hostdev->scsi_bus.is_set)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "'address' must be specified for scsi hostdev source");
    if (is_local_scsi && !hostdev->adapter)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "'adapter' name must be specified for scsi hostdev source");
    AddressType place = hostdev->info.address.type;
    if (hostdev->type == HOSTDEV_PCI && place != ADDRESS_ABSENT && place != ADDRESS_PCI &&
        place != ADDRESS_UNASSIGNED)
        return xml_error(reader, element, ERROR_INTERNAL, err,
                         "PCI host devices must use 'pci' or 'unassigned' address type");
    if (hostdev->type == HOSTDEV_MDEV && hostdev->info.boot_order)
        return xml_error(reader, element, ERROR_CONFIG_UNSUPPORTED, err,
                         "booting from assigned devices is not supported by mediated devices of model %s",
                         enum_name(&mdev_model_names, hostdev->mdev_model));
    if (hostdev->usb_bus.is_set && !hostdev->usb_device.is_set && !hostdev->usb_port)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "Missing required attribute 'device' in element 'address'");
    return true;
}

const XmlTable hostdev_table =
    TABLE(HostdevDef, "hostdev",
          ROWS(ATTR("mode", HostdevDef, mode, .names = &hostdev_mode_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .fallback = "subsystem",
                    .doc = "how the device is passed"),
               ATTR("type", HostdevDef, type, .names = &hostdev_type_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .flags = ROW_REQUIRED, .doc = "kind of device"),
               ATTR("managed", HostdevDef, managed, .names = &tristate_yes_no_names, .fallback = "no",
                    .flags = ROW_MAY_BE_EMPTY,
                    .doc = "Lodge takes the device from its driver and gives it back"),
               ATTR("sgio", HostdevDef, sgio, .names = &disk_sgio_names,
                    .doc = "whether SG_IO commands are filtered"),
               ATTR("rawio", HostdevDef, rawio, .names = &tristate_yes_no_names,
                    .doc = "the device needs raw I/O rights"),
               ATTR("model", HostdevDef, mdev_model, .names = &mdev_model_names, TYPE(BIT(HOSTDEV_MDEV)),
                    .doc = "kind of mediated device"),
               ATTR("model", HostdevDef, vhost_model, .names = &virtio_model_names,
                    TYPE(BIT(HOSTDEV_SCSI_HOST)), .doc = "generation of the virtio device"),
               ATTR("display", HostdevDef, mdev_display, .names = &tristate_on_off_names,
                    TYPE(BIT(HOSTDEV_MDEV)), .doc = "the device is a display"),
               ATTR("ramfb", HostdevDef, mdev_ramfb, .names = &tristate_on_off_names, TYPE(BIT(HOSTDEV_MDEV)),
                    .doc = "a frame buffer until the driver runs"),
               GROUP("driver",
                     ROWS(ATTR("name", HostdevDef, driver, .names = &hostdev_driver_names,
                               .flags = ROW_MAY_BE_EMPTY, .doc = "driver of the host")),
                     .doc = "how the host passes the device"),
               GROUP_FLAG("source", HostdevDef, has_source, hostdev_source_rows, .show = hostdev_has_source,
                          .doc = "the device on the host"),
               GROUP("teaming",
                     ROWS(ATTR("type", HostdevDef, teaming, .names = &teaming_type_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "always transient"),
                          ATTR("persistent", HostdevDef, teaming_persistent,
                               .doc = "alias of the interface that stays")),
                     .doc = "pairs of interfaces for migration"),
               HELD("source", HostdevDef, host_node, HOST_SIDE),
               FLAG("readonly", HostdevDef, readonly, .doc = "the guest can't write"),
               FLAG("shareable", HostdevDef, shareable,
                    .doc = "other machines may use the device at the same time"),
               INCLUDE(HostdevDef, info, &rom_device_info_table)),
          KEEPS(HostdevDef), .finish = hostdev_finish,
          .doc = "A device of the host that the guest uses directly.");

/* ---- memory and other buses ---- */

const XmlTable hub_table =
    TABLE(HubDef, "hub",
          ROWS(ATTR("type", HubDef, type, .names = &hub_type_names, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                    .missing_code = ERROR_INTERNAL, .flags = ROW_REQUIRED, .doc = "always usb"),
               INCLUDE(HubDef, info, &device_info_table)),
          .doc = "A USB hub.");

const XmlTable memory_device_table =
    TABLE(MemoryDeviceDef, "memory",
          ROWS(ATTR("model", MemoryDeviceDef, model, .names = &memory_model_names, .flags = ROW_REQUIRED,
                    .doc = "kind of memory"),
               ATTR("access", MemoryDeviceDef, access, .names = &memory_access_names,
                    .doc = "shared or private"),
               ATTR("discard", MemoryDeviceDef, discard, .names = &tristate_yes_no_names,
                    .doc = "drop the content at the end"),
               CHILD("uuid", MemoryDeviceDef, uuid, ONLY(MemoryDeviceDef, model, BIT(MEMORY_NVDIMM)),
                     .doc = "UUID of the memory"),
               GROUP("source",
                     ROWS(CHILD("nodemask", MemoryDeviceDef, source_nodes, .doc = "nodes of the host"),
                          CHILD("pagesize", MemoryDeviceDef, source_page_bytes, .unit = XML_UNIT_KIB,
                                .max = INT64_MAX, .doc = "page size"),
                          CHILD("path", MemoryDeviceDef, source_path, .doc = "path of the file"),
                          CHILD("alignsize", MemoryDeviceDef, source_align_bytes, .unit = XML_UNIT_KIB,
                                .max = INT64_MAX, .doc = "alignment"),
                          FLAG("pmem", MemoryDeviceDef, source_pmem,
                               .doc = "the file is on persistent memory")),
                     .doc = "the memory on the host"),
               GROUP("target",
                     ROWS(CHILD("size", MemoryDeviceDef, size_bytes, .unit = XML_UNIT_KIB,
                                .flags = ROW_REQUIRED, .max = INT64_MAX, .doc = "size"),
                          CHILD("node", MemoryDeviceDef, node, .max = UINT32_MAX,
                                .doc = "NUMA node of the guest"),
                          CHILD("block", MemoryDeviceDef, block_bytes, .unit = XML_UNIT_KIB, .max = INT64_MAX,
                                .doc = "size of a block"),
                          CHILD("requested", MemoryDeviceDef, requested_bytes, .unit = XML_UNIT_KIB,
                                ONLY(MemoryDeviceDef, model, BIT(MEMORY_VIRTIO_MEM)),
                                .flags = ROW_CHANGEABLE | ROW_ALWAYS, .max = INT64_MAX,
                                .doc = "memory that the guest shall have"),
                          CHILD("current", MemoryDeviceDef, current_bytes, .unit = XML_UNIT_KIB,
                                .flags = ROW_LIVE, .max = INT64_MAX, .doc = "memory that the guest has"),
                          GROUP("label",
                                ROWS(CHILD("size", MemoryDeviceDef, label_bytes, .unit = XML_UNIT_KIB,
                                           .max = INT64_MAX, .doc = "size")),
                                .doc = "the label area"),
                          FLAG("readonly", MemoryDeviceDef, readonly, .doc = "the guest can't write")),
                     .flags = ROW_REQUIRED, .doc = "the memory in the guest"),
               INCLUDE(MemoryDeviceDef, info, &device_info_table)),
          .doc = "Memory that can be added while the machine runs.");

const XmlTable iommu_table =
    TABLE(IommuDef, "iommu",
          ROWS(ATTR("model", IommuDef, model, .names = &iommu_model_names, .flags = ROW_REQUIRED,
                    .doc = "kind of IOMMU"),
               GROUP("driver",
                     ROWS(ATTR("intremap", IommuDef, intremap, .names = &tristate_on_off_names,
                               .doc = "interrupt remapping"),
                          ATTR("caching_mode", IommuDef, caching_mode, .names = &tristate_on_off_names,
                               .doc = "caching mode; needed for VFIO"),
                          ATTR("eim", IommuDef, eim, .names = &tristate_on_off_names,
                               .doc = "extended interrupt mode"),
                          ATTR("iotlb", IommuDef, iotlb, .names = &tristate_on_off_names,
                               .doc = "device TLBs"),
                          ATTR("aw_bits", IommuDef, aw_bits, .max = UINT32_MAX, .doc = "address width")),
                     .doc = "options"),
               INCLUDE(IommuDef, info, &device_info_table)),
          .doc = "An IOMMU for the guest.");

const XmlTable vsock_table =
    TABLE(VsockDef, "vsock",
          ROWS(ATTR("model", VsockDef, model, .names = &virtio_model_names, .fallback = "virtio",
                    .doc = "generation of the virtio device"),
               GROUP("cid",
                     ROWS(ATTR("auto", VsockDef, cid_auto, .names = &tristate_yes_no_names,
                               .doc = "chosen at start"),
                          ATTR("address", VsockDef, cid, .min = 1, .max = UINT32_MAX,
                               .doc = "the guest's number")),
                     .doc = "the number by which host and guest reach each other"),
               INCLUDE(VsockDef, info, &device_info_table),
               GROUP("driver", ROWS(INCLUDE(VsockDef, virtio, &virtio_options_table)),
                     .doc = "virtio options")),
          .doc = "Sockets between host and guest without a network.");

const XmlTable shmem_table =
    TABLE(ShmemDef, "shmem",
          ROWS(ATTR("name", ShmemDef, name, .flags = ROW_REQUIRED, .doc = "name of the memory"),
               ATTR("role", ShmemDef, role, .names = &shmem_role_names,
                    .doc = "who keeps the content on migration"),
               GROUP("model",
                     ROWS(
                         ATTR("type", ShmemDef, model, .names = &shmem_model_names, .doc = "kind of device")),
                     .doc = "what the guest sees"),
               CHILD("size", ShmemDef, size_bytes, .unit = XML_UNIT_M, .max = INT64_MAX, .doc = "size"),
               GROUP_FLAG("server", ShmemDef, has_server,
                          ROWS(ATTR("path", ShmemDef, server_path, .doc = "path of the server's socket")),
                          .doc = "the server that hands out the memory"),
               GROUP_FLAG("msi", ShmemDef, has_msi,
                          ROWS(ATTR("vectors", ShmemDef, msi_vectors, .max = UINT32_MAX,
                                    .doc = "number of interrupt vectors"),
                               ATTR("ioeventfd", ShmemDef, msi_ioeventfd, .names = &tristate_on_off_names,
                                    .doc = "notifications are handled outside the vCPU's thread")),
                          .doc = "interrupts"),
               INCLUDE(ShmemDef, info, &device_info_table)),
          .doc = "Memory shared between machines.");

const XmlTable crypto_table =
    TABLE(CryptoDef, "crypto",
          ROWS(ATTR("model", CryptoDef, model, .names = &crypto_model_names, .flags = ROW_REQUIRED,
                    .doc = "kind of device"),
               ATTR("type", CryptoDef, type, .names = &crypto_type_names, .flags = ROW_REQUIRED,
                    .doc = "who does the work"),
               GROUP("backend",
                     ROWS(ATTR("model", CryptoDef, backend, .names = &crypto_backend_names,
                               .flags = ROW_REQUIRED, .doc = "builtin: QEMU; lkcf: the host's kernel"),
                          ATTR("queues", CryptoDef, queues, .max = UINT32_MAX, .doc = "number of queues")),
                     HOST_SIDE, .flags = ROW_REQUIRED, .doc = "how it is done"),
               INCLUDE(CryptoDef, info, &device_info_table)),
          .doc = "A device that encrypts for the guest.");

const XmlTable pstore_table =
    TABLE(PstoreDef, "pstore",
          ROWS(ATTR("backend", PstoreDef, backend, .names = &pstore_backend_names, .flags = ROW_REQUIRED,
                    .doc = "what the guest sees"),
               CHILD("path", PstoreDef, path, .flags = ROW_REQUIRED, .doc = "path of the file"),
               CHILD("size", PstoreDef, size_bytes, .unit = XML_UNIT_KIB, .max = INT64_MAX, .doc = "size"),
               INCLUDE(PstoreDef, info, &device_info_table)),
          .doc = "Where a guest that crashes leaves its log.");

/* -1 stands for any. */
static bool read_usb_number(const char *text, uint64_t max, OptU32 *ret_number, Error **err)
{
    uint64_t number = 0;
    if (strcmp(text, "-1") == 0)
        return true;
    if (!parse_uint_any(text, &number, NULL) || number > max)
        return error_set(err, ERROR_INTERNAL, "Cannot parse USB filter '%s'", text);
    *ret_number = (OptU32){ .is_set = true, .value = (uint32_t)number };
    return true;
}

#define USB_FILTER_CODEC(member, most, format)                                                               \
    static bool read_filter_##member(const char *text, void *base, Error **err)                              \
    {                                                                                                        \
        return read_usb_number(text, most, &((UsbFilter *)base)->member, err);                               \
    }                                                                                                        \
    static bool write_filter_##member(const void *base, unsigned flags, GString *out)                        \
    {                                                                                                        \
        const UsbFilter *filter = base;                                                                      \
        if (filter->member.is_set)                                                                           \
            g_string_append_printf(out, format, filter->member.value);                                       \
        return filter->member.is_set;                                                                        \
    }                                                                                                        \
    static const XmlCodec filter_##member##_codec = { read_filter_##member, write_filter_##member,           \
                                                      "-1|(0x)?[0-9a-fA-F]+" };
USB_FILTER_CODEC(usb_class, 0xff, "0x%02X")
USB_FILTER_CODEC(vendor, 0xffff, "0x%04X")
USB_FILTER_CODEC(product, 0xffff, "0x%04X")

/* "2.56" is 0x0256. */
static bool read_filter_version(const char *text, void *base, Error **err)
{
    unsigned major = 0, minor = 0;
    char end = 0;
    if (strcmp(text, "-1") == 0)
        return true;
    if (sscanf(text, "%2u.%2u%c", &major, &minor, &end) != 2)
        return error_set(err, ERROR_XML_INVALID, "Cannot parse USB device version %s", text);
    ((UsbFilter *)base)->version =
        (OptU32){ .is_set = true,
                  .value = major / 10 << 12 | major % 10 << 8 | minor / 10 << 4 | minor % 10 };
    return true;
}

static bool write_filter_version(const void *base, unsigned flags, GString *out)
{
    const OptU32 version = ((const UsbFilter *)base)->version;
    if (version.is_set)
        g_string_append_printf(out, "%x.%02x", version.value >> 8, version.value & 0xff);
    return version.is_set;
}
static const XmlCodec filter_version_codec = { read_filter_version, write_filter_version,
                                               "-1|[0-9]{1,2}\\.[0-9]{1,2}" };

static const XmlTable usb_filter_table =
    TABLE(UsbFilter, "usbdev",
          ROWS(CODEC_ATTR("class", &filter_usb_class_codec, .bad_code = ERROR_INTERNAL, .doc = "USB class"),
               HELD("class", UsbFilter, usb_class),
               CODEC_ATTR("vendor", &filter_vendor_codec, .bad_code = ERROR_INTERNAL, .doc = "vendor"),
               HELD("vendor", UsbFilter, vendor),
               CODEC_ATTR("product", &filter_product_codec, .bad_code = ERROR_INTERNAL, .doc = "product"),
               HELD("product", UsbFilter, product),
               CODEC_ATTR("version", &filter_version_codec, .doc = "version"),
               HELD("version", UsbFilter, version),
               ATTR("allow", UsbFilter, allow, .names = &tristate_yes_no_names, .flags = ROW_REQUIRED,
                    .doc = "or not")),
          .doc = "What is not said is any.");

const XmlTable redirfilter_table = TABLE(RedirFilter, "redirfilter",
                                         ROWS(LIST("usbdev", RedirFilter, rules, &usb_filter_table,
                                                   .doc = "a rule: the first that fits decides")),
                                         .doc = "Which USB devices viewers may redirect.");

const XmlTable nvram_device_table =
    TABLE(NvramDeviceDef, "nvram-device", ROWS(INCLUDE(NvramDeviceDef, info, &device_info_table)),
          .doc = "The NVRAM device of spapr machines.");