/* Memory of this machine: totals and free per NUMA cell, huge pages, same-page merging. Always read anew. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "node"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "host/node_private.h"

/* Finds "... KEY:   NUMBER kB" in /proc/meminfo or a cell's meminfo ("Node 0 MemTotal: ..."). */
static bool meminfo_find(const char *text, const char *key, uint64_t *ret_kib)
{
    size_t key_len = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (g_str_has_prefix(line, "Node ")) {
            line += 5;
            while (g_ascii_isdigit(*line))
                line++;
            while (*line == ' ')
                line++;
        }
        if (strncmp(line, key, key_len) == 0 && line[key_len] == ':') {
            *ret_kib = g_ascii_strtoull(line + key_len + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

bool node_read_cell_memory(int cell, uint64_t *ret_total_kib, uint64_t *ret_free_kib)
{
    g_autofree char *text = cell >= 0 ? node_read("/sys/devices/system/node/node%d/meminfo", cell) : NULL;
    if (!text && cell <= 0) /* no NUMA in this kernel: cell 0 is the machine */
        text = node_read("/proc/meminfo");
    return text && meminfo_find(text, "MemTotal", ret_total_kib) &&
           meminfo_find(text, "MemFree", ret_free_kib);
}

static const NodeCell *find_cell(int id)
{
    const GPtrArray *cells = node_cells();
    for (unsigned i = 0; i < cells->len; i++) {
        const NodeCell *cell = g_ptr_array_index(cells, i);
        if (id >= 0 && cell->id == (unsigned)id)
            return cell;
    }
    return NULL;
}

static unsigned last_cell_id(void)
{
    const GPtrArray *cells = node_cells();
    return ((NodeCell *)g_ptr_array_index(cells, cells->len - 1))->id;
}

bool node_get_memory_stats(int cell, NodeMemoryStats *ret_stats, Error **err)
{
    if (cell < -1)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "cellNum in virNodeGetMemoryStats only accepts -1 as a negative value");
    if (cell >= 0 && !find_cell(cell))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "cellNum in virHostMemGetStats must be less than or equal to %u", last_cell_id());
    NodeMemoryStats stats = { .buffers_kib = UINT64_MAX, .cached_kib = UINT64_MAX };
    if (!node_read_cell_memory(cell, &stats.total_kib, &stats.free_kib))
        return error_set(err, ERROR_SYSTEM, "cannot read the memory statistics of the kernel");
    if (cell < 0) {
        g_autofree char *text = node_read("/proc/meminfo");
        (void)meminfo_find(text, "Buffers", &stats.buffers_kib);
        (void)meminfo_find(text, "Cached", &stats.cached_kib);
    }
    *ret_stats = stats;
    return true;
}

bool node_get_free_memory(uint64_t *ret_bytes, Error **err)
{
    const GPtrArray *cells = node_cells();
    uint64_t sum_kib = 0;
    for (unsigned i = 0; i < cells->len; i++) {
        uint64_t total_kib, free_kib;
        if (!node_read_cell_memory((int)((NodeCell *)g_ptr_array_index(cells, i))->id, &total_kib, &free_kib))
            return error_set(err, ERROR_SYSTEM, "cannot read the free memory of the kernel");
        sum_kib += free_kib;
    }
    *ret_bytes = sum_kib * 1024;
    return true;
}

bool node_get_cells_free_memory(int start_cell, int max_cells, GArray **ret_bytes, Error **err)
{
    unsigned last = last_cell_id();
    if (start_cell < 0 || (unsigned)start_cell > last)
        return error_set(err, ERROR_INTERNAL, "start cell %d out of range (0-%u)", start_cell, last);
    if (max_cells <= 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the number of cells must be positive");
    g_autoptr(GArray) bytes = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    int64_t end = MIN((int64_t)start_cell + max_cells, (int64_t)last + 1);
    for (int64_t cell = start_cell; cell < end; cell++) {
        uint64_t total_kib, free_kib = 0;
        if (!node_read_cell_memory((int)cell, &total_kib, &free_kib))
            free_kib = 0; /* a hole in the numbering of cells */
        free_kib *= 1024;
        g_array_append_val(bytes, free_kib);
    }
    *ret_bytes = g_steal_pointer(&bytes);
    return true;
}

/* One of nr_hugepages, free_hugepages. */
static bool read_huge_pages(int cell, unsigned size_kib, const char *what, uint64_t *ret_count)
{
    if (cell >= 0 && node_read_uint(ret_count, "/sys/devices/system/node/node%d/hugepages/hugepages-%ukB/%s",
                                    cell, size_kib, what))
        return true;
    if (cell > 0)
        return false;
    return node_read_uint(ret_count, "/sys/kernel/mm/hugepages/hugepages-%ukB/%s", size_kib, what);
}

static int compare_sizes(const void *a, const void *b)
{
    const unsigned *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static GArray *list_huge_page_sizes(int cell)
{
    g_autofree char *relative = cell >= 0 ? g_strdup_printf("/sys/devices/system/node/node%d/hugepages", cell)
                                          : g_strdup("/sys/kernel/mm/hugepages");
    g_autofree char *path = node_path(relative);
    if (cell == 0 && access(path, F_OK) < 0) {
        g_free(path);
        path = node_path("/sys/kernel/mm/hugepages");
    }
    GArray *sizes = g_array_new(FALSE, FALSE, sizeof(unsigned));
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL); /* sysfs: never waits */
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        unsigned size_kib;
        if (sscanf(name, "hugepages-%ukB", &size_kib) == 1)
            g_array_append_val(sizes, size_kib);
    }
    g_array_sort(sizes, compare_sizes);
    return sizes;
}

GArray *node_list_pages(int cell)
{
    GArray *pages = g_array_new(FALSE, FALSE, sizeof(NodePages));
    NodePages small = { .size_kib = (unsigned)(sysconf(_SC_PAGESIZE) / 1024) };
    g_array_append_val(pages, small);
    uint64_t huge_kib = 0, total_kib = 0, free_kib = 0;
    g_autoptr(GArray) sizes = list_huge_page_sizes(cell);
    for (unsigned i = 0; i < sizes->len; i++) {
        NodePages huge = { .size_kib = g_array_index(sizes, unsigned, i) };
        (void)read_huge_pages(cell, huge.size_kib, "nr_hugepages", &huge.count);
        huge_kib += huge.count * huge.size_kib;
        g_array_append_val(pages, huge);
    }
    (void)node_read_cell_memory(cell, &total_kib, &free_kib);
    /* memory set aside for huge pages cannot be had as small ones */
    g_array_index(pages, NodePages, 0).count =
        total_kib > huge_kib ? (total_kib - huge_kib) / small.size_kib : 0;
    return pages;
}

static bool count_free_pages(int cell, unsigned size_kib, uint64_t *ret_count, Error **err)
{
    unsigned small_kib = (unsigned)(sysconf(_SC_PAGESIZE) / 1024);
    if (size_kib == small_kib) {
        uint64_t total_kib = 0, free_bytes = 0;
        if (cell < 0) {
            if (!node_get_free_memory(&free_bytes, err))
                return false;
        } else if (node_read_cell_memory(cell, &total_kib, &free_bytes)) {
            free_bytes *= 1024;
        }
        *ret_count = free_bytes / 1024 / small_kib;
        return true;
    }
    if (read_huge_pages(cell, size_kib, "free_hugepages", ret_count))
        return true;
    if (cell < 0)
        return error_set(err, ERROR_OPERATION_FAILED, "page size %u is not available", size_kib);
    return error_set(err, ERROR_OPERATION_FAILED, "page size %u is not available on node %d", size_kib, cell);
}

bool node_get_free_pages(const unsigned *page_kib, size_t n_pages, int start_cell, unsigned n_cells,
                         GArray **ret_counts, Error **err)
{
    unsigned last = last_cell_id();
    if (start_cell < -1 || start_cell > (int)last)
        return error_set(err, ERROR_INTERNAL, "start cell %d out of range (0-%u)", start_cell, last);
    int64_t end = MIN((int64_t)start_cell + n_cells, (int64_t)last + 1);
    g_autoptr(GArray) counts = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    for (int64_t cell = start_cell; cell < end; cell++) {
        for (size_t i = 0; i < n_pages; i++) {
            uint64_t count = 0;
            if (!count_free_pages((int)cell, page_kib[i], &count, err))
                return false;
            g_array_append_val(counts, count);
        }
    }
    *ret_counts = g_steal_pointer(&counts);
    return true;
}

bool node_get_ksm(NodeKsm *ret_ksm, Error **err)
{
    static const struct {
        const char *file;
        size_t offset;
    } files[] = {
        { "run", offsetof(NodeKsm, run) },
        { "pages_to_scan", offsetof(NodeKsm, pages_to_scan) },
        { "sleep_millisecs", offsetof(NodeKsm, sleep_ms) },
        { "pages_shared", offsetof(NodeKsm, pages_shared) },
        { "pages_sharing", offsetof(NodeKsm, pages_sharing) },
        { "pages_unshared", offsetof(NodeKsm, pages_unshared) },
        { "pages_volatile", offsetof(NodeKsm, pages_volatile) },
        { "full_scans", offsetof(NodeKsm, full_scans) },
    };
    NodeKsm ksm = { 0 };
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        uint64_t *field = (uint64_t *)((char *)&ksm + files[i].offset);
        if (!node_read_uint(field, "/sys/kernel/mm/ksm/%s", files[i].file))
            return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                             "the kernel has no same-page merging (/sys/kernel/mm/ksm/%s is missing)",
                             files[i].file);
    }
    uint64_t merge;
    if (node_read_uint(&merge, "/sys/kernel/mm/ksm/merge_across_nodes")) {
        ksm.has_merge_across_nodes = true;
        ksm.merge_across_nodes = (unsigned)merge;
    }
    *ret_ksm = ksm;
    return true;
}
