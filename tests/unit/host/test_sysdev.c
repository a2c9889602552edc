/* Devices of the host, read from a tree that holds one of each kind. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <glib/gstdio.h>

#include "base/file.h"
#include "host/sysdev.h"
#include "host/sysdev_private.h"

#define PCI "/sys/devices/pci0000:00/"
#define NIC PCI "0000:00:02.0/0000:02:00.0"
#define VF PCI "0000:00:02.0/0000:02:10.0"
#define GPU PCI "0000:00:03.0"
#define MDEV GPU "/4b20d080-1b54-4048-85b3-a6a62d165c01"
#define HBA PCI "0000:00:04.0/host3"
#define TARGET HBA "/rport-3:0-2/target3:0:1"
#define DISK TARGET "/3:0:1:7"
#define USB PCI "0000:00:05.0/usb1"

static const char *const files[][2] = {
    { PCI "0000:00:02.0/class", "0x060400" },
    { NIC "/uevent", "DRIVER=igb\n" },
    { NIC "/class", "0x020000" },
    { NIC "/vendor", "0x8086" },
    { NIC "/device", "0x10c9" },
    { NIC "/numa_node", "1" },
    { NIC "/sriov_totalvfs", "7" },
    { VF "/class", "0x020000" },
    { VF "/vendor", "0x8086" },
    { VF "/device", "0x10ca" },
    { VF "/numa_node", "-1" },
    { NIC "/net/enp2s0/uevent", "INTERFACE=enp2s0\nIFINDEX=3\n" },
    { NIC "/net/enp2s0/address", "00:1b:21:aa:bb:cc\n" },
    { NIC "/net/enp2s0/operstate", "up\n" },
    { NIC "/net/enp2s0/speed", "1000\n" },
    { NIC "/net/br0/uevent", "DEVTYPE=bridge\n" },
    { NIC "/net/wl0/uevent", "DEVTYPE=wlan\nIFINDEX=9\n" },
    { NIC "/net/wl0/operstate", "dormant\n" },
    { GPU "/class", "0x030000" },
    { GPU "/vendor", "0x10de" },
    { GPU "/device", "0x13f2" },
    { GPU "/mdev_supported_types/nvidia-11/name", "GRID M60-0B\n" },
    { GPU "/mdev_supported_types/nvidia-11/device_api", "vfio-pci\n" },
    { GPU "/mdev_supported_types/nvidia-11/available_instances", "16\n" },
    { MDEV "/uevent", "" },
    { GPU "/drm/card0/uevent", "DEVTYPE=drm_minor\nDEVNAME=dri/card0\nMAJOR=226\nMINOR=0\n" },
    { GPU "/drm/card0-DP-1/uevent", "DEVTYPE=drm_connector\n" },
    { GPU "/drm/renderD128/uevent", "DEVTYPE=drm_minor\nDEVNAME=dri/renderD128\n" },
    { PCI "0000:00:04.0/class", "0x0c0400" },
    { HBA "/uevent", "DEVTYPE=scsi_host\n" },
    { "/sys/class/scsi_host/host3/unique_id", "5\n" },
    { "/sys/class/fc_host/host3/port_name", "0x10000000c9831b4b\n" },
    { "/sys/class/fc_host/host3/node_name", "0x20000000c9831b4b\n" },
    { "/sys/class/fc_host/host3/fabric_name", "0x2002000573de9a81\n" },
    { "/sys/class/fc_host/host3/vport_create", "" },
    { "/sys/class/fc_host/host3/max_npiv_vports", "127\n" },
    { "/sys/class/fc_host/host3/npiv_vports_inuse", "2\n" },
    { "/sys/class/fc_remote_ports/rport-3:0-2/port_name", "0x9d73bc45f0e21a86\n" },
    { TARGET "/uevent", "DEVTYPE=scsi_target\n" },
    { DISK "/uevent", "DEVTYPE=scsi_device\n" },
    { DISK "/type", "0\n" },
    { DISK "/model", "ST31500341AS    \n" },
    { DISK "/vendor", "ATA     \n" },
    { DISK "/block/sda/uevent", "MAJOR=8\nMINOR=0\nDEVNAME=sda\nDEVTYPE=disk\n" },
    { DISK "/block/sda/size", "2930277168\n" },
    { DISK "/block/sda/removable", "0\n" },
    { DISK "/block/sda/queue/logical_block_size", "4096\n" },
    { DISK "/block/sda/sda1/uevent", "DEVNAME=sda1\nDEVTYPE=partition\n" },
    { "/run/udev/data/b8:0",
      "S:disk/by-id/ata-ST31500341AS_9VS2NBD1\nS:disk/by-path/pci-x\nE:ID_BUS=ata\nE:ID_TYPE=disk\n"
      "E:ID_SERIAL=ST31500341AS_9VS2NBD1\nG:systemd\n" },
    { DISK "/block/sr0/uevent", "MAJOR=11\nMINOR=0\nDEVNAME=sr0\nDEVTYPE=disk\n" },
    { DISK "/block/sr0/size", "2097151\n" },
    { DISK "/block/sr0/removable", "1\n" },
    { DISK "/block/loop0/uevent", "DEVNAME=loop0\nDEVTYPE=disk\n" },
    { DISK "/scsi_generic/sg0/uevent", "DEVNAME=sg0\n" },
    { PCI "0000:00:05.0/class", "0x0c0330" },
    { USB "/1-5/uevent", "DEVTYPE=usb_device\nDEVNAME=bus/usb/001/004\nMAJOR=189\nMINOR=3\n" },
    { USB "/1-5/busnum", "1\n" },
    { USB "/1-5/devnum", "4\n" },
    { USB "/1-5/idVendor", "0781\n" },
    { USB "/1-5/idProduct", "5567\n" },
    { USB "/1-5/manufacturer", "SanDisk <&>\n" },
    { USB "/1-5/product", "Cruzer\x01"
                          "Blade\n" },
    { USB "/1-5/1-5:1.0/uevent", "DEVTYPE=usb_interface\n" },
    { USB "/1-5/1-5:1.0/bInterfaceNumber", "00\n" },
    { USB "/1-5/1-5:1.0/bInterfaceClass", "08\n" },
    { USB "/1-5/1-5:1.0/bInterfaceSubClass", "06\n" },
    { USB "/1-5/1-5:1.0/bInterfaceProtocol", "50\n" },
    { "/sys/devices/css0/0.0.0070/dev_busid", "0.0.10c4\n" },
    { "/sys/devices/css0/0.0.0070/0.0.10c4/uevent", "" },
    { "/sys/devices/ap/card07/07.0038/uevent", "" },
    { "/sys/devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/device_api", "vfio-ap\n" },
    { "/sys/devices/vdpa0/vhost-vdpa-0/uevent", "" },
    { "/sys/devices/virtual/dmi/id/product_name", "2241B36\n" },
    { "/sys/devices/virtual/dmi/id/product_uuid", "C9488981-5049-11CB-9C1C-993D0230B4CD\n" },
    { "/sys/devices/virtual/dmi/id/bios_date", "11/26/2009\n" },
    { PCI "broken/uevent", "" }, /* a name that is no address */
};

