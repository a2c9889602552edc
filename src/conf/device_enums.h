/* The enumerations of devices in the domain document. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/enum.h"

typedef enum AddressType {
    ADDRESS_ABSENT, /* none given and none assigned */
    ADDRESS_PCI,
    ADDRESS_DRIVE,
    ADDRESS_VIRTIO_SERIAL,
    ADDRESS_CCID,
    ADDRESS_USB,
    ADDRESS_SPAPR_VIO,
    ADDRESS_VIRTIO_S390,
    ADDRESS_CCW,
    ADDRESS_VIRTIO_MMIO,
    ADDRESS_ISA,
    ADDRESS_DIMM,
    ADDRESS_UNASSIGNED,
    ADDRESS_MDEV,
    ADDRESS_TYPE_COUNT
} ENUM8 AddressType;

typedef enum StorageType {
    STORAGE_TYPE_ABSENT,
    STORAGE_FILE,
    STORAGE_BLOCK,
    STORAGE_DIR,
    STORAGE_NETWORK,
    STORAGE_VOLUME,
    STORAGE_NVME,
    STORAGE_VHOST_USER,
    STORAGE_TYPE_COUNT
} ENUM8 StorageType;
typedef enum StorageFormat {
    STORAGE_FORMAT_ABSENT,
    STORAGE_FORMAT_RAW,
    STORAGE_FORMAT_DIR,
    STORAGE_FORMAT_BOCHS,
    STORAGE_FORMAT_CLOOP,
    STORAGE_FORMAT_DMG,
    STORAGE_FORMAT_ISO,
    STORAGE_FORMAT_VPC,
    STORAGE_FORMAT_VDI,
    STORAGE_FORMAT_FAT,
    STORAGE_FORMAT_VHD,
    STORAGE_FORMAT_PLOOP,
    STORAGE_FORMAT_COW,
    STORAGE_FORMAT_QCOW,
    STORAGE_FORMAT_QCOW2,
    STORAGE_FORMAT_QED,
    STORAGE_FORMAT_VMDK,
    STORAGE_FORMAT_COUNT
} ENUM8 StorageFormat;
typedef enum StorageProtocol {
    STORAGE_PROTOCOL_ABSENT,
    STORAGE_PROTOCOL_NBD,
    STORAGE_PROTOCOL_RBD,
    STORAGE_PROTOCOL_SHEEPDOG,
    STORAGE_PROTOCOL_GLUSTER,
    STORAGE_PROTOCOL_ISCSI,
    STORAGE_PROTOCOL_HTTP,
    STORAGE_PROTOCOL_HTTPS,
    STORAGE_PROTOCOL_FTP,
    STORAGE_PROTOCOL_FTPS,
    STORAGE_PROTOCOL_TFTP,
    STORAGE_PROTOCOL_SSH,
    STORAGE_PROTOCOL_VXHS,
    STORAGE_PROTOCOL_NFS,
    STORAGE_PROTOCOL_COUNT
} ENUM8 StorageProtocol;
typedef enum StorageTransport {
    STORAGE_TRANSPORT_ABSENT,
    STORAGE_TRANSPORT_TCP,
    STORAGE_TRANSPORT_UNIX,
    STORAGE_TRANSPORT_RDMA,
    STORAGE_TRANSPORT_COUNT
} ENUM8 StorageTransport;
typedef enum StartupPolicy {
    STARTUP_POLICY_ABSENT,
    STARTUP_POLICY_MANDATORY,
    STARTUP_POLICY_REQUISITE,
    STARTUP_POLICY_OPTIONAL,
    STARTUP_POLICY_COUNT
} ENUM8 StartupPolicy;

