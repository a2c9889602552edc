/* Definition as a whole: defaults, implied devices and addresses. Each NAME.xml in tests/golden/define is a
 * document as a user writes it, NAME.out.xml what the reference implementation makes of it, NAME.error the
 * code with which it is refused. Drop in a pair and it is a test. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <string.h>

#include "base/file.h"
#include "conf/domain_check.h"
#include "golden_platform.h"
#include "qemu/address.h"

static bool define(const char *text, size_t len, char **ret_xml, Error **err)
{
    g_autoptr(DomainDef) def = NULL;

    if (!domain_def_parse(text, len, DOMAIN_PARSE_INACTIVE, &golden_hooks, &def, err) ||
        !qemu_assign_addresses(def, NULL, err))
        return false;
    GString *out = g_string_new(NULL);
    domain_def_format(def, DOMAIN_FORMAT_INACTIVE | DOMAIN_FORMAT_SECURE, out);
    *ret_xml = g_string_free(out, FALSE);
    return true;
}

static bool define_file(const char *path, char **ret_xml, Error **err)
{
    g_autofree char *text = NULL;
    size_t len;
    return file_read(path, 1 << 20, &text, &len, err) && define(text, len, ret_xml, err);
}

static char *expected_path(const char *input, const char *suffix)
{
    g_autofree char *stem = g_strndup(input, strlen(input) - strlen(".xml"));
    return g_strconcat(stem, suffix, NULL);
}

static unsigned n_different;

static void check_golden(const char *input)
{
    g_autofree char *out_path = expected_path(input, ".out.xml");
    g_autofree char *error_path = expected_path(input, ".error");
    g_autofree char *got = NULL;
    g_autofree char *want = NULL;
    g_autoptr(Error) err = NULL;

    check_case(input);
    bool ok = define_file(input, &got, &err);
    if (g_file_test(error_path, G_FILE_TEST_EXISTS)) {
        check(g_file_get_contents(error_path, &want, NULL, NULL));
        n_different +=
            !golden_compare_lines(input, ok ? "ok" : error_code_name(error_code(err)), g_strstrip(want));
        return;
    }
    if (!ok) {
        n_different += !golden_compare_lines(input, error_message(err), "ok");
        return;
    }
    check(g_file_get_contents(out_path, &want, NULL, NULL));
    n_different += !golden_compare_lines(input, got, want);
}

TEST(definitions_come_out_as_the_reference_makes_them)
{
    n_different = 0;
    g_autoptr(GPtrArray) names = NULL;
    check(file_list_dir(GOLDEN_DIR, &names, NULL));
    check(names->len > 0);
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (!g_str_has_suffix(name, ".xml") || g_str_has_suffix(name, ".out.xml"))
            continue;
        g_autofree char *path = g_build_filename(GOLDEN_DIR, name, NULL);
        check_golden(path);
    }
    check_eq(n_different, 0);
}

/* Twice: the first round may sort controllers that were appended. */
TEST(defining_what_came_out_changes_nothing)
{
    n_different = 0;
    g_autoptr(GPtrArray) names = NULL;
    check(file_list_dir(GOLDEN_DIR, &names, NULL));
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (!g_str_has_suffix(name, ".out.xml"))
            continue;
        g_autofree char *path = g_build_filename(GOLDEN_DIR, name, NULL);
        g_autofree char *first = NULL;
        g_autofree char *second = NULL;
        g_autoptr(Error) err = NULL;
        check_case(path);
        check_ok(define_file(path, &first, &err), err);
        check_ok(define(first, strlen(first), &second, &err), err);
        n_different += !golden_compare_lines(path, second, first);
    }
    check_eq(n_different, 0);
}

typedef struct Crowd {
    const char *machine, *element; /* "%x" is its number */
    unsigned first, count;
    const char *before;
    ErrorCode code;
    const char *words;
    bool at_start;
} Crowd;

#define DRIVE_AT(kind, bus, dev, address)                                                                    \
    "<disk type='file' device='" kind "'><source file='/d'/><target dev='" dev "' bus='" bus                 \
    "'/><address type='drive' " address "/></disk>"
#define DISK_AT(bus, dev, address) DRIVE_AT("disk", bus, dev, address)

