/* Asking a QEMU what it can do.
 *
 * QEMU is run with no machine and paused, with its monitor on a socketpair: nothing is created on disk, no
 * guest code runs, and its death is seen at once. It is run twice, because what CPU models can do depends on
 * the accelerator: once with KVM, where that works, for everything, and once with TCG for the CPU models. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "qemu_probe"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fiber.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "qemu/firmware.h"
#include "qemu/qemu_caps_private.h"
#include "qemu/qemu_caps_schema.h"
#include "qemu/qmp.h"

#define PROBE_DEADLINE_MS 30000
#define PROBE_COMMAND_MS 10000
#define PROBE_STDERR_BYTES 2000

/* Devices whose properties decide how they are used. None whose module may be missing: QEMU 7.2 exits when
 * asked for the properties of virtio-gpu-gl-pci without it. */
static const char *const probe_drivers[] = {
    "virtio-blk-pci",
    "virtio-net-pci",
    "virtio-scsi-pci",
    "virtio-serial-pci",
    "virtio-rng-pci",
    "virtio-balloon-pci",
    "virtio-gpu-pci",
    "virtio-vga",
    "virtio-keyboard-pci",
    "virtio-iommu-pci",
    "virtio-9p-pci",
    "vhost-user-fs-pci",
    "vhost-user-gpu-pci",
    "vhost-vsock-pci",
    "scsi-hd",
    "scsi-cd",
    "scsi-block",
    "ide-hd",
    "ide-cd",
    "usb-storage",
    "floppy",
    "VGA",
    "qxl",
    "qxl-vga",
    "vmware-svga",
    "cirrus-vga",
    "bochs-display",
    "ramfb",
    "e1000",
    "e1000e",
    "rtl8139",
    "ICH9-LPC",
    "PIIX4_PM",
    "pcie-root-port",
    "ioh3420",
    "pcie-pci-bridge",
    "qemu-xhci",
    "nec-usb-xhci",
    "usb-host",
    "usb-redir",
    "usb-tablet",
    "vfio-pci",
    "intel-iommu",
    "mch",
    "pvpanic",
    "pvpanic-pci",
    "i6300esb",
    "ib700",
    "hda-duplex",
    "intel-hda",
    "tpm-crb",
    "tpm-tis",
    "vmgenid",
    "vmcoreinfo",
    "nvdimm",
    "pc-dimm",
    "virtio-mem-pci",
    "virtio-pmem-pci",
    "kvm-pit",
    "isa-serial",
    "fw_cfg_io",
};

uint64_t qemu_caps_probe_signature(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(probe_drivers); i++)
        sum = sum * 31 + g_str_hash(probe_drivers[i]);
    for (const char *const *query = qemu_schema_queries(); *query; query++)
        sum = sum * 31 + g_str_hash(*query);
    return sum;
}

/* ---- a QEMU to talk to ---- */

typedef struct Probe {
    const char *binary;
    Process *process;
    Qmp *qmp;
    int stderr_fd;
    GHashTable *facts; /* set of char* */
} Probe;

static void probe_end(Probe *probe)
{
    qmp_close(g_steal_pointer(&probe->qmp));
    if (probe->process) {
        fiber_shield_begin();
        (void)process_kill(probe->process, SIGKILL, NULL); /* it may have exited already */
        (void)!process_wait(probe->process, 5000,
                            NULL); /* a killed one goes; if not, the loop reaps it later */
        fiber_shield_end();
        g_clear_pointer(&probe->process, process_free);
    }
    fd_cleanup(&probe->stderr_fd);
}

/* What QEMU wrote to stderr, on one line, bounded. */
static char *probe_read_stderr(const Probe *probe)
{
    char text[PROBE_STDERR_BYTES + 1];
    ssize_t n = pread(probe->stderr_fd, text, PROBE_STDERR_BYTES, 0);
    text[MAX(n, 0)] = '\0';
    g_strstrip(text);
    g_strdelimit(text, "\r\n", ' ');
    return g_utf8_make_valid(text, -1);
}