typedef enum DiskDevice {
    DISK_DEVICE_DISK,
    DISK_DEVICE_CDROM,
    DISK_DEVICE_FLOPPY,
    DISK_DEVICE_LUN,
    DISK_DEVICE_COUNT
} ENUM8 DiskDevice; /* 0 is the default */
typedef enum DiskBus {
    DISK_BUS_ABSENT,
    DISK_BUS_IDE,
    DISK_BUS_FDC,
    DISK_BUS_SCSI,
    DISK_BUS_VIRTIO,
    DISK_BUS_XEN,
    DISK_BUS_USB,
    DISK_BUS_UML,
    DISK_BUS_SATA,
    DISK_BUS_SD,
    DISK_BUS_COUNT
} ENUM8 DiskBus;
typedef enum DiskCache {
    DISK_CACHE_ABSENT,
    DISK_CACHE_DEFAULT,
    DISK_CACHE_NONE,
    DISK_CACHE_WRITETHROUGH,
    DISK_CACHE_WRITEBACK,
    DISK_CACHE_DIRECTSYNC,
    DISK_CACHE_UNSAFE,
    DISK_CACHE_COUNT
} ENUM8 DiskCache;
typedef enum DiskErrorPolicy {
    DISK_ERROR_POLICY_ABSENT,
    DISK_ERROR_POLICY_STOP,
    DISK_ERROR_POLICY_REPORT,
    DISK_ERROR_POLICY_IGNORE,
    DISK_ERROR_POLICY_ENOSPACE,
    DISK_ERROR_POLICY_COUNT
} ENUM8 DiskErrorPolicy;
typedef enum DiskIo {
    DISK_IO_ABSENT,
    DISK_IO_NATIVE,
    DISK_IO_THREADS,
    DISK_IO_URING,
    DISK_IO_COUNT
} ENUM8 DiskIo;
typedef enum DiskDiscard {
    DISK_DISCARD_ABSENT,
    DISK_DISCARD_UNMAP,
    DISK_DISCARD_IGNORE,
    DISK_DISCARD_COUNT
} ENUM8 DiskDiscard;
typedef enum DiskDetectZeroes {
    DISK_DETECT_ZEROES_ABSENT,
    DISK_DETECT_ZEROES_OFF,
    DISK_DETECT_ZEROES_ON,
    DISK_DETECT_ZEROES_UNMAP,
    DISK_DETECT_ZEROES_COUNT
} ENUM8 DiskDetectZeroes;
typedef enum DiskTray { DISK_TRAY_ABSENT, DISK_TRAY_CLOSED, DISK_TRAY_OPEN, DISK_TRAY_COUNT } ENUM8 DiskTray;
typedef enum DiskSgio {
    DISK_SGIO_ABSENT,
    DISK_SGIO_FILTERED,
    DISK_SGIO_UNFILTERED,
    DISK_SGIO_COUNT
} ENUM8 DiskSgio;
typedef enum DiskSnapshot {
    DISK_SNAPSHOT_ABSENT,
    DISK_SNAPSHOT_NO,
    DISK_SNAPSHOT_INTERNAL,
    DISK_SNAPSHOT_EXTERNAL,
    DISK_SNAPSHOT_MANUAL,
    DISK_SNAPSHOT_COUNT
} ENUM8 DiskSnapshot;
typedef enum DiskGeometryTrans {
    DISK_TRANS_ABSENT,
    DISK_TRANS_NONE,
    DISK_TRANS_AUTO,
    DISK_TRANS_LBA,
    DISK_TRANS_COUNT
} ENUM8 DiskGeometryTrans;
/* The model attribute of virtio devices that exist in several generations. */
typedef enum VirtioModel {
    VIRTIO_MODEL_ABSENT,
    VIRTIO_MODEL_VIRTIO,
    VIRTIO_MODEL_TRANSITIONAL,
    VIRTIO_MODEL_NON_TRANSITIONAL,
    VIRTIO_MODEL_COUNT
} ENUM8 VirtioModel;

typedef enum ControllerType {
    CONTROLLER_TYPE_ABSENT,
    CONTROLLER_IDE,
    CONTROLLER_FDC,
    CONTROLLER_SCSI,
    CONTROLLER_SATA,
    CONTROLLER_VIRTIO_SERIAL,
    CONTROLLER_CCID,
    CONTROLLER_USB,
    CONTROLLER_PCI,
    CONTROLLER_XENBUS,
    CONTROLLER_ISA,
    CONTROLLER_TYPE_COUNT
} ENUM8 ControllerType;
/* All models of all controller types: the name alone says which, except for "virtio-*" variants and "none",
 * which mean the like for scsi, virtio-serial and usb. */
