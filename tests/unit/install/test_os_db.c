/* What is known of operating systems. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <glib/gstdio.h>

#include "install/os_db.h"

#define holds(what) check_eq(!!(what), true)

/* A database of three systems. */
static OsDb *small_db(void)
{
    static const char text[] =
        "<libosinfo><os id='http://x.org/x/1'><short-id>x1</short-id><name>X "
        "1</name><family>linux</family><distro>debian</distro>"
        "<devices><device id='http://pcisig.com/pci/1af4/1001'/><device "
        "id='http://qemu.org/chipset/x86/q35'/></devices>"
        "<resources arch='all'><minimum><n-cpus>1</n-cpus><ram>1024</ram></minimum></resources>"
        "<media arch='x86_64'><iso><volume-id>^X "
        "1\\..*</volume-id></iso><kernel>k</kernel><initrd>i</initrd></media></os>"
        "<os id='http://x.org/x/2'><short-id>x2</short-id><derives-from id='http://x.org/x/1'/><devices>"
        "<device id='http://pcisig.com/pci/1af4/1001' supported='false'/></devices><firmware arch='x86_64' "
        "type='bios' supported='false'/>"
        "<tree arch='x86_64'><treeinfo><family>X</family><version>2</version></treeinfo></tree></os>"
        "<os id='http://x.org/x/10'><short-id>x10</short-id><derives-from "
        "id='http://x.org/x/10'/></os></libosinfo>";
    g_autofree char *top = g_dir_make_tmp("os-XXXXXX", NULL);
    g_autofree char *vendor = g_build_filename(top, "os", "x.org", NULL),
                    *file = g_build_filename(vendor, "x.xml", NULL),
                    *broken = g_build_filename(vendor, "b.xml", NULL),
                    *above = g_build_filename(top, "os", NULL);
    const char *const folders[] = { top, "/nonexistent", NULL };

    check_eq(g_mkdir_with_parents(vendor, 0700), 0);
    holds(g_file_set_contents(file, text, -1, NULL) &&
          g_file_set_contents(broken, "<libosinfo><os", -1, NULL));
    OsDb *db = os_db_new(folders);
    (void)g_unlink(file);
    (void)g_unlink(broken);
    (void)g_rmdir(vendor);
    (void)g_rmdir(above);
    (void)g_rmdir(top);
    return db;
}

TEST(what_a_system_inherits_can_be_taken_back)
{
    g_autoptr(OsDb) db = small_db();
    OsFacts one, two, ten;

    holds(os_db_find(db, "x1", &one) && os_db_find(db, "http://x.org/x/2", &two));
    holds(one.has_virtio_block && one.has_q35 && !one.needs_efi);
    holds(!two.has_virtio_block && two.has_q35 && two.needs_efi);
    check_eq(one.vcpus, 2);
    check_eq(one.ram_bytes, 2048);
    holds(os_db_find(db, "x10", &ten)); /* derives from itself */
    check_eq(os_db_find(db, "y", &ten), false);
}

TEST(an_unknown_version_gets_the_nearest_one_before_it)
{
    static const struct {
        const char *name, *nearest;
    } cases[] = { { "x3", "x2" },  { "x99", "x10" }, { "x0", "x1" }, { "x2.5", "x2" },
                  { "xy3", NULL }, { "3", NULL },    { "", NULL } };
    g_autoptr(OsDb) db = small_db();

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        OsFacts facts = { 0 };
        check_case(cases[i].name);
        check_eq(os_db_nearest(db, cases[i].name, &facts), cases[i].nearest != NULL);
        holds(g_strcmp0(facts.short_id, cases[i].nearest) == 0);
    }
}

TEST(media_and_trees_are_recognised)
{
    g_autoptr(OsDb) db = small_db();
    const IsoLabel known = { .volume = "X 1.2" }, other = { .volume = "Y 1.2" };
    OsMedia media = { 0 };

    holds(os_db_detect_iso(db, &known, &media));
    holds(strcmp(media.os.short_id, "x1") == 0 && strcmp(media.kernel, "k") == 0);
    check_eq(os_db_detect_iso(db, &other, &media), false);
    holds(os_db_detect_tree(db, "[general]\nfamily=X\nversion=2\n", &media) &&
          strcmp(media.os.short_id, "x2") == 0);
    check_eq(os_db_detect_tree(db, "[general]\nfamily=Z\n", &media), false);
    check_eq(os_db_detect_tree(db, "no treeinfo", &media), false);
}