/* From, to (below /sys). */
static const char *const links[][2] = {
    { NIC "/subsystem", "bus/pci" },
    { NIC "/driver", "bus/pci/drivers/igb" },
    { NIC "/virtfn0", "devices/pci0000:00/0000:00:02.0/0000:02:10.0" },
    { NIC "/iommu_group", "kernel/iommu_groups/12" },
    { VF "/subsystem", "bus/pci" },
    { VF "/physfn", "devices/pci0000:00/0000:00:02.0/0000:02:00.0" },
    { PCI "0000:00:02.0/subsystem", "bus/pci" },
    { NIC "/net/enp2s0/subsystem", "class/net" },
    { NIC "/net/br0/subsystem", "class/net" },
    { NIC "/net/wl0/subsystem", "class/net" },
    { GPU "/subsystem", "bus/pci" },
    { MDEV "/subsystem", "bus/mdev" },
    { MDEV "/driver", "bus/mdev/drivers/vfio_mdev" },
    { MDEV "/mdev_type", "devices/pci0000:00/0000:00:03.0/mdev_supported_types/nvidia-11" },
    { MDEV "/iommu_group", "kernel/iommu_groups/13" },
    { GPU "/drm/card0/subsystem", "class/drm" },
    { GPU "/drm/card0-DP-1/subsystem", "class/drm" },
    { GPU "/drm/renderD128/subsystem", "class/drm" },
    { PCI "0000:00:04.0/subsystem", "bus/pci" },
    { HBA "/subsystem", "bus/scsi" },
    { TARGET "/subsystem", "bus/scsi" },
    { DISK "/subsystem", "bus/scsi" },
    { DISK "/block/sda/subsystem", "class/block" },
    { DISK "/block/sda/device", "devices/pci0000:00/0000:00:04.0/host3/rport-3:0-2/target3:0:1/3:0:1:7" },
    { DISK "/block/sda/sda1/subsystem", "class/block" },
    { DISK "/block/sr0/subsystem", "class/block" },
    { DISK "/block/loop0/subsystem", "class/block" },
    { DISK "/scsi_generic/sg0/subsystem", "class/scsi_generic" },
    { PCI "0000:00:05.0/subsystem", "bus/pci" },
    { USB "/1-5/subsystem", "bus/usb" },
    { USB "/1-5/1-5:1.0/subsystem", "bus/usb" },
    { "/sys/devices/css0/0.0.0070/subsystem", "bus/css" },
    { "/sys/devices/css0/0.0.0070/driver", "bus/css/drivers/io_subchannel" },
    { "/sys/devices/css0/0.0.0070/0.0.10c4/subsystem", "bus/ccw" },
    { "/sys/devices/ap/card07/subsystem", "bus/ap" },
    { "/sys/devices/ap/card07/07.0038/subsystem", "bus/ap" },
    { "/sys/devices/vfio_ap/matrix/subsystem", "bus/matrix" },
    { "/sys/devices/vdpa0/subsystem", "bus/vdpa" },
    { PCI "broken/subsystem", "bus/pci" },
};

