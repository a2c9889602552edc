/* Memory of huge pages: the mounts of this host, and the machine's folder in those that its definition uses.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "hugepages"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/macros.h"
#include "machine/vm_private.h"

static void huge_pages_clear(void *data)
{
    g_free(((QemuHugePages *)data)->folder);
}

static uint64_t default_page_bytes(void)
{
    g_autofree char *text = file_read_kernel("/proc/meminfo");
    const char *line = text ? strstr(text, "\nHugepagesize:") : NULL;
    return line ? g_ascii_strtoull(line + strlen("\nHugepagesize:"), NULL, 10) * 1024 : 0;
}

/* "rw,relatime,pagesize=2M" */
static uint64_t mount_page_bytes(const char *options)
{
    const char *size = strstr(options, "pagesize=");
    char *end = NULL;
    uint64_t bytes = size ? g_ascii_strtoull(size + strlen("pagesize="), &end, 10) : 0;
    return !bytes        ? 0
           : *end == 'G' ? bytes << 30
           : *end == 'M' ? bytes << 20
           : *end == 'K' ? bytes << 10
                         : bytes;
}

GArray *vm_huge_pages_list(const char *dir_name)
{
    GArray *list = g_array_new(FALSE, TRUE, sizeof(QemuHugePages));
    g_autofree char *text = file_read_kernel("/proc/self/mounts");
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    const uint64_t usual = default_page_bytes();

    g_array_set_clear_func(list, huge_pages_clear);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", 5); /* device, folder, type, options */
        if (g_strv_length(words) < 4 || strcmp(words[2], "hugetlbfs") != 0)
            continue;
        const uint64_t said = mount_page_bytes(words[3]);
        g_autofree char *mount = g_strcompress(words[1]); /* blanks are \\040 */
        QemuHugePages entry = { .page_bytes = said ? said : usual,
                                .folder = path_join(mount, "libvirt", "qemu", dir_name) };
        if (entry.page_bytes == usual)
            g_array_prepend_val(list, entry);
        else
            g_array_append_val(list, entry);
    }
    return list;
}

/* Folders of root, down to the one that QEMU's user gets: nobody else can put links there. */
static bool make_folder(const char *path, uid_t uid, gid_t gid, bool give, Error **err)
{
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);

    if (!file_make_dirs(parent, 0755, err))
        return false;
    AUTO_FD dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || (mkdirat(dir, name, 0700) < 0 && errno != EEXIST))
        return error_set_errno(err, errno, "cannot make directory '%s'", path);
    AUTO_FD fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || (give && fchown(fd, uid, gid) < 0))
        return error_set_errno(err, errno, "cannot give '%s' to QEMU's user", path);
    return true;
}

bool vm_prepare_huge_pages(Vm *vm, GArray **ret_list, Error **err)
{
    const MemoryBacking *backing = vm->live->memory_backing;
    const bool give = !vm->host->paths->is_session && geteuid() == 0;
    g_autofree char *name = g_path_get_basename(vm->run->lib_dir);
    uid_t uid = 0;
    gid_t gid = 0;

    if (!backing || !backing->hugepages)
        return true;
    g_autoptr(GArray) list = vm_huge_pages_list(name);
    dac_get_owner(vm->host, vm->live, &uid, &gid);
    /* This file system is memory: it does not wait. */
    for (guint i = 0; i < list->len; i++) {
        if (!make_folder(g_array_index(list, QemuHugePages, i).folder, uid, gid, give, err))
            return false;
    }
    *ret_list = g_steal_pointer(&list);
    return true;
}

void vm_remove_huge_pages(const DomainDef *def, const char *lib_dir)
{
    if (!lib_dir || !def || !def->memory_backing || !def->memory_backing->hugepages)
        return;
    g_autofree char *name = g_path_get_basename(lib_dir);
    g_autoptr(GArray) list = vm_huge_pages_list(name);
    for (guint i = 0; i < list->len; i++) {
        g_autoptr(Error) err = NULL;
        if (!file_remove_tree(g_array_index(list, QemuHugePages, i).folder, &err))
            log_warning_error(err, "memory of huge pages");
    }
}
