/* Long documents: whatever is repeated, the time that a definition takes grows with the document and no
 * faster. A loop inside a loop over what comes from outside holds everybody. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <time.h>

#include "conf/domain_rows.h"
#include "conf/domain_xml.h"
#include "golden_platform.h"
#include "qemu/address.h"

/* One element, often. "%u" is its number, "%n" letters for it (a, b ... aa); what stands around is once. */
static const struct {
    const char *name, *before, *element, *after;
    unsigned base;
} lists[] = {
    { "iothread", "<iothreadids>", "<iothread id='%u'/>", "</iothreadids>", 1 },
    { "vcpu", "<vcpu>16384</vcpu><vcpus>", "<vcpu id='%u' enabled='yes'/>", "</vcpus>", 0 },
    { "vcpupin", "<vcpu>16384</vcpu><cputune>", "<vcpupin vcpu='%u' cpuset='16383'/>", "</cputune>", 0 },
    { "iothreadpin", "<cputune>", "<iothreadpin iothread='%u' cpuset='16383'/>", "</cputune>", 1 },
    { "vcpusched", "<vcpu>16384</vcpu><cputune>", "<vcpusched vcpus='%u' scheduler='batch'/>", "</cputune>",
      0 },
    { "iothreadsched", "<iothreads>16384</iothreads><cputune>",
      "<iothreadsched iothreads='%u' scheduler='batch'/>", "</cputune>", 1 },
    { "perf event", "<perf>", "<event name='cmt' enabled='no'/>", "</perf>", 0 },
    { "memnode", "<numatune>", "<memnode cellid='%u' mode='strict' nodeset='0'/>", "</numatune>", 0 },
    { "blkio device", "<blkiotune>", "<device><path>/dev/%n</path><weight>500</weight></device>",
      "</blkiotune>", 0 },
    { "page", "<memoryBacking><hugepages>", "<page size='%u' unit='MiB'/>", "</hugepages></memoryBacking>",
      1 },
    { "feature", "<cpu mode='host-model'>", "<feature name='f%u' policy='require'/>", "</cpu>", 0 },
    { "cell", "<vcpu>16384</vcpu><cpu><numa>", "<cell id='%u' cpus='%u' memory='1024'/>", "</numa></cpu>",
      0 },
    { "sibling", "<cpu><numa><cell id='0' cpus='0' memory='65536'><distances>",
      "<sibling id='0' value='10'/>", "</distances></cell></numa></cpu>", 0 },
    { "cell cache", "<cpu><numa><cell id='0' cpus='0' memory='65536'>",
      "<cache level='1' associativity='direct' policy='writeback'><size value='1'/><line "
      "value='64'/></cache>",
      "</cell></numa></cpu>", 0 },
    { "latency", "<cpu><numa><cell id='0' cpus='0' memory='65536'/><interconnects>",
      "<latency initiator='0' target='0' type='read' value='5'/>", "</interconnects></numa></cpu>", 0 },
    { "bandwidth", "<cpu><numa><cell id='0' cpus='0' memory='65536'/><interconnects>",
      "<bandwidth initiator='0' target='0' type='read' value='5'/>", "</interconnects></numa></cpu>", 0 },
    { "timer", "<clock offset='utc'>", "<timer name='pit' present='yes'/>", "</clock>", 0 },
    { "sysinfo", "", "<sysinfo type='smbios'><system><entry name='serial'>%u</entry></system></sysinfo>", "",
      0 },
    { "fwcfg", "<sysinfo type='fwcfg'>", "<entry name='opt/com.example/%u'>x</entry>", "</sysinfo>", 0 },
    { "seclabel", "", "<seclabel type='static' model='m%u'><label>x</label></seclabel>", "", 0 },
    { "unknown", "", "<nobody%u/>", "", 0 },
    { "unknown, nested", "<nobody>", "<x a%u=''/>", "</nobody>", 0 },
    { "name again", "", "<name>m%u</name>", "", 0 },
    { "metadata", "<metadata>", "<a%u xmlns='urn:x'/>", "</metadata>", 0 },
    { "metadata spaces", "<metadata>", "<a xmlns='urn:%u'/>", "</metadata>", 0 },
    { "firmware feature", "<os firmware='efi'><type>hvm</type><firmware>",
      "<feature name='secure-boot' enabled='no'/>", "</firmware></os><features><acpi/></features>", 0 },
    { "arg", "<qemu:commandline xmlns:qemu='" QEMU_NAMESPACE "'>", "<qemu:arg value='%u'/>",
      "</qemu:commandline>", 0 },
    { "env", "<qemu:commandline xmlns:qemu='" QEMU_NAMESPACE "'>", "<qemu:env name='E%u' value='x'/>",
      "</qemu:commandline>", 0 },
    { "property", "<qemu:override xmlns:qemu='" QEMU_NAMESPACE "'><qemu:device alias='a'><qemu:frontend>",
      "<qemu:property name='p%u' type='string' value='x'/>", "</qemu:frontend></qemu:device></qemu:override>",
      0 },
    { "add and del", "<qemu:capabilities xmlns:qemu='" QEMU_NAMESPACE "'>",
      "<qemu:add capability='c%u'/><qemu:del capability='d%u'/>", "</qemu:capabilities>", 0 },
    { "base board", "<sysinfo type='smbios'>", "<baseBoard><entry name='serial'>%u</entry></baseBoard>",
      "</sysinfo>", 0 },
    { "override", "<qemu:override xmlns:qemu='" QEMU_NAMESPACE "'>", "<qemu:device alias='a%u'/>",
      "</qemu:override>", 0 },

    { "throttlegroup", "<throttlegroups>",
      "<throttlegroup><group_name>g%u</group_name><total_iops_sec>100</total_iops_sec></throttlegroup>",
      "</throttlegroups>", 0 },
    { "throttlefilter",
      "<devices><disk type='file'><source file='/d'/><target dev='vda' bus='virtio'/><throttlefilters>",
      "<throttlefilter group='g%u'/>", "</throttlefilters></disk></devices>", 0 },
    { "latency histogram", "<devices><disk type='file'><driver name='qemu' type='raw'><statistics>",
      "<latency-histogram type='read'><bin start='0'/></latency-histogram>",
      "</statistics></driver><source file='/d'/><target dev='vda' bus='virtio'/></disk></devices>", 0 },
    { "bins", "<devices><disk type='file'><driver name='qemu' type='raw'><statistics><latency-histogram>",
      "<bin start='%u'/>",
      "</latency-histogram></statistics></driver><source file='/d'/><target dev='vda' "
      "bus='virtio'/></disk></devices>",
      0 },
    { "virtio disk", "<devices>",
      "<disk type='file'><source file='/d%u'/><target dev='vd%n' bus='virtio'/></disk>", "</devices>", 0 },
    { "scsi disk", "<devices>",
      "<disk type='file'><source file='/d%u'/><target dev='sd%n' bus='scsi'/></disk>", "</devices>", 0 },
    { "scsi disk with iothread", "<iothreads>16384</iothreads><devices>",
      "<disk type='file'><driver iothread='%u'/><source file='/d%u'/><target dev='vd%n' bus='virtio'/>"
      "<address type='ccw'/></disk>",
      "</devices>", 1 },
    { "usb disk", "<devices>", "<disk type='file'><source file='/d%u'/><target dev='sd%n' bus='usb'/></disk>",
      "</devices>", 0 },
    { "sata disk", "<devices>",
      "<disk type='file'><source file='/d%u'/><target dev='sd%n' bus='sata'/></disk>", "</devices>", 0 },
    { "disk host", "<devices><disk type='network'><source protocol='rbd' name='a'>", "<host name='h%u'/>",
      "</source><target dev='vda'/></disk></devices>", 0 },
    { "disk seclabel", "<devices><disk type='file'><source file='/a'>",
      "<seclabel model='m%u' relabel='no'/>", "</source><target dev='vda'/></disk></devices>", 0 },
    { "cookie", "<devices><disk type='network'><source protocol='http' name='a'><host name='h'/><cookies>",
      "<cookie name='c%u'>x</cookie>", "</cookies></source><target dev='vda'/></disk></devices>", 0 },
    { "slice", "<devices><disk type='file'><source file='/a'><slices>",
      "<slice type='storage' offset='%u' size='512'/>",
      "</slices></source><target dev='vda'/></disk></devices>", 0 },
    { "secret", "<devices><disk type='file'><source file='/a'><encryption format='luks'>",
      "<secret type='passphrase' usage='u%u'/>", "</encryption></source><target dev='vda'/></disk></devices>",
      0 },
    { "ehci", "<devices>", "<controller type='usb' model='ich9-ehci1' index='%u'/>", "</devices>", 0 },
    { "ehci, no index", "<devices>", "<controller type='usb' model='ich9-ehci1'/>", "</devices>", 0 },
    { "uhci, no index", "<devices><controller type='usb' model='ich9-ehci1'/>",
      "<controller type='usb' model='ich9-uhci1'/>", "</devices>", 0 },
    { "uhci and ehci", "<devices>",
      "<controller type='usb' model='ich9-ehci1'/><controller type='usb' model='ich9-uhci1'/>", "</devices>",
      0 },
    { "companion", "<devices>",
      "<controller type='usb' model='ich9-ehci1' index='%u'/>"
      "<controller type='usb' model='ich9-uhci1' index='%u'><master startport='0'/></controller>",
      "</devices>", 0 },
    { "scsi controller", "<devices>", "<controller type='scsi' index='%u'/>", "</devices>", 0 },
    { "scsi controller, no index", "<devices>", "<controller type='scsi'/>", "</devices>", 0 },
    { "ccw controller", "<devices>", "<controller type='scsi'><address type='ccw'/></controller>",
      "</devices>", 0 },
    { "sata controller", "<devices>", "<controller type='sata' index='%u'/>", "</devices>", 0 },
    { "virtio-serial controller", "<devices>", "<controller type='virtio-serial' index='%u'/>", "</devices>",
      0 },
    { "ccid controller", "<devices>", "<controller type='ccid' index='%u'/>", "</devices>", 0 },
    { "pci bridge", "<devices>", "<controller type='pci' model='pci-bridge' index='%u'/>", "</devices>", 1 },
    { "pci root port", "<devices>", "<controller type='pci' model='pcie-root-port'/>", "</devices>", 1 },
    { "pci expander", "<devices>", "<controller type='pci' model='pci-expander-bus'/>", "</devices>", 1 },
    { "lease", "<devices>", "<lease><lockspace>s</lockspace><key>k%u</key><target path='/l%u'/></lease>",
      "</devices>", 0 },
    { "filesystem", "<devices>",
      "<filesystem type='mount'><source dir='/d%u'/><target dir='t%u'/></filesystem>", "</devices>", 0 },
    { "interface", "<devices>", "<interface type='user'><model type='virtio'/></interface>", "</devices>",
      0 },
    { "VLAN",
      "<devices><interface type='bridge'><source bridge='b'/><virtualport type='openvswitch'/><vlan "
      "trunk='yes'>",
      "<tag id='%u'/>", "</vlan></interface></devices>", 1 },
    { "filter parameter", "<devices><interface type='user'><filterref filter='f'>",
      "<parameter name='P%u' value='x'/>", "</filterref></interface></devices>", 0 },
    { "smartcard", "<devices>", "<smartcard mode='host'/>", "</devices>", 0 },
    { "serial", "<devices>", "<serial type='pty'><target type='usb-serial'/></serial>", "</devices>", 0 },
    { "parallel", "<devices>", "<parallel type='pty'/>", "</devices>", 0 },
    { "console", "<devices>", "<console type='pty'><target type='virtio'/></console>", "</devices>", 0 },
    { "channel", "<devices>", "<channel type='pty'><target type='virtio' name='c%u'/></channel>",
      "</devices>", 0 },
    { "channel, same port", "<devices>",
      "<channel type='pty'><target type='virtio' name='c%u'/>"
      "<address type='virtio-serial' controller='%u' port='1'/></channel>",
      "</devices>", 0 },
    { "guestfwd", "<devices>",
      "<channel type='pty'><target type='guestfwd' address='10.0.2.1' port='4600'/></channel>", "</devices>",
      0 },
    { "input", "<devices>", "<input type='tablet' bus='usb'/>", "</devices>", 0 },
    { "ps2 input", "<devices>", "<input type='keyboard' bus='ps2'/>", "</devices>", 0 },
    { "tpm", "<devices>", "<tpm model='tpm-tis'><backend type='emulator'/></tpm>", "</devices>", 0 },
    { "graphics", "<devices>", "<graphics type='vnc'/>", "</devices>", 0 },
    { "listen", "<devices><graphics type='vnc'>", "<listen type='address' address='127.0.0.1'/>",
      "</graphics></devices>", 0 },
    { "spice channel", "<devices><graphics type='spice'>", "<channel name='main' mode='secure'/>",
      "</graphics></devices>", 0 },
    { "sound", "<devices>", "<sound model='ac97'/>", "</devices>", 0 },
    { "codec", "<devices><sound model='ich6'>", "<codec type='duplex'/>", "</sound></devices>", 0 },
    { "audio", "<devices>", "<audio id='%u' type='none'/>", "</devices>", 1 },
    { "video", "<devices>", "<video><model type='virtio'/></video>", "</devices>", 0 },
    { "usb hostdev", "<devices>",
      "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product "
      "id='0x5678'/></source></hostdev>",
      "</devices>", 0 },
    { "scsi hostdev", "<devices>",
      "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/>"
      "<address bus='0' target='0' unit='0'/></source></hostdev>",
      "</devices>", 0 },
    { "pci hostdev", "<devices>",
      "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='0' slot='1' "
      "function='0'/></source>"
      "</hostdev>",
      "</devices>", 0 },
    { "redirdev", "<devices>", "<redirdev bus='usb' type='spicevmc'/>", "</devices>", 0 },
    { "hub", "<devices>", "<hub type='usb'/>", "</devices>", 0 },
    { "watchdog", "<devices>", "<watchdog model='i6300esb'/>", "</devices>", 0 },
    { "rng", "<devices>", "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>",
      "</devices>", 0 },
    { "panic", "<devices>", "<panic model='isa'/>", "</devices>", 0 },
    { "crypto", "<devices>", "<crypto model='virtio' type='qemu'><backend model='builtin'/></crypto>",
      "</devices>", 0 },
    { "usbdev", "<devices><redirfilter>", "<usbdev allow='yes'/>", "</redirfilter></devices>", 0 },
    { "shmem", "<devices>", "<shmem name='s%u'><model type='ivshmem-plain'/></shmem>", "</devices>", 0 },
    { "memory", "<maxMemory slots='255' unit='GiB'>1024</maxMemory><devices>",
      "<memory model='dimm'><target><size unit='MiB'>1</size></target></memory>", "</devices>", 0 },
    { "source ip", "<devices><interface type='ethernet'><source>", "<ip address='10.0.0.1' prefix='8'/>",
      "</source></interface></devices>", 0 },
    { "source route", "<devices><interface type='ethernet'><source>",
      "<route address='10.0.0.0' prefix='8' gateway='10.0.0.1'/>", "</source></interface></devices>", 0 },
    { "port forward", "<devices><interface type='user'>", "<portForward proto='tcp'/>",
      "</interface></devices>", 0 },
    { "port range", "<devices><interface type='user'><portForward proto='tcp'>", "<range start='22'/>",
      "</portForward></interface></devices>", 0 },
    { "device with alias", "<devices>",
      "<sound model='ac97'><alias name='ua-%u'/><address type='ccw'/></sound>", "</devices>", 0 },
    { "device with order", "<devices>",
      "<interface type='user'><boot order='%u'/><address type='ccw'/></interface>", "</devices>", 1 },
    { "ccw sound", "<devices>", "<sound model='ac97'><address type='ccw'/></sound>", "</devices>", 0 },
};

