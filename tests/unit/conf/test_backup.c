/* Documents of backups: what libvirtd 9.0.0 made of them for a machine with two disks, and what it refused.
 *
 * NAME.xml is the document, NAME.out.xml what the reference showed of the backup while it ran (the time in
 * made-up names is SUFFIX, numbers of nodes are left out), NAME.error its error code and message. Where there
 * is neither the backup was over too soon, or the reference has no name for the image of a disk that a
 * document names without one, and fails ("argument key 'filename' must not have null value"): Lodge makes one
 * up. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden_documents.h"

#include "conf/backup.h"
#include "golden.h"

#define MACHINE                                                                                              \
    "<domain type='qemu'><name>m</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>"     \
    "<emulator>/usr/bin/qemu-system-x86_64</emulator>"                                                       \
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/images/a.qcow2'/>"     \
    "<target dev='vda' bus='virtio'/></disk>"                                                                \
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/images/b.qcow2'/>"     \
    "<target dev='vdb' bus='virtio'/></disk></devices></domain>"

static DomainDef *machine(void)
{
    DomainDef *def = NULL;
    g_autoptr(Error) err = NULL;

    check_ok(domain_def_parse(MACHINE, strlen(MACHINE), DOMAIN_PARSE_INACTIVE, &golden_hooks, &def, &err),
             err);
    return def;
}

static char *golden(const char *name, const char *ending)
{
    g_autofree char *path = g_strdup_printf("%s/%s.%s", GOLDEN_BACKUP_DIR, name, ending);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

/* The library's number of an error; only those that occur. */
static int code_of(ErrorCode code)
{
    switch (code) {
    case ERROR_XML_SCHEMA:
        return 92;
    case ERROR_CONFIG_UNSUPPORTED:
        return 67;
    case ERROR_OPERATION_UNSUPPORTED:
        return 84;
    case ERROR_INVALID_ARGUMENT:
        return 8;
    case ERROR_XML_INVALID:
        return 27;
    default:
        return -(int)code;
    }
}

static void check_one(const char *name, const DomainDef *domain)
{
    g_autofree char *xml = golden(name, "xml");
    g_autofree char *error = golden(name, "error");
    g_autofree char *out = golden(name, "out.xml");
    g_autoptr(BackupDef) def = NULL;
    g_autoptr(Error) err = NULL;
    const bool ok =
        backup_def_parse(xml, strlen(xml), &def, &err) && backup_align_disks(def, domain, "SUFFIX", &err);

    check_case(name);
    if (error) {
        check(!ok);
        check_eq(code_of(error_code(err)), atoi(error));
        return;
    }
    check_ok(ok, err);
    g_autofree char *shown = backup_def_format(def);
    if (out)
        check_str(shown, out);
}

TEST(documents_come_back_or_are_refused_as_from_the_reference)
{
    DomainDef *domain = machine();
    GDir *dir = g_dir_open(GOLDEN_BACKUP_DIR, 0, NULL);
    const char *file = NULL;
    unsigned n_good = 0, n_bad = 0;

    check(dir != NULL);
    while ((file = g_dir_read_name(dir))) {
        if (!g_str_has_suffix(file, ".xml") || g_str_has_suffix(file, ".out.xml"))
            continue;
        g_autofree char *name = g_strndup(file, strlen(file) - strlen(".xml"));
        check_one(name, domain);
        if (g_str_has_prefix(name, "bad-"))
            n_bad++;
        else
            n_good++;
    }
    g_dir_close(dir);
    domain_def_free(domain);
    check(n_good >= 25 && n_bad >= 40);
}

TEST(tables_have_no_gaps)
{
    g_autoptr(GString) out = g_string_new(NULL);

    xml_table_lint(&backup_table, out);
    check_str(out->str, "");
}
