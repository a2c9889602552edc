/* The names of the domain document's enumerations, in the order of their values. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_enums.h"

#include <stddef.h>

#define NAMES(variable, what, ...)                                                                           \
    static const char *const variable##_list[] = { __VA_ARGS__ };                                            \
    const EnumNames variable##_names = { what, sizeof(variable##_list) / sizeof(char *), variable##_list }

NAMES(virt_type, "virtualization type", NULL, "qemu", "kvm");
_Static_assert(sizeof(virt_type_list) / sizeof(char *) == VIRT_TYPE_COUNT, "one name per value");
NAMES(arch, "architecture", NULL, "x86_64", "i686", "aarch64", "armv7l", "armv6l", "ppc64", "ppc64le", "ppc",
      "s390x", "riscv32", "riscv64", "loongarch64", "mips", "mipsel", "mips64", "mips64el", "alpha", "cris",
      "lm32", "m68k", "microblaze", "microblazeel", "or32", "sh4", "sh4eb", "sparc", "sparc64", "unicore32",
      "xtensa", "xtensaeb");
_Static_assert(sizeof(arch_list) / sizeof(char *) == ARCH_COUNT, "one name per value");
NAMES(os_type, "operating system type", NULL, "hvm", "xen", "linux", "exe", "uml", "xenpvh");
_Static_assert(sizeof(os_type_list) / sizeof(char *) == OS_TYPE_COUNT, "one name per value");
NAMES(os_firmware, "firmware", NULL, "bios", "efi");
_Static_assert(sizeof(os_firmware_list) / sizeof(char *) == OS_FIRMWARE_COUNT, "one name per value");
NAMES(loader_type, "loader type", NULL, "rom", "pflash", "none");
_Static_assert(sizeof(loader_type_list) / sizeof(char *) == LOADER_TYPE_COUNT, "one name per value");
NAMES(boot_dev, "boot device", NULL, "fd", "hd", "cdrom", "network");
_Static_assert(sizeof(boot_dev_list) / sizeof(char *) == BOOT_DEV_COUNT, "one name per value");
NAMES(acpi_table_type, "ACPI table type", NULL, "slic");
_Static_assert(sizeof(acpi_table_type_list) / sizeof(char *) == ACPI_TABLE_COUNT, "one name per value");
NAMES(smbios_mode, "SMBIOS mode", NULL, "emulate", "host", "sysinfo");
_Static_assert(sizeof(smbios_mode_list) / sizeof(char *) == SMBIOS_MODE_COUNT, "one name per value");
NAMES(sysinfo_type, "system information type", NULL, "smbios", "fwcfg");
_Static_assert(sizeof(sysinfo_type_list) / sizeof(char *) == SYSINFO_TYPE_COUNT, "one name per value");
NAMES(lifecycle_action, "action", NULL, "destroy", "restart", "rename-restart", "preserve",
      "coredump-destroy", "coredump-restart");
_Static_assert(sizeof(lifecycle_action_list) / sizeof(char *) == LIFECYCLE_ACTION_COUNT,
               "one name per value");
NAMES(lock_failure_action, "lock failure action", NULL, "poweroff", "restart", "pause", "ignore");
_Static_assert(sizeof(lock_failure_action_list) / sizeof(char *) == LOCK_FAILURE_COUNT, "one name per value");
NAMES(cpu_placement, "placement", NULL, "static", "auto");
_Static_assert(sizeof(cpu_placement_list) / sizeof(char *) == CPU_PLACEMENT_COUNT, "one name per value");
NAMES(numa_mode, "NUMA memory mode", NULL, "strict", "preferred", "interleave", "restrictive");
_Static_assert(sizeof(numa_mode_list) / sizeof(char *) == NUMA_MODE_COUNT, "one name per value");
NAMES(memory_source_type, "memory source", NULL, "file", "anonymous", "memfd");
_Static_assert(sizeof(memory_source_type_list) / sizeof(char *) == MEMORY_SOURCE_COUNT, "one name per value");
NAMES(memory_access, "memory access", NULL, "shared", "private");
_Static_assert(sizeof(memory_access_list) / sizeof(char *) == MEMORY_ACCESS_COUNT, "one name per value");
NAMES(memory_allocation, "memory allocation", NULL, "immediate", "ondemand");
_Static_assert(sizeof(memory_allocation_list) / sizeof(char *) == MEMORY_ALLOCATION_COUNT,
               "one name per value");
NAMES(hyperv_mode, "Hyper-V mode", NULL, "custom", "passthrough");
_Static_assert(sizeof(hyperv_mode_list) / sizeof(char *) == HYPERV_MODE_COUNT, "one name per value");
NAMES(gic_version, "interrupt controller version", NULL, "host", "2", "3");
_Static_assert(sizeof(gic_version_list) / sizeof(char *) == GIC_VERSION_COUNT, "one name per value");
NAMES(ioapic_driver, "I/O APIC driver", NULL, "kvm", "qemu");
_Static_assert(sizeof(ioapic_driver_list) / sizeof(char *) == IOAPIC_DRIVER_COUNT, "one name per value");
NAMES(hpt_resizing, "page table resizing", NULL, "enabled", "disabled", "required");
_Static_assert(sizeof(hpt_resizing_list) / sizeof(char *) == HPT_RESIZING_COUNT, "one name per value");
NAMES(cpu_mode, "CPU mode", NULL, "custom", "host-model", "host-passthrough", "maximum");
_Static_assert(sizeof(cpu_mode_list) / sizeof(char *) == CPU_MODE_COUNT, "one name per value");
NAMES(cpu_match, "CPU match", NULL, "exact", "minimum", "strict");
_Static_assert(sizeof(cpu_match_list) / sizeof(char *) == CPU_MATCH_COUNT, "one name per value");
NAMES(cpu_check, "CPU check", NULL, "none", "partial", "full");
_Static_assert(sizeof(cpu_check_list) / sizeof(char *) == CPU_CHECK_COUNT, "one name per value");
NAMES(cpu_fallback, "CPU fallback", NULL, "allow", "forbid");
_Static_assert(sizeof(cpu_fallback_list) / sizeof(char *) == CPU_FALLBACK_COUNT, "one name per value");
NAMES(cpu_feature_policy, "CPU feature policy", NULL, "force", "require", "optional", "disable", "forbid");
_Static_assert(sizeof(cpu_feature_policy_list) / sizeof(char *) == CPU_FEATURE_POLICY_COUNT,
               "one name per value");
NAMES(cpu_cache_mode, "CPU cache mode", NULL, "emulate", "passthrough", "disable");
_Static_assert(sizeof(cpu_cache_mode_list) / sizeof(char *) == CPU_CACHE_COUNT, "one name per value");
NAMES(cpu_max_phys_addr_mode, "physical address mode", NULL, "emulate", "passthrough");
_Static_assert(sizeof(cpu_max_phys_addr_mode_list) / sizeof(char *) == CPU_MAXPHYSADDR_COUNT,
               "one name per value");
NAMES(clock_offset, "clock offset", NULL, "utc", "localtime", "variable", "timezone", "absolute");
_Static_assert(sizeof(clock_offset_list) / sizeof(char *) == CLOCK_OFFSET_COUNT, "one name per value");
NAMES(clock_basis, "clock basis", NULL, "utc", "localtime");
_Static_assert(sizeof(clock_basis_list) / sizeof(char *) == CLOCK_BASIS_COUNT, "one name per value");
NAMES(timer_name, "timer", NULL, "platform", "pit", "rtc", "hpet", "tsc", "kvmclock", "hypervclock",
      "armvtimer");
_Static_assert(sizeof(timer_name_list) / sizeof(char *) == TIMER_NAME_COUNT, "one name per value");
NAMES(timer_track, "timer track", NULL, "boot", "guest", "wall", "realtime");
_Static_assert(sizeof(timer_track_list) / sizeof(char *) == TIMER_TRACK_COUNT, "one name per value");
NAMES(timer_tick_policy, "timer tick policy", NULL, "delay", "catchup", "merge", "discard");
_Static_assert(sizeof(timer_tick_policy_list) / sizeof(char *) == TIMER_TICKPOLICY_COUNT,
               "one name per value");
NAMES(timer_mode, "timer mode", NULL, "auto", "native", "emulate", "paravirt", "smpsafe");
_Static_assert(sizeof(timer_mode_list) / sizeof(char *) == TIMER_MODE_COUNT, "one name per value");
NAMES(address_type, "address type", NULL, "pci", "drive", "virtio-serial", "ccid", "usb", "spapr-vio",
      "virtio-s390", "ccw", "virtio-mmio", "isa", "dimm", "unassigned", "mdev");
_Static_assert(sizeof(address_type_list) / sizeof(char *) == ADDRESS_TYPE_COUNT, "one name per value");
NAMES(storage_type, "storage type", NULL, "file", "block", "dir", "network", "volume", "nvme", "vhostuser");
_Static_assert(sizeof(storage_type_list) / sizeof(char *) == STORAGE_TYPE_COUNT, "one name per value");
NAMES(storage_format, "storage format", NULL, "raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi",
      "fat", "vhd", "ploop", "cow", "qcow", "qcow2", "qed", "vmdk");
_Static_assert(sizeof(storage_format_list) / sizeof(char *) == STORAGE_FORMAT_COUNT, "one name per value");
NAMES(storage_protocol, "storage protocol", NULL, "nbd", "rbd", "sheepdog", "gluster", "iscsi", "http",
      "https", "ftp", "ftps", "tftp", "ssh", "vxhs", "nfs");
_Static_assert(sizeof(storage_protocol_list) / sizeof(char *) == STORAGE_PROTOCOL_COUNT,
               "one name per value");
NAMES(storage_transport, "storage transport", NULL, "tcp", "unix", "rdma");
_Static_assert(sizeof(storage_transport_list) / sizeof(char *) == STORAGE_TRANSPORT_COUNT,
               "one name per value");
NAMES(startup_policy, "startup policy", NULL, "mandatory", "requisite", "optional");
_Static_assert(sizeof(startup_policy_list) / sizeof(char *) == STARTUP_POLICY_COUNT, "one name per value");
NAMES(disk_device, "disk device", "disk", "cdrom", "floppy", "lun");
_Static_assert(sizeof(disk_device_list) / sizeof(char *) == DISK_DEVICE_COUNT, "one name per value");
NAMES(disk_bus, "disk bus", NULL, "ide", "fdc", "scsi", "virtio", "xen", "usb", "uml", "sata", "sd");
_Static_assert(sizeof(disk_bus_list) / sizeof(char *) == DISK_BUS_COUNT, "one name per value");
NAMES(disk_cache, "disk cache mode", NULL, "default", "none", "writethrough", "writeback", "directsync",
      "unsafe");
_Static_assert(sizeof(disk_cache_list) / sizeof(char *) == DISK_CACHE_COUNT, "one name per value");
NAMES(disk_error_policy, "disk error policy", NULL, "stop", "report", "ignore", "enospace");
_Static_assert(sizeof(disk_error_policy_list) / sizeof(char *) == DISK_ERROR_POLICY_COUNT,
               "one name per value");
NAMES(disk_io, "disk I/O mode", NULL, "native", "threads", "io_uring");
_Static_assert(sizeof(disk_io_list) / sizeof(char *) == DISK_IO_COUNT, "one name per value");
NAMES(disk_discard, "disk discard mode", NULL, "unmap", "ignore");
_Static_assert(sizeof(disk_discard_list) / sizeof(char *) == DISK_DISCARD_COUNT, "one name per value");
NAMES(disk_detect_zeroes, "disk zero detection", NULL, "off", "on", "unmap");
_Static_assert(sizeof(disk_detect_zeroes_list) / sizeof(char *) == DISK_DETECT_ZEROES_COUNT,
               "one name per value");
NAMES(disk_tray, "tray state", NULL, "closed", "open");
_Static_assert(sizeof(disk_tray_list) / sizeof(char *) == DISK_TRAY_COUNT, "one name per value");
NAMES(disk_sgio, "SG_IO mode", NULL, "filtered", "unfiltered");
_Static_assert(sizeof(disk_sgio_list) / sizeof(char *) == DISK_SGIO_COUNT, "one name per value");
NAMES(disk_snapshot, "disk snapshot mode", NULL, "no", "internal", "external", "manual");
_Static_assert(sizeof(disk_snapshot_list) / sizeof(char *) == DISK_SNAPSHOT_COUNT, "one name per value");
NAMES(disk_geometry_trans, "geometry translation", NULL, "none", "auto", "lba");
_Static_assert(sizeof(disk_geometry_trans_list) / sizeof(char *) == DISK_TRANS_COUNT, "one name per value");
NAMES(virtio_model, "virtio model", NULL, "virtio", "virtio-transitional", "virtio-non-transitional");
_Static_assert(sizeof(virtio_model_list) / sizeof(char *) == VIRTIO_MODEL_COUNT, "one name per value");
NAMES(controller_type, "controller type", NULL, "ide", "fdc", "scsi", "sata", "virtio-serial", "ccid", "usb",
      "pci", "xenbus", "isa");
_Static_assert(sizeof(controller_type_list) / sizeof(char *) == CONTROLLER_TYPE_COUNT, "one name per value");
NAMES(controller_model, "controller model", NULL, "none", "auto", "buslogic", "lsilogic", "lsisas1068",
      "vmpvscsi", "ibmvscsi", "virtio-scsi", "lsisas1078", "ncr53c90", "dc390", "am53c974", "virtio",
      "virtio-transitional", "virtio-non-transitional", "piix3-uhci", "piix4-uhci", "ehci", "ich9-ehci1",
      "ich9-uhci1", "ich9-uhci2", "ich9-uhci3", "vt82c686b-uhci", "pci-ohci", "nec-xhci", "qusb1", "qusb2",
      "qemu-xhci", "piix3", "piix4", "ich6", "pci-root", "pcie-root", "pci-bridge", "dmi-to-pci-bridge",
      "pcie-to-pci-bridge", "pcie-root-port", "pcie-switch-upstream-port", "pcie-switch-downstream-port",
      "pci-expander-bus", "pcie-expander-bus");
_Static_assert(sizeof(controller_model_list) / sizeof(char *) == CONTROLLER_MODEL_COUNT,
               "one name per value");
NAMES(pci_model_name, "PCI controller device", NULL, "pci-bridge", "i82801b11-bridge", "ioh3420",
      "x3130-upstream", "xio3130-downstream", "pxb", "pxb-pcie", "pcie-root-port", "spapr-pci-host-bridge",
      "pcie-pci-bridge");
_Static_assert(sizeof(pci_model_name_list) / sizeof(char *) == PCI_MODEL_COUNT, "one name per value");
NAMES(interface_type, "interface type", NULL, "user", "ethernet", "vhostuser", "server", "client", "mcast",
      "network", "bridge", "internal", "direct", "hostdev", "udp", "vdpa", "null", "vds");
_Static_assert(sizeof(interface_type_list) / sizeof(char *) == INTERFACE_TYPE_COUNT, "one name per value");
NAMES(direct_mode, "direct mode", NULL, "vepa", "private", "bridge", "passthrough");
_Static_assert(sizeof(direct_mode_list) / sizeof(char *) == DIRECT_MODE_COUNT, "one name per value");
NAMES(interface_driver, "interface driver", NULL, "qemu", "vhost", "vfio");
_Static_assert(sizeof(interface_driver_list) / sizeof(char *) == INTERFACE_DRIVER_COUNT,
               "one name per value");
NAMES(virtio_tx_mode, "transmit mode", NULL, "iothread", "timer");
_Static_assert(sizeof(virtio_tx_mode_list) / sizeof(char *) == VIRTIO_TX_COUNT, "one name per value");
NAMES(link_state, "link state", NULL, "up", "down");
_Static_assert(sizeof(link_state_list) / sizeof(char *) == LINK_STATE_COUNT, "one name per value");
NAMES(mac_type, "MAC address type", NULL, "generated", "static");
_Static_assert(sizeof(mac_type_list) / sizeof(char *) == MAC_TYPE_COUNT, "one name per value");
NAMES(trust_guest, "trust switch", NULL, "yes", "no");
_Static_assert(sizeof(trust_guest_list) / sizeof(char *) == TRUST_GUEST_COUNT, "one name per value");
NAMES(char_class, "character device class", "serial", "parallel", "console", "channel");
_Static_assert(sizeof(char_class_list) / sizeof(char *) == CHAR_CLASS_COUNT, "one name per value");
NAMES(char_type, "character device type", NULL, "null", "vc", "pty", "dev", "file", "pipe", "stdio", "udp",
      "tcp", "unix", "spicevmc", "spiceport", "nmdm", "qemu-vdagent", "dbus");
_Static_assert(sizeof(char_type_list) / sizeof(char *) == CHAR_TYPE_COUNT, "one name per value");
NAMES(char_mode, "character device mode", NULL, "connect", "bind", "client", "server");
_Static_assert(sizeof(char_mode_list) / sizeof(char *) == CHAR_MODE_COUNT, "one name per value");
NAMES(char_protocol, "character device protocol", NULL, "raw", "telnet", "telnets", "tls");
_Static_assert(sizeof(char_protocol_list) / sizeof(char *) == CHAR_PROTOCOL_COUNT, "one name per value");
NAMES(char_target_type, "target type", NULL, "isa-serial", "usb-serial", "pci-serial", "spapr-vio-serial",
      "system-serial", "sclp-serial", "isa-debug", "serial", "sclp", "sclplm", "xen", "uml", "lxc", "openvz",
      "virtio", "guestfwd");
_Static_assert(sizeof(char_target_type_list) / sizeof(char *) == CHAR_TARGET_COUNT, "one name per value");
NAMES(char_target_model, "target model", NULL, "isa-serial", "usb-serial", "pci-serial", "spapr-vty", "pl011",
      "sclpconsole", "sclplmconsole", "16550a", "isa-debugcon");
_Static_assert(sizeof(char_target_model_list) / sizeof(char *) == CHAR_TARGET_MODEL_COUNT,
               "one name per value");
NAMES(channel_state, "channel state", NULL, "connected", "disconnected");
_Static_assert(sizeof(channel_state_list) / sizeof(char *) == CHANNEL_STATE_COUNT, "one name per value");
NAMES(input_type, "input type", NULL, "mouse", "tablet", "keyboard", "passthrough", "evdev");
_Static_assert(sizeof(input_type_list) / sizeof(char *) == INPUT_TYPE_COUNT, "one name per value");
NAMES(input_bus, "input bus", NULL, "ps2", "usb", "xen", "parallels", "virtio", "none");
_Static_assert(sizeof(input_bus_list) / sizeof(char *) == INPUT_BUS_COUNT, "one name per value");
NAMES(graphics_type, "graphics type", NULL, "sdl", "vnc", "rdp", "desktop", "spice", "egl-headless", "dbus");
_Static_assert(sizeof(graphics_type_list) / sizeof(char *) == GRAPHICS_TYPE_COUNT, "one name per value");
NAMES(listen_type, "listen type", NULL, "address", "network", "socket", "none");
_Static_assert(sizeof(listen_type_list) / sizeof(char *) == LISTEN_TYPE_COUNT, "one name per value");
NAMES(graphics_password_action, "password change action", NULL, "fail", "disconnect", "keep");
_Static_assert(sizeof(graphics_password_action_list) / sizeof(char *) == PASSWORD_ACTION_COUNT,
               "one name per value");
NAMES(vnc_share_policy, "share policy", NULL, "allow-exclusive", "force-shared", "ignore");
_Static_assert(sizeof(vnc_share_policy_list) / sizeof(char *) == VNC_SHARE_COUNT, "one name per value");
NAMES(spice_mode, "channel mode", NULL, "any", "secure", "insecure");
_Static_assert(sizeof(spice_mode_list) / sizeof(char *) == SPICE_MODE_COUNT, "one name per value");
NAMES(spice_channel_name, "spice channel", NULL, "main", "display", "inputs", "cursor", "playback", "record",
      "smartcard", "usbredir");
_Static_assert(sizeof(spice_channel_name_list) / sizeof(char *) == SPICE_CHANNEL_COUNT, "one name per value");
NAMES(spice_image_compression, "image compression", NULL, "auto_glz", "auto_lz", "quic", "glz", "lz", "off");
_Static_assert(sizeof(spice_image_compression_list) / sizeof(char *) == SPICE_IMAGE_COUNT,
               "one name per value");
NAMES(spice_wan_compression, "compression", NULL, "auto", "never", "always");
_Static_assert(sizeof(spice_wan_compression_list) / sizeof(char *) == SPICE_WAN_COUNT, "one name per value");
NAMES(spice_streaming, "streaming mode", NULL, "filter", "all", "off");
_Static_assert(sizeof(spice_streaming_list) / sizeof(char *) == SPICE_STREAMING_COUNT, "one name per value");
NAMES(spice_mouse_mode, "mouse mode", NULL, "server", "client");
_Static_assert(sizeof(spice_mouse_mode_list) / sizeof(char *) == SPICE_MOUSE_COUNT, "one name per value");
NAMES(video_model, "video model", NULL, "vga", "cirrus", "vmvga", "xen", "vbox", "qxl", "parallels", "virtio",
      "gop", "none", "bochs", "ramfb");
_Static_assert(sizeof(video_model_list) / sizeof(char *) == VIDEO_MODEL_COUNT, "one name per value");
NAMES(video_driver, "video driver", NULL, "qemu", "vhostuser");
_Static_assert(sizeof(video_driver_list) / sizeof(char *) == VIDEO_DRIVER_COUNT, "one name per value");
NAMES(vga_conf, "vgaconf", NULL, "io", "on", "off");
_Static_assert(sizeof(vga_conf_list) / sizeof(char *) == VGACONF_COUNT, "one name per value");
NAMES(sound_model, "sound model", NULL, "sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "ich7");
_Static_assert(sizeof(sound_model_list) / sizeof(char *) == SOUND_MODEL_COUNT, "one name per value");
NAMES(codec_type, "codec", NULL, "duplex", "micro", "output");
_Static_assert(sizeof(codec_type_list) / sizeof(char *) == CODEC_TYPE_COUNT, "one name per value");
NAMES(audio_type, "audio type", NULL, "none", "alsa", "coreaudio", "jack", "oss", "pulseaudio", "sdl",
      "spice", "file", "dbus");
_Static_assert(sizeof(audio_type_list) / sizeof(char *) == AUDIO_TYPE_COUNT, "one name per value");
NAMES(memballoon_model, "memory balloon model", NULL, "virtio", "xen", "none", "virtio-transitional",
      "virtio-non-transitional");
_Static_assert(sizeof(memballoon_model_list) / sizeof(char *) == MEMBALLOON_MODEL_COUNT,
               "one name per value");
NAMES(rng_backend, "random number backend", NULL, "random", "egd", "builtin");
_Static_assert(sizeof(rng_backend_list) / sizeof(char *) == RNG_BACKEND_COUNT, "one name per value");
NAMES(watchdog_model, "watchdog model", NULL, "i6300esb", "ib700", "diag288", "itco");
_Static_assert(sizeof(watchdog_model_list) / sizeof(char *) == WATCHDOG_MODEL_COUNT, "one name per value");
NAMES(watchdog_action, "watchdog action", NULL, "reset", "shutdown", "poweroff", "pause", "dump", "none",
      "inject-nmi");
_Static_assert(sizeof(watchdog_action_list) / sizeof(char *) == WATCHDOG_ACTION_COUNT, "one name per value");
NAMES(panic_model, "panic device model", NULL, "isa", "pseries", "hyperv", "s390", "pvpanic");
_Static_assert(sizeof(panic_model_list) / sizeof(char *) == PANIC_MODEL_COUNT, "one name per value");
NAMES(tpm_model, "TPM model", NULL, "tpm-tis", "tpm-crb", "tpm-spapr", "spapr-tpm-proxy");
_Static_assert(sizeof(tpm_model_list) / sizeof(char *) == TPM_MODEL_COUNT, "one name per value");
NAMES(tpm_backend, "TPM backend", NULL, "passthrough", "emulator", "external");
_Static_assert(sizeof(tpm_backend_list) / sizeof(char *) == TPM_BACKEND_COUNT, "one name per value");
NAMES(tpm_version, "TPM version", NULL, "1.2", "2.0");
_Static_assert(sizeof(tpm_version_list) / sizeof(char *) == TPM_VERSION_COUNT, "one name per value");
NAMES(hostdev_mode, "host device mode", NULL, "subsystem", "capabilities");
_Static_assert(sizeof(hostdev_mode_list) / sizeof(char *) == HOSTDEV_MODE_COUNT, "one name per value");
NAMES(hostdev_type, "host device type", NULL, "usb", "pci", "scsi", "scsi_host", "mdev", "storage", "misc",
      "net");
_Static_assert(sizeof(hostdev_type_list) / sizeof(char *) == HOSTDEV_TYPE_COUNT, "one name per value");
NAMES(hostdev_driver, "host device driver", NULL, "kvm", "vfio", "xen");
_Static_assert(sizeof(hostdev_driver_list) / sizeof(char *) == HOSTDEV_DRIVER_COUNT, "one name per value");
NAMES(usb_guest_reset, "guest reset mode", NULL, "off", "uninitialized", "on");
_Static_assert(sizeof(usb_guest_reset_list) / sizeof(char *) == USB_GUEST_RESET_COUNT, "one name per value");
NAMES(mdev_model, "mediated device model", NULL, "vfio-pci", "vfio-ccw", "vfio-ap");
_Static_assert(sizeof(mdev_model_list) / sizeof(char *) == MDEV_MODEL_COUNT, "one name per value");
NAMES(redir_bus, "redirection bus", NULL, "usb");
_Static_assert(sizeof(redir_bus_list) / sizeof(char *) == REDIR_BUS_COUNT, "one name per value");
NAMES(smartcard_mode, "smartcard mode", NULL, "host", "host-certificates", "passthrough");
_Static_assert(sizeof(smartcard_mode_list) / sizeof(char *) == SMARTCARD_MODE_COUNT, "one name per value");
NAMES(hub_type, "hub type", NULL, "usb");
_Static_assert(sizeof(hub_type_list) / sizeof(char *) == HUB_TYPE_COUNT, "one name per value");
NAMES(memory_model, "memory device model", NULL, "dimm", "nvdimm", "virtio-pmem", "virtio-mem", "sgx-epc");
_Static_assert(sizeof(memory_model_list) / sizeof(char *) == MEMORY_MODEL_COUNT, "one name per value");
NAMES(iommu_model, "IOMMU model", NULL, "intel", "smmuv3", "virtio");
_Static_assert(sizeof(iommu_model_list) / sizeof(char *) == IOMMU_MODEL_COUNT, "one name per value");
NAMES(shmem_model, "shared memory model", NULL, "ivshmem", "ivshmem-plain", "ivshmem-doorbell");
_Static_assert(sizeof(shmem_model_list) / sizeof(char *) == SHMEM_MODEL_COUNT, "one name per value");
NAMES(shmem_role, "shared memory role", NULL, "master", "peer");
_Static_assert(sizeof(shmem_role_list) / sizeof(char *) == SHMEM_ROLE_COUNT, "one name per value");
NAMES(filesystem_type, "filesystem type", NULL, "mount", "block", "file", "template", "ram", "bind",
      "volume");
_Static_assert(sizeof(filesystem_type_list) / sizeof(char *) == FILESYSTEM_TYPE_COUNT, "one name per value");
NAMES(filesystem_access, "filesystem access mode", NULL, "passthrough", "mapped", "squash");
_Static_assert(sizeof(filesystem_access_list) / sizeof(char *) == FILESYSTEM_ACCESS_COUNT,
               "one name per value");
NAMES(seclabel_type, "security label type", NULL, "none", "dynamic", "static");
_Static_assert(sizeof(seclabel_type_list) / sizeof(char *) == SECLABEL_TYPE_COUNT, "one name per value");
