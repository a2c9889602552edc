/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/export.h"

#include <inttypes.h>
#include <string.h>

#include "install/document.h"
#include "install/foreign.h"
#include "install/words.h"

enum { TYPE_CPU = 3, TYPE_MEMORY = 4, TYPE_NETWORK = 10, TYPE_DISK = 17, TYPE_STORAGE = 20 };
enum { ID_CPU = 1, ID_MEMORY = 2, ID_CONTROLLER = 3, ID_FIRST = 4 };

static void add_files(GString *xml, const GPtrArray *disks)
{
    g_string_append(xml, "  <References>\n");
    for (guint i = 0; i < disks->len; i++) {
        const ExportDisk *disk = disks->pdata[i];
        markup_append(xml, "    <File ovf:id=\"file%u\" ovf:href=\"%s\" ovf:size=\"%" PRIu64 "\"/>\n", i + 1,
                      disk->file, disk->file_bytes);
    }
    g_string_append(xml, "  </References>\n  <DiskSection>\n    <Info>Virtual disks</Info>\n");
    for (guint i = 0; i < disks->len; i++) {
        const ExportDisk *disk = disks->pdata[i];
        markup_append(xml,
                      "    <Disk ovf:diskId=\"disk%u\" ovf:fileRef=\"file%u\" ovf:capacity=\"%" PRIu64
                      "\" ovf:format="
                      "\"http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized\"/>\n",
                      i + 1, i + 1, disk->bytes);
    }
    g_string_append(xml, "  </DiskSection>\n");
}

/* The names of the networks that its cards are on. */
static GPtrArray *networks_of(const xmlNode *devices)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (xmlNode *nic = NULL; (nic = doc_next(devices, "interface", nic));) {
        static const char *const places[] = { "source/@network", "source/@bridge", "source/@dev" };
        char *name = NULL;
        for (size_t i = 0; !name && i < G_N_ELEMENTS(places); i++)
            name = doc_get(nic, places[i]);
        g_ptr_array_add(names, name ? name : g_strdup("NAT"));
    }
    return names;
}

static void add_networks(GString *xml, const GPtrArray *names)
{
    g_string_append(xml, "  <NetworkSection>\n    <Info>Networks</Info>\n");
    for (guint i = 0; i < names->len; i++) {
        guint before = 0;
        while (strcmp(names->pdata[before], names->pdata[i]) != 0)
            before++;
        if (before == i)
            markup_append(xml, "    <Network ovf:name=\"%s\"/>\n", (const char *)names->pdata[i]);
    }
    g_string_append(xml, "  </NetworkSection>\n");
}

static void add_item(GString *xml, unsigned id, unsigned type, const char *name, const char *more)
{
    markup_append(xml, "      <Item>\n");
    g_string_append(xml, more ? more : "");
    markup_append(xml,
                  "        <rasd:ElementName>%s</rasd:ElementName>\n        "
                  "<rasd:InstanceID>%u</rasd:InstanceID>\n"
                  "        <rasd:ResourceType>%u</rasd:ResourceType>\n",
                  name, id, type);
}

static void end_item(GString *xml, uint64_t quantity)
{
    if (quantity)
        markup_append(xml, "        <rasd:VirtualQuantity>%" PRIu64 "</rasd:VirtualQuantity>\n", quantity);
    g_string_append(xml, "      </Item>\n");
}

static void add_system(GString *xml, const xmlNode *domain, OsDb *db)
{
    g_autofree char *id = doc_get(domain, "metadata/libosinfo/os/@id");
    OsFacts facts = { 0 };

    if (id)
        (void)os_db_find(db, id, &facts);
    markup_append(xml, "    <OperatingSystemSection ovf:id=\"%u\"", foreign_number(&facts));
    if (facts.version)
        markup_append(xml, " ovf:version=\"%s\"", facts.version);
    if (facts.short_id)
        markup_append(xml, " lodge:osType=\"%s\"", facts.short_id);
    markup_append(xml, ">\n      <Info>%s</Info>\n    </OperatingSystemSection>\n",
                  facts.name ? facts.name : "A system");
}

