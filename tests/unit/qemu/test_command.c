/* What QEMU is given: NAME.args beside each document of tests/golden/define, one argument a line, or
 * "refused: CODE". A new document is a test as soon as UPDATE_GOLDEN=1 in the environment has written its
 * file. A start would refuse some of these for what is not acted on yet; here the rest of them is looked at.
 * What QEMU can do is a recorded document, so that the answer does not depend on this host; paths, the time
 * and descriptors are fixed. Whether the reference implementation says the same is asked by
 * tests/golden/command.py. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/file.h"
#include "golden_caps.h"
#include "golden_platform.h"
#include "qemu/address.h"
#include "qemu/command.h"
#include "qemu/cpu_guest.h"
#include "qemu/device.h"
#include "qemu/firmware.h"
#include "qemu/qemu_caps_private.h"

/* What the daemon chooses at a start: the first port, the default address, the place of agent sockets. */
static void fill_in(DomainDef *def)
{
    uint32_t last_node = 0;
    qemu_assign_aliases(def);
    qemu_number_nodes(def, &last_node);
    for (DEF_EACH(GraphicsDef, graphics, def->graphics)) {
        if (graphics->port <= 0 && (graphics->type == GRAPHICS_VNC || graphics->type == GRAPHICS_SPICE))
            graphics->port = 5900;
    }
    for (DEF_EACH(CharDef, channel, def->channels)) {
        if (channel->source.type == CHAR_UNIX && !channel->source.path) {
            channel->source.path = g_strdup_printf("/var/lib/libvirt/qemu/channel/target/domain--1-%.20s/%s",
                                                   def->name, channel->target_name);
            channel->source.mode = CHAR_MODE_BIND;
        }
    }
}

/* Taps are descriptors from 100 on, and with KVM those of vhost from 200 on. Nobody opened them. */
static PlanFds *open_taps(const DomainDef *def)
{
    PlanFds *fds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    int next = 100;
    for (DEF_EACH(InterfaceDef, iface, def->interfaces)) {
        if (iface->type == INTERFACE_NETWORK && !iface->actual_bridge)
            iface->actual_bridge = g_strdup("virbr0"); /* its port */
        for (unsigned queue = 0; queue < qemu_interface_queues(iface); queue++, next++) {
            g_autofree char *tap = device_tap_fd_name(iface->info.alias, queue);
            g_autofree char *vhost = device_vhost_fd_name(iface->info.alias, queue);
            plan_fds_add(fds, tap, next);
            if (def->type == VIRT_TYPE_KVM)
                plan_fds_add(fds, vhost, next + 100);
        }
    }
    return fds;
}

static bool build(const char *xml, size_t len, const QemuCaps *caps, char **ret_text, Error **err)
{
    g_autoptr(DomainDef) def = NULL;
    g_autoptr(QemuCommand) command = NULL;

    if (!domain_def_parse(xml, len, DOMAIN_PARSE_INACTIVE, &golden_hooks, &def, err) ||
        !qemu_assign_addresses(def, caps, err) ||
        !firmware_choose(qemu_caps_firmware(caps), def, "/var/lib/libvirt/qemu/nvram", err))
        return false;
    fill_in(def);
    g_autofree char *lib_dir = g_strdup_printf("/var/lib/libvirt/qemu/domain--1-%.20s", def->name);
    g_autofree char *monitor = g_build_filename(lib_dir, "monitor.sock", NULL);
    g_autofree char *key = g_build_filename(lib_dir, "master-key.aes", NULL);
    g_autofree char *pages = g_strdup_printf("/dev/hugepages/libvirt/qemu/-1-%s", def->name);
    const QemuHugePages huge_pages = { .page_bytes = 2 << 20, .folder = pages };
    g_autoptr(PlanFds) fds = open_taps(def);
    const QemuCommandEnv env = { .monitor_path = monitor,
                                 .lib_dir = lib_dir,
                                 .master_key_path = key,
                                 .nbd_tls_dir = "/etc/pki/qemu",
                                 .chardev_tls_dir = "/etc/pki/qemu",
                                 .chardev_tls_verify = true,
                                 .huge_pages = &huge_pages,
                                 .n_huge_pages = 1,
                                 .fds = fds,
                                 .sandbox = true,
                                 .start_paused = true,
                                 .now_s = 1600000000 };
    if (!qemu_resolve_cpu(def, caps, err) || !qemu_command_build(def, caps, &env, &command, err))
        return false;
    g_autofree char *joined = g_strjoinv("\n", (char **)qemu_command_argv(command));
    *ret_text = g_strconcat(joined, "\n", NULL);
    return true;
}

static bool check_document(const char *path, const QemuCaps *caps)
{
    g_autofree char *stem = g_strndup(path, strlen(path) - strlen(".xml"));
    g_autofree char *args_path = g_strconcat(stem, ".args", NULL);
    g_autofree char *xml = NULL;
    g_autofree char *got = NULL;
    g_autofree char *want = NULL;
    g_autoptr(Error) err = NULL;
    size_t len;

    check_case(path);
    check_ok(file_read(path, 1 << 20, &xml, &len, &err), err);
    if (!build(xml, len, caps, &got, &err))
        got = g_strdup_printf("refused: %s: %s\n", error_code_name(error_code(err)), error_message(err));
    if (g_getenv("UPDATE_GOLDEN"))
        check(g_file_set_contents(args_path, got, -1, NULL));
    if (!g_file_get_contents(args_path, &want, NULL, NULL)) {
        printf("%s is missing: UPDATE_GOLDEN=1 writes it\n", args_path);
        return false;
    }
    return golden_compare_lines(args_path, got, want);
}

TEST(command_lines_stay_as_they_were_recorded)
{
    g_autoptr(QemuCaps) caps = load_caps();
    g_autoptr(GPtrArray) names = NULL;
    unsigned bad = 0;

    check(file_list_dir(GOLDEN_DIR, &names, NULL));
    check(names->len > 0);
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *path = g_build_filename(GOLDEN_DIR, name, NULL);
        g_autofree char *error = g_strdup_printf("%.*s.error", (int)strlen(path) - 4, path);
        if (g_str_has_suffix(name, ".xml") && !g_str_has_suffix(name, ".out.xml") &&
            !g_file_test(error, G_FILE_TEST_EXISTS))
            bad += !check_document(path, caps);
    }
    check_eq(bad, 0);
}
