/* AppArmor gives each machine a profile of its own, "libvirt-UUID": what every QEMU needs, its own folders,
 * and the files that this machine was lent. QEMU enters it by its exec; the profile is replaced before a new
 * file comes and removed when the machine has ended. Its text exists in the kernel only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "security"
#include "machine/vm_security.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "conf/domain_rows.h"
#include "machine/vm_private.h"
#include "machine/vm_users.h"
#include "qemu/device.h"
#include "storage/path_look.h"
#include "storage/tool.h"

#define APPARMOR "apparmor"
#define LOAD_TIMEOUT_MS 30000

static bool is_chosen(const Host *host)
{
    return host->config->security_driver &&
           g_strv_contains((const char *const *)host->config->security_driver, APPARMOR);
}

static bool is_there(void)
{
    g_autofree char *enabled = file_read_kernel("/sys/module/apparmor/parameters/enabled");

    return enabled && *enabled == 'Y' && access("/sys/kernel/security/apparmor/.replace", F_OK) == 0;
}

const char *security_model(const Host *host)
{
    return is_chosen(host) && is_there() ? APPARMOR : "none";
}

/* ---- labels ---- */

static SecurityLabel *find_label(const DomainDef *def, const char *model)
{
    for (DEF_EACH(SecurityLabel, label, def->seclabels)) {
        if (g_strcmp0(label->model, model) == 0)
            return label;
    }
    return NULL;
}

static bool check_labels(const Host *host, const GPtrArray *labels, Error **err)
{
    for (DEF_EACH(SecurityLabel, label, labels)) {
        const char *model = label->model ? label->model : "none";
        if (strcmp(model, "none") == 0 || strcmp(model, "dac") == 0 ||
            strcmp(model, security_model(host)) == 0)
            continue;
        error_set(err, ERROR_CONFIG_UNSUPPORTED, "Security driver model '%s' is not available", model);
        if (strcmp(model, APPARMOR) == 0)
            error_hint(err, is_there() ? "security_driver = \"apparmor\" in qemu.conf chooses it"
                                       : "this host's kernel has no AppArmor, or it is off");
        else if (strcmp(model, "selinux") == 0)
            error_hint(err,
                       "Lodge gives no SELinux labels: QEMU keeps the context that its policy gives it; take "
                       "this <seclabel> out of the definition");
        return false;
    }
    return true;
}

static bool check_all_labels(const Host *host, const DomainDef *live, Error **err)
{
    if (!check_labels(host, live->seclabels, err))
        return false;
    for (DEF_EACH(DiskDef, disk, live->disks)) {
        for (const StorageSource *source = NULL; (source = disk_next_source(disk, source));) {
            if (!check_labels(host, source->seclabels, err))
                return false;
        }
    }
    return true;
}

static char *profile_name(const Vm *vm)
{
    char uuid[UUID_STRING_LEN];

    uuid_format(&vm->uuid, uuid);
    return g_strconcat("libvirt-", uuid, NULL);
}

bool vm_security_fill(Vm *vm, Error **err)
{
    const Config *config = vm->host->config;
    DomainDef *live = vm->live;

    if (is_chosen(vm->host) && !is_there())
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "qemu.conf chooses the security driver '" APPARMOR
                         "', but this host's kernel has no AppArmor, or it is off");
    if (!check_all_labels(vm->host, live, err))
        return false;
    if (strcmp(security_model(vm->host), APPARMOR) != 0)
        return true;
    SecurityLabel *label = find_label(live, APPARMOR);
    const bool is_free = label ? label->type == SECLABEL_NONE : !config->security_default_confined;
    if (is_free && config->security_require_confined)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Unconfined guests are not allowed on this host");
    if (is_free || (label && label->type == SECLABEL_STATIC))
        return true;
    if (!label) {
        label = xml_table_new(&security_label_table);
        label->model = g_strdup(APPARMOR);
        if (!live->seclabels)
            live->seclabels = xml_list_new(&security_label_table);
        g_ptr_array_insert(live->seclabels, 0, label);
    }
    label->type = SECLABEL_DYNAMIC;
    label->relabel = TRISTATE_ON;
    g_free(label->label);
    g_free(label->image_label);
    label->label = profile_name(vm);
    label->image_label = g_strdup(label->label);
    return true;
}

const char *vm_security_label(const Vm *vm)
{
    const SecurityLabel *label = vm->live ? find_label(vm->live, APPARMOR) : NULL;

    return label && label->type != SECLABEL_NONE ? label->label : NULL;
}

/* ---- the profile ---- */

/* @path stands for itself, whatever is special in rules. */
static void add_rule(GString *out, const char *path, const char *below, const char *rights)
{
    g_string_append(out, "  \"");
    for (const char *p = path; *p; p++) {
        if (strchr("\\\"*?[]{}^@", *p))
            g_string_append_c(out, '\\');
        g_string_append_c(out, *p);
    }
    g_string_append_printf(out, "%s\" %s,\n", below, rights);
}

