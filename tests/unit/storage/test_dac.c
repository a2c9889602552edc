/* Unit tests of core/dac: who gets files back, and when. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <glib/gstdio.h>
#include <sys/stat.h>

#include "conf/domain_xml.h"
#include "machine/vm_private.h"

TEST(labels_are_numbers_with_or_without_plus)
{
    static const struct {
        const char *text;
        bool ok;
        uid_t uid;
        gid_t gid;
    } cases[] = {
        { "+64055:+107", true, 64055, 107 },
        { "0:0", true, 0, 0 },
        { "7:+8", true, 7, 8 },
        { "root:root", false, 99, 99 },
        { "", false, 99, 99 },
        { "5", false, 99, 99 },
        { "5:", false, 99, 99 },
        { ":5", false, 99, 99 },
        { "5:5:5", false, 99, 99 },
        { "-1:5", false, 99, 99 },
        { "++1:5", false, 99, 99 },
        { "4294967295:0", false, 99, 99 }, /* (uid_t) -1 means "leave as it is" to chown */
        { "5:4294967296", false, 99, 99 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        uid_t uid = 99;
        gid_t gid = 99;
        check_case(cases[i].text);
        check_eq(dac_parse_label(cases[i].text, &uid, &gid), cases[i].ok);
        check_eq(uid, cases[i].uid);
        check_eq(gid, cases[i].gid);
    }
}

/* Adds what lies at @path now; @lent_to 4711 in all tests. */
static void add(DacTable *table, GPtrArray *list, const char *path, uid_t uid, gid_t gid, bool shared)
{
    char *name = g_strdup(path);
    DacItem item = { .path = name, .uid = uid, .gid = gid, .lent_to = 4711, .shared = shared };
    struct stat st;

    if (stat(path, &st) == 0)
        item.id = file_id_of(&st);
    dac_list_add(table, list, &item);
    g_free(name);
}

TEST(devices_of_everybody_are_not_lent)
{
    DacTable *table = dac_table_new();
    g_autoptr(GPtrArray) list = dac_list_new();

    add(table, list, "/dev/null", 0, 0, false);
    add(table, list, "/dev/zero", 0, 0, true);
    add(table, list, "/dev/urandom", 0, 0, true);
    check_eq(list->len, 0);
    add(table, list, "/dev/sda", 0, 6, false);
    add(table, list, "/dev/sda", 0, 6, false);
    check_eq(list->len, 1);
    dac_table_free(table);
}

TEST(a_second_borrower_remembers_the_first_owner)
{
    DacTable *table = dac_table_new();
    g_autoptr(GPtrArray) first = dac_list_new();
    g_autoptr(GPtrArray) second = dac_list_new();

    add(table, first, "/iso", 1000, 1001, true);
    add(table, second, "/iso", 64055, 64055, true); /* as it lies when the second one comes */
    const DacItem *item = g_ptr_array_index(second, 0);
    check_eq(item->uid, 1000);
    check_eq(item->gid, 1001);
    dac_table_free(table);
}

static void make_file(const char *path)
{
    check(g_file_set_contents(path, "x", 1, NULL));
}

static uid_t owner_of(const char *path)
{
    struct stat st = { 0 };

    check_eq(stat(path, &st), 0);
    return st.st_uid;
}

TEST_FIBER(a_shared_file_goes_back_with_the_last_of_its_borrowers)
{
    if (geteuid() != 0)
        return; /* only root can give files away */
    g_autofree char *dir = g_dir_make_tmp("lodge-dac-XXXXXX", NULL);
    g_autofree char *iso = g_build_filename(dir, "iso", NULL);
    g_autofree char *own = g_build_filename(dir, "own", NULL);
    g_autofree char *null = g_build_filename(dir, "null", NULL);
    DacTable *table = dac_table_new();
    g_autoptr(GPtrArray) first = dac_list_new();
    g_autoptr(GPtrArray) second = dac_list_new();
    g_autoptr(Error) err = NULL;

    make_file(iso);
    make_file(own);
    check_eq(symlink("/dev/null", null), 0);
    add(table, first, iso, 0, 0, true);
    add(table, first, own, 0, 0, false);
    add(table, first, null, 0, 0, false);
    check(dac_apply(first, 4711, 4711, 5000, &err));
    check_eq(owner_of(iso), 4711);
    check_eq(owner_of(own), 4711);
    check_eq(owner_of("/dev/null"), 0); /* reached through a link, and still nobody's */
    add(table, second, iso, 4711, 4711, true);
    check(dac_apply(second, 4711, 4711, 5000, &err));

    dac_restore(table, first, 5000);
    check_eq(first->len, 0);
    check_eq(owner_of(iso), 4711);
    check_eq(owner_of(own), 0);
    dac_restore(table, second, 5000);
    check_eq(owner_of(iso), 0);

    add(table, first, "/nonexistent/image", 0, 0, false);
    check(!dac_apply(first, 4711, 4711, 5000, &err));
    check_eq(error_code(err), ERROR_SYSTEM);
    dac_restore(table, first, 5000);
    dac_table_free(table);
    check_eq(g_unlink(iso) | g_unlink(own) | g_unlink(null) | g_rmdir(dir), 0);
}