static void append_element(GString *out, const char *element, unsigned number)
{
    for (const char *p = element; *p; p++) {
        if (*p != '%') {
            g_string_append_c(out, *p);
            continue;
        }
        p++;
        if (*p == 'u') {
            g_string_append_printf(out, "%u", number);
            continue;
        }
        char letters[8] = { 0 };
        size_t at = sizeof(letters) - 1;
        for (unsigned rest = number + 1; rest; rest = (rest - 1) / 26)
            letters[--at] = (char)('a' + (rest - 1) % 26);
        g_string_append(out, letters + at);
    }
}

static uint64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void nothing_dropped(void *arg, const char *path, unsigned line)
{
}

static char *make_document(size_t which, unsigned n)
{
    GString *text = g_string_new("<domain type='qemu'><name>m</name><memory>65536</memory>");
    if (!strstr(lists[which].before, "<os"))
        g_string_append(text, "<os><type arch='x86_64' machine='pc'>hvm</type></os>");
    g_string_append(text, lists[which].before);
    for (unsigned i = 0; i < n; i++)
        append_element(text, lists[which].element, i + lists[which].base);
    g_string_append_printf(text, "%s</domain>", lists[which].after);
    return g_string_free(text, FALSE);
}

/* Microseconds of the loop's own time: long documents are read in a worker. */
static uint64_t time_define(size_t which, unsigned n)
{
    g_autofree char *text = make_document(which, n);
    DomainHooks hooks = golden_hooks;
    hooks.dropped = nothing_dropped;
    g_autoptr(Error) err = NULL;
    DomainDef *def = NULL;

    uint64_t begin = now_us();
    if (domain_def_parse(text, strlen(text), DOMAIN_PARSE_INACTIVE, &hooks, &def, &err) &&
        qemu_assign_addresses(def, NULL, &err)) {
        qemu_assign_aliases(def);
        g_autoptr(GString) out = g_string_new(NULL);
        domain_def_format(def, DOMAIN_FORMAT_INACTIVE | DOMAIN_FORMAT_SECURE, out);
        g_autoptr(DomainDef) copy = domain_def_copy(def);
        check(domain_def_equal(copy, def));
        g_autoptr(GPtrArray) gaps = domain_def_find_gaps(def);
        check(gaps != NULL);
    }
    domain_def_free(def);
    return now_us() - begin;
}

