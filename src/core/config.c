/* Reading the configuration: defaults of the table, then what the files say, then what follows from both.
 *
 * A value that is wrong stops the start: better no daemon than one that does not do what its owner wrote. A
 * key that is not known does not: files are shared with other versions and daemons. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "config"
#include "core/config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/units.h"
#include "base/uuid.h"
#include "core/config_keys.h"

/* While loading: which line of which file a value is from. */
typedef struct Origin {
    char *path;
    unsigned line; /* 0: default */
} Origin;

typedef struct Loader {
    const Paths *paths;
    Config *config;
    Origin *origins; /* by row */
} Loader;

static void config_origin_free(void *data)
{
    ConfigOrigin *origin = data;
    g_free(origin->value);
    g_free(origin->origin);
    g_free(origin);
}

void config_free(Config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config_keys_count; i++)
        config_key_clear(&config_keys[i], config);
    g_free(config->qemu_groups);
    g_clear_pointer(&config->origins, g_ptr_array_unref);
    g_free(config);
}

const GPtrArray *config_origins(const Config *config)
{
    return config->origins;
}

/* ---- files ---- */

static int find_row(const char *file, const char *name)
{
    for (size_t i = 0; i < config_keys_count; i++) {
        if (strcmp(config_keys[i].file, file) == 0 && strcmp(config_keys[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

static bool wrong_value(const ConfigFile *file, const ConfigValue *value, const char *expected, Error **err)
{
    return error_set(err, ERROR_CONFIG_SYNTAX, "%s:%u: %s must be %s", file->path, value->line, value->key,
                     expected);
}

/* What a type does not say about some values. */
static bool check_value(const ConfigFile *file, const ConfigValue *value, Error **err)
{
    Uuid uuid;
    if (strcmp(value->key, "host_uuid") == 0 && !uuid_parse(value->string, &uuid, NULL))
        return wrong_value(file, value, "a UUID whose digits are not all the same", err);
    if (strcmp(value->key, "nvram") == 0) {
        for (char **pair = value->list; *pair; pair++) {
            if (!strchr(*pair, ':'))
                return wrong_value(file, value, "a list of \"CODE:VARS\" pairs", err);
        }
    }
    if (strcmp(value->key, "log_outputs") == 0) {
        g_auto(GStrv) words = g_strsplit(value->string, " ", -1);
        for (char **word = words; *word; word++) {
            bool has_level = **word >= '1' && **word <= '4' && (*word)[1] == ':';
            const char *target = has_level ? *word + 2 : "";
            if (**word && strcmp(target, "stderr") != 0 && strcmp(target, "journald") != 0 &&
                !g_str_has_prefix(target, "file:/") && !g_str_has_prefix(target, "syslog:"))
                return wrong_value(file, value, "made of LEVEL:stderr, LEVEL:journald, LEVEL:file:/PATH",
                                   err);
        }
    }
    return true;
}

/* Whether somebody asks for the effect of a key: 0, "" and "none" switch it off. */
static bool asks_for_it(const ConfigValue *value)
{
    if (value->list)
        return value->list[0] != NULL;
    if (value->string)
        return *value->string && strcmp(value->string, "none") != 0 && strcmp(value->string, "dac") != 0;
    return value->number != 0;
}

static bool load_value(Loader *loader, const char *name, const ConfigFile *file, const ConfigValue *value,
                       GString *unused, Error **err)
{
    int i = find_row(name, value->key);
    if (i < 0) {
        log_warning("%s:%u: unknown key '%s' is ignored", file->path, value->line, value->key);
        return true;
    }
    const ConfigKey *key = &config_keys[i];
    if (key->type == CONFIG_KEY_UNUSED && key->doc && asks_for_it(value)) {
        log_warning("%s:%u: %s has no effect: not supported by this version: %s", file->path, value->line,
                    value->key, key->doc);
        return true;
    }
    if (key->type == CONFIG_KEY_UNUSED) {
        g_string_append_printf(unused, "%s%s (line %u)", unused->len ? ", " : "", value->key, value->line);
        return true;
    }
    if (strcmp(value->key, "lock_manager") == 0 && value->string && strcmp(value->string, "sanlock") == 0) {
        error_set(err, ERROR_CONFIG_SYNTAX, "%s:%u: lock_manager 'sanlock' is not supported", file->path,
                  value->line);
        return error_hint(err, "'lockd' keeps leases that other hosts see, without a daemon of its own");
    }
    if (!config_key_set(key, value, loader->config)) {
        g_autofree char *expected = config_key_describe(key);
        return wrong_value(file, value, expected, err);
    }
    if (!check_value(file, value, err))
        return false;
    g_free(loader->origins[i].path);
    loader->origins[i] = (Origin){ g_strdup(file->path), value->line };
    return true;
}

static bool load_file(Loader *loader, const char *name, const char *path, Error **err)
{
    g_autoptr(ConfigFile) file = NULL;
    if (!config_file_load(path, &file, err))
        return false;
    g_autoptr(GString) unused = g_string_new(NULL);
    for (unsigned i = 0; i < file->values->len; i++) {
        if (!load_value(loader, name, file, g_ptr_array_index(file->values, i), unused, err))
            return false;
    }
    if (unused->len)
        log_info("%s: these keys are known but have no effect here: %s", path, unused->str);
    return true;
}

/* ---- users ---- */

static const Origin *origin_of(const Loader *loader, const char *file, const char *name)
{
    int i = find_row(file, name);
    g_assert(i >= 0);
    return &loader->origins[i];
}

static bool said(const Loader *loader, const char *file, const char *name)
{
    return origin_of(loader, file, name)->line > 0;
}

/* "FILE:LINE: WHAT 'name' does not exist" */
static bool no_such(const Loader *loader, const char *file, const char *key, const char *name, Error **err)
{
    const Origin *origin = origin_of(loader, file, key);
    return error_set(err, ERROR_CONFIG_SYNTAX, "%s:%u: %s '%s' does not exist",
                     origin->path ? origin->path : file, origin->line, key, name);
}

/* "+107" and, where no user has that name, "107". */
static bool parse_id(const char *text, unsigned *ret_id)
{
    uint64_t id;
    if (!parse_uint(*text == '+' ? text + 1 : text, &id, NULL) || id >= UINT32_MAX)
        return false;
    *ret_id = (unsigned)id;
    return true;
}

static bool find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
    const struct passwd *user = *name == '+' ? NULL : getpwnam(name);
    unsigned id;
    if (!user) {
        if (!parse_id(name, &id))
            return false;
        *ret_uid = id;
        user = getpwuid(id);
        *ret_gid = user ? user->pw_gid : (gid_t)id;
        return true;
    }
    *ret_uid = user->pw_uid;
    *ret_gid = user->pw_gid;
    return true;
}

static bool find_group(const char *name, gid_t *ret_gid)
{
    const struct group *group = *name == '+' ? NULL : getgrnam(name);
    unsigned id;
    if (group)
        *ret_gid = group->gr_gid;
    else if (parse_id(name, &id))
        *ret_gid = id;
    else
        return false;
    return true;
}

static void load_supplementary_groups(Config *config)
{
    const struct passwd *user = getpwuid(config->qemu_uid);
    int count = user ? 64 : 0;
    config->qemu_groups = g_new(gid_t, 64);
    if (user && getgrouplist(user->pw_name, config->qemu_gid, config->qemu_groups, &count) < 0) {
        config->qemu_groups = g_renew(gid_t, config->qemu_groups, count);
        if (getgrouplist(user->pw_name, config->qemu_gid, config->qemu_groups, &count) < 0)
            count = 0;
    }
    /* The user's own group, too, where the configured one is another: on Debian it is kvm. */
    bool has_own = false;
    for (int i = 0; i < count; i++)
        has_own = has_own || config->qemu_groups[i] == user->pw_gid;
    if (count > 0 && !has_own) {
        config->qemu_groups = g_renew(gid_t, config->qemu_groups, count + 1);
        config->qemu_groups[count++] = user->pw_gid;
    }
    if (count <= 0) {
        config->qemu_groups[0] = config->qemu_gid;
        count = 1;
    }
    config->n_qemu_groups = (size_t)count;
}

static void set_text(char **field, const char *text)
{
    g_free(*field);
    *field = g_strdup(text);
}

static bool resolve_user(Loader *loader, Error **err)
{
    Config *config = loader->config;
    gid_t user_gid = 0;
    config->is_privileged = geteuid() == 0 && !loader->paths->is_session;
    if (!config->is_privileged) { /* nobody else's processes can be started */
        const struct passwd *user = getpwuid(geteuid());
        set_text(&config->user, user ? user->pw_name : NULL);
        if (!config->user)
            config->user = g_strdup_printf("+%u", (unsigned)geteuid());
        g_free(config->group);
        config->group = g_strdup_printf("+%u", (unsigned)getegid());
        config->qemu_uid = geteuid();
        config->qemu_gid = getegid();
        load_supplementary_groups(config);
        return true;
    }
    if (!config->user)
        config->user = g_strdup(getpwnam("libvirt-qemu") ? "libvirt-qemu" : "root");
    if (!find_user(config->user, &config->qemu_uid, &user_gid))
        return no_such(loader, "qemu.conf", "user", config->user, err);
    if (!config->group) {
        if (strcmp(config->user, "libvirt-qemu") == 0 && getgrnam("libvirt-qemu"))
            config->group = g_strdup("libvirt-qemu");
        else
            config->group = g_strdup_printf("+%u", (unsigned)user_gid);
    }
    if (!find_group(config->group, &config->qemu_gid))
        return no_such(loader, "qemu.conf", "group", config->group, err);
    load_supplementary_groups(config);
    return true;
}

/* ---- what follows from where we are ---- */

static bool resolve_sockets(Loader *loader, Error **err)
{
    Config *config = loader->config;
    /* The distribution's rule for the system's own sockets: everybody may knock, polkit decides, members of
     * the group libvirt need no password. A private root belongs to whoever made it. */
    bool is_system = config->is_privileged && !*loader->paths->root;
    gid_t gid;
    if (!config->unix_sock_dir)
        config->unix_sock_dir = g_strdup(loader->paths->run);
    if (said(loader, "libvirtd.conf", "unix_sock_group") && *config->unix_sock_group) {
        if (!find_group(config->unix_sock_group, &gid))
            return no_such(loader, "libvirtd.conf", "unix_sock_group", config->unix_sock_group, err);
    } else if (is_system && getgrnam("libvirt")) {
        set_text(&config->unix_sock_group, "libvirt");
    }
    if (is_system && !said(loader, "libvirtd.conf", "auth_unix_ro"))
        set_text(&config->auth_unix_ro, "polkit");
    if (is_system && !said(loader, "libvirtd.conf", "auth_unix_rw"))
        set_text(&config->auth_unix_rw, "polkit");
    /* without polkit the mode is all that protects the socket that may change things */
    if (!said(loader, "libvirtd.conf", "unix_sock_rw_perms") && strcmp(config->auth_unix_rw, "polkit") != 0)
        config->unix_sock_rw_perms = is_system && *config->unix_sock_group ? 0770 : 0700;
    return true;
}

static bool check_ranges(const Loader *loader, Error **err)
{
    static const struct {
        const char *min, *max;
        size_t min_offset, max_offset;
    } ranges[] = {
        { "remote_display_port_min", "remote_display_port_max", offsetof(Config, remote_display_port_min),
          offsetof(Config, remote_display_port_max) },
        { "remote_websocket_port_min", "remote_websocket_port_max",
          offsetof(Config, remote_websocket_port_min), offsetof(Config, remote_websocket_port_max) },
        { "machine_uid_min", "machine_uid_max", offsetof(Config, machine_uid_min),
          offsetof(Config, machine_uid_max) },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(ranges); i++) {
        unsigned min = *(unsigned *)((char *)loader->config + ranges[i].min_offset);
        unsigned max = *(unsigned *)((char *)loader->config + ranges[i].max_offset);
        const Origin *origin = origin_of(loader, "qemu.conf", ranges[i].max);
        if (!origin->line)
            origin = origin_of(loader, "qemu.conf", ranges[i].min);
        if (min > max)
            return error_set(err, ERROR_CONFIG_SYNTAX, "%s:%u: %s (%u) must not be above %s (%u)",
                             origin->path, origin->line, ranges[i].min, min, ranges[i].max, max);
    }
    return true;
}

static void resolve_host_uuid(Config *config)
{
    Uuid uuid;
    if (config->host_uuid || strcmp(config->host_uuid_source, "machine-id") != 0)
        return;
    g_autofree char *id = file_read_kernel("/etc/machine-id");
    char text[UUID_STRING_LEN];
    if (!id || !uuid_parse(id, &uuid, NULL)) {
        log_warning("host_uuid_source is machine-id, but /etc/machine-id holds none");
        return;
    }
    uuid_format(&uuid, text);
    config->host_uuid = g_strdup(text);
}

static void list_origins(Loader *loader)
{
    Config *config = loader->config;
    config->origins = g_ptr_array_new_with_free_func(config_origin_free);
    for (size_t i = 0; i < config_keys_count; i++) {
        const ConfigKey *key = &config_keys[i];
        if (key->type == CONFIG_KEY_UNUSED)
            continue;
        ConfigOrigin *origin = g_new0(ConfigOrigin, 1);
        origin->file = key->file;
        origin->key = key->name;
        origin->doc = key->doc;
        origin->value = config_key_format(key, config);
        origin->origin = loader->origins[i].line
                             ? g_strdup_printf("%s:%u", loader->origins[i].path, loader->origins[i].line)
                             : g_strdup("default");
        g_ptr_array_add(config->origins, origin);
    }
}

static bool load_all(Loader *loader, const char *libvirtd_conf, Error **err)
{
    const Paths *paths = loader->paths;
    g_autofree char *first = libvirtd_conf ? g_strdup(libvirtd_conf) : path_join(paths->etc, "libvirtd.conf");
    g_autofree char *second = path_join(paths->etc, "qemu.conf");
    g_autofree char *third = path_join(paths->etc, "qemu-lockd.conf");
    if (libvirtd_conf && access(libvirtd_conf, R_OK) < 0)
        return error_set_errno(err, errno, "cannot read the configuration file '%s'", libvirtd_conf);
    if (!load_file(loader, "libvirtd.conf", first, err) || !load_file(loader, "qemu.conf", second, err) ||
        !load_file(loader, "qemu-lockd.conf", third, err))
        return false;
    if (!resolve_user(loader, err) || !resolve_sockets(loader, err) || !check_ranges(loader, err))
        return false;
    if (!said(loader, "qemu-lockd.conf", "require_lease_for_disks"))
        loader->config->require_lease_for_disks = !loader->config->auto_disk_leases;
    if (!loader->config->auto_dump_path)
        loader->config->auto_dump_path = g_strdup(paths->dump);
    resolve_host_uuid(loader->config);
    list_origins(loader);
    return true;
}

bool config_load(const Paths *paths, const char *libvirtd_conf, Config **ret_config, Error **err)
{
    g_autoptr(Config) config = g_new0(Config, 1);
    g_autofree Origin *origins = g_new0(Origin, config_keys_count);
    Loader loader = { .paths = paths, .config = config, .origins = origins };
    for (size_t i = 0; i < config_keys_count; i++)
        config_key_set_default(&config_keys[i], config);
    bool ok = load_all(&loader, libvirtd_conf, err);
    for (size_t i = 0; i < config_keys_count; i++)
        g_free(origins[i].path);
    if (ok)
        *ret_config = g_steal_pointer(&config);
    return ok;
}