static bool probe_start(Probe *probe, const QemuProbeUser *user, const char *accel, Error **err)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return error_set_errno(err, errno, "socketpair");
    AUTO_FD ours = fds[0], theirs = fds[1];
    probe->stderr_fd = memfd_create("qemu-probe-stderr", MFD_CLOEXEC);
    if (probe->stderr_fd < 0)
        return error_set_errno(err, errno, "memfd_create");

    g_autofree char *machine = g_strconcat("none,accel=", accel, NULL);
    g_autofree char *chardev = g_strdup_printf("socket,id=mon,fd=%d", theirs);
    const char *argv[] = { probe->binary,
                           "-S",
                           "-no-user-config",
                           "-nodefaults",
                           "-nographic",
                           "-machine",
                           machine,
                           "-chardev",
                           chardev,
                           "-mon",
                           "chardev=mon,mode=control",
                           NULL };
    ProcessSpec spec = PROCESS_SPEC_INIT;
    spec.argv = argv;
    spec.stderr_fd = probe->stderr_fd;
    spec.fds = &theirs;
    spec.n_fds = 1;
    spec.new_session = true;
    spec.die_with_parent = true;
    spec.set_core = true; /* no core dump of a probe */
    if (user->set) {
        spec.set_user = true;
        spec.uid = user->uid;
        spec.gid = user->gid;
        spec.groups = user->groups;
        spec.n_groups = user->n_groups;
    }
    if (!process_start(&spec, &probe->process, err))
        return false;
    fd_cleanup(&theirs); /* so that its death is a hang-up */

    return qmp_open(fd_steal(&ours), probe->binary, NULL, PROBE_DEADLINE_MS, &probe->qmp, err);
}

/* A QEMU that went away is better described by its exit and its last words. */
AWAITS static bool probe_explain(Probe *probe, Error *failure, Error **err)
{
    if (error_code(failure) != ERROR_VM_GONE || !probe->process || !process_wait(probe->process, 5000, NULL))
        return error_propagate(err, failure);
    g_autofree char *how = process_describe_status(probe->process);
    g_autofree char *words = probe_read_stderr(probe);
    error_set(err, ERROR_REFUSED, "%s ended while it was asked for its capabilities (%s): %s", probe->binary,
              how, words[0] ? words : error_message(failure));
    error_free(failure);
    return false;
}

/* A query that every QEMU answers. */
AWAITS static bool probe_query(Probe *probe, const char *command, const Json *args, Json **ret_reply,
                               Error **err)
{
    return qmp_exec(probe->qmp, command, args, PROBE_COMMAND_MS, ret_reply, err);
}

/* A query that may be refused: then *ret_reply is NULL. Only a broken connection is a failure. */
AWAITS static bool probe_try(Probe *probe, const char *command, Json *args, Json **ret_reply, Error **err)
{
    AUTO_JSON owned = args;
    Error *failure = NULL;
    if (qmp_exec(probe->qmp, command, owned, PROBE_COMMAND_MS, ret_reply, &failure))
        return true;
    if (error_code(failure) != ERROR_REFUSED)
        return error_propagate(err, failure);
    error_free(failure);
    return true;
}

PRINTF(2, 3) static void probe_add_fact(Probe *probe, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_hash_table_add(probe->facts, g_strdup_vprintf(format, args));
    va_end(args);
}

static bool probe_has_fact(Probe *probe, const char *fact)
{
    return g_hash_table_contains(probe->facts, fact);
}

/* ---- what it is ---- */

/* The names that the domain XML uses, where QEMU's are others. */
static const char *probe_arch_name(const char *target)
{
    static const struct {
        const char *qemu, *name;
    } others[] = { { "i386", "i686" }, { "arm", "armv7l" }, { "or1k", "or32" } };
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        if (strcmp(others[i].qemu, target) == 0)
            return others[i].name;
    return target;
}