typedef enum ControllerModel {
    CONTROLLER_MODEL_ABSENT,
    CONTROLLER_MODEL_NONE, /* usb: no USB at all */
    /* scsi */
    CONTROLLER_MODEL_AUTO,
    CONTROLLER_MODEL_BUSLOGIC,
    CONTROLLER_MODEL_LSILOGIC,
    CONTROLLER_MODEL_LSISAS1068,
    CONTROLLER_MODEL_VMPVSCSI,
    CONTROLLER_MODEL_IBMVSCSI,
    CONTROLLER_MODEL_VIRTIO_SCSI,
    CONTROLLER_MODEL_LSISAS1078,
    CONTROLLER_MODEL_NCR53C90,
    CONTROLLER_MODEL_DC390,
    CONTROLLER_MODEL_AM53C974,
    /* scsi and virtio-serial */
    CONTROLLER_MODEL_VIRTIO,
    CONTROLLER_MODEL_VIRTIO_TRANSITIONAL,
    CONTROLLER_MODEL_VIRTIO_NON_TRANSITIONAL,
    /* usb */
    CONTROLLER_MODEL_PIIX3_UHCI,
    CONTROLLER_MODEL_PIIX4_UHCI,
    CONTROLLER_MODEL_EHCI,
    CONTROLLER_MODEL_ICH9_EHCI1,
    CONTROLLER_MODEL_ICH9_UHCI1,
    CONTROLLER_MODEL_ICH9_UHCI2,
    CONTROLLER_MODEL_ICH9_UHCI3,
    CONTROLLER_MODEL_VT82C686B_UHCI,
    CONTROLLER_MODEL_PCI_OHCI,
    CONTROLLER_MODEL_NEC_XHCI,
    CONTROLLER_MODEL_QUSB1,
    CONTROLLER_MODEL_QUSB2,
    CONTROLLER_MODEL_QEMU_XHCI,
    /* ide */
    CONTROLLER_MODEL_PIIX3,
    CONTROLLER_MODEL_PIIX4,
    CONTROLLER_MODEL_ICH6,
    /* pci */
    CONTROLLER_MODEL_PCI_ROOT,
    CONTROLLER_MODEL_PCIE_ROOT,
    CONTROLLER_MODEL_PCI_BRIDGE,
    CONTROLLER_MODEL_DMI_TO_PCI_BRIDGE,
    CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE,
    CONTROLLER_MODEL_PCIE_ROOT_PORT,
    CONTROLLER_MODEL_PCIE_SWITCH_UPSTREAM_PORT,
    CONTROLLER_MODEL_PCIE_SWITCH_DOWNSTREAM_PORT,
    CONTROLLER_MODEL_PCI_EXPANDER_BUS,
    CONTROLLER_MODEL_PCIE_EXPANDER_BUS,
    CONTROLLER_MODEL_COUNT
} ENUM8 ControllerModel;
/* <model name=.../> of a PCI controller: the QEMU device that implements it. */
typedef enum PciModelName {
    PCI_MODEL_ABSENT,
    PCI_MODEL_PCI_BRIDGE,
    PCI_MODEL_I82801B11_BRIDGE,
    PCI_MODEL_IOH3420,
    PCI_MODEL_X3130_UPSTREAM,
    PCI_MODEL_XIO3130_DOWNSTREAM,
    PCI_MODEL_PXB,
    PCI_MODEL_PXB_PCIE,
    PCI_MODEL_PCIE_ROOT_PORT,
    PCI_MODEL_SPAPR_PCI_HOST_BRIDGE,
    PCI_MODEL_PCIE_PCI_BRIDGE,
    PCI_MODEL_COUNT
} ENUM8 PciModelName;

typedef enum InterfaceType {
    INTERFACE_TYPE_ABSENT,
    INTERFACE_USER,
    INTERFACE_ETHERNET,
    INTERFACE_VHOST_USER,
    INTERFACE_SERVER,
    INTERFACE_CLIENT,
    INTERFACE_MCAST,
    INTERFACE_NETWORK,
    INTERFACE_BRIDGE,
    INTERFACE_INTERNAL,
    INTERFACE_DIRECT,
    INTERFACE_HOSTDEV,
    INTERFACE_UDP,
    INTERFACE_VDPA,
    INTERFACE_NULL,
    INTERFACE_VDS,
    INTERFACE_TYPE_COUNT
} ENUM8 InterfaceType;
typedef enum DirectMode {
    DIRECT_MODE_ABSENT,
    DIRECT_MODE_VEPA,
    DIRECT_MODE_PRIVATE,
    DIRECT_MODE_BRIDGE,
    DIRECT_MODE_PASSTHROUGH,
    DIRECT_MODE_COUNT
} ENUM8 DirectMode;
typedef enum InterfaceDriver {
    INTERFACE_DRIVER_ABSENT,
    INTERFACE_DRIVER_QEMU,
    INTERFACE_DRIVER_VHOST,
    INTERFACE_DRIVER_VFIO, /* of host devices only */
    INTERFACE_DRIVER_COUNT
} ENUM8 InterfaceDriver;
typedef enum VirtioTxMode {
    VIRTIO_TX_ABSENT,
    VIRTIO_TX_IOTHREAD,
    VIRTIO_TX_TIMER,
    VIRTIO_TX_COUNT
} ENUM8 VirtioTxMode;
typedef enum LinkState {
    LINK_STATE_ABSENT,
    LINK_STATE_UP,
    LINK_STATE_DOWN,
    LINK_STATE_COUNT
} ENUM8 LinkState;
typedef enum MacType { MAC_TYPE_ABSENT, MAC_TYPE_GENERATED, MAC_TYPE_STATIC, MAC_TYPE_COUNT } ENUM8 MacType;
typedef enum TrustGuest {
    TRUST_GUEST_ABSENT,
    TRUST_GUEST_YES,
    TRUST_GUEST_NO,
    TRUST_GUEST_COUNT
} ENUM8 TrustGuest;

