/* The command line for people: domxml-to-native, and `lodge explain`, which tells for each argument which
 * element of the document caused it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "conf/domain_rows.h"
#include "machine/vm_define.h"
#include "machine/vm_private.h"
#include "qemu/address.h"
#include "qemu/cpu_guest.h"
#include "qemu/device.h"
#include "storage/probe.h"

static void explain_item_free(ExplainItem *item)
{
    if (!item)
        return;
    g_free(item->argument);
    g_free(item->value);
    g_free(item->source);
    g_free(item->note);
    g_free(item);
}

/* What a start would choose, where it would need the host to know. */
static bool native_fill_in(Host *host, DomainDef *def, const char *lib_dir, Error **err)
{
    const Config *config = host->config;

    uint32_t last_node = 0;
    qemu_assign_aliases(def);
    qemu_number_nodes(def, &last_node);
    for (DEF_EACH(GraphicsDef, graphics, def->graphics)) {
        const bool is_vnc = graphics->type == GRAPHICS_VNC;
        const bool automatic = graphics->autoport == TRISTATE_ON || graphics->port == -1;
        if (automatic && graphics->port <= 0 && (is_vnc || graphics->type == GRAPHICS_SPICE))
            graphics->port = (int32_t)config->remote_display_port_min;
        for (DEF_EACH(ListenDef, listen, graphics->listens)) {
            if (listen->type == LISTEN_NETWORK && !vm_resolve_listen(host, listen, err))
                return false;
            if (listen->type == LISTEN_ADDRESS && !listen->address)
                listen->address = g_strdup(is_vnc ? config->vnc_listen : config->spice_listen);
            if (listen->type == LISTEN_SOCKET && !listen->socket)
                listen->socket = g_strdup_printf("%s/%s.sock", lib_dir, is_vnc ? "vnc" : "spice");
        }
    }
    return true;
}

/* The reference shows every interface as a plain tap, which whoever runs the line has to make: the card keeps
 * its model and its MAC address alone. Descriptors are numbers of nothing. */
#define NATIVE_FIRST_FD 24
static bool native_plain_interfaces(DomainDef *def, const QemuCaps *caps, PlanFds *fds, Error **err)
{
    for (unsigned i = 0; i < def_list_len(def->interfaces); i++) {
        InterfaceDef *iface = g_ptr_array_index(def->interfaces, i);
        InterfaceDef *plain = xml_table_new(&interface_table);
        *plain = (InterfaceDef){ .type = INTERFACE_ETHERNET, .has_mac = true, .mac = iface->mac };
        plain->model = g_steal_pointer(&iface->model);
        xml_table_free(&interface_table, iface);
        def->interfaces->pdata[i] = plain;
    }
    if (!qemu_assign_addresses(def, caps, err))
        return false;
    qemu_assign_aliases(def);
    int next = NATIVE_FIRST_FD;
    for (DEF_EACH(InterfaceDef, iface, def->interfaces)) {
        g_autofree char *name = device_tap_fd_name(iface->info.alias, 0);
        plan_fds_add(fds, name, next++);
    }
    return true;
}

#define NATIVE_LOOK_MS 5000
/* The reference, too, looks up names here, and whether a drive is one. */
AWAITS static bool native_prepare_sources(const Host *host, DomainDef *def, Error **err)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        for (StorageSource *source = &disk->src; source; source = source->backing) {
            StorageInfo info = { 0 };
            if (source->type == STORAGE_BLOCK && disk->device == DISK_DEVICE_CDROM && source->path &&
                storage_probe(source->path, STORAGE_FORMAT_RAW, NATIVE_LOOK_MS, &info, NULL))
                source->is_optical = info.is_optical;
            if (source->type == STORAGE_NETWORK && !remote_prepare(host, source, err))
                return false;
        }
    }
    return true;
}

/* The first render node of the host. Owned. */
static bool native_find_rendernode(char **ret_path, Error **err)
{
    static const char folder[] = "/dev/dri";
    DIR *dir = opendir(folder);

    if (!dir)
        return error_set_errno(err, errno, "cannot open directory '%s'", folder);
    for (const struct dirent *entry = readdir(dir); entry && !*ret_path; entry = readdir(dir)) {
        if (g_str_has_prefix(entry->d_name, "renderD"))
            *ret_path = path_join(folder, entry->d_name);
    }
    closedir(dir);
    return *ret_path || error_set(err, ERROR_CONFIG_UNSUPPORTED, "'%s' has no render node", folder);
}

/* Devices of the host that the reference insists on before it shows a line. */
static bool native_check_host(DomainDef *def, Error **err)
{
    for (DEF_EACH(GraphicsDef, graphics, def->graphics)) {
        const bool needs_node = graphics->type == GRAPHICS_EGL_HEADLESS ||
                                (graphics->type == GRAPHICS_SPICE && graphics->gl == TRISTATE_ON);
        if (needs_node && !graphics->gl_rendernode && !native_find_rendernode(&graphics->gl_rendernode, err))
            return false;
    }
    for (DEF_EACH(TpmDef, tpm, def->tpms)) {
        if (tpm->backend == TPM_BACKEND_PASSTHROUGH && access(tpm->device_path, R_OK | W_OK) < 0)
            return error_set_errno(err, errno, "Could not open TPM device %s", tpm->device_path);
    }
    for (DEF_EACH(HostdevDef, hostdev, def->hostdevs)) {
        if (hostdev->type == HOSTDEV_SCSI_HOST && access("/dev/vhost-scsi", F_OK) < 0)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "vhost-scsi device file '/dev/vhost-scsi' cannot be found");
    }
    return true;
}