static void put_file(const char *root, const char *path, const void *data, size_t len)
{
    g_autofree char *full = g_strconcat(root, path, NULL);
    g_autofree char *dir = g_path_get_dirname(full);

    check_eq(g_mkdir_with_parents(dir, 0755), 0);
    check(g_file_set_contents(full, data, (gssize)len, NULL));
}

static void put_link(const char *root, const char *path, const char *target)
{
    g_autofree char *full = g_strconcat(root, path, NULL);
    g_autofree char *dir = g_path_get_dirname(full);
    g_autofree char *to = g_strconcat(root, "/sys/", target, NULL);

    check_eq(g_mkdir_with_parents(dir, 0755), 0);
    check_eq(symlink(to, full), 0);
}

/* Every device is listed under its bus or class. */
static void list_device(const char *root, const char *path, const char *target)
{
    g_autofree char *device = g_path_get_dirname(path), *name = g_path_get_basename(device);
    g_autofree char *entry =
        g_strconcat("/sys/", target, g_str_has_prefix(target, "bus/") ? "/devices/" : "/", name, NULL);

    if (g_str_has_suffix(path, "/subsystem"))
        put_link(root, entry, device + strlen("/sys/"));
}

/* A network card with PCI Express, at 0x40: what it can do is 2.5 GT/s on 4 lanes, port 3. */
static void put_config(const char *root)
{
    uint8_t config[256] = { [0x06] = 0x10, [0x34] = 0x40, [0x40] = 0x01, [0x41] = 0x70, [0x70] = 0x10 };
    uint8_t bridge[64] = { [0x0e] = 0x81 };
    uint8_t loop[64 + 192] = { [0x06] = 0x10, [0x34] = 0x40, [0x40] = 0x01, [0x41] = 0x40 };

    config[0x7c] = 0x41;
    config[0x7f] = 3;
    config[0x82] = 0x21;
    put_file(root, NIC "/config", config, sizeof(config));
    put_file(root, PCI "0000:00:02.0/config", bridge, sizeof(bridge));
    put_file(root, VF "/config", loop, sizeof(loop));
}

