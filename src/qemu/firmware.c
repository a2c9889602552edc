/* Firmware descriptors. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "firmware"
#include "qemu/firmware.h"

#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"

#define FIRMWARE_MAX_BYTES 65536

static const char *const firmware_dirs[] = { "/etc/qemu/firmware", "/usr/share/qemu/firmware" };

static bool firmware_has(const Json *array, const char *word)
{
    size_t i;
    Json *entry;
    json_array_foreach (array, i, entry) {
        if (g_strcmp0(json_string_value(entry), word) == 0)
            return true;
    }
    return false;
}

static Json *firmware_reduce_targets(const Json *document)
{
    Json *targets = json_array();
    size_t i;
    Json *entry;
    json_array_foreach (json_get_arr(document, "targets"), i, entry) {
        const char *arch = json_get_str(entry, "architecture");
        Json *machines = json_get_arr(entry, "machines");
        if (arch && machines)
            json_array_append_new(targets, json_pack("{s:s, s:O}", "arch", arch, "machines", machines));
    }
    return targets;
}

static Json *firmware_reduce(const char *file, const Json *document)
{
    const Json *mapping = json_get_obj(document, "mapping");
    const Json *executable = json_get_obj(mapping, "executable");
    const char *path = json_get_str(executable, "filename");
    if (!path) /* mapping "memory" has it directly */
        path = json_get_str(mapping, "filename");
    if (!path)
        return NULL;
    const char *nvram = json_get_str(json_get_obj(mapping, "nvram-template"), "filename");
    const char *format = json_get_str(executable, "format");
    const Json *features = json_get_arr(document, "features");
    Json *reduced =
        json_pack("{s:s, s:s, s:s, s:b, s:b, s:o}", "file", file, "executable", path, "format",
                  format ? format : "raw", "uefi",
                  firmware_has(json_get_arr(document, "interface-types"), "uefi"), "secure",
                  firmware_has(features, "secure-boot"), "targets", firmware_reduce_targets(document));
    if (reduced && nvram)
        json_object_set_new(reduced, "nvram", json_string(nvram));
    return reduced;
}

AWAITS static void firmware_load_file(const char *dir, const char *name, Json *list)
{
    g_autofree char *path = path_join(dir, name);
    g_autofree char *text = NULL;
    size_t len;
    g_autoptr(Error) err = NULL;
    AUTO_JSON document = NULL;
    if (!file_read(path, FIRMWARE_MAX_BYTES, &text, &len, &err)) {
        log_warning_error(err, "firmware descriptor");
        return;
    }
    if (len == 0) /* an empty file is how an administrator masks one of the distribution */
        return;
    if (!json_parse(text, len, path, &document, &err)) {
        log_warning_error(err, "firmware descriptor");
        return;
    }
    Json *reduced = firmware_reduce(path, document);
    if (reduced)
        json_array_append_new(list, reduced);
    else
        log_warning("firmware descriptor '%s' names no image", path);
}

typedef struct FirmwareName {
    char *name;
    const char *dir;
} FirmwareName;

static void firmware_name_free(FirmwareName *entry)
{
    g_free(entry->name);
    g_free(entry);
}

static int firmware_compare(const void *a, const void *b)
{
    const FirmwareName *x = *(FirmwareName *const *)a, *y = *(FirmwareName *const *)b;
    return strcmp(x->name, y->name);
}

static bool firmware_is_listed(const GPtrArray *names, const char *name)
{
    for (unsigned i = 0; i < names->len; i++)
        if (strcmp(((FirmwareName *)names->pdata[i])->name, name) == 0)
            return true;
    return false;
}

AWAITS static GPtrArray *firmware_list(void)
{
    GPtrArray *names = g_ptr_array_new_with_free_func((GDestroyNotify)firmware_name_free);
    for (size_t d = 0; d < G_N_ELEMENTS(firmware_dirs); d++) {
        g_autoptr(GPtrArray) found = NULL;
        g_autoptr(Error) err = NULL;
        if (!file_list_dir(firmware_dirs[d], &found, &err)) {
            log_warning_error(err, "firmware descriptors");
            continue;
        }
        for (unsigned i = 0; i < found->len; i++) {
            const char *name = found->pdata[i];
            if (!g_str_has_suffix(name, ".json") || firmware_is_listed(names, name))
                continue;
            FirmwareName *entry = g_new0(FirmwareName, 1);
            *entry = (FirmwareName){ .name = g_strdup(name), .dir = firmware_dirs[d] };
            g_ptr_array_add(names, entry);
        }
    }
    g_ptr_array_sort(names, firmware_compare);
    return names;
}

Json *firmware_load(void)
{
    Json *list = json_array();
    g_autoptr(GPtrArray) names = firmware_list();
    for (unsigned i = 0; i < names->len; i++) {
        const FirmwareName *entry = names->pdata[i];
        firmware_load_file(entry->dir, entry->name, list);
    }
    return list;
}

char *firmware_stamp(void)
{
    GString *stamp = g_string_new(NULL);
    for (size_t d = 0; d < G_N_ELEMENTS(firmware_dirs); d++) {
        struct stat st;
        if (stat(firmware_dirs[d], &st) == 0) /* on the root file system: it does not wait */
            g_string_append_printf(stamp, " %lld.%ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    }
    return g_string_free(stamp, FALSE);
}

bool firmware_matches(const Json *firmware, const char *arch, const char *machine)
{
    size_t i, j;
    Json *target, *pattern;
    json_array_foreach (json_get_arr(firmware, "targets"), i, target) {
        if (g_strcmp0(json_get_str(target, "arch"), arch) != 0)
            continue;
        json_array_foreach (json_get_arr(target, "machines"), j, pattern) {
            const char *text = json_string_value(pattern);
            if (text && g_pattern_match_simple(text, machine))
                return true;
        }
    }
    return false;
}