/* Serial, parallel, console and channel are all CharDef. */
typedef enum CharClass {
    CHAR_CLASS_SERIAL,
    CHAR_CLASS_PARALLEL,
    CHAR_CLASS_CONSOLE,
    CHAR_CLASS_CHANNEL,
    CHAR_CLASS_COUNT
} ENUM8 CharClass;
typedef enum CharType {
    CHAR_TYPE_ABSENT,
    CHAR_NULL,
    CHAR_VC,
    CHAR_PTY,
    CHAR_DEV,
    CHAR_FILE,
    CHAR_PIPE,
    CHAR_STDIO,
    CHAR_UDP,
    CHAR_TCP,
    CHAR_UNIX,
    CHAR_SPICEVMC,
    CHAR_SPICEPORT,
    CHAR_NMDM,
    CHAR_QEMU_VDAGENT,
    CHAR_DBUS,
    CHAR_TYPE_COUNT
} ENUM8 CharType;
typedef enum CharMode {
    CHAR_MODE_ABSENT,
    CHAR_MODE_CONNECT,
    CHAR_MODE_BIND,
    CHAR_MODE_CLIENT,
    CHAR_MODE_SERVER,
    CHAR_MODE_COUNT
} ENUM8 CharMode;
typedef enum CharProtocol {
    CHAR_PROTOCOL_ABSENT,
    CHAR_PROTOCOL_RAW,
    CHAR_PROTOCOL_TELNET,
    CHAR_PROTOCOL_TELNETS,
    CHAR_PROTOCOL_TLS,
    CHAR_PROTOCOL_COUNT
} ENUM8 CharProtocol;
/* <target type=...> of all four classes. */
typedef enum CharTargetType {
    CHAR_TARGET_ABSENT,
    /* serial */
    CHAR_TARGET_ISA_SERIAL,
    CHAR_TARGET_USB_SERIAL,
    CHAR_TARGET_PCI_SERIAL,
    CHAR_TARGET_SPAPR_VIO_SERIAL,
    CHAR_TARGET_SYSTEM_SERIAL,
    CHAR_TARGET_SCLP_SERIAL,
    CHAR_TARGET_ISA_DEBUG,
    /* console */
    CHAR_TARGET_SERIAL,
    CHAR_TARGET_SCLP,
    CHAR_TARGET_SCLPLM,
    CHAR_TARGET_XEN,
    CHAR_TARGET_UML,
    CHAR_TARGET_LXC,
    CHAR_TARGET_OPENVZ,
    /* console and channel */
    CHAR_TARGET_VIRTIO,
    /* channel */
    CHAR_TARGET_GUESTFWD,
    CHAR_TARGET_COUNT
} ENUM8 CharTargetType;
typedef enum CharTargetModel {
    CHAR_TARGET_MODEL_ABSENT,
    CHAR_TARGET_MODEL_ISA_SERIAL,
    CHAR_TARGET_MODEL_USB_SERIAL,
    CHAR_TARGET_MODEL_PCI_SERIAL,
    CHAR_TARGET_MODEL_SPAPR_VTY,
    CHAR_TARGET_MODEL_PL011,
    CHAR_TARGET_MODEL_SCLPCONSOLE,
    CHAR_TARGET_MODEL_SCLPLMCONSOLE,
    CHAR_TARGET_MODEL_16550A,
    CHAR_TARGET_MODEL_ISA_DEBUGCON,
    CHAR_TARGET_MODEL_COUNT
} ENUM8 CharTargetModel;
typedef enum ChannelState {
    CHANNEL_STATE_ABSENT,
    CHANNEL_STATE_CONNECTED,
    CHANNEL_STATE_DISCONNECTED,
    CHANNEL_STATE_COUNT
} ENUM8 ChannelState;

