/* Firmware descriptors. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "firmware"
#include "qemu/firmware.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "conf/domain_defaults.h"
#include "conf/domain_rows.h"

#define FIRMWARE_MAX_BYTES 65536

/* In the order of precedence; the user's own count for a daemon that is the user's. NULL-terminated. */
static char **firmware_dirs(void)
{
    GPtrArray *dirs = g_ptr_array_new();
    if (geteuid() != 0)
        g_ptr_array_add(dirs, g_build_filename(g_get_user_config_dir(), "qemu/firmware", NULL));
    g_ptr_array_add(dirs, g_strdup("/etc/qemu/firmware"));
    g_ptr_array_add(dirs, g_strdup("/usr/share/qemu/firmware"));
    g_ptr_array_add(dirs, NULL);
    return (char **)g_ptr_array_free(dirs, FALSE);
}

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
    const Json *template = json_get_obj(mapping, "nvram-template");
    const char *path = json_get_str(executable, "filename");
    if (!path) /* mapping "memory" has it directly */
        path = json_get_str(mapping, "filename");
    if (!path)
        return NULL;
    Json *reduced = json_pack("{s:s, s:s, s:o}", "file", file, "executable", path, "targets",
                              firmware_reduce_targets(document));
    if (!reduced)
        return NULL;
    json_object_set(reduced, "types", json_get_arr(document, "interface-types"));
    json_object_set(reduced, "features", json_get_arr(document, "features"));
    const struct {
        const char *name, *value;
    } words[] = { { "device", json_get_str(mapping, "device") },
                  { "mode", json_get_str(mapping, "mode") },
                  { "format", json_get_str(executable, "format") },
                  { "nvram", json_get_str(template, "filename") },
                  { "nvram-format", json_get_str(template, "format") } };
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (words[i].value)
            json_object_set_new(reduced, words[i].name, json_string(words[i].value));
    }
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
    char *dir;
} FirmwareName;

