/* The domain document as a whole. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "golden.h"

#define HEAD                                                                                                 \
    "<domain "                                                                                               \
    "type='kvm'><name>m</name><uuid>11111111-2222-4333-8444-555555555555</uuid><memory>65536</memory>"
#define OS "<os><type>hvm</type></os>"

static DomainDef *must_parse(const char *xml, DomainParseFlags flags)
{
    DomainDef *def = NULL;
    g_autoptr(Error) err = NULL;
    check_ok(domain_def_parse(xml, strlen(xml), flags, &golden_hooks, &def, &err), err);
    return def;
}

static char *format(const DomainDef *def, DomainFormatFlags flags)
{
    GString *out = g_string_new(NULL);
    domain_def_format(def, flags, out);
    return g_string_free(out, FALSE);
}

/* 2^62 bytes each: together they would be 0. */
TEST(memory_of_cells_does_not_wrap_around)
{
    static const char cell[] = "<cell memory='4611686018427387904' unit='bytes'/>";
    g_autofree char *xml =
        g_strdup_printf(HEAD OS "<cpu><numa>%s%s%s%s</numa></cpu></domain>", cell, cell, cell, cell);
    g_autoptr(Error) err = NULL;
    DomainDef *def = NULL;
    check_fails(domain_def_parse(xml, strlen(xml), 0, &golden_hooks, &def, &err), err, ERROR_OVERFLOW);
}

TEST(passwords_are_shown_only_when_asked_for)
{
    g_autoptr(DomainDef) def =
        must_parse(HEAD OS "<devices><graphics type='vnc' passwd='geheim'/></devices></domain>", 0);
    g_autofree char *open = format(def, 0);
    g_autofree char *secure = format(def, DOMAIN_FORMAT_SECURE);
    check(!strstr(open, "geheim"));
    check(strstr(secure, "passwd='geheim'") != NULL);
}

static const char live[] = "<domain type='kvm' id='7'>\n"
                           "  <name>m</name>\n"
                           "  <os>\n"
                           "    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>\n"
                           "  </os>\n"
                           "  <clock offset='utc'/>\n"
                           "  <devices>\n"
                           "    <disk type='file' device='disk'>\n"
                           "      <driver name='qemu' type='qcow2'/>\n"
                           "      <source file='/d.qcow2' index='1'/>\n"
                           "      <backingStore/>\n"
                           "      <target dev='vda' bus='virtio'/>\n"
                           "      <alias name='virtio-disk0'/>\n"
                           "    </disk>\n"
                           "    <interface type='bridge'>\n"
                           "      <mac address='52:54:00:00:00:01'/>\n"
                           "      <source bridge='br0'/>\n"
                           "      <target dev='vnet3'/>\n"
                           "      <model type='virtio'/>\n"
                           "      <alias name='ua-net'/>\n"
                           "    </interface>\n"
                           "    <serial type='pty'>\n"
                           "      <source path='/dev/pts/3'/>\n"
                           "      <target type='isa-serial' port='0'>\n"
                           "        <model name='isa-serial'/>\n"
                           "      </target>\n"
                           "      <alias name='serial0'/>\n"
                           "    </serial>\n"
                           "    <console type='pty' tty='/dev/pts/3'>\n"
                           "      <source path='/dev/pts/3'/>\n"
                           "      <target type='serial' port='0'/>\n"
                           "      <alias name='serial0'/>\n"
                           "    </console>\n"
                           "    <channel type='unix'>\n"
                           "      <source mode='bind' path='/run/a'/>\n"
                           "      <target type='virtio' name='org.qemu.guest_agent.0' state='connected'/>\n"
                           "      <alias name='channel0'/>\n"
                           "    </channel>\n"
                           "    <graphics type='vnc' port='5903' autoport='yes' listen='127.0.0.1'>\n"
                           "      <listen type='address' address='127.0.0.1'/>\n"
                           "    </graphics>\n"
                           "  </devices>\n"
                           "</domain>\n";

TEST(a_running_machine_shows_what_it_uses)
{
    g_autoptr(DomainDef) def = must_parse(live, DOMAIN_PARSE_SKIP_DEFAULTS);
    check_eq(def->id, 7);
    g_autofree char *text = format(def, 0);
    check_str(text, live);
}

TEST(an_inactive_document_forgets_what_the_last_run_used)
{
    g_autoptr(DomainDef) running = must_parse(live, DOMAIN_PARSE_SKIP_DEFAULTS);
    g_autoptr(DomainDef) stopped = must_parse(live, DOMAIN_PARSE_SKIP_DEFAULTS | DOMAIN_PARSE_INACTIVE);
    g_autofree char *from_running = format(running, DOMAIN_FORMAT_INACTIVE);
    g_autofree char *from_stopped = format(stopped, 0);
    check_str(from_running, from_stopped);
    static const char *const gone[] = { "id='7'",  "index=", "vnet3", "/dev/pts",
                                        "serial0", "state=", "5903",  "channel0" };
    for (size_t i = 0; i < G_N_ELEMENTS(gone); i++) {
        check_case(gone[i]);
        check(!strstr(from_stopped, gone[i]));
    }
    check(strstr(from_stopped, "ua-net") != NULL);
    check(strstr(from_stopped, "port='-1'") != NULL);
}