AWAITS static bool probe_identity(Probe *probe, Json *document, Error **err)
{
    AUTO_JSON version = NULL;
    AUTO_JSON target = NULL;
    AUTO_JSON kvm = NULL;
    if (!probe_query(probe, "query-version", NULL, &version, err) ||
        !probe_query(probe, "query-target", NULL, &target, err) ||
        !probe_try(probe, "query-kvm", NULL, &kvm, err))
        return false;
    const Json *numbers = json_get_obj(version, "qemu");
    const char *arch = json_get_str(target, "arch"), *package = json_get_str(version, "package");
    if (!numbers || !arch)
        return error_set(err, ERROR_REFUSED, "%s does not say its version or architecture", probe->binary);
    uint64_t number = MIN(json_get_uint(numbers, "major", 0), 999) * 1000000 +
                      MIN(json_get_uint(numbers, "minor", 0), 999) * 1000 +
                      MIN(json_get_uint(numbers, "micro", 0), 999);
    bool has_kvm = json_get_bool(kvm, "present", false) && json_get_bool(kvm, "enabled", false);
    json_object_set_new(document, "format", json_integer(QEMU_CAPS_FORMAT));
    json_object_set_new(document, "binary", json_string(probe->binary));
    json_object_set_new(document, "arch", json_string(probe_arch_name(arch)));
    json_object_set_new(document, "version", json_integer((json_int_t)number));
    json_object_set_new(document, "package", json_string(package ? package : ""));
    json_object_set_new(document, "kvm", json_boolean(has_kvm));
    return true;
}

/* ---- facts ---- */

AWAITS static bool probe_schema(Probe *probe, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!probe_query(probe, "query-qmp-schema", NULL, &reply, err))
        return false;
    size_t i;
    Json *entry;
    json_array_foreach (reply, i, entry) {
        const char *meta = json_get_str(entry, "meta-type"), *name = json_get_str(entry, "name");
        if (meta && name && (strcmp(meta, "command") == 0 || strcmp(meta, "event") == 0))
            probe_add_fact(probe, "%s:%s", meta, name);
    }
    g_autoptr(QemuSchema) schema = qemu_schema_new(reply);
    for (const char *const *query = qemu_schema_queries(); *query; query++)
        if (qemu_schema_has(schema, *query))
            probe_add_fact(probe, "schema:%s", *query);
    return true;
}

AWAITS static bool probe_types(Probe *probe, Error **err)
{
    AUTO_JSON reply = NULL;
    AUTO_JSON args = json_pack("{s:b}", "abstract", 0);
    if (!probe_query(probe, "qom-list-types", args, &reply, err))
        return false;
    size_t i;
    Json *entry;
    json_array_foreach (reply, i, entry) {
        const char *name = json_get_str(entry, "name");
        if (name && !g_str_has_suffix(name, "-machine") && !g_str_has_suffix(name, "-cpu"))
            probe_add_fact(probe, "device:%s", name);
    }
    /* Their front halves are built in and listed even when the module with the rest is not installed. */
    if (!probe_has_fact(probe, "device:virtio-gpu-gl-device")) {
        g_hash_table_remove(probe->facts, "device:virtio-gpu-gl-pci");
        g_hash_table_remove(probe->facts, "device:virtio-vga-gl");
    }
    return true;
}

/* "name "e1000", bus PCI, alias "e1000-82540em", desc ...": the types that have a second name are told in no
 * other way. */
AWAITS static bool probe_aliases(Probe *probe, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!probe_try(probe, "human-monitor-command", json_pack("{s:s}", "command-line", "device_add help"),
                   &reply, err))
        return false;
    g_auto(GStrv) lines = g_strsplit(reply ? json_string_value(reply) : "", "\n", -1);
    for (char **line = lines; *line; line++) {
        const char *alias = strstr(*line, ", alias \"");
        const char *end = alias ? strchr(alias + strlen(", alias \""), '"') : NULL;
        if (!end || !g_str_has_prefix(*line, "name \""))
            continue;
        alias += strlen(", alias \"");
        g_autofree char *name =
            g_strndup(*line + strlen("name \""), strcspn(*line + strlen("name \""), "\""));
        g_autofree char *fact = g_strconcat("device:", name, NULL);
        if (probe_has_fact(probe, fact)) /* without its module it is not there under any name */
            probe_add_fact(probe, "device:%.*s", (int)(end - alias), alias);
    }
    return true;
}

static void probe_add_properties(Probe *probe, const char *driver, const Json *properties)
{
    probe_add_fact(probe, "probed:%s", driver);
    size_t i;
    Json *entry;
    json_array_foreach (properties, i, entry) {
        const char *name = json_get_str(entry, "name");
        if (name)
            probe_add_fact(probe, "prop:%s.%s", driver, name);
    }
}