typedef enum InputType {
    INPUT_TYPE_ABSENT,
    INPUT_MOUSE,
    INPUT_TABLET,
    INPUT_KEYBOARD,
    INPUT_PASSTHROUGH,
    INPUT_EVDEV,
    INPUT_TYPE_COUNT
} ENUM8 InputType;
typedef enum InputBus {
    INPUT_BUS_ABSENT,
    INPUT_BUS_PS2,
    INPUT_BUS_USB,
    INPUT_BUS_XEN,
    INPUT_BUS_PARALLELS,
    INPUT_BUS_VIRTIO,
    INPUT_BUS_NONE,
    INPUT_BUS_COUNT
} ENUM8 InputBus;

typedef enum GraphicsType {
    GRAPHICS_TYPE_ABSENT,
    GRAPHICS_SDL,
    GRAPHICS_VNC,
    GRAPHICS_RDP,
    GRAPHICS_DESKTOP,
    GRAPHICS_SPICE,
    GRAPHICS_EGL_HEADLESS,
    GRAPHICS_DBUS,
    GRAPHICS_TYPE_COUNT
} ENUM8 GraphicsType;
typedef enum ListenType {
    LISTEN_TYPE_ABSENT,
    LISTEN_ADDRESS,
    LISTEN_NETWORK,
    LISTEN_SOCKET,
    LISTEN_NONE,
    LISTEN_TYPE_COUNT
} ENUM8 ListenType;
typedef enum GraphicsPasswordAction {
    PASSWORD_ACTION_ABSENT,
    PASSWORD_ACTION_FAIL,
    PASSWORD_ACTION_DISCONNECT,
    PASSWORD_ACTION_KEEP,
    PASSWORD_ACTION_COUNT
} ENUM8 GraphicsPasswordAction;
typedef enum VncSharePolicy {
    VNC_SHARE_ABSENT,
    VNC_SHARE_ALLOW_EXCLUSIVE,
    VNC_SHARE_FORCE_SHARED,
    VNC_SHARE_IGNORE,
    VNC_SHARE_COUNT
} ENUM8 VncSharePolicy;
typedef enum SpiceMode {
    SPICE_MODE_ABSENT,
    SPICE_MODE_ANY,
    SPICE_MODE_SECURE,
    SPICE_MODE_INSECURE,
    SPICE_MODE_COUNT
} ENUM8 SpiceMode;
typedef enum SpiceChannelName {
    SPICE_CHANNEL_ABSENT,
    SPICE_CHANNEL_MAIN,
    SPICE_CHANNEL_DISPLAY,
    SPICE_CHANNEL_INPUTS,
    SPICE_CHANNEL_CURSOR,
    SPICE_CHANNEL_PLAYBACK,
    SPICE_CHANNEL_RECORD,
    SPICE_CHANNEL_SMARTCARD,
    SPICE_CHANNEL_USBREDIR,
    SPICE_CHANNEL_COUNT
} ENUM8 SpiceChannelName;
typedef enum SpiceImageCompression {
    SPICE_IMAGE_ABSENT,
    SPICE_IMAGE_AUTO_GLZ,
    SPICE_IMAGE_AUTO_LZ,
    SPICE_IMAGE_QUIC,
    SPICE_IMAGE_GLZ,
    SPICE_IMAGE_LZ,
    SPICE_IMAGE_OFF,
    SPICE_IMAGE_COUNT
} ENUM8 SpiceImageCompression;
typedef enum SpiceWanCompression {
    SPICE_WAN_ABSENT,
    SPICE_WAN_AUTO,
    SPICE_WAN_NEVER,
    SPICE_WAN_ALWAYS,
    SPICE_WAN_COUNT
} ENUM8 SpiceWanCompression; /* jpeg and zlib */
typedef enum SpiceStreaming {
    SPICE_STREAMING_ABSENT,
    SPICE_STREAMING_FILTER,
    SPICE_STREAMING_ALL,
    SPICE_STREAMING_OFF,
    SPICE_STREAMING_COUNT
} ENUM8 SpiceStreaming;
typedef enum SpiceMouseMode {
    SPICE_MOUSE_ABSENT,
    SPICE_MOUSE_SERVER,
    SPICE_MOUSE_CLIENT,
    SPICE_MOUSE_COUNT
} ENUM8 SpiceMouseMode;