static void replace_by_link(const char *path, const char *target)
{
    check_eq(g_unlink(path), 0);
    check_eq(symlink(target, path), 0);
    check_eq(lchown(path, 1234, 1234), 0);
}

/* The owner of a folder swaps a link to a file of root in: before it is lent, or before it comes back. */
TEST_FIBER(a_file_that_was_swapped_is_neither_lent_nor_given_back)
{
    if (geteuid() != 0)
        return;
    char *dir = check_make_dir();
    g_autofree char *users = g_build_filename(dir, "user", NULL);
    g_autofree char *disk = g_build_filename(users, "disk", NULL);
    g_autofree char *other = g_build_filename(users, "other", NULL);
    g_autofree char *secret = g_build_filename(dir, "secret", NULL);
    DacTable *table = dac_table_new();
    g_autoptr(GPtrArray) list = dac_list_new();
    g_autoptr(Error) err = NULL;

    check_eq(g_mkdir(users, 0755) | chown(users, 1234, 1234), 0);
    make_file(secret);
    make_file(disk);
    check_eq(chown(disk, 1234, 1234), 0);
    add(table, list, disk, 1234, 1234, false);
    check(dac_apply(list, 4711, 4711, 5000, &err));
    check_eq(owner_of(disk), 4711);
    check_eq(g_rename(disk, other), 0);
    make_file(disk);
    replace_by_link(disk, secret);
    dac_restore(table, list, 5000);
    check_eq(owner_of(secret), 0);

    check_eq(g_unlink(disk) | g_rename(other, disk) | chown(disk, 1234, 1234), 0);
    add(table, list, disk, 1234, 1234, false);
    replace_by_link(disk, secret);
    check(!dac_apply(list, 4711, 4711, 5000, &err));
    check_eq(error_code(err), ERROR_OPERATION_FAILED);
    check_eq(owner_of(secret), 0);
    dac_restore(table, list, 5000);
    check_eq(owner_of(secret), 0);
    dac_table_free(table);
    check_remove_dir(dir);
}

/* qemu-img convert and mv, while the machine runs. */
TEST_FIBER(a_file_that_a_tool_replaced_goes_back_too)
{
    if (geteuid() != 0)
        return;
    char *dir = check_make_dir();
    g_autofree char *disk = g_build_filename(dir, "disk", NULL);
    DacTable *table = dac_table_new();
    g_autoptr(GPtrArray) list = dac_list_new();
    g_autoptr(Error) err = NULL;

    make_file(disk);
    add(table, list, disk, 1234, 1234, false);
    check(dac_apply(list, 4711, 4711, 5000, &err));
    make_file(disk); /* g_file_set_contents() makes another file and renames it */
    check_eq(chown(disk, 4711, 4711), 0);
    dac_restore(table, list, 5000);
    check_eq(owner_of(disk), 1234);
    dac_table_free(table);
    check_remove_dir(dir);
}

static Host fake_host(Paths *paths, Config *config)
{
    *paths = (Paths){ 0 };
    *config = (Config){ .qemu_uid = 64055, .qemu_gid = 107, .dynamic_ownership = true };
    return (Host){ .paths = paths, .config = config };
}

static DomainDef *def_with(const char *seclabel)
{
    g_autofree char *xml =
        g_strdup_printf("<domain type='qemu'><name>a</name><memory>65536</memory><os><type "
                        "arch='x86_64'>hvm</type></os>%s</domain>",
                        seclabel);
    const DomainHooks hooks = { .host_arch = ARCH_X86_64 };
    DomainDef *def = NULL;
    g_autoptr(Error) err = NULL;
    const bool ok = domain_def_parse(xml, strlen(xml), 0, &hooks, &def, &err);

    check(ok);
    return def;
}

TEST(labels_decide_who_qemu_is_and_what_is_lent)
{
    static const struct {
        const char *seclabel, *label, *image_label;
        bool ok, wanted;
        uid_t uid;
    } cases[] = {
        { "", "+64055:+107", "+64055:+107", true, true, 64055 },
        { "<seclabel type='static' model='dac' relabel='yes'><label>+5:+6</label></seclabel>", "+5:+6",
          "+5:+6", true, true, 5 },
        { "<seclabel type='static' model='dac'><label>kvm</label></seclabel>", "kvm", NULL, false, false,
          64055 },
        { "<seclabel type='none' model='dac'/>", NULL, NULL, true, false, 64055 },
    };

    if (geteuid() != 0)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Paths paths;
        Config config;
        Host host = fake_host(&paths, &config);
        DomainDef *def = def_with(cases[i].seclabel);
        uid_t uid = 0;
        gid_t gid = 0;
        check_case(cases[i].seclabel);
        check_eq(dac_fill_seclabel(&host, def, 0, NULL), cases[i].ok);
        const SecurityLabel *label = g_ptr_array_index(def->seclabels, 0);
        check_eq(g_strcmp0(label->label, cases[i].label), 0);
        check_eq(g_strcmp0(label->image_label, cases[i].image_label), 0);
        dac_get_owner(&host, def, &uid, &gid);
        check_eq(uid, cases[i].uid);
        check_eq(dac_is_wanted(&host, def, NULL), cases[i].wanted);
        domain_def_free(def);
    }
}
