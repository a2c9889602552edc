/* What `zfs list -Hp` prints, as its manual page describes it: a line for each, columns between tabs, numbers
 * in bytes, "-" for what is not set. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "storage/pool_zfs.h"
#include "storage/volume_block.h"

static const BlockFound *find(const GPtrArray *found, guint i)
{
    return g_ptr_array_index(found, i);
}

TEST(volumes_right_below_the_pool_are_found)
{
    static const char text[] = "tank/full\t10737418240\t11095244800\t57344\t-\n"
                               "tank/sparse\t10737418240\t0\t57344\t-\n"
                               "tank/none\t1048576\tnone\t8192\t-\n"
                               "tank/folder/deep\t1048576\t0\t8192\t-\n"
                               "tanker/other\t1048576\t0\t8192\t-\n"
                               "tank/half\t1048576\t0\t8192\tyes\n"
                               "tank/nonsense\t-\t0\t8192\t-\n"
                               "tank\n\n";
    g_autoptr(GPtrArray) found = block_found_new();
    g_autoptr(GPtrArray) unfinished = g_ptr_array_new_with_free_func(g_free);

    zfs_add_volumes("tank", text, found, unfinished);
    check_eq(found->len, 3);
    check_str(find(found, 0)->def->name, "full");
    check_str(find(found, 0)->def->key, "tank/full");
    check_str(find(found, 0)->def->target.path, "/dev/zvol/tank/full");
    check_eq(find(found, 0)->def->capacity.value, 10737418240);
    /* What is reserved beside the data is no allocation of the volume. */
    check_eq(find(found, 0)->def->allocation.value, 10737418240);
    check_eq(find(found, 1)->def->allocation.value, 57344);
    check_str(find(found, 2)->def->name, "none");
    check_eq(find(found, 2)->def->allocation.value, 8192);
    check_eq(unfinished->len, 1);
    check_str(g_ptr_array_index(unfinished, 0), "tank/half");
}

TEST(a_pool_may_be_a_part_of_one_of_zfs)
{
    g_autoptr(GPtrArray) found = block_found_new();
    g_autoptr(GPtrArray) unfinished = g_ptr_array_new_with_free_func(g_free);

    zfs_add_volumes("tank/machines", "tank/machines/web\t1048576\t0\t8192\t-\ntank/web\t1\t0\t1\t-\n", found,
                    unfinished);
    check_eq(found->len, 1);
    check_str(find(found, 0)->def->name, "web");
    check_str(find(found, 0)->def->target.path, "/dev/zvol/tank/machines/web");
}
