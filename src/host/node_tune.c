/* What of this machine can be changed: same-page merging, pools of huge pages, sleep. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/macros.h"
#include "host/node.h"
#include "host/node_private.h"

static bool node_write(const char *relative, const char *text, Error **err)
{
    g_autofree char *path = node_path(relative);
    AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return error_set_errno(err, errno, "cannot write '%s' to '%s'", text, path);
    return true;
}

bool node_set_ksm(const char *name, uint64_t value, Error **err)
{
    g_autofree char *path = g_strdup_printf("/sys/kernel/mm/ksm/%s", name);
    g_autofree char *text = g_strdup_printf("%" PRIu64, value);

    return node_write(path, text, err);
}

/* The kernel may make fewer pages than it was asked for. */
static bool set_pages(int cell, unsigned size_kib, uint64_t count, bool add, Error **err)
{
    g_autofree char *path =
        g_strdup_printf("/sys/devices/system/node/node%d/hugepages/hugepages-%ukB/nr_hugepages", cell,
                        size_kib);
    uint64_t now = 0;

    if (cell == 0 && !node_read_uint(&now, "%s", path)) {
        g_free(path);
        path = g_strdup_printf("/sys/kernel/mm/hugepages/hugepages-%ukB/nr_hugepages", size_kib);
    }
    if (!node_read_uint(&now, "%s", path))
        return error_set(err, ERROR_OPERATION_FAILED, "page size %u is not available on node %d", size_kib,
                         cell);
    const uint64_t wanted = add ? now + count : count;
    g_autofree char *text = g_strdup_printf("%" PRIu64, wanted);
    if (!node_write(path, text, err))
        return false;
    if (node_read_uint(&now, "%s", path) && now < wanted)
        return error_set(err, ERROR_OPERATION_FAILED,
                         "Unable to allocate %" PRIu64 " pages. Allocated only %" PRIu64, wanted, now);
    return true;
}

bool node_alloc_pages(const unsigned *page_kib, const uint64_t *counts, size_t n_pages, int start_cell,
                      unsigned n_cells, bool add, unsigned *ret_done, Error **err)
{
    const int last = (int)node_cells()->len - 1;
    unsigned done = 0;

    if (start_cell < -1 || start_cell > last)
        return error_set(err, ERROR_INTERNAL, "start cell %d out of range (0-%d)", start_cell, last);
    const int first = MAX(start_cell, 0);
    const int64_t end = start_cell < 0 ? last + 1 : MIN((int64_t)start_cell + n_cells, (int64_t)last + 1);
    for (int64_t cell = first; cell < end; cell++) {
        for (size_t i = 0; i < n_pages; i++) {
            if (page_kib[i] == (unsigned)(sysconf(_SC_PAGESIZE) / 1024))
                return error_set(err, ERROR_OPERATION_UNSUPPORTED, "system pages pool can't be modified");
            if (!set_pages((int)cell, page_kib[i], counts[i], add, err))
                return false;
            done++;
        }
    }
    *ret_done = done;
    return true;
}

/* ---- sleep ---- */

static const struct {
    const char *name, *state, *mode;
} sleep_rows[] = {
    { "Suspend-to-RAM", "mem", NULL },
    { "Suspend-to-Disk", "disk", "platform" },
    { "Hybrid-Suspend", "disk", "suspend" },
};

static bool has_word(const char *relative, const char *word)
{
    g_autofree char *path = node_path(relative);
    g_autofree char *text = file_read_kernel(path);
    g_auto(GStrv) words = g_strsplit_set(text ? text : "", " []", -1);

    return g_strv_contains((const char *const *)words, word);
}

bool node_check_suspend(unsigned target, Error **err)
{
    if (target >= G_N_ELEMENTS(sleep_rows))
        return error_set(err, ERROR_INVALID_ARGUMENT, "Invalid suspend target %u", target);
    if (has_word("/sys/power/state", sleep_rows[target].state) &&
        (target != 2 || has_word("/sys/power/disk", sleep_rows[target].mode)))
        return true;
    error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "%s", sleep_rows[target].name);
    return error_hint(err, "/sys/power/state says how this host can sleep");
}

bool node_suspend(unsigned target, uint64_t seconds, Error **err)
{
    g_autofree char *alarm = g_strdup_printf("+%" PRIu64, seconds);

    /* An alarm of before would be in the way. */
    if (!node_check_suspend(target, err) || !node_write("/sys/class/rtc/rtc0/wakealarm", "0", err) ||
        !node_write("/sys/class/rtc/rtc0/wakealarm", alarm, err) ||
        (sleep_rows[target].mode && !node_write("/sys/power/disk", sleep_rows[target].mode, err)))
        return false;
    return node_write("/sys/power/state", sleep_rows[target].state, err);
}
