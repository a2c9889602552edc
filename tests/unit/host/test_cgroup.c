/* Control groups, in a tree of plain folders: names, steps, and what a host offers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <sys/stat.h>

#include "base/file.h"
#include "host/cgroup.h"

static char *root;

static void begin(void)
{
    root = g_dir_make_tmp("cgroup-XXXXXX", NULL);
    g_autofree char *mount = path_join(root, "sys/fs/cgroup");
    g_autofree char *file = path_join(mount, "cgroup.controllers");
    g_assert(g_mkdir_with_parents(mount, 0755) == 0);
    g_assert(g_file_set_contents(file, "cpuset cpu io memory hugetlb pids rdma\n", -1, NULL));
}

static void end(void)
{
    g_assert(file_remove_tree(root, NULL));
    g_clear_pointer(&root, g_free);
}

TEST(partitions_are_slices)
{
    static const struct {
        const char *partition, *slice;
    } cases[] = {
        { "/machine", "machine.slice" },
        { "/machine/fast", "machine.slice/machine-fast.slice" },
        { "/a/b/c", "a.slice/a-b.slice/a-b-c.slice" },
        { "machine", NULL },
        { "/", NULL },
        { "/machine/", NULL },
        { "/machine/../etc", NULL },
        { "/machine/a-b", NULL },
        { "/1/2/3/4/5/6/7/8/9", NULL },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autofree char *slice = NULL;
        check_case(cases[i].partition);
        check_eq(cgroup_slice(cases[i].partition, &slice, &err), cases[i].slice != NULL);
        check_str(slice, cases[i].slice);
        check_eq(error_code(err), cases[i].slice ? ERROR_NONE : ERROR_CONFIG_UNSUPPORTED);
    }
}

TEST(scopes_are_escaped_as_systemd_does)
{
    g_autofree char *plain = cgroup_scope("qemu-1-web");
    g_autofree char *odd = cgroup_scope("qemu-2-a b/c.d");

    check_str(plain, "machine-qemu\\x2d1\\x2dweb.scope");
    check_str(odd, "machine-qemu\\x2d2\\x2da\\x20b\\x2fc.d.scope");
}

TEST(a_host_offers_what_its_hierarchy_has)
{
    begin();
    CgroupHost *host = cgroup_host_new(root);
    CgroupHost *none = cgroup_host_new("/nonexistent");

    check_eq(host->controllers, CGROUP_CPU | CGROUP_CPUSET | CGROUP_IO | CGROUP_MEMORY);
    check_eq(none->controllers, 0);
    check_str(none->mount, NULL);
    check_str(cgroup_host_explain(none, CGROUP_CPU), "no cgroup version 2 is mounted on this host");
    cgroup_host_free(host);
    cgroup_host_free(none);
    end();
}

TEST(steps_are_done_in_order_up_to_the_first_that_fails)
{
    begin();
    g_autofree char *group = path_join(root, "sys/fs/cgroup/a.slice");
    g_autofree char *missing = path_join(root, "sys/fs/cgroup/b.slice");
    CgroupBatch *batch = cgroup_batch_new();
    g_autoptr(Error) err = NULL;

    check(cgroup_batch_is_empty(batch));
    cgroup_add_make(batch, group);
    cgroup_add_make(batch, group); /* it is there: fine */
    cgroup_add_enable(batch, group, CGROUP_CPU | CGROUP_MEMORY);
    cgroup_add_write(batch, group, "cpu.max", "%d %d", 50000, 100000);
    check(cgroup_batch_run(batch, NULL));
    g_autofree char *max = cgroup_read(group, "cpu.max");
    g_autofree char *given = cgroup_read(group, "cgroup.subtree_control");
    check_str(max, "50000 100000");
    check_str(given, "+cpu +memory");

    batch = cgroup_batch_new();
    cgroup_add_write(batch, missing, "cpu.max", "max");
    cgroup_add_write(batch, group, "cpu.max", "max");
    check(!cgroup_batch_run(batch, &err));
    check_eq(error_code(err), ERROR_SYSTEM);
    check(strstr(error_message(err), "cannot write 'max' to"));
    g_autofree char *still = cgroup_read(group, "cpu.max");
    check_str(still, "50000 100000");
    end();
}

TEST(groups_are_removed_with_those_in_them)
{
    begin();
    g_autofree char *group = path_join(root, "sys/fs/cgroup/a.slice");
    g_autofree char *child = path_join(group, "libvirt");
    CgroupBatch *batch = cgroup_batch_new();

    cgroup_add_make(batch, group);
    cgroup_add_make(batch, child);
    check(cgroup_batch_run(batch, NULL));
    check(cgroup_exists(child));
    check(cgroup_remove(group, NULL));
    check(!cgroup_exists(group));
    check(cgroup_remove(group, NULL)); /* is gone already */
    end();
}
