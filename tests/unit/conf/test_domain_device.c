/* Single devices: reading fragments, finding, adding, taking away. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "conf/domain_device.h"
#include "golden.h"

static DomainDef *machine(void)
{
    static const char xml[] = "<domain type='kvm'><name>m</name><memory>65536</memory><os><type "
                              "machine='q35'>hvm</type></os><devices>"
                              "<disk type='file'><source file='/a'/><target dev='vda'/></disk>"
                              "<disk type='file'><source file='/c'/><target dev='vdc'/></disk>"
                              "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source "
                              "bridge='br0'/><target dev='tap1'/></interface>"
                              "<graphics type='vnc'/></devices></domain>";
    DomainDef *def = NULL;
    g_autoptr(Error) err = NULL;
    check_ok(domain_def_parse(xml, sizeof(xml) - 1, DOMAIN_PARSE_INACTIVE, &golden_hooks, &def, &err), err);
    return def;
}

static DeviceDef *device(const char *xml, const DomainDef *def)
{
    DeviceDef *parsed = NULL;
    g_autoptr(Error) err = NULL;
    check_ok(device_def_parse(xml, strlen(xml), DOMAIN_PARSE_INACTIVE, def, &parsed, &err), err);
    return parsed;
}

TEST(a_fragment_is_read_with_its_defaults)
{
    g_autoptr(DomainDef) def = machine();
    g_autoptr(DeviceDef) parsed =
        device("<disk type='file'><source file='/b'/><target dev='vdb'/></disk>", def);
    check_eq(parsed->kind, DEVICE_DISK);
    const DiskDef *disk = parsed->def;
    check_eq(disk->bus, DISK_BUS_VIRTIO);
    check_eq(disk->src.format, STORAGE_FORMAT_RAW);
    g_autoptr(DeviceDef) copy = device_def_copy(parsed);
    g_autoptr(GString) out = g_string_new(NULL);
    device_def_format(copy->kind, copy->def, DOMAIN_FORMAT_INACTIVE, 2, out);
    check_str(out->str, "  <disk type='file' device='disk'>\n"
                        "    <driver name='qemu' type='raw'/>\n"
                        "    <source file='/b'/>\n"
                        "    <target dev='vdb' bus='virtio'/>\n"
                        "  </disk>\n");
}

TEST(what_is_no_device_is_refused)
{
    static const struct {
        const char *xml;
        ErrorCode code;
    } cases[] = {
        { "<domain/>", ERROR_CONFIG_UNSUPPORTED },
        { "<disk", ERROR_XML_SYNTAX },
        { "<disk type='file'><source file='/b'/></disk>", ERROR_NO_TARGET },
        { "<watchdog model='nonsense'/>", ERROR_CONFIG_UNSUPPORTED },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        DeviceDef *parsed = NULL;
        check_case(cases[i].xml);
        check(!device_def_parse(cases[i].xml, strlen(cases[i].xml), 0, NULL, &parsed, &err));
        check_eq(error_code(err), cases[i].code);
    }
}

TEST(a_new_disk_goes_to_its_place)
{
    g_autoptr(DomainDef) def = machine();
    check(domain_add_device(def,
                            device("<disk type='file'><source file='/b'/><target dev='vdb'/></disk>", def),
                            NULL));
    static const char *const order[] = { "vda", "vdb", "vdc" };
    check_eq(def_list_len(def->disks), 3);
    for (unsigned i = 0; i < 3; i++)
        check_str(((DiskDef *)g_ptr_array_index(def->disks, i))->target, order[i]);
}

TEST(a_second_balloon_is_refused)
{
    g_autoptr(DomainDef) def = machine();
    g_autoptr(Error) err = NULL;
    check(!domain_add_device(def, device("<memballoon model='virtio'/>", def), &err));
    check_eq(error_code(err), ERROR_OPERATION_FAILED);
}

TEST(devices_are_found_and_taken_away)
{
    g_autoptr(DomainDef) def = machine();
    DiskDef *disk = domain_find_disk(def, "/c");
    check(disk && disk == domain_find_disk(def, "vdc"));
    check(domain_find_disk(def, "vdx") == NULL);
    check(domain_find_interface(def, "tap1") != NULL);
    check(domain_find_interface(def, "52:54:00:00:00:01") != NULL);
    check(domain_find_interface(def, "52:54:00:00:00:02") == NULL);
    check(domain_find_graphics(def, GRAPHICS_VNC) != NULL);
    check(domain_find_controller(def, CONTROLLER_PCI, 0) != NULL);
    check(domain_steal_device(def, DEVICE_DISK, disk));
    check(!domain_steal_device(def, DEVICE_DISK, disk));
    xml_table_free(device_table(DEVICE_DISK), disk);
    check(domain_find_disk(def, "vdc") == NULL);
}

TEST(disk_names_count_like_letters)
{
    static const struct {
        const char *name;
        int index;
    } cases[] = { { "vda", 0 },  { "sdz", 25 }, { "sdaa", 26 },         { "hdab", 27 },
                  { "xvdc", 2 }, { "vd", -1 },  { "foo", -1 },          { "vd1", -1 },
                  { "", -1 },    { "vdA", -1 }, { "sdaaaaaaaaaaa", -1 } };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_case(cases[i].name);
        check_eq(disk_name_index(cases[i].name), cases[i].index);
    }
}

static bool count_device(void *arg, DeviceKind kind, void *def, DeviceInfo *info)
{
    ++*(unsigned *)arg;
    return kind != DEVICE_INTERFACE;
}

TEST(walking_over_devices_stops_when_told)
{
    g_autoptr(DomainDef) def = machine();
    unsigned count = 0;
    check(!domain_each_device(def, count_device, &count));
    check_eq(count, 2 + def_list_len(def->controllers) + 1);
}

TEST(every_kind_that_has_characters_says_where_they_go)
{
    static const struct {
        const char *xml;
        const char *path; /* NULL: no source */
    } cases[] = {
        { "<serial type='file'><source path='/a'/></serial>", "/a" },
        { "<parallel type='dev'><source path='/b'/></parallel>", "/b" },
        { "<channel type='pipe'><source path='/c'/><target type='virtio'/></channel>", "/c" },
        { "<console type='dev'><source path='/d'/><target type='virtio'/></console>", "/d" },
        { "<console type='dev'><source path='/d'/><target type='serial'/></console>", NULL },
        { "<redirdev bus='usb' type='dev'><source path='/e'/></redirdev>", "/e" },
        { "<smartcard mode='passthrough' type='dev'><source path='/f'/></smartcard>", "/f" },
        { "<smartcard mode='host'/>", NULL },
        { "<rng model='virtio'><backend model='egd' type='dev'><source path='/g'/></backend></rng>", "/g" },
        { "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>", NULL },
        { "<input type='mouse' bus='usb'/>", NULL },
    };
    g_autoptr(DomainDef) def = machine();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(DeviceDef) device = NULL;
        g_autoptr(Error) err = NULL;
        check_case(cases[i].xml);
        check_ok(device_def_parse(cases[i].xml, strlen(cases[i].xml), 0, def, &device, &err), err);
        const CharSource *source = device_char_source(device->kind, device->def);
        check_eq(source != NULL, cases[i].path != NULL);
        if (source)
            check_str(source->path, cases[i].path);
    }
}
