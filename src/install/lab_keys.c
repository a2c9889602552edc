/* What may stand in the file of a lab. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/lab.h"

static const LabKey image_keys[] = {
    { .name = "url", .doc = "where it is fetched from; default: the name is one of the catalogue's" },
    { .name = "checksum", .doc = "sha256:... or sha512:..." },
    { 0 },
};

static const LabKey pool_keys[] = {
    { .name = "path", .is_required = true, .doc = "its folder, which is made" },
    { .name = "autostart", .shape = LAB_YES_NO, .doc = "start it when the host starts; default: yes" },
    { 0 },
};

static const LabKey network_keys[] = {
    { .name = "subnet",
      .doc = "10.9.0.0/24; the host has its first address, or the one that is named; default: a free one" },
    { .name = "forward",
      .shape = LAB_WORD,
      .words = "nat route open none",
      .doc = "how it reaches the world; default: nat" },
    { .name = "dhcp", .doc = "yes, no, or 10.9.0.100-10.9.0.200; default: yes" },
    { .name = "domain", .doc = "the domain of its machines' names" },
    { .name = "bridge", .doc = "the name of its bridge; with host-bridge: of the host's" },
    { .name = "host-bridge", .shape = LAB_YES_NO, .doc = "it is a bridge that the host has; default: no" },
    { .name = "mtu", .shape = LAB_NUMBER, .doc = "bytes of its frames" },
    { .name = "autostart", .shape = LAB_YES_NO, .doc = "start it when the host starts; default: yes" },
    { 0 },
};

static const LabKey machine_keys[] = {
    { .name = "image",
      .is_required = true,
      .option = "image",
      .doc = "a name in the library, in the catalogue or below images, a URL, or a path with a slash" },
    { .name = "cpus", .shape = LAB_NUMBER, .option = "cpus", .doc = "default: 2" },
    { .name = "memory", .shape = LAB_SIZE, .option = "memory", .doc = "default: 2G" },
    { .name = "disk",
      .shape = LAB_SIZE,
      .option = "disk",
      .doc = "size of its disk; it can grow later; default: 20G" },
    { .name = "pool", .option = "pool", .doc = "where its disk goes; default: default" },
    { .name = "network", .option = "network", .doc = "default: default" },
    { .name = "bridge", .option = "bridge", .doc = "a bridge of the host instead" },
    { .name = "ip", .shape = LAB_LIST, .option = "ip", .doc = "10.9.0.5/24 instead of DHCP" },
    { .name = "gateway", .shape = LAB_LIST, .option = "gateway", .doc = "the way out, with ip" },
    { .name = "dns", .shape = LAB_LIST, .option = "dns", .doc = "servers of names, with ip" },
    { .name = "hostname", .option = "hostname", .doc = "default: its name" },
    { .name = "user", .option = "user", .doc = "who may log in" },
    { .name = "ssh-key",
      .shape = LAB_LIST,
      .option = "ssh-key",
      .doc = "public keys, or files of them; default: your own" },
    { .name = "packages", .shape = LAB_LIST, .doc = "that cloud-init installs" },
    { .name = "run", .shape = LAB_LIST, .doc = "commands that cloud-init runs in the end" },
    { .name = "user-data",
      .doc = "a file for cloud-init, or its text (#cloud-config ...); not with packages and run" },
    { .name = "network-config", .doc = "likewise" },
    { .name = "firmware",
      .shape = LAB_WORD,
      .words = "bios uefi",
      .option = "firmware",
      .doc = "default: UEFI if the image has its partition" },
    { .name = "virt-type",
      .shape = LAB_WORD,
      .words = "kvm qemu",
      .option = "virt-type",
      .doc = "default: kvm where the host can" },
    { .name = "display", .shape = LAB_YES_NO, .doc = "a display, keyboard and mouse; default: yes" },
    { .name = "running", .shape = LAB_YES_NO, .doc = "default: yes" },
    { .name = "autostart", .shape = LAB_YES_NO, .doc = "start it when the host starts; default: no" },
    { .name = "wait",
      .shape = LAB_WORD,
      .words = "cloud-init address none",
      .doc = "when it is ready, for what comes after it; default: cloud-init, that is both" },
    { .name = "timeout",
      .shape = LAB_NUMBER,
      .option = "timeout",
      .doc = "seconds until it must be ready; default: 600" },
    { .name = "after", .shape = LAB_LIST, .doc = "machines that have to be ready first" },
    { .name = "count", .shape = LAB_NUMBER, .doc = "so many of them: NAME-1, NAME-2, ..." },
    { 0 },
};

static const struct {
    const char *name, *section;
    const LabKey *keys;
} kinds[LAB_KIND_COUNT] = { [LAB_IMAGE] = { "image", "images", image_keys },
                            [LAB_POOL] = { "pool", "pools", pool_keys },
                            [LAB_NETWORK] = { "network", "networks", network_keys },
                            [LAB_MACHINE] = { "machine", "machines", machine_keys } };

const char *lab_kind_name(LabKind kind)
{
    return kinds[kind].name;
}

const char *lab_kind_section(LabKind kind)
{
    return kinds[kind].section;
}

const LabKey *lab_keys(LabKind kind)
{
    return kinds[kind].keys;
}

const char *lab_shape_name(LabShape shape)
{
    static const char *const names[] = {
        [LAB_TEXT] = "text",        [LAB_NUMBER] = "number", [LAB_SIZE] = "size",
        [LAB_YES_NO] = "yes or no", [LAB_WORD] = "one of",   [LAB_LIST] = "text or list"
    };

    return names[shape];
}