typedef enum VideoModel {
    VIDEO_MODEL_ABSENT,
    VIDEO_VGA,
    VIDEO_CIRRUS,
    VIDEO_VMVGA,
    VIDEO_XEN,
    VIDEO_VBOX,
    VIDEO_QXL,
    VIDEO_PARALLELS,
    VIDEO_VIRTIO,
    VIDEO_GOP,
    VIDEO_NONE,
    VIDEO_BOCHS,
    VIDEO_RAMFB,
    VIDEO_MODEL_COUNT
} ENUM8 VideoModel;
typedef enum VideoDriver {
    VIDEO_DRIVER_ABSENT,
    VIDEO_DRIVER_QEMU,
    VIDEO_DRIVER_VHOSTUSER,
    VIDEO_DRIVER_COUNT
} ENUM8 VideoDriver;
typedef enum VgaConf { VGACONF_ABSENT, VGACONF_IO, VGACONF_ON, VGACONF_OFF, VGACONF_COUNT } ENUM8 VgaConf;

typedef enum SoundModel {
    SOUND_MODEL_ABSENT,
    SOUND_SB16,
    SOUND_ES1370,
    SOUND_PCSPK,
    SOUND_AC97,
    SOUND_ICH6,
    SOUND_ICH9,
    SOUND_USB,
    SOUND_ICH7,
    SOUND_MODEL_COUNT
} ENUM8 SoundModel;
typedef enum CodecType {
    CODEC_TYPE_ABSENT,
    CODEC_DUPLEX,
    CODEC_MICRO,
    CODEC_OUTPUT,
    CODEC_TYPE_COUNT
} ENUM8 CodecType;
typedef enum AudioType {
    AUDIO_TYPE_ABSENT,
    AUDIO_NONE,
    AUDIO_ALSA,
    AUDIO_COREAUDIO,
    AUDIO_JACK,
    AUDIO_OSS,
    AUDIO_PULSEAUDIO,
    AUDIO_SDL,
    AUDIO_SPICE,
    AUDIO_FILE,
    AUDIO_DBUS,
    AUDIO_TYPE_COUNT
} ENUM8 AudioType;