static void add_hardware(GString *xml, const xmlNode *domain, const GPtrArray *disks,
                         const GPtrArray *networks)
{
    g_autofree char *memory = doc_get(domain, "memory"), *cpus = doc_get(domain, "vcpu");
    const xmlNode *devices = doc_find(domain, "devices"), *nic = NULL;
    unsigned id = ID_FIRST;

    g_string_append(xml, "    <VirtualHardwareSection>\n      <Info>Virtual hardware</Info>\n      <System>\n"
                         "        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>\n"
                         "        <vssd:InstanceID>0</vssd:InstanceID>\n"
                         "        <vssd:VirtualSystemType>vmx-13 virtualbox-2.2</vssd:VirtualSystemType>\n"
                         "      </System>\n");
    add_item(xml, ID_CPU, TYPE_CPU, "CPUs", NULL);
    end_item(xml, cpus ? g_ascii_strtoull(cpus, NULL, 10) : 1);
    add_item(xml, ID_MEMORY, TYPE_MEMORY, "Memory",
             "        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>\n");
    end_item(xml, memory ? g_ascii_strtoull(memory, NULL, 10) / 1024 : 1024); /* the daemon says KiB */
    add_item(xml, ID_CONTROLLER, TYPE_STORAGE, "SATA controller", "        <rasd:Address>0</rasd:Address>\n");
    markup_append(xml, "        <rasd:ResourceSubType>AHCI</rasd:ResourceSubType>\n");
    end_item(xml, 0);
    for (guint i = 0; i < disks->len; i++) {
        g_autofree char *place =
            g_strdup_printf("        <rasd:AddressOnParent>%u</rasd:AddressOnParent>\n", i);
        add_item(xml, id++, TYPE_DISK, ((const ExportDisk *)disks->pdata[i])->target, place);
        markup_append(xml,
                      "        <rasd:HostResource>ovf:/disk/disk%u</rasd:HostResource>\n        "
                      "<rasd:Parent>%d</rasd:Parent>\n",
                      i + 1, ID_CONTROLLER);
        end_item(xml, 0);
    }
    for (guint i = 0; (nic = doc_next(devices, "interface", nic)); i++) {
        g_autofree char *mac = doc_get(nic, "mac/@address");
        g_autofree char *address =
            g_markup_printf_escaped("        <rasd:Address>%s</rasd:Address>\n", mac ? mac : "");
        add_item(xml, id++, TYPE_NETWORK, "Network card", mac ? address : NULL);
        markup_append(xml,
                      "        <rasd:Connection>%s</rasd:Connection>\n        "
                      "<rasd:ResourceSubType>E1000</rasd:ResourceSubType>\n",
                      (const char *)networks->pdata[i]);
        end_item(xml, 0);
    }
    if (doc_is(domain, "os/@firmware", "efi") || doc_has(domain, "os/loader[@type='pflash']"))
        g_string_append(xml, "      <vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" "
                             "vmw:value=\"efi\"/>\n");
    g_string_append(xml, "    </VirtualHardwareSection>\n");
}

/* What a machine of another program will not have. */
static void note_lost(const xmlNode *devices, GPtrArray *notes)
{
    static const char *const lost[] = { "hostdev", "filesystem", "tpm", "redirdev", "shmem", "watchdog" };

    for (size_t i = 0; i < G_N_ELEMENTS(lost); i++)
        if (doc_has(devices, lost[i]))
            g_ptr_array_add(notes, g_strdup_printf("left out: <%s>, which OVF has no place for", lost[i]));
}

char *export_ovf(const xmlNode *domain, const GPtrArray *disks, GPtrArray *notes)
{
    g_autoptr(OsDb) db = os_db_new(NULL);
    const xmlNode *devices = doc_find(domain, "devices");
    g_autoptr(GPtrArray) networks = networks_of(devices);
    g_autofree char *name = doc_get(domain, "name");
    GString *xml = g_string_new(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<Envelope ovf:version=\"1.0\" xml:lang=\"en-US\" xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\""
        " xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\""
        " xmlns:rasd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData\""
        " xmlns:vssd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData\""
        " xmlns:vmw=\"http://www.vmware.com/schema/ovf\" xmlns:lodge=\"https://lodge.dev/xmlns/ovf/1.0\">\n");

    add_files(xml, disks);
    add_networks(xml, networks);
    markup_append(xml, "  <VirtualSystem ovf:id=\"%s\">\n    <Info>A machine</Info>\n    <Name>%s</Name>\n",
                  name, name);
    add_system(xml, domain, db);
    add_hardware(xml, domain, disks, networks);
    g_string_append(xml, "  </VirtualSystem>\n</Envelope>\n");
    note_lost(devices, notes);
    return g_string_free(xml, FALSE);
}