static void put_vpd(const char *root)
{
    static const uint8_t head[] = { 0x82, 4,   0,   'C', 'a', 'r', 'd', 0x90, 18,  0,   'P', 'N',
                                    3,    'A', '-', '1', 'V', '0', 2,   'x',  'y', 'R', 'V', 1 };
    uint8_t vpd[64] = { 0 }, sum = 0;

    memcpy(vpd, head, sizeof(head));
    for (size_t i = 0; i < sizeof(head); i++)
        sum = (uint8_t)(sum + head[i]);
    vpd[sizeof(head)] = (uint8_t)-sum;
    vpd[8] = 15;
    vpd[sizeof(head)] = (uint8_t)(vpd[sizeof(head)] + 18 - 15);
    vpd[sizeof(head) + 1] = 0x78;
    put_file(root, NIC "/vpd", vpd, sizeof(head) + 2);
    vpd[sizeof(head)]++;
    put_file(root, VF "/vpd", vpd, sizeof(head) + 2); /* its sum is wrong */
}

static char *make_tree(void)
{
    char *root = g_dir_make_tmp("sysdev-XXXXXX", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        put_file(root, files[i][0], files[i][1], strlen(files[i][1]));
    for (size_t i = 0; i < G_N_ELEMENTS(links); i++) {
        put_link(root, links[i][0], links[i][1]);
        list_device(root, links[i][0], links[i][1]);
    }
    put_link(root, "/sys/kernel/iommu_groups/12/devices/0000:02:00.0", "devices/pci0000:00");
    put_link(root, "/sys/kernel/iommu_groups/12/devices/0000:02:00.1", "devices/pci0000:00");
    put_config(root);
    put_vpd(root);
    return root;
}

static void remove_tree(const char *root)
{
    check(file_remove_tree(root, NULL));
}

static char *write_device(const NodeDeviceDef *def)
{
    GString *out = g_string_new(NULL);

    xml_table_write(&nodedev_table, "device", def, 0, 0, out);
    return g_string_free(out, FALSE);
}

/* ---- what is read ---- */

static const struct {
    const char *path, *name, *parent, *part; /* a part of its document */
} wanted[] = {
    { NIC, "pci_0000_02_00_0", "pci_0000_00_02_0",
      "    <class>0x020000</class>\n    <domain>0</domain>\n    <bus>2</bus>\n    <slot>0</slot>\n"
      "    <function>0</function>\n" },
    { NIC, "pci_0000_02_00_0", "pci_0000_00_02_0",
      "    <capability type='virt_functions' maxCount='7'>\n"
      "      <address domain='0x0000' bus='0x02' slot='0x10' function='0x0'/>\n    </capability>\n" },
    { NIC, "pci_0000_02_00_0", "pci_0000_00_02_0",
      "    <iommuGroup number='12'>\n      <address domain='0x0000' bus='0x02' slot='0x00' function='0x0'/>\n"
      "      <address domain='0x0000' bus='0x02' slot='0x00' function='0x1'/>\n    </iommuGroup>\n"
      "    <numa node='1'/>\n    <pci-express>\n      <link validity='cap' port='3' speed='2.5' width='4'/>\n"
      "      <link validity='sta' speed='2.5' width='2'/>\n    </pci-express>\n  </capability>\n" },
    { NIC, "pci_0000_02_00_0", "pci_0000_00_02_0",
      "    <capability type='vpd'>\n      <name>Card</name>\n      <fields access='readonly'>\n"
      "        <part_number>A-1</part_number>\n        <vendor_field index='0'>xy</vendor_field>\n"
      "      </fields>\n    </capability>\n" },
    { NIC, "pci_0000_02_00_0", "pci_0000_00_02_0", "  <driver>\n    <name>igb</name>\n  </driver>\n" },
    { VF, "pci_0000_02_10_0", "pci_0000_00_02_0",
      "    <capability type='phys_function'>\n"
      "      <address domain='0x0000' bus='0x02' slot='0x00' function='0x0'/>\n    </capability>\n  "
      "</capability>\n" },
    { PCI "0000:00:02.0", "pci_0000_00_02_0", "computer", "    <capability type='pci-bridge'/>\n" },
    { NIC "/net/enp2s0", "net_enp2s0_00_1b_21_aa_bb_cc", "pci_0000_02_00_0",
      "    <interface>enp2s0</interface>\n    <address>00:1b:21:aa:bb:cc</address>\n"
      "    <link speed='1000' state='up'/>\n    <capability type='80203'/>\n" },
    { NIC "/net/wl0", "net_wl0", "pci_0000_02_00_0",
      "    <link state='dormant'/>\n    <capability type='80211'/>\n" },
    { GPU, "pci_0000_00_03_0", "computer",
      "    <capability type='mdev_types'>\n      <type id='nvidia-11'>\n        <name>GRID M60-0B</name>\n"
      "        <deviceAPI>vfio-pci</deviceAPI>\n        <availableInstances>16</availableInstances>\n"
      "      </type>\n    </capability>\n" },
    { MDEV, "mdev_4b20d080_1b54_4048_85b3_a6a62d165c01_0000_00_03_0", "pci_0000_00_03_0",
      "    <type id='nvidia-11'/>\n    <uuid>4b20d080-1b54-4048-85b3-a6a62d165c01</uuid>\n"
      "    <parent_addr>0000:00:03.0</parent_addr>\n    <iommuGroup number='13'/>\n" },
    { GPU "/drm/card0", "drm_card0", "pci_0000_00_03_0",
      "<devnode type='dev'>/dev/dri/card0</devnode>\n  <parent>pci_0000_00_03_0</parent>\n"
      "  <capability type='drm'>\n    <type>primary</type>\n" },
    { GPU "/drm/renderD128", "drm_renderD128", "pci_0000_00_03_0", "<type>render</type>" },
    { HBA, "scsi_host3", "pci_0000_00_04_0",
      "    <host>3</host>\n    <unique_id>5</unique_id>\n    <capability type='fc_host'>\n"
      "      <wwnn>20000000c9831b4b</wwnn>\n      <wwpn>10000000c9831b4b</wwpn>\n"
      "      <fabric_wwn>2002000573de9a81</fabric_wwn>\n    </capability>\n    <capability "
      "type='vport_ops'>\n"
      "      <max_vports>127</max_vports>\n      <vports>2</vports>\n    </capability>\n" },
    { TARGET, "scsi_target3_0_1", "scsi_host3",
      "    <target>target3:0:1</target>\n    <capability type='fc_remote_port'>\n      "
      "<rport>rport-3:0-2</rport>\n"
      "      <wwpn>9d73bc45f0e21a86</wwpn>\n    </capability>\n" },
    { DISK, "scsi_3_0_1_7", "scsi_target3_0_1",
      "    <host>3</host>\n    <bus>0</bus>\n    <target>1</target>\n    <lun>7</lun>\n    "
      "<type>disk</type>\n" },
    { DISK "/block/sda", "block_sda_ST31500341AS_9VS2NBD1", "scsi_3_0_1_7",
      "  <devnode type='dev'>/dev/sda</devnode>\n"
      "  <devnode type='link'>/dev/disk/by-id/ata-ST31500341AS_9VS2NBD1</devnode>\n"
      "  <devnode type='link'>/dev/disk/by-path/pci-x</devnode>\n  <parent>scsi_3_0_1_7</parent>\n"
      "  <capability type='storage'>\n    <block>/dev/sda</block>\n    <bus>ata</bus>\n"
      "    <drive_type>disk</drive_type>\n    <model>ST31500341AS</model>\n    <vendor>ATA</vendor>\n"
      "    <serial>ST31500341AS_9VS2NBD1</serial>\n    <size>1500301910016</size>\n"
      "    <logical_block_size>4096</logical_block_size>\n    <num_blocks>366284646</num_blocks>\n" },
    { DISK "/block/sr0", "block_sr0", "scsi_3_0_1_7",
      "    <drive_type>cdrom</drive_type>\n    <capability type='removable'>\n"
      "      <media_available>0</media_available>\n      <media_size>0</media_size>\n    </capability>\n" },
    { DISK "/scsi_generic/sg0", "scsi_generic_sg0", "scsi_3_0_1_7", "<char>/dev/sg0</char>" },
    { USB "/1-5", "usb_1_5", "pci_0000_00_05_0",
      "    <bus>1</bus>\n    <device>4</device>\n    <product id='0x5567'>Cruzer Blade</product>\n"
      "    <vendor id='0x0781'>SanDisk &lt;&amp;&gt;</vendor>\n" },
    { USB "/1-5/1-5:1.0", "usb_1_5_1_0", "usb_1_5",
      "    <number>0</number>\n    <class>8</class>\n    <subclass>6</subclass>\n    "
      "<protocol>80</protocol>\n" },
    { "/sys/devices/css0/0.0.0070", "css_0_0_0070", "computer",
      "    <cssid>0x0</cssid>\n    <ssid>0x0</ssid>\n    <devno>0x0070</devno>\n    <channel_dev_addr>\n"
      "      <cssid>0x0</cssid>\n      <ssid>0x0</ssid>\n      <devno>0x10c4</devno>\n    "
      "</channel_dev_addr>\n" },
    { "/sys/devices/css0/0.0.0070/0.0.10c4", "ccw_0_0_10c4", "css_0_0_0070", "<devno>0x10c4</devno>" },
    { "/sys/devices/ap/card07", "ap_card07", "computer", "<ap-adapter>0x07</ap-adapter>" },
    { "/sys/devices/ap/card07/07.0038", "ap_07_0038", "ap_card07",
      "    <ap-adapter>0x07</ap-adapter>\n    <ap-domain>0x0038</ap-domain>\n" },
    { "/sys/devices/vfio_ap/matrix", "ap_matrix", "computer", "<deviceAPI>vfio-ap</deviceAPI>" },
    { "/sys/devices/vdpa0", "vdpa_vdpa0", "computer", "<chardev>/dev/vhost-vdpa-0</chardev>" },
};

TEST(each_kind_is_described_as_libvirt_does)
{
    g_autofree char *root = make_tree();

    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
        check_case(wanted[i].path);
        NodeDeviceDef *def = sysdev_read(root, wanted[i].path);
        check(def != NULL);
        g_autofree char *text = write_device(def);
        check_str(def->name, wanted[i].name);
        check_str(def->parent, wanted[i].parent);
        check_str(def->path, wanted[i].path);
        if (!strstr(text, wanted[i].part))
            check_str(text, wanted[i].part);
        xml_table_free(&nodedev_table, def);
    }
    remove_tree(root);
}