typedef enum MemballoonModel {
    MEMBALLOON_MODEL_ABSENT,
    MEMBALLOON_VIRTIO,
    MEMBALLOON_XEN,
    MEMBALLOON_NONE,
    MEMBALLOON_VIRTIO_TRANSITIONAL,
    MEMBALLOON_VIRTIO_NON_TRANSITIONAL,
    MEMBALLOON_MODEL_COUNT
} ENUM8 MemballoonModel;
typedef enum RngBackend {
    RNG_BACKEND_ABSENT,
    RNG_BACKEND_RANDOM,
    RNG_BACKEND_EGD,
    RNG_BACKEND_BUILTIN,
    RNG_BACKEND_COUNT
} ENUM8 RngBackend;
typedef enum WatchdogModel {
    WATCHDOG_MODEL_ABSENT,
    WATCHDOG_I6300ESB,
    WATCHDOG_IB700,
    WATCHDOG_DIAG288,
    WATCHDOG_ITCO,
    WATCHDOG_MODEL_COUNT
} ENUM8 WatchdogModel;
typedef enum WatchdogAction {
    WATCHDOG_ACTION_ABSENT,
    WATCHDOG_ACTION_RESET,
    WATCHDOG_ACTION_SHUTDOWN,
    WATCHDOG_ACTION_POWEROFF,
    WATCHDOG_ACTION_PAUSE,
    WATCHDOG_ACTION_DUMP,
    WATCHDOG_ACTION_NONE,
    WATCHDOG_ACTION_INJECT_NMI,
    WATCHDOG_ACTION_COUNT
} ENUM8 WatchdogAction;
typedef enum PanicModel {
    PANIC_MODEL_ABSENT,
    PANIC_ISA,
    PANIC_PSERIES,
    PANIC_HYPERV,
    PANIC_S390,
    PANIC_PVPANIC,
    PANIC_MODEL_COUNT
} ENUM8 PanicModel;
typedef enum TpmModel {
    TPM_MODEL_ABSENT,
    TPM_TIS,
    TPM_CRB,
    TPM_SPAPR,
    TPM_SPAPR_PROXY,
    TPM_MODEL_COUNT
} ENUM8 TpmModel;
typedef enum TpmBackend {
    TPM_BACKEND_ABSENT,
    TPM_BACKEND_PASSTHROUGH,
    TPM_BACKEND_EMULATOR,
    TPM_BACKEND_EXTERNAL,
    TPM_BACKEND_COUNT
} ENUM8 TpmBackend;
typedef enum TpmVersion {
    TPM_VERSION_ABSENT,
    TPM_VERSION_1_2,
    TPM_VERSION_2_0,
    TPM_VERSION_COUNT
} ENUM8 TpmVersion;
typedef enum HostdevMode {
    HOSTDEV_MODE_ABSENT,
    HOSTDEV_SUBSYSTEM,
    HOSTDEV_CAPABILITIES,
    HOSTDEV_MODE_COUNT
} ENUM8 HostdevMode;
typedef enum HostdevType {
    HOSTDEV_TYPE_ABSENT,
    HOSTDEV_USB,
    HOSTDEV_PCI,
    HOSTDEV_SCSI,
    HOSTDEV_SCSI_HOST,
    HOSTDEV_MDEV,
    HOSTDEV_STORAGE,
    HOSTDEV_MISC,
    HOSTDEV_NET,
    HOSTDEV_TYPE_COUNT
} ENUM8 HostdevType;
typedef enum HostdevDriver {
    HOSTDEV_DRIVER_ABSENT,
    HOSTDEV_DRIVER_KVM,
    HOSTDEV_DRIVER_VFIO,
    HOSTDEV_DRIVER_XEN,
    HOSTDEV_DRIVER_COUNT
} ENUM8 HostdevDriver;
typedef enum UsbGuestReset {
    USB_GUEST_RESET_ABSENT,
    USB_GUEST_RESET_OFF,
    USB_GUEST_RESET_UNINITIALIZED,
    USB_GUEST_RESET_ON,
    USB_GUEST_RESET_COUNT
} ENUM8 UsbGuestReset;
typedef enum MdevModel {
    MDEV_MODEL_ABSENT,
    MDEV_VFIO_PCI,
    MDEV_VFIO_CCW,
    MDEV_VFIO_AP,
    MDEV_MODEL_COUNT
} ENUM8 MdevModel;
typedef enum RedirBus { REDIR_BUS_ABSENT, REDIR_BUS_USB, REDIR_BUS_COUNT } ENUM8 RedirBus;
typedef enum SmartcardMode {
    SMARTCARD_MODE_ABSENT,
    SMARTCARD_HOST,
    SMARTCARD_HOST_CERTIFICATES,
    SMARTCARD_PASSTHROUGH,
    SMARTCARD_MODE_COUNT
} ENUM8 SmartcardMode;
typedef enum HubType { HUB_TYPE_ABSENT, HUB_USB, HUB_TYPE_COUNT } ENUM8 HubType;
typedef enum MemoryModel {
    MEMORY_MODEL_ABSENT,
    MEMORY_DIMM,
    MEMORY_NVDIMM,
    MEMORY_VIRTIO_PMEM,
    MEMORY_VIRTIO_MEM,
    MEMORY_SGX_EPC,
    MEMORY_MODEL_COUNT
} ENUM8 MemoryModel;
typedef enum IommuModel {
    IOMMU_MODEL_ABSENT,
    IOMMU_INTEL,
    IOMMU_SMMUV3,
    IOMMU_VIRTIO,
    IOMMU_MODEL_COUNT
} ENUM8 IommuModel;
typedef enum ShmemModel {
    SHMEM_MODEL_ABSENT,
    SHMEM_IVSHMEM,
    SHMEM_IVSHMEM_PLAIN,
    SHMEM_IVSHMEM_DOORBELL,
    SHMEM_MODEL_COUNT
} ENUM8 ShmemModel;
typedef enum ShmemRole {
    SHMEM_ROLE_ABSENT,
    SHMEM_ROLE_MASTER,
    SHMEM_ROLE_PEER,
    SHMEM_ROLE_COUNT
} ENUM8 ShmemRole;
typedef enum FilesystemType {
    FILESYSTEM_TYPE_ABSENT,
    FILESYSTEM_MOUNT,
    FILESYSTEM_BLOCK,
    FILESYSTEM_FILE,
    FILESYSTEM_TEMPLATE,
    FILESYSTEM_RAM,
    FILESYSTEM_BIND,
    FILESYSTEM_VOLUME,
    FILESYSTEM_TYPE_COUNT
} ENUM8 FilesystemType;
typedef enum FilesystemAccess {
    FILESYSTEM_ACCESS_ABSENT,
    FILESYSTEM_PASSTHROUGH,
    FILESYSTEM_MAPPED,
    FILESYSTEM_SQUASH,
    FILESYSTEM_ACCESS_COUNT
} ENUM8 FilesystemAccess;
typedef enum SeclabelType {
    SECLABEL_TYPE_ABSENT,
    SECLABEL_NONE,
    SECLABEL_DYNAMIC,
    SECLABEL_STATIC,
    SECLABEL_TYPE_COUNT
} ENUM8 SeclabelType;