static const char usual_rules[] = "  network,\n"
                                  "  unix,\n"
                                  "  dbus,\n"
                                  "  capability sys_rawio,\n"
                                  "  signal (receive),\n"
                                  "  signal (send) peer=@self,\n"
                                  "  ptrace (readby, tracedby),\n"
                                  "  / r,\n"
                                  "  /{usr/,}{bin,lib,lib64,libexec,sbin}/** mr,\n"
                                  "  /usr/share/** r,\n"
                                  "  /usr/local/** mr,\n"
                                  "  /etc/** r,\n"
                                  "  /proc/ r,\n"
                                  "  /proc/** r,\n"
                                  "  owner /proc/[0-9]*/** rw,\n"
                                  "  /sys/** r,\n"
                                  "  /sys/devices/** rw,\n"
                                  "  /dev/ r,\n"
                                  "  /dev/** rwmk,\n"
                                  "  /run/udev/data/** r,\n"
                                  "  owner /{tmp,var/tmp}/{vl.,qemu}* rwk,\n"
                                  "  owner /var/lib/sss/** r,\n";

/* Beside what it was lent: what character devices and displays open by name. */
static bool add_device_rules(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    GString *out = arg;
    const CharSource *source = device_char_source(kind, device);

    if (source && source->path && *source->path == '/')
        add_rule(out, source->path, "", "rwk");
    if (source && source->log_file)
        add_rule(out, source->log_file, "", "rw");
    if (kind == DEVICE_GRAPHICS) {
        for (DEF_EACH(ListenDef, listen, ((GraphicsDef *)device)->listens)) {
            if (listen->socket)
                add_rule(out, listen->socket, "", "rw");
        }
    }
    return true;
}

static void note_path(void *arg, const char *path, const char *machine, bool is_running)
{
    if (path && *path == '/')
        g_ptr_array_add(arg, g_strdup(path));
}

/* Rules are about files, not about links that lead to them. What cannot be looked at keeps the name that it
 * has. */
AWAITS static void add_file_rules(const Vm *vm, const GPtrArray *paths, GString *out)
{
    const uint64_t timeout_ms = (uint64_t)vm->host->config->storage_timeout_s * 1000;

    for (guint i = 0; i < paths->len; i++) {
        g_auto(PathLook) look = { 0 };
        const char *path = g_ptr_array_index(paths, i);
        const bool is_known = path_look(NULL, path, timeout_ms, &look, NULL) && look.real;
        const bool is_folder = is_known && S_ISDIR(look.st.st_mode);
        add_rule(out, is_known ? look.real : path, is_folder ? "/{,**}" : "", "rwmk");
    }
}

AWAITS static char *make_profile(Vm *vm, const char *name)
{
    const Paths *paths = vm->host->paths;
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);

    g_string_append_printf(out, "profile \"%s\" flags=(attach_disconnected,mediate_deleted) {\n", name);
    g_auto(GStrv) parts = g_strsplit(usual_rules, "@self", -1);
    g_autofree char *usual = g_strjoinv(name, parts);
    g_string_append(out, usual);
    if (vm->live->emulator)
        add_rule(out, vm->live->emulator, "", "mr");
    add_rule(out, vm->run->lib_dir, "/{,**}", "rwmk");
    add_rule(out, vm->run->channel_dir, "/{,**}", "rwk");
    add_rule(out, paths->run_qemu, "/{,**}", "rwk"); /* the monitor's socket and the pipe of the log */
    (void)domain_each_device(vm->live, add_device_rules, out);
    machine_walk_images_of(vm->host, vm->live, note_path, files);
    for (guint i = 0; i < vm->run->dac->len; i++)
        note_path(files, ((const DacItem *)g_ptr_array_index(vm->run->dac, i))->path, NULL, true);
    add_file_rules(vm, files, out);
    g_string_append(out, "}\n");
    return g_string_free(g_steal_pointer(&out), FALSE);
}

AWAITS static bool run_parser(const char *action, const char *text, Error **err)
{
    const char *const argv[] = { "apparmor_parser", action, "--skip-cache", NULL };
    g_auto(Tool) tool = tool_of(argv, "apparmor", LOAD_TIMEOUT_MS);

    tool.input = text;
    return tool_run(&tool, NULL, err);
}

static bool has_own_profile(const Vm *vm)
{
    const SecurityLabel *label = vm->live ? find_label(vm->live, APPARMOR) : NULL;

    return label && label->type == SECLABEL_DYNAMIC && label->label;
}

bool vm_security_load(Vm *vm, Error **err)
{
    if (!has_own_profile(vm))
        return true;
    g_autofree char *name = profile_name(vm);
    g_autofree char *text = make_profile(vm, name);
    return run_parser("--replace", text, err) || error_prefix(err, "AppArmor profile of '%s'", vm->name);
}

void vm_security_unload(Vm *vm)
{
    g_autoptr(Error) err = NULL;

    if (!has_own_profile(vm))
        return;
    g_autofree char *name = profile_name(vm);
    g_autofree char *text = g_strdup_printf("profile \"%s\" {\n}\n", name);
    if (!run_parser("--remove", text, &err))
        log_warning_error(err, "an AppArmor profile stays");
}