static bool native_build(Host *host, const DomainDef *shown, int id, bool for_reference,
                         QemuCommand **ret_command, Error **err)
{
    g_autoptr(QemuCaps) caps = NULL;
    /* Nothing is open: nothing to close. */
    g_autoptr(PlanFds) fds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    DomainDef *def = domain_def_copy(shown);
    g_autofree char *dir = vm_short_dir_name(id, def->name);
    g_autofree char *lib_dir = path_join(host->paths->lib_qemu, dir);
    g_autofree char *channel_dir = path_join(host->paths->channel_target, dir);
    g_autofree char *monitor_path = path_join(lib_dir, "monitor.sock");
    g_autofree char *key_path = path_join(lib_dir, QEMU_MASTER_KEY_FILE);
    g_autoptr(GArray) huge_pages = vm_huge_pages_list(dir);
    const QemuCommandEnv env = {
        .huge_pages = (const QemuHugePages *)huge_pages->data,
        .n_huge_pages = huge_pages->len,
        .monitor_path = monitor_path,
        .lib_dir = lib_dir,
        .master_key_path = key_path,
        .nbd_tls_dir = host->config->nbd_tls_x509_cert_dir,
        .chardev_tls_dir = host->config->chardev_tls_x509_cert_dir,
        .chardev_tls = host->config->chardev_tls,
        .chardev_tls_verify = host->config->chardev_tls_x509_verify,
        .vnc_tls_dir = host->config->vnc_tls ? host->config->vnc_tls_x509_cert_dir : NULL,
        .vnc_tls_verify = host->config->vnc_tls_x509_verify,
        .vnc_sasl = host->config->vnc_sasl,
        .spice_sasl = host->config->spice_sasl,
        .vnc_sasl_dir = host->config->vnc_sasl_dir,
        .spice_sasl_dir = host->config->spice_sasl_dir,
        .spice_tls_dir = host->config->spice_tls ? host->config->spice_tls_x509_cert_dir : NULL,
        .sandbox = host->config->seccomp_sandbox,
        .dump_guest_core = host->config->dump_guest_core,
        .start_paused = true,
        .vnc_has_password = host->config->vnc_password != NULL,
        .spice_has_password = host->config->spice_password != NULL,
        .fds = for_reference ? fds : NULL,
        .for_reference = for_reference,
        .now_s = time(NULL),
    };

    for (DEF_EACH(GraphicsDef, graphics, for_reference ? def->graphics : NULL)) {
        if (graphics->type == GRAPHICS_DBUS && graphics->p2p != TRISTATE_ON && !graphics->dbus_address)
            graphics->dbus_address = g_strdup_printf("unix:path=%s/dbus/%s-dbus.sock", host->paths->run_qemu,
                                                     dir + strlen("domain-"));
    }
    for (DEF_EACH(CharDef, channel, def->channels)) {
        if (channel->source.type == CHAR_UNIX && !channel->source.path) {
            channel->source.path =
                g_build_filename(channel_dir, channel->target_name ? channel->target_name : "channel", NULL);
            channel->source.mode = CHAR_MODE_BIND;
        }
    }
    const bool ok = native_fill_in(host, def, lib_dir, err) && vm_xml_get_caps(host, def, &caps, err) &&
                    (!for_reference || native_plain_interfaces(def, caps, fds, err)) &&
                    vm_choose_firmware(host, def, caps, err) &&
                    (!for_reference || (native_check_host(def, err) && vm_find_secrets(host, def, err))) &&
                    native_prepare_sources(host, def, err) && qemu_resolve_cpu(def, caps, err) &&
                    qemu_command_build(def, caps, &env, ret_command, err);
    domain_def_free(def);
    return ok;
}

bool vm_xml_to_native(Host *host, const char *format, const char *xml, char **ret_text, Error **err)
{
    DomainDef *def = NULL;
    QemuCommand *command = NULL;

    if (!format || strcmp(format, "qemu-argv") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "unsupported config type %s", format ? format : "");
    if (!vm_xml_parse(host, xml, strlen(xml), "(domain_definition)", 0, &def, err))
        return false;
    /* What nothing acts on has no options; a start refuses it. */
    const bool ok = native_build(host, def, -1, true, &command, err);
    domain_def_free(def);
    if (!ok)
        return false;
    /* One line, as the reference prints it: to be pasted into a shell. */
    g_autofree char *text = qemu_command_format(command);
    g_auto(GStrv) lines = g_strsplit(text, " \\\n", -1);
    *ret_text = g_strjoinv(" ", lines);
    qemu_command_free(command);
    return true;
}

static GPtrArray *explain_items(const QemuCommand *command)
{
    GPtrArray *items = g_ptr_array_new_with_free_func((GDestroyNotify)explain_item_free);

    for (DEF_EACH(PlanStep, step, qemu_command_arguments(command))) {
        ExplainItem *item = g_new0(ExplainItem, 1);
        *item = (ExplainItem){ .argument = g_strdup(step->option),
                               .value = g_strdup(step->text),
                               .source = g_strdup(step->source),
                               .note = g_strdup(step->note) };
        g_ptr_array_add(items, item);
    }
    return items;
}

bool vm_explain(Host *host, Vm *vm, const char *xml, GPtrArray **ret_items, Error **err)
{
    DomainDef *def = NULL;
    QemuCommand *command = NULL;
    int id = -1;

    if (vm) {
        if (!object_require_listed(&vm->object, err))
            return false;
        /* The live definition has all that the start chose: ports, paths, the CPU model. */
        def = domain_def_copy(vm_def(vm));
        id = vm->id;
    } else if (!vm_xml_parse(host, xml, strlen(xml), "(domain_definition)", 0, &def, err)) {
        return false;
    }
    const bool ok = native_build(host, def, id, false, &command, err);
    domain_def_free(def);
    if (!ok)
        return false;
    *ret_items = explain_items(command);
    qemu_command_free(command);
    return true;
}
