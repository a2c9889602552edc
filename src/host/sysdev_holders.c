/* Who has a device open: when its driver does not let go of it, these are the ones to end. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "host/sysdev.h"

#define HOLDERS_MAX 16

/* Is the node that @link (of /proc/PID/fd) leads to one of the device at @path? */
static bool is_node_of(const char *link, const char *path)
{
    g_autofree char *target = g_file_read_link(link, NULL);
    struct stat st;

    /* Only what lies in /dev: looking at a file on dead storage would not end. */
    if (!target || !g_str_has_prefix(target, "/dev/") || stat(link, &st) < 0 ||
        !(S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
        return false;
    g_autofree char *by_number = g_strdup_printf("/sys/dev/%s/%u:%u", S_ISCHR(st.st_mode) ? "char" : "block",
                                                 major(st.st_rdev), minor(st.st_rdev));
    char *real = realpath(by_number, NULL);
    const size_t len = strlen(path);
    const bool is_it = real && strncmp(real, path, len) == 0 && (!real[len] || real[len] == '/');
    free(real);
    return is_it;
}

static bool holds(const char *pid, const char *path)
{
    g_autofree char *folder = g_strdup_printf("/proc/%s/fd", pid);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);

    for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir)) {
        g_autofree char *link = path_join(folder, name);
        if (is_node_of(link, path))
            return true;
    }
    return false;
}

char *sysdev_find_holders(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    GString *out = g_string_new(NULL);
    unsigned found = 0;

    for (const char *pid = dir ? g_dir_read_name(dir) : NULL; pid; pid = g_dir_read_name(dir)) {
        if (!g_ascii_isdigit(*pid) || !holds(pid, path))
            continue;
        if (++found > HOLDERS_MAX) {
            g_string_append(out, " ...");
            break;
        }
        g_autofree char *file = g_strdup_printf("/proc/%s/comm", pid);
        g_autofree char *comm = file_read_kernel(file);
        g_string_append_printf(out, "%s%s (pid %s)", out->len ? ", " : "", comm ? comm : "?", pid);
    }
    if (out->len)
        return g_string_free(out, FALSE);
    g_string_free(out, TRUE);
    return NULL;
}