/* Four times as much may take four times as long, and something for a busy machine; a square takes 16 times.
 * Below FLOOR_US nobody notices, and the clock is too coarse. */
#define FLOOR_US ((uint64_t)20000)

static void check_growth(size_t which, unsigned n)
{
    uint64_t once = UINT64_MAX, often = UINT64_MAX;

    check_case(lists[which].name);
    for (int attempt = 0; attempt < 5; attempt++) {
        once = MIN(once, time_define(which, n));
        often = MIN(often, time_define(which, 4 * n));
        if (often < FLOOR_US || often < 9 * once)
            return;
    }
    fail_msg("%u times '%s' take %" PRIu64 " us, %u times %" PRIu64 " us", n, lists[which].name, once, 4 * n,
             often);
}

static bool is_device(size_t which)
{
    return strcmp(lists[which].after, "</devices>") == 0;
}

/* As many devices as fit. */
TEST_FIBER(many_devices_take_time_in_proportion)
{
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        if (is_device(i))
            check_growth(i, 120);
    }
}

TEST_FIBER(long_lists_take_time_in_proportion)
{
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        if (!is_device(i))
            check_growth(i, 800);
    }
}

static void note_list(GHashTable *seen, const XmlRow *rows, GString *missing)
{
    for (const XmlRow *row = rows; row->node != XML_END; row++) {
        const XmlRow *below = row->rows ? row->rows : row->table ? row->table->rows : NULL;
        bool known = false;
        g_autofree char *mark = g_strdup_printf("<%s%s", row->prefix ? row->prefix : "", row->name);
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
            known |= strstr(lists[i].element, mark) != NULL;
        if (row->node == XML_LIST && !known)
            g_string_append_printf(missing, "%s ", mark);
        if (below && g_hash_table_add(seen, (void *)below))
            note_list(seen, below, missing);
    }
}

TEST(every_list_of_the_tables_is_tried)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    g_autoptr(GString) missing = g_string_new(NULL);
    note_list(seen, domain_table.rows, missing);
    check_str(missing->str, "");
}

TEST_FIBER(lists_have_an_end)
{
    static const struct {
        const char *name;
        unsigned n;
        const char *words;
    } cases[] = { { "iothread", 16385, "element 'iothread': more than 16384 of them" },
                  { "cell", 129, "more than 128 NUMA cells" },
                  { "sound", 1025, "more than 1024 devices" } };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(DomainDef) def = NULL;
        size_t which = 0;
        while (strcmp(lists[which].name, cases[i].name) != 0)
            which++;
        g_autofree char *text = make_document(which, cases[i].n);
        check_case(cases[i].name);
        check(!domain_def_parse(text, strlen(text), DOMAIN_PARSE_INACTIVE, &golden_hooks, &def, &err));
        check_contains(error_message(err), cases[i].words);
    }
}