TEST(known_elements_without_effect_come_back_in_their_place)
{
    static const char text[] = "<domain type='kvm'>\n"
                               "  <name>m</name>\n"
                               "  <memory unit='KiB'>65536</memory>\n"
                               "  <os>\n"
                               "    <type>hvm</type>\n"
                               "    <acpi>\n"
                               "      <table type='slic'>/slic.dat</table>\n"
                               "    </acpi>\n"
                               "  </os>\n"
                               "  <clock offset='utc'/>\n"
                               "  <perf>\n"
                               "    <event name='cmt' enabled='yes'/>\n"
                               "  </perf>\n"
                               "  <devices>\n"
                               "    <redirfilter>\n"
                               "      <usbdev allow='no'/>\n"
                               "    </redirfilter>\n"
                               "  </devices>\n"
                               "  <launchSecurity type='s390-pv'/>\n"
                               "  <x:other xmlns:x='urn:x' a='1'>\n"
                               "    <x:b>t</x:b>\n"
                               "  </x:other>\n"
                               "</domain>\n";
    g_autoptr(DomainDef) def =
        must_parse(text, DOMAIN_PARSE_SKIP_DEFAULTS | DOMAIN_PARSE_VALIDATE | DOMAIN_PARSE_INACTIVE);
    g_autofree char *again = format(def, 0);
    check_str(again, text);
}

TEST(a_deep_backing_chain_is_read_and_a_bottomless_one_refused)
{
    for (int depth = 10; depth <= 200; depth += 190) {
        g_autoptr(GString) xml =
            g_string_new(HEAD OS "<devices><disk type='file'><source file='/0'/><target dev='vda'/>");
        for (int i = 0; i < depth; i++)
            g_string_append_printf(xml, "<backingStore type='file'><format type='raw'/><source file='/%d'/>",
                                   i + 1);
        for (int i = 0; i < depth; i++)
            g_string_append(xml, "</backingStore>");
        g_string_append(xml, "</disk></devices></domain>");
        g_autoptr(DomainDef) def = NULL;
        g_autoptr(Error) err = NULL;
        bool ok = domain_def_parse(xml->str, xml->len, DOMAIN_PARSE_INACTIVE, &golden_hooks, &def, &err);
        check_eq(ok, depth < 50);
        if (!ok)
            check_eq(error_code(err), ERROR_XML_INVALID);
    }
}

TEST(the_guest_notices_some_changes_and_not_others)
{
#define DISK(source, target) "<disk type='file'><source file='" source "'/><target " target "/></disk>"
#define NIC(model, more)                                                                                     \
    "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='" model "'/>" more "</interface>"
    static const struct {
        const char *old, *new;
        bool same;
    } cases[] = {
        { DISK("/a", "dev='vda'"), DISK("/b", "dev='vda'"), true },
        { DISK("/a", "dev='vda'"), DISK("/a", "dev='sda' bus='sata'"), false },
        { NIC("virtio", ""), NIC("e1000", ""), false },
        { NIC("virtio", ""), NIC("virtio", "<link state='down'/><target dev='tap3'/>"), true },
        { NIC("virtio", "<vlan><tag id='4'/></vlan>"), NIC("virtio", ""), true },
        { "<channel type='unix'><target type='virtio' name='a'/></channel>",
          "<channel type='pty'><target type='virtio' name='a'/></channel>", true },
        { "<channel type='unix'><target type='virtio' name='a'/></channel>",
          "<channel type='unix'><target type='virtio' name='b'/></channel>", false },
        { "<watchdog model='ib700' action='none'/>", "<watchdog model='ib700' action='reset'/>", true },
        { "<watchdog model='ib700' action='none'/>", "<watchdog model='i6300esb' action='none'/>", false },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *old_text = g_strdup_printf(HEAD OS "<devices>%s</devices></domain>", cases[i].old);
        g_autofree char *new_text = g_strdup_printf(HEAD OS "<devices>%s</devices></domain>", cases[i].new);
        g_autoptr(DomainDef) old = must_parse(old_text, 0);
        g_autoptr(DomainDef) new = must_parse(new_text, 0);
        g_autoptr(Error) err = NULL;
        check_case(cases[i].new);
        check_eq(domain_def_check_abi_stable(old, new, &err), cases[i].same);
        check_eq(error_code(err), cases[i].same ? ERROR_NONE : ERROR_CONFIG_UNSUPPORTED);
    }
}

static double seconds(void)
{
    return (double)g_get_monotonic_time() / 1e6;
}

/* Printed, not asserted: other work on the machine is no failure of the code. */
TEST(reading_and_writing_take_microseconds)
{
    g_autofree char *path = g_build_filename(GOLDEN_DIR, "virt-install-q35.out.xml", NULL);
    g_autofree char *xml = NULL;
    gsize len;
    check(g_file_get_contents(path, &xml, &len, NULL));
    g_autoptr(DomainDef) def = must_parse(xml, DOMAIN_PARSE_INACTIVE);
    g_autoptr(GString) out = g_string_new(NULL);
    enum { ROUNDS = 200 };
    double start = seconds();
    for (int i = 0; i < ROUNDS; i++) {
        g_string_truncate(out, 0);
        domain_def_format(def, 0, out);
    }
    double written = seconds();
    for (int i = 0; i < ROUNDS; i++) {
        DomainDef *again = must_parse(xml, DOMAIN_PARSE_INACTIVE);
        domain_def_free(again);
    }
    double read = seconds();
    for (int i = 0; i < ROUNDS; i++)
        domain_def_free(domain_def_copy(def));
    double copied = seconds();
    printf("%zu bytes: write %.1f us, read %.1f us, copy %.1f us\n", out->len,
           (written - start) / ROUNDS * 1e6, (read - written) / ROUNDS * 1e6, (copied - read) / ROUNDS * 1e6);
}