/* Names, in the order of the values. */
extern const EnumNames address_type_names;
extern const EnumNames storage_type_names;
extern const EnumNames storage_format_names;
extern const EnumNames storage_protocol_names;
extern const EnumNames storage_transport_names;
extern const EnumNames startup_policy_names;
extern const EnumNames disk_device_names;
extern const EnumNames disk_bus_names;
extern const EnumNames disk_cache_names;
extern const EnumNames disk_error_policy_names;
extern const EnumNames disk_io_names;
extern const EnumNames disk_discard_names;
extern const EnumNames disk_detect_zeroes_names;
extern const EnumNames disk_tray_names;
extern const EnumNames disk_sgio_names;
extern const EnumNames disk_snapshot_names;
extern const EnumNames disk_geometry_trans_names;
extern const EnumNames virtio_model_names;
extern const EnumNames controller_type_names;
extern const EnumNames controller_model_names;
extern const EnumNames pci_model_name_names;
extern const EnumNames interface_type_names;
extern const EnumNames direct_mode_names;
extern const EnumNames interface_driver_names;
extern const EnumNames virtio_tx_mode_names;
extern const EnumNames link_state_names;
extern const EnumNames mac_type_names;
extern const EnumNames trust_guest_names;
extern const EnumNames char_class_names;
extern const EnumNames char_type_names;
extern const EnumNames char_mode_names;
extern const EnumNames char_protocol_names;
extern const EnumNames char_target_type_names;
extern const EnumNames char_target_model_names;
extern const EnumNames channel_state_names;
extern const EnumNames input_type_names;
extern const EnumNames input_bus_names;
extern const EnumNames graphics_type_names;
extern const EnumNames listen_type_names;
extern const EnumNames graphics_password_action_names;
extern const EnumNames vnc_share_policy_names;
extern const EnumNames spice_mode_names;
extern const EnumNames spice_channel_name_names;
extern const EnumNames spice_image_compression_names;
extern const EnumNames spice_wan_compression_names;
extern const EnumNames spice_streaming_names;
extern const EnumNames spice_mouse_mode_names;
extern const EnumNames video_model_names;
extern const EnumNames video_driver_names;
extern const EnumNames vga_conf_names;
extern const EnumNames sound_model_names;
extern const EnumNames codec_type_names;
extern const EnumNames audio_type_names;
extern const EnumNames memballoon_model_names;
extern const EnumNames rng_backend_names;
extern const EnumNames watchdog_model_names;
extern const EnumNames watchdog_action_names;
extern const EnumNames panic_model_names;
extern const EnumNames tpm_model_names;
extern const EnumNames tpm_backend_names;
extern const EnumNames tpm_version_names;
extern const EnumNames hostdev_mode_names;
extern const EnumNames hostdev_type_names;
extern const EnumNames hostdev_driver_names;
extern const EnumNames mdev_model_names;
extern const EnumNames usb_guest_reset_names;
extern const EnumNames redir_bus_names;
extern const EnumNames smartcard_mode_names;
extern const EnumNames hub_type_names;
extern const EnumNames memory_model_names;
extern const EnumNames iommu_model_names;
extern const EnumNames shmem_model_names;
extern const EnumNames shmem_role_names;
extern const EnumNames filesystem_type_names;
extern const EnumNames filesystem_access_names;
extern const EnumNames seclabel_type_names;