TEST(what_is_no_device_of_a_kind_is_left_out)
{
    static const char *const others[] = {
        NIC "/net/br0", GPU "/drm/card0-DP-1", DISK "/block/sda/sda1",  DISK "/block/loop0",
        PCI "broken",   "/sys/devices",        PCI "0000:00:02.0/none", DISK "/block/sda/queue"
    };
    g_autofree char *root = make_tree();

    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        check_case(others[i]);
        check(sysdev_read(root, others[i]) == NULL);
    }
    NodeDeviceDef *function = sysdev_read(root, VF);
    check(nodedev_find_part(function, PART_VPD) == NULL); /* its sum is wrong */
    check(!function->numa_node.is_set);
    xml_table_free(&nodedev_table, function);
    remove_tree(root);
}

TEST(a_scan_finds_each_once_and_its_documents_come_back)
{
    g_autofree char *root = make_tree();
    g_autoptr(GPtrArray) all = sysdev_scan(root);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < all->len; i++) {
        const NodeDeviceDef *def = g_ptr_array_index(all, i);
        XmlReader reader = { .source = "(device)" };
        g_autoptr(xmlDoc) doc = NULL;
        g_autoptr(Error) err = NULL;
        void *again = NULL;
        check_case(def->name);
        check(g_hash_table_add(names, def->name));
        g_autofree char *text = write_device(def);
        check_ok(xml_document_read(text, strlen(text), "(device)", &doc, &err), err);
        if (def->cap != NODEDEV_SYSTEM || def->system_uuid)
            check_ok(xml_table_read(&nodedev_table, &reader, xmlDocGetRootElement(doc), &again, &err), err);
        g_autofree char *second = write_device(again);
        check_str(second, text);
        xml_table_free(&nodedev_table, again);
    }
    for (guint i = 0; i < all->len; i++)
        xml_table_free(&nodedev_table, g_ptr_array_index(all, i));
    check_eq(all->len, 26);
    remove_tree(root);
}