AWAITS static bool probe_properties(Probe *probe, Error **err)
{
    for (size_t i = 0; i < G_N_ELEMENTS(probe_drivers); i++) {
        g_autofree char *fact = g_strconcat("device:", probe_drivers[i], NULL);
        if (!probe_has_fact(probe, fact))
            continue;
        AUTO_JSON reply = NULL;
        if (!probe_try(probe, "device-list-properties", json_pack("{s:s}", "typename", probe_drivers[i]),
                       &reply, err))
            return false;
        probe_add_properties(probe, probe_drivers[i], reply);
    }
    return true;
}

/* -machine options are properties of the machine's type; those of the newest pc and q35 (or virt, ...) count.
 */
AWAITS static bool probe_machine_properties(Probe *probe, const Json *machines, Error **err)
{
    size_t i;
    Json *machine;
    json_array_foreach (machines, i, machine) {
        if (!json_get_str(machine, "alias") && !json_get_bool(machine, "default", false))
            continue;
        g_autofree char *type = g_strconcat(json_get_str(machine, "name"), "-machine", NULL);
        AUTO_JSON reply = NULL;
        if (!probe_try(probe, "qom-list-properties", json_pack("{s:s}", "typename", type), &reply, err))
            return false;
        probe_add_properties(probe, "machine", reply);
    }
    return true;
}

AWAITS static bool probe_options(Probe *probe, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!probe_query(probe, "query-command-line-options", NULL, &reply, err))
        return false;
    size_t i, j;
    Json *option, *parameter;
    json_array_foreach (reply, i, option) {
        const char *name = json_get_str(option, "option");
        if (!name)
            continue;
        probe_add_fact(probe, "option:%s", name);
        json_array_foreach (json_get_arr(option, "parameters"), j, parameter) {
            const char *key = json_get_str(parameter, "name");
            if (key)
                probe_add_fact(probe, "option:%s.%s", name, key);
        }
    }
    return true;
}

AWAITS static bool probe_names(Probe *probe, const char *command, const char *kind, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!probe_try(probe, command, NULL, &reply, err))
        return false;
    size_t i;
    Json *entry;
    json_array_foreach (reply, i, entry) {
        const char *name = json_string_value(entry);
        if (!name)
            name = json_get_str(entry, "capability"); /* query-migrate-capabilities has objects */
        if (name)
            probe_add_fact(probe, "%s:%s", kind, name);
    }
    return true;
}

/* ---- machines ---- */

static Json *probe_reduce_machine(const Json *entry)
{
    Json *machine = json_pack("{s:s, s:I, s:b, s:b, s:b, s:b}", "name", json_get_str(entry, "name"), "cpus",
                              (json_int_t)json_get_int(entry, "cpu-max", 1), "default",
                              json_get_bool(entry, "is-default", false), "hotplug",
                              json_get_bool(entry, "hotpluggable-cpus", false), "numa",
                              json_get_bool(entry, "numa-mem-supported", false), "deprecated",
                              json_get_bool(entry, "deprecated", false));
    static const char *const copied[][2] = { { "alias", "alias" },
                                             { "default-cpu-type", "cpu" },
                                             { "default-ram-id", "ram" } };
    for (size_t i = 0; machine && i < G_N_ELEMENTS(copied); i++) {
        const char *text = json_get_str(entry, copied[i][0]);
        if (text)
            json_object_set_new(machine, copied[i][1], json_string(text));
    }
    return machine;
}

/* In QEMU's order, the default first, without "none", which is no machine. */
AWAITS static bool probe_machines(Probe *probe, Json *document, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!probe_query(probe, "query-machines", NULL, &reply, err))
        return false;
    Json *machines = json_array();
    json_object_set_new(document, "machines", machines);
    size_t i;
    Json *entry;
    json_array_foreach (reply, i, entry) {
        const char *name = json_get_str(entry, "name");
        if (!name || strcmp(name, "none") == 0)
            continue;
        Json *machine = probe_reduce_machine(entry);
        if (json_get_bool(machine, "default", false))
            json_array_insert_new(machines, 0, machine);
        else
            json_array_append_new(machines, machine);
    }
    return probe_machine_properties(probe, machines, err);
}

/* ---- CPUs ---- */

/* "EPYC-v2": a version of a named model; users name the model. */
static bool probe_is_versioned(const char *name)
{
    const char *dash = strrchr(name, '-');
    return dash && dash[1] == 'v' && g_ascii_isdigit(dash[2]) &&
           strspn(dash + 2, "0123456789") == strlen(dash + 2);
}

