/* Reads and writes sets of processors. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/cpumap.h"

#include <stdlib.h>
#include <string.h>

bool cpumap_has(const uint8_t *map, size_t len, unsigned cpu)
{
    return cpu / 8 < len && (map[cpu / 8] >> (cpu % 8)) & 1;
}

static bool cpumap_range(const char *text, unsigned n_cpus, unsigned *ret_first, unsigned *ret_last)
{
    char *end = NULL;
    if (!g_ascii_isdigit(text[0]))
        return false;
    unsigned long first = strtoul(text, &end, 10), last = first;
    if (*end == '-') {
        if (!g_ascii_isdigit(end[1]))
            return false;
        last = strtoul(end + 1, &end, 10);
    }
    if (*end || first > last || last >= n_cpus)
        return false;
    *ret_first = (unsigned)first;
    *ret_last = (unsigned)last;
    return true;
}

bool cpumap_parse(const char *text, unsigned n_cpus, uint8_t **ret_map, Error **err)
{
    g_autofree uint8_t *map = g_malloc0((n_cpus + 7) / 8 + 1);
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    bool any = false;
    for (char **part = parts; *part; part++) {
        const char *range = g_strstrip(*part);
        bool remove = range[0] == '^';
        unsigned first = 0, last = n_cpus - 1;
        if (strcmp(range, "r") != 0 && !cpumap_range(range + remove, n_cpus, &first, &last)) {
            error_set(err, ERROR_INVALID_ARGUMENT, "cpulist: '%s' is not a set of this host's CPUs", text);
            return error_hint(err, "write it as 0-3,^2 with numbers up to %u", n_cpus - 1);
        }
        for (unsigned cpu = first; cpu <= last; cpu++) {
            if (remove)
                map[cpu / 8] = (uint8_t)(map[cpu / 8] & ~(1u << (cpu % 8)));
            else
                map[cpu / 8] = (uint8_t)(map[cpu / 8] | (1u << (cpu % 8)));
        }
    }
    for (unsigned cpu = 0; cpu < n_cpus; cpu++)
        any = any || cpumap_has(map, (n_cpus + 7) / 8, cpu);
    if (!any)
        return error_set(err, ERROR_INVALID_ARGUMENT, "cpulist: '%s' selects no CPU", text);
    *ret_map = g_steal_pointer(&map);
    return true;
}

char *cpumap_format(const uint8_t *map, size_t len, unsigned n_cpus)
{
    GString *out = g_string_new(NULL);
    for (unsigned cpu = 0; cpu < n_cpus; cpu++) {
        if (!cpumap_has(map, len, cpu))
            continue;
        unsigned last = cpu;
        while (last + 1 < n_cpus && cpumap_has(map, len, last + 1))
            last++;
        g_string_append_printf(out, "%s%u", out->len ? "," : "", cpu);
        if (last > cpu)
            g_string_append_printf(out, "-%u", last);
        cpu = last;
    }
    return g_string_free(out, FALSE);
}

char *cpumap_picture(const uint8_t *map, size_t len, unsigned n_cpus)
{
    char *out = g_malloc0(n_cpus + 1);
    for (unsigned cpu = 0; cpu < n_cpus; cpu++)
        out[cpu] = cpumap_has(map, len, cpu) ? 'y' : '-';
    return out;
}