TEST(the_machine_is_the_root)
{
    g_autofree char *root = make_tree();
    NodeDeviceDef *def = sysdev_read_computer(root);
    g_autofree char *text = write_device(def);

    check_str(text,
              "<device>\n  <name>computer</name>\n  <capability type='system'>\n    "
              "<product>2241B36</product>\n"
              "    <hardware>\n      <uuid>c9488981-5049-11cb-9c1c-993d0230b4cd</uuid>\n    </hardware>\n"
              "    <firmware>\n      <release_date>11/26/2009</release_date>\n    </firmware>\n"
              "  </capability>\n</device>\n");
    xml_table_free(&nodedev_table, def);
    remove_tree(root);
}

TEST(vital_product_data_that_is_cut_off_is_none)
{
    static const uint8_t good[] = { 0x82, 2, 0, 'a', 'b', 0x90, 4, 0, 'R', 'V', 1, 0, 0x78 };

    for (size_t len = 0; len <= sizeof(good); len++) {
        NodedevCapPart *part = xml_table_new(&nodedev_part_table);
        g_autofree uint8_t *copy = g_memdup2(good, len);
        uint8_t sum = 0;
        for (size_t i = 0; i < 11; i++)
            sum = (uint8_t)(sum + good[i]);
        if (len > 11)
            copy[11] = (uint8_t)-sum;
        check_eq(sysdev_parse_vpd(copy, len, part), len >= 12);
        xml_table_free(&nodedev_part_table, part);
    }
}

TEST(who_has_a_device_open_is_named)
{
    FILE *null = fopen("/dev/null", "r");
    g_autofree char *me = g_strdup_printf("(pid %d)", getpid());

    check(null != NULL);
    g_autofree char *holders = sysdev_find_holders("/sys/devices/virtual/mem");
    g_autofree char *others = sysdev_find_holders("/sys/devices/virtual/me");
    fclose(null);
    check(others == NULL);
    if (access("/sys/dev/char/1:3", F_OK) == 0)
        check(holders != NULL && (strstr(holders, me) || strstr(holders, " ...")));
}

TEST(the_tables_have_no_mistakes)
{
    g_autoptr(GString) out = g_string_new(NULL);

    xml_table_lint(&nodedev_table, out);
    check_str(out->str, "");
}