AWAITS static bool probe_cpu_models(Probe *probe, Json *cpus, Error **err)
{
    AUTO_JSON reply = NULL;
    if (!probe_try(probe, "query-cpu-definitions", NULL, &reply, err))
        return false;
    Json *models = json_array();
    json_object_set_new(cpus, "models", models);
    size_t i;
    Json *entry;
    json_array_foreach (reply, i, entry) {
        const char *name = json_get_str(entry, "name"), *type = json_get_str(entry, "typename");
        if (!name || probe_is_versioned(name))
            continue;
        Json *model = json_pack("{s:s, s:s, s:b, s:b}", "name", name, "type", type ? type : "", "deprecated",
                                json_get_bool(entry, "deprecated", false), "static",
                                json_get_bool(entry, "static", false));
        Json *blockers = json_get_arr(entry, "unavailable-features");
        if (blockers)
            json_object_set(model, "blockers", blockers);
        json_array_append_new(models, model);
    }
    return true;
}

AWAITS static bool probe_expand(Probe *probe, const char *model, Json *props, Json **ret_props, Error **err)
{
    Json *args = json_pack("{s:s, s:{s:s, s:o}}", "type", "full", "model", "name", model, "props", props);
    AUTO_JSON reply = NULL;
    if (!probe_try(probe, "query-cpu-model-expansion", args, &reply, err))
        return false;
    Json *found = json_get_obj(json_get_obj(reply, "model"), "props");
    *ret_props = found ? json_incref(found) : NULL;
    return true;
}

static bool probe_is_identity(const char *property)
{
    static const char *const names[] = { "family", "model",     "stepping", "vendor",    "model-id",
                                         "level",  "min-level", "xlevel",   "phys-bits", NULL };
    return g_strv_contains(names, property);
}

/* Of some four hundred properties only those that are on, and the identity of the CPU, say anything. */
static Json *probe_reduce_props(const Json *props)
{
    Json *kept = json_object();
    const char *key;
    Json *value;
    json_object_foreach ((Json *)props, key, value) {
        if (json_is_true(value) || probe_is_identity(key))
            json_object_set(kept, key, value);
    }
    return kept;
}

/* Features that are on in @all and not in @migratable. */
static Json *probe_unmigratable(const Json *all, const Json *migratable)
{
    Json *names = json_array();
    const char *key;
    Json *value;
    json_object_foreach ((Json *)all, key, value) {
        if (json_is_true(value) && !json_get_bool(migratable, key, false))
            json_array_append_new(names, json_string(key));
    }
    return names;
}

AWAITS static bool probe_host_cpu(Probe *probe, const char *model, Json *cpus, Error **err)
{
    AUTO_JSON migratable = NULL;
    AUTO_JSON all = NULL;
    if (!probe_expand(probe, model, json_object(), &migratable, err))
        return false;
    if (!migratable)
        return true;
    if (json_object_get(migratable, "migratable") &&
        !probe_expand(probe, model, json_pack("{s:b}", "migratable", 0), &all, err))
        return false;
    Json *host = json_object();
    json_object_set_new(host, "name", json_string(model));
    json_object_set_new(host, "props", probe_reduce_props(all ? all : migratable));
    if (all)
        json_object_set_new(host, "unmigratable", probe_unmigratable(all, migratable));
    json_object_set_new(cpus, "host", host);
    return true;
}

/* Which Hyper-V enlightenments KVM would pass on. */
AWAITS static bool probe_hyperv(Probe *probe, Error **err)
{
    AUTO_JSON props = NULL;
    if (!probe_expand(probe, "host", json_pack("{s:b}", "hv-passthrough", 1), &props, err))
        return false;
    const char *key;
    Json *value;
    json_object_foreach (props, key, value) {
        bool is_on = json_is_true(value) || json_is_integer(value) || strcmp(key, "hv-vendor-id") == 0;
        if (g_str_has_prefix(key, "hv-") && is_on)
            probe_add_fact(probe, "hyperv:%s", key + strlen("hv-"));
    }
    return true;
}

/* ---- the whole ---- */

