/* What a libvirtd that takes a machine over has to know of its QEMU: it ends machines whose status file does
 * not say.
 *
 * The names are those that libvirtd 9.0.0 writes into /run/libvirt/qemu/NAME.xml for QEMU 7.2 on x86-64. It
 * knows no others, so newer QEMUs get these, too. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/vm_private.h"

const char vm_status_flags[] =
    "kvm\nsdl\nno-hpet\nspice\nhda-duplex\nccid-emulated\nccid-passthru\npiix3-usb-uhci\npiix4-usb-uhci\n"
    "usb-ehci\nich9-usb-ehci1\npci-ohci\nusb-redir\nusb-hub\nich9-ahci\nno-acpi\nvirtio-blk-pci.scsi\n"
    "scsi-disk.channel\nscsi-block\nhda-micro\nnec-usb-xhci\nlsi\nvirtio-scsi-pci\ndisable-s3\n"
    "disable-s4\nusb-redir.filter\nide-drive.wwn\nscsi-disk.wwn\nseccomp-sandbox\nvnc\nqxl\nVGA\n"
    "cirrus-vga\nvmware-svga\nusb-serial\nvirtio-rng\nrng-random\nrng-egd\nmegasas\ntpm-passthrough\n"
    "tpm-tis\npci-bridge\nvfio-pci\ndmi-to-pci-bridge\nusb-storage\nusb-storage.removable\nvirtio-mmio\n"
    "ich9-intel-hda\nkvm-pit-lost-tick-policy\npvpanic\nusb-kbd\nusb-audio\nrtc-reset-reinjection\n"
    "iothread\nmigrate-rdma\nVGA.vgamem_mb\nvmware-svga.vgamem_mb\nqxl.vgamem_mb\npc-dimm\n"
    "machine-vmport-opt\npci-serial\ngpex-pcihost\nioh3420\nx3130-upstream\nxio3130-downstream\nrtl8139\n"
    "e1000\nvirtio-net\nvirtio-gpu\nvirtio-keyboard\nvirtio-mouse\nvirtio-tablet\nvirtio-input-host\n"
    "ich9-disable-s3\nich9-disable-s4\nvirtio-balloon-pci.deflate-on-oom\nmptsas1068\nspice-gl\n"
    "qxl.vram64_size_mb\npxb\npxb-pcie\nintel-iommu\nquery-hotpluggable-cpus\nvirtio-vga\nivshmem-plain\n"
    "ivshmem-doorbell\nvhost-scsi\nquery-cpu-model-expansion\nspice-rendernode\nnvdimm\npcie-root-port\n"
    "query-cpu-definitions\ncpu-cache\nqemu-xhci\nintel-iommu.intremap\nintel-iommu.caching-mode\n"
    "intel-iommu.eim\nintel-iommu.device-iotlb\nchardev-reconnect\nvmcoreinfo\nisa-serial\n"
    "pcie-pci-bridge\nnbd-tls\ntpm-crb\npr-manager-helper\nscreendump_device\nhda-output\nvmgenid\n"
    "vhost-vsock\ntpm-emulator\nmch\nmch.extended-tseg-mbytes\negl-headless\nvfio-pci.display\n"
    "memory-backend-memfd\nmemory-backend-memfd.hugetlb\niothread.poll-max-ns\negl-headless.rendernode\n"
    "memory-backend-file.pmem\nnvdimm.unarmed\nvirtio-pci-non-transitional\nnbd-bitmap\nx86-max-cpu\n"
    "cpu-unavailable-features\ncanonical-cpu-features\nbochs-display\nmigration-file-drop-cache\n"
    "dbus-vmstate\nvhost-user-gpu\nvhost-user-vga\nincremental-backup\nramfb\ndrive-nvme\nsmp-dies\n"
    "i8042\nrng-builtin\nvhost-user-fs\nquery-named-block-nodes.flat\n"
    "blockdev-snapshot.allow-write-only-overlay\nblockdev-reopen\nfsdev.multidevs\n"
    "pcie-root-port.hotplug\naio.io_uring\ntcg\nvirtio-blk-pci.scsi.default.disabled\npvscsi\n"
    "cpu.migratable\nintel-iommu.aw-bits\nnuma.hmat\nusb-host.hostdevice\n"
    "virtio-balloon.free-page-reporting\nblock-export-add\nnetdev.vhost-vdpa\ndc390\nam53c974\n"
    "virtio-pmem-pci\nvhost-user-fs.bootindex\nvhost-user-blk\ncpu-max\n"
    "memory-backend-file.x-use-canonical-path-for-ramblock-id\nmigration-param.block-bitmap-mapping\n"
    "vnc-power-control\nobject.qapified\nrotation-rate\ncompat-deprecated\nacpi-index\ninput-linux\n"
    "virtio-gpu-gl-pci\nvirtio-vga-gl\nconfidential-guest-support\nset-action\nvirtio-blk.queue-size\n"
    "virtio-mem-pci\nmemory-backend-file.reserve\npiix4.acpi-root-pci-hotplug\nnetdev.json\n"
    "query-dirty-rate\nrbd-encryption\nsev-guest-kernel-hashes\nsev-inject-launch-secret\n"
    "device.json+hotplug\nvirtio-mem-pci.prealloc\ncalc-dirty-rate\ndirtyrate-param.mode\n"
    "blockdev.nbd.tls-hostname\nmemory-backend-file.prealloc-threads\nvirtio-iommu-pci\n"
    "virtio-iommu.boot-bypass\nvirtio-net.rss\nchardev.qemu-vdagent\ndisplay-dbus\n"
    "iothread.thread-pool-max\nusb-host.guest-resets-all\nmigration.blocked-reasons\nquery-stats\n"
    "query-stats-schemas\nthread-context\nscreenshot-format-png\nnetdev.stream\n";