static void firmware_name_free(FirmwareName *entry)
{
    g_free(entry->name);
    g_free(entry->dir);
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
    g_auto(GStrv) dirs = firmware_dirs();
    for (char **dir = dirs; *dir; dir++) {
        g_autoptr(GPtrArray) found = NULL;
        g_autoptr(Error) err = NULL;
        if (!file_list_dir(*dir, &found, &err)) {
            log_warning_error(err, "firmware descriptors");
            continue;
        }
        for (unsigned i = 0; i < found->len; i++) {
            const char *name = found->pdata[i];
            if (!g_str_has_suffix(name, ".json") || firmware_is_listed(names, name))
                continue;
            FirmwareName *entry = g_new0(FirmwareName, 1);
            *entry = (FirmwareName){ .name = g_strdup(name), .dir = g_strdup(*dir) };
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

/* On the root file system: these do not wait. */
static void firmware_stamp_add(GString *stamp, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0)
        g_string_append_printf(stamp, " %lld.%ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

char *firmware_stamp(void)
{
    GString *stamp = g_string_new(NULL);
    g_auto(GStrv) dirs = firmware_dirs();
    for (char **dir = dirs; *dir; dir++) {
        GDir *listing = g_dir_open(*dir, 0, NULL);
        firmware_stamp_add(stamp, *dir);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
            g_autofree char *path = path_join(*dir, name);
            firmware_stamp_add(stamp, path);
        }
        if (listing)
            g_dir_close(listing);
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

bool firmware_has_feature(const Json *firmware, const char *name)
{
    return firmware_has(json_get_arr(firmware, "features"), name);
}

bool firmware_has_type(const Json *firmware, const char *name)
{
    return firmware_has(json_get_arr(firmware, "types"), name);
}

/* ---- choosing ---- */

static bool is_word(const Json *firmware, const char *key, const char *fallback, const char *wanted)
{
    const char *word = json_get_str(firmware, key);
    return strcmp(word ? word : fallback, wanted) == 0;
}

static Tristate wanted_feature(const OsDef *os, const char *name)
{
    for (DEF_EACH(FirmwareFeature, feature, os->firmware_features)) {
        if (strcmp(feature->name, name) == 0)
            return feature->enabled;
    }
    return TRISTATE_ABSENT;
}

static bool feature_fits(const Json *firmware, const char *name, Tristate wanted)
{
    return wanted == TRISTATE_ABSENT || firmware_has_feature(firmware, name) == (wanted == TRISTATE_ON);
}

static bool firmware_fits(const Json *firmware, const DomainDef *def)
{
    const OsDef *os = &def->os;
    const char *arch = os->arch == ARCH_I686     ? "i386"
                       : os->arch == ARCH_ARMV7L ? "arm"
                                                 : enum_name(&arch_names, os->arch);
    const char *type = os->firmware == OS_FIRMWARE_EFI ? "uefi" : "bios";
    const bool stateless = os->loader && os->loader->stateless == TRISTATE_ON;
    Tristate secure = wanted_feature(os, "secure-boot");

    if (os->loader && os->loader->secure == TRISTATE_ON)
        secure = TRISTATE_ON;
    if (!firmware_has_type(firmware, type) || !firmware_matches(firmware, arch, os->machine) ||
        !feature_fits(firmware, "secure-boot", secure) ||
        !feature_fits(firmware, "enrolled-keys", wanted_feature(os, "enrolled-keys")))
        return false;
    if (is_word(firmware, "device", "flash", "memory"))
        return !stateless;
    if (!is_word(firmware, "device", "flash", "flash") || !is_word(firmware, "format", "raw", "raw"))
        return false;
    if (stateless)
        return is_word(firmware, "mode", "split", "stateless");
    return is_word(firmware, "mode", "split", "split") && is_word(firmware, "nvram-format", "raw", "raw") &&
           json_get_str(firmware, "nvram");
}

static bool firmware_need_smm(DomainDef *def, Error **err)
{
    if (!def->features)
        def->features = xml_table_new(&features_table);
    if (def->features->has_smm && def->features->smm == TRISTATE_OFF)
        return error_set(err, ERROR_INVALID_STATE,
                         "domain has SMM turned off but chosen firmware requires it");
    def->features->has_smm = true;
    def->features->smm = TRISTATE_ON;
    def->os.loader->secure = TRISTATE_ON;
    return true;
}

static void firmware_use(const Json *firmware, DomainDef *def, const char *nvram_dir)
{
    OsLoader *loader = def->os.loader;
    const bool in_flash = is_word(firmware, "device", "flash", "flash");

    loader->path = g_strdup(json_get_str(firmware, "executable"));
    loader->type = in_flash ? LOADER_TYPE_PFLASH : LOADER_TYPE_ROM;
    if (in_flash)
        loader->readonly = TRISTATE_ON;
    def->os.firmware = OS_FIRMWARE_ABSENT;
    if (!domain_keeps_variables(def))
        return;
    OsNvram *nvram = def->os.nvram;
    if (!nvram)
        nvram = def->os.nvram = xml_table_new(&nvram_table);
    nvram->template_path = g_strdup(json_get_str(firmware, "nvram"));
    if (!nvram->path && nvram->source_type == STORAGE_TYPE_ABSENT)
        nvram->path = firmware_nvram_path(nvram_dir, def->name);
}

char *firmware_nvram_path(const char *nvram_dir, const char *name)
{
    return g_strdup_printf("%s/%s_VARS.fd", nvram_dir, name);
}

bool firmware_choose(const Json *list, DomainDef *def, const char *nvram_dir, Error **err)
{
    size_t i;
    Json *firmware;
    if (!def->os.firmware)
        return true;
    json_array_foreach (list, i, firmware) {
        if (!firmware_fits(firmware, def))
            continue;
        if (!def->os.loader)
            def->os.loader = g_new0(OsLoader, 1);
        if (firmware_has_feature(firmware, "requires-smm") && !firmware_need_smm(def, err))
            return false;
        firmware_use(firmware, def, nvram_dir);
        return true;
    }
    error_set(err, ERROR_OPERATION_FAILED, "Unable to find any firmware to satisfy '%s'",
              enum_name(&os_firmware_names, def->os.firmware));
    return error_hint(err, "'lodge domcapabilities' shows what this host has; Debian's package is ovmf");
}

const char *firmware_find_template(const Json *list, const char *executable)
{
    size_t i;
    Json *firmware;
    json_array_foreach (list, i, firmware) {
        if (g_strcmp0(json_get_str(firmware, "executable"), executable) == 0 &&
            is_word(firmware, "nvram-format", "raw", "raw"))
            return json_get_str(firmware, "nvram");
    }
    return NULL;
}