AWAITS static bool probe_everything(Probe *probe, Json *document, Error **err)
{
    return probe_identity(probe, document, err) && probe_schema(probe, err) && probe_types(probe, err) &&
           probe_aliases(probe, err) && probe_properties(probe, err) && probe_options(probe, err) &&
           probe_names(probe, "query-tpm-models", "tpm-model", err) &&
           probe_names(probe, "query-tpm-types", "tpm-type", err) &&
           probe_names(probe, "query-migrate-capabilities", "migrate", err) &&
           probe_machines(probe, document, err);
}

AWAITS static bool probe_cpus(Probe *probe, bool kvm, Json *all_cpus, Error **err)
{
    Json *cpus = json_object();
    json_object_set_new(all_cpus, kvm ? "kvm" : "tcg", cpus);
    return probe_cpu_models(probe, cpus, err) && probe_host_cpu(probe, kvm ? "host" : "max", cpus, err) &&
           (!kvm || probe_hyperv(probe, err));
}

/* One run of QEMU; @document gets what is not yet in it. */
AWAITS static bool probe_run(const char *binary, const QemuProbeUser *user, const char *accel, Json *document,
                             Json *all_cpus, GHashTable *facts, Error **err)
{
    Probe probe = { .binary = binary, .stderr_fd = -1, .facts = facts };
    bool first = json_object_size(document) == 0;
    Error *failure = NULL;
    bool ok = probe_start(&probe, user, accel, &failure) &&
              (!first || probe_everything(&probe, document, &failure));
    if (ok && first && !json_get_bool(document, "kvm", false))
        accel = "tcg";
    ok = ok && probe_cpus(&probe, strcmp(accel, "tcg") != 0, all_cpus, &failure);
    if (!ok)
        (void)probe_explain(&probe, failure, err);
    probe_end(&probe);
    return ok;
}

static int probe_compare_facts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static Json *probe_list_facts(GHashTable *facts)
{
    unsigned count;
    g_autofree char **names = (char **)g_hash_table_get_keys_as_array(facts, &count);
    qsort(names, count, sizeof(*names), probe_compare_facts);
    Json *list = json_array();
    for (unsigned i = 0; i < count; i++) {
        Json *name = json_string(names[i]);
        if (name)
            json_array_append_new(list, name);
    }
    return list;
}

/* Emulators of the distribution; a client may name any other path, which is never run as root. */
static bool probe_is_system_binary(const char *binary)
{
    return g_str_has_prefix(binary, "/usr/") && !g_str_has_prefix(binary, "/usr/local/") &&
           !strstr(binary, "..");
}

AWAITS static bool probe_all_runs(const char *binary, const QemuProbeUser *user, bool kvm_usable,
                                  Json *document, GHashTable *facts, Error **err)
{
    AUTO_JSON all_cpus = json_object();
    if (!probe_run(binary, user, kvm_usable ? "kvm:tcg" : "tcg", document, all_cpus, facts, err))
        return false;
    if (kvm_usable && user->set && probe_is_system_binary(binary) && !json_get_bool(document, "kvm", false)) {
        /* We may open /dev/kvm and that user may not, which the start of a machine can mend. */
        QemuProbeUser ourselves = { .set = false };
        json_object_clear(document);
        if (!probe_run(binary, &ourselves, "kvm:tcg", document, all_cpus, facts, err))
            return false;
    }
    if (!json_get_obj(all_cpus, "tcg") && !probe_run(binary, user, "tcg", document, all_cpus, facts, err))
        return false;
    json_object_set(document, "cpus", all_cpus);
    return true;
}

bool qemu_caps_probe(const char *binary, const QemuProbeUser *user, bool kvm_usable, Json **ret_document,
                     Error **err)
{
    uint64_t began_ms = loop_now_ms();
    g_autoptr(GHashTable) facts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    AUTO_JSON document = json_object();
    uint64_t token = fiber_deadline_begin(PROBE_DEADLINE_MS);
    bool ok = probe_all_runs(binary, user, kvm_usable, document, facts, err);
    fiber_deadline_end(token);
    if (!ok)
        return error_prefix(err, "cannot probe QEMU");
    json_object_set_new(document, "facts", probe_list_facts(facts));
    json_object_set_new(document, "firmware", firmware_load());
    log_info("probed %s in %.0f ms", binary, (double)(loop_now_ms() - began_ms));
    *ret_document = json_incref(document);
    return true;
}