static bool has_room(const char *xml, Error **err)
{
    g_autoptr(DomainDef) def = NULL;

    check_ok(domain_def_parse(xml, strlen(xml), DOMAIN_PARSE_INACTIVE, &golden_hooks, &def, NULL), NULL);
    return domain_check_room(def, err);
}

/* Otherwise QEMU would, at every start, in its own words. */
TEST(what_finds_no_place_is_refused_when_it_is_defined_or_started)
{
    static const char rng[] = "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>";
    static const char fixed[] = "<interface type='user'><model type='virtio'/>"
                                "<address type='pci' bus='0' slot='0x%x' function='0'/></interface>";
    static const Crowd crowds[] = {
        { "q35", rng, 0, 250, "", ERROR_XML_INVALID, "No more available PCI slots" },
        { "pc", fixed, 2, 29, "", ERROR_NONE, NULL },
        { "pc", fixed, 2, 30, "", ERROR_CONFIG_UNSUPPORTED, "index must be larger than bus" },
        { "q35", "<input type='tablet' bus='usb'/>", 0, 20,
          "<controller type='usb' model='qemu-xhci' ports='1'/>", ERROR_NONE, NULL },
        { "q35", "<input type='tablet' bus='usb'/>", 0, 600,
          "<controller type='usb' model='qemu-xhci' ports='1'/>", ERROR_INTERNAL, "No free USB ports" },
        { "pc", "<parallel type='pty'/>", 0, 4, "", ERROR_INTERNAL, "parallel ports is 3, not 4", true },
        { "pc", DISK_AT("ide", "hda", "bus='2'"), 0, 1, "", ERROR_CONFIG_UNSUPPORTED, "ide controller has 2",
          true },
        { "pc", DISK_AT("ide", "hda", "unit='2'"), 0, 1, "", ERROR_CONFIG_UNSUPPORTED, "must be below 2",
          true },
        { "pc", DRIVE_AT("floppy", "fdc", "fda", "unit='2'"), 0, 1, "", ERROR_CONFIG_UNSUPPORTED,
          "must be below 2", true },
        { "q35", DISK_AT("sata", "sda", "unit='6'"), 0, 1, "", ERROR_CONFIG_UNSUPPORTED, "must be below 6",
          true },
        { "pc", DISK_AT("scsi", "sda", "unit='7'"), 0, 1, "<controller type='scsi' model='lsilogic'/>",
          ERROR_NONE, NULL },
        { "pc", DISK_AT("scsi", "sda", "unit='8'"), 0, 1, "<controller type='scsi' model='lsilogic'/>",
          ERROR_CONFIG_UNSUPPORTED, "must be below 8", true },
        { "pc", DISK_AT("scsi", "sda", "target='256'"), 0, 1, "<controller type='scsi' model='virtio-scsi'/>",
          ERROR_CONFIG_UNSUPPORTED, "target must be below 256", true },
        { "pc", DISK_AT("scsi", "sda", "unit='16384'"), 0, 1, "<controller type='scsi' model='virtio-scsi'/>",
          ERROR_CONFIG_UNSUPPORTED, "unit must be below 16384", true },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(crowds); i++) {
        const Crowd *crowd = &crowds[i];
        g_autoptr(Error) err = NULL;
        g_autofree char *xml = NULL;
        g_autoptr(GString) text = g_string_new(NULL);
        g_string_printf(text,
                        "<domain type='qemu'><name>m</name><memory>65536</memory><os><type arch='x86_64' "
                        "machine='%s'>hvm</type></os><devices>%s",
                        crowd->machine, crowd->before);
        for (unsigned n = 0; n < crowd->count; n++) {
            g_auto(GStrv) parts = g_strsplit(crowd->element, "%x", 2);
            g_string_append(text, parts[0]);
            if (parts[1])
                g_string_append_printf(text, "%x%s", crowd->first + n, parts[1]);
        }
        g_string_append(text, "</devices></domain>");
        check_case(crowd->words ? crowd->words : crowd->element);
        bool ok = define(text->str, text->len, &xml, &err);
        if (crowd->at_start) {
            check_ok(ok, err);
            ok = has_room(xml, &err);
        }
        check_eq(error_code(err), crowd->code);
        check_eq(ok, crowd->words == NULL);
        if (!ok)
            check_contains(error_message(err), crowd->words);
    }
}
