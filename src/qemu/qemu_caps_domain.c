/* The two documents that tell clients what they may ask for: domainCapabilities of one emulator, and the
 * <guest> elements of the host's capabilities. virt-install and virt-manager choose devices and defaults by
 * them, so they say only what both this QEMU and Lodge can do.
 *
 * Most of the first document is lists of values, each of which depends on one fact about QEMU: these are rows
 * of tables, in the order in which clients know them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "qemu_caps"
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/domain_xml.h"
#include "host/cpu.h"
#include "qemu/firmware.h"
#include "qemu/qemu_caps_private.h"

/* One value of an <enum>: listed if QEMU has @fact, or always (NULL). */
typedef struct EnumRow {
    const char *value;
    const char *kind, *fact; /* "device", "virtio-blk-pci-transitional" */
} EnumRow;

typedef struct DomainDocument {
    const QemuCaps *caps;
    const QemuMachine *machine;
    bool kvm;
    GString *out;
} DomainDocument;

static void document_line(DomainDocument *document, unsigned indent, const char *text)
{
    g_string_append_printf(document->out, "%*s%s\n", (int)indent, "", text);
}

static void document_value(DomainDocument *document, unsigned indent, const char *value)
{
    g_autofree char *escaped = g_markup_escape_text(value, -1);
    g_string_append_printf(document->out, "%*s<value>%s</value>\n", (int)indent, "", escaped);
}

/* @values: NULL-terminated. */
static void document_enum(DomainDocument *document, unsigned indent, const char *name,
                          const char *const *values)
{
    const char *end = values[0] ? "" : "/";
    g_string_append_printf(document->out, "%*s<enum name='%s'%s>\n", (int)indent, "", name, end);
    if (!values[0])
        return;
    for (size_t i = 0; values[i]; i++)
        document_value(document, indent + 2, values[i]);
    document_line(document, indent, "</enum>");
}

static bool document_is_x86(const DomainDocument *document)
{
    return strcmp(document->caps->arch, "x86_64") == 0 || strcmp(document->caps->arch, "i686") == 0;
}

/* A fact of QEMU's, or "machine" with the beginning of its name, or "x86". NULL @kind: always. */
static bool document_has(const DomainDocument *document, const char *kind, const char *fact)
{
    return !kind                          ? true
           : strcmp(kind, "machine") == 0 ? g_str_has_prefix(document->machine->name, fact)
           : strcmp(kind, "x86") == 0     ? document_is_x86(document)
                                          : qemu_caps_has_fact(document->caps, kind, fact, NULL);
}

/* @rows end with an empty one. */
static void document_rows(DomainDocument *document, unsigned indent, const char *name, const EnumRow *rows)
{
    g_autoptr(GPtrArray) values = g_ptr_array_new();
    for (; rows->value; rows++)
        if (document_has(document, rows->kind, rows->fact))
            g_ptr_array_add(values, (char *)rows->value);
    g_ptr_array_add(values, NULL);
    document_enum(document, indent, name, (const char *const *)values->pdata);
}

/* An element with its lists, if Lodge acts on what it stands for and QEMU has the fact. */
typedef struct Section {
    const char *name;
    const char *acts_on; /* in domains; NULL: it does */
    const char *kind, *fact;
    struct {
        const char *name;
        const EnumRow *rows;
    } lists[6];
} Section;
#define VALUES(...) ((const EnumRow[]){ __VA_ARGS__, { 0 } })

static void document_section(DomainDocument *document, unsigned indent, const Section *section)
{
    bool supported = (!section->acts_on || domain_acts_on(section->acts_on)) &&
                     document_has(document, section->kind, section->fact);
    g_string_append_printf(document->out, "%*s<%s supported='%s'%s>\n", (int)indent, "", section->name,
                           supported ? "yes" : "no", supported ? "" : "/");
    if (!supported)
        return;
    for (size_t i = 0; section->lists[i].name; i++)
        document_rows(document, indent + 2, section->lists[i].name, section->lists[i].rows);
    g_string_append_printf(document->out, "%*s</%s>\n", (int)indent, "", section->name);
}

static bool document_has_device(const DomainDocument *document, const char *driver)
{
    return qemu_caps_has_device(document->caps, driver);
}

/* ---- os ---- */

/* Where distributions put firmware before they described it. */
static const char *const old_firmware[] = { "/usr/share/OVMF/OVMF_CODE.fd",
                                            "/usr/share/OVMF/OVMF_CODE.secboot.fd", NULL };
static const char *const old_firmware_arm[] = { "/usr/share/AAVMF/AAVMF_CODE.fd",
                                                "/usr/share/AAVMF/AAVMF32_CODE.fd", NULL };

static void document_add_old_firmware(const DomainDocument *document, GPtrArray *paths)
{
    const char *arch = document->caps->arch;
    const char *const *candidates = NULL;
    if (strcmp(arch, "x86_64") == 0 || strcmp(arch, "i686") == 0)
        candidates = old_firmware;
    else if (strcmp(arch, "aarch64") == 0 || strcmp(arch, "armv7l") == 0)
        candidates = old_firmware_arm;
    for (; candidates && *candidates; candidates++)
        if (access(*candidates, R_OK) == 0) /* on the system's own disk */
            g_ptr_array_add(paths, (char *)*candidates);
}

static void document_os(DomainDocument *document)
{
    const char *qemu_arch = strcmp(document->caps->arch, "i686") == 0 ? "i386" : document->caps->arch;
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    bool has_uefi = false, has_secure = false;
    size_t i;
    Json *firmware;
    json_array_foreach (document->caps->firmware, i, firmware) {
        const char *path = json_get_str(firmware, "executable");
        if (!path || !firmware_matches(firmware, qemu_arch, document->machine->name))
            continue;
        g_ptr_array_add(paths, (char *)path);
        has_uefi |= firmware_has_type(firmware, "uefi");
        has_secure |= firmware_has_feature(firmware, "secure-boot");
    }
    if (paths->len == 0)
        document_add_old_firmware(document, paths);

    document_line(document, 2, "<os supported='yes'>");
    document_enum(document, 4, "firmware", (const char *const[]){ has_uefi ? "efi" : NULL, NULL });
    document_line(document, 4, "<loader supported='yes'>");
    for (unsigned p = 0; p < paths->len; p++)
        document_value(document, 6, paths->pdata[p]);
    document_enum(document, 6, "type", (const char *const[]){ "rom", "pflash", NULL });
    document_enum(document, 6, "readonly", (const char *const[]){ "yes", "no", NULL });
    document_enum(document, 6, "secure",
                  has_secure ? (const char *const[]){ "yes", "no", NULL }
                             : (const char *const[]){ "no", NULL });
    document_line(document, 4, "</loader>");
    document_line(document, 2, "</os>");
}

/* ---- cpu ---- */

/* Elsewhere than on x86 QEMU's own list is what counts. */
static bool cpu_is_listed(const GPtrArray *known, const char *model)
{
    if (strcmp(model, "max") == 0 || strcmp(model, "host") == 0 || strcmp(model, "base") == 0)
        return false;
    for (unsigned i = 0; known && i < known->len; i++)
        if (strcmp(known->pdata[i], model) == 0)
            return true;
    return !known;
}

/* The models that users may name, of QemuCpuModel, borrowed, in QEMU's order. */
static GPtrArray *document_models(const DomainDocument *document)
{
    g_autoptr(GPtrArray) known = NULL;
    if (document_is_x86(document))
        (void)!cpu_list_models(document->caps->arch, &known, NULL); /* without the list all are shown */
    GPtrArray *listed = g_ptr_array_new();
    size_t n_models;
    const QemuCpuModel *models = qemu_caps_cpu_models(document->caps, document->kvm, &n_models);
    for (size_t i = 0; i < n_models; i++)
        if (cpu_is_listed(known, models[i].name))
            g_ptr_array_add(listed, (void *)&models[i]);
    return listed;
}

static void document_custom_models(DomainDocument *document, const GPtrArray *models)
{
    if (models->len == 0) {
        document_line(document, 4, "<mode name='custom' supported='no'/>");
        return;
    }
    document_line(document, 4, "<mode name='custom' supported='yes'>");
    for (unsigned i = 0; i < models->len; i++) {
        const QemuCpuModel *model = models->pdata[i];
        const char *vendor = document_is_x86(document) ? cpu_model_vendor(model->name) : NULL;
        g_string_append_printf(document->out, "      <model usable='%s'%s vendor='%s'>%s</model>\n",
                               model->usable ? "yes" : "no", model->deprecated ? " deprecated='yes'" : "",
                               vendor ? vendor : "unknown", model->name);
    }
    document_line(document, 4, "</mode>");
}

bool qemu_caps_format_host_model(const QemuCaps *caps, bool kvm, unsigned indent, GString *out, Error **err)
{
    const Json *host = qemu_caps_host_cpu(caps, kvm);
    size_t n_models;
    const QemuCpuModel *models = qemu_caps_cpu_models(caps, kvm, &n_models);
    if (!host)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s does not tell its host CPU model",
                         qemu_caps_binary(caps));
    g_autofree CpuOffer *offers = g_new0(CpuOffer, n_models + 1);
    for (size_t i = 0; i < n_models; i++)
        offers[i] = (CpuOffer){ .model = models[i].name, .blockers = models[i].blockers };
    return cpu_format_host_model_with(host, offers, n_models, indent, out, err);
}

static bool document_host_model(DomainDocument *document, Error **err)
{
    const Json *host = qemu_caps_host_cpu(document->caps, document->kvm);
    if (!host || !document_is_x86(document)) {
        document_line(document, 4, "<mode name='host-model' supported='no'/>");
        return true;
    }
    document_line(document, 4, "<mode name='host-model' supported='yes'>");
    if (!qemu_caps_format_host_model(document->caps, document->kvm, 6, document->out, err))
        return false;
    document_line(document, 4, "</mode>");
    return true;
}

static bool document_cpu(DomainDocument *document, Error **err)
{
    static const char *const migratable[] = { "on", "off", NULL };
    document_line(document, 2, "<cpu>");
    if (document->kvm) {
        bool can_migrate = strcmp(document->caps->arch, "i686") != 0;
        document_line(document, 4, "<mode name='host-passthrough' supported='yes'>");
        document_enum(document, 6, "hostPassthroughMigratable", can_migrate ? migratable : migratable + 1);
        document_line(document, 4, "</mode>");
    } else {
        document_line(document, 4, "<mode name='host-passthrough' supported='no'/>");
    }
    document_line(document, 4, "<mode name='maximum' supported='yes'>");
    document_enum(document, 6, "maximumMigratable", migratable);
    document_line(document, 4, "</mode>");
    g_autoptr(GPtrArray) models = document_models(document);
    if (!document_host_model(document, err))
        return false;
    document_custom_models(document, models);
    document_line(document, 2, "</cpu>");
    return true;
}

/* ---- devices ---- */

static const Section memory_backing = {
    .name = "memoryBacking",
    .lists = { { "sourceType", VALUES({ "file", "device", "memory-backend-file" }, { "anonymous" },
                                      { "memfd", "device", "memory-backend-memfd" }) } },
};

static const Section device_sections[] = {
    { .name = "disk",
      .lists = { { "diskDevice",
                   VALUES({ "disk" }, { "cdrom" }, { "floppy" }, { "lun", "device", "scsi-block" }) },
                 { "bus", VALUES({ "ide", "machine", "pc-i440fx-" }, /* the only ones with a PIIX */
                                 { "fdc", "x86" }, { "scsi", "device", "virtio-scsi-pci" }, { "virtio" },
                                 { "usb", "device", "usb-storage" }, { "sata", "device", "ich9-ahci" }) },
                 { "model",
                   VALUES({ "virtio" }, { "virtio-transitional", "device", "virtio-blk-pci-transitional" },
                          { "virtio-non-transitional", "device", "virtio-blk-pci-non-transitional" }) } } },
    { .name = "graphics",
      .lists = { { "type",
                   VALUES({ "vnc", "command", "query-vnc" }, { "spice", "command", "query-spice" },
                          { "egl-headless", "schema", "query-display-options>/type=egl-headless" }) } } },
    { .name = "video",
      .lists = { { "modelType",
                   VALUES({ "vga", "device", "VGA" }, { "cirrus", "device", "cirrus-vga" },
                          { "vmvga", "device", "vmware-svga" }, { "qxl", "device", "qxl" },
                          { "virtio", "device", "virtio-gpu-pci" }, { "none" },
                          { "bochs", "device", "bochs-display" }, { "ramfb", "device", "ramfb" }) } } },
    { .name = "hostdev",
      .acts_on = "devices/hostdev",
      .lists = { { "mode", VALUES({ "subsystem" }) },
                 { "startupPolicy", VALUES({ "default" }, { "mandatory" }, { "requisite" }, { "optional" }) },
                 { "subsysType", VALUES({ "usb", "device", "usb-host" }, { "pci", "device", "vfio-pci" },
                                        { "scsi", "device", "scsi-generic" }) },
                 { "capsType", VALUES({ 0 }) },
                 { "pciBackend", VALUES({ 0 }) } } },
    { .name = "rng",
      .lists = { { "model",
                   VALUES({ "virtio", "device", "virtio-rng-pci" },
                          { "virtio-transitional", "device", "virtio-rng-pci-transitional" },
                          { "virtio-non-transitional", "device", "virtio-rng-pci-non-transitional" }) },
                 { "backendModel",
                   VALUES({ "random", "device", "rng-random" }, { "egd", "device", "rng-egd" },
                          { "builtin", "device", "rng-builtin" }) } } },
    { .name = "filesystem",
      .acts_on = "devices/filesystem",
      .lists = { { "driverType",
                   VALUES({ "path" }, { "handle" }, { "virtiofs", "device", "vhost-user-fs-pci" }) } } },
    { .name = "tpm",
      .acts_on = "devices/tpm",
      .lists = { { "model",
                   VALUES({ "tpm-tis", "tpm-model", "tpm-tis" }, { "tpm-crb", "tpm-model", "tpm-crb" },
                          { "tpm-spapr", "tpm-model", "tpm-spapr" }) },
                 { "backendModel",
                   VALUES({ "passthrough", "tpm-type", "passthrough" },
                          { "emulator", "tpm-type", "emulator" }, { "external", "tpm-type", "emulator" }) },
                 { "backendVersion",
                   VALUES({ "1.2", "tpm-type", "emulator" }, { "2.0", "tpm-type", "emulator" }) } } },
    { .name = "redirdev",
      .kind = "device",
      .fact = "usb-redir",
      .lists = { { "bus", VALUES({ "usb", "device", "usb-redir" }) } } },
    { .name = "channel",
      .lists = { { "type", VALUES({ "pty" }, { "unix" }, { "spicevmc", "device", "chardev-spicevmc" }) } } },
};

static void document_devices(DomainDocument *document)
{
    document_line(document, 2, "<devices>");
    for (size_t i = 0; i < G_N_ELEMENTS(device_sections); i++)
        document_section(document, 4, &device_sections[i]);
    document_line(document, 2, "</devices>");
}

/* ---- features ---- */

static void document_feature(DomainDocument *document, const char *name, bool supported)
{
    g_string_append_printf(document->out, "    <%s supported='%s'/>\n", name, supported ? "yes" : "no");
}

static const Section hyperv = {
    .name = "hyperv",
    .kind = "hyperv",
    .fact = "spinlocks",
    .lists = { { "features",
                 VALUES({ "relaxed", "hyperv", "relaxed" }, { "vapic", "hyperv", "vapic" },
                        { "spinlocks", "hyperv", "spinlocks" }, { "vpindex", "hyperv", "vpindex" },
                        { "runtime", "hyperv", "runtime" }, { "synic", "hyperv", "synic" },
                        { "stimer", "hyperv", "stimer" }, { "reset", "hyperv", "reset" },
                        { "vendor_id", "hyperv", "vendor-id" }, { "frequencies", "hyperv", "frequencies" },
                        { "reenlightenment", "hyperv", "reenlightenment" },
                        { "tlbflush", "hyperv", "tlbflush" }, { "ipi", "hyperv", "ipi" },
                        { "evmcs", "hyperv", "evmcs" }, { "avic", "hyperv", "avic" }) } },
};

static void document_features(DomainDocument *document)
{
    document_line(document, 2, "<features>");
    document_feature(document, "gic", false);
    document_feature(document, "vmcoreinfo", document_has_device(document, "vmcoreinfo"));
    document_feature(document, "genid", document_has_device(document, "vmgenid"));
    document_feature(document, "backingStoreInput", true);
    document_feature(document, "backup", true);
    document_feature(document, "sev", false);
    document_feature(document, "sgx", false);
    document_section(document, 4, &hyperv);
    document_line(document, 2, "</features>");
}

static bool document_choose(DomainDocument *document, const char *machine, const char *virt_type, Error **err)
{
    const QemuCaps *caps = document->caps;
    bool wants_kvm = virt_type ? strcmp(virt_type, "kvm") == 0 : caps->kvm;
    if (virt_type && !(wants_kvm && caps->kvm) && strcmp(virt_type, "qemu") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "Emulator '%s' does not support virt type '%s'",
                         caps->binary, virt_type);
    document->kvm = wants_kvm;
    document->machine = qemu_caps_machine(caps, machine);
    if (!document->machine)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the machine '%s' is not supported by emulator '%s'",
                         machine ? machine : "(default)", caps->binary);
    return true;
}

bool qemu_caps_format_domain(const QemuCaps *caps, const char *machine, const char *virt_type, char **ret_xml,
                             Error **err)
{
    g_autoptr(GString) out = g_string_sized_new(16384);
    DomainDocument document = { .caps = caps, .out = out };
    if (!document_choose(&document, machine, virt_type, err))
        return false;
    g_autofree char *path = g_markup_escape_text(caps->binary, -1);
    g_string_append_printf(out,
                           "<domainCapabilities>\n  <path>%s</path>\n  <domain>%s</domain>\n"
                           "  <machine>%s</machine>\n  <arch>%s</arch>\n  <vcpu max='%u'/>\n"
                           "  <iothreads supported='%s'/>\n",
                           path, document.kvm ? "kvm" : "qemu", document.machine->name, caps->arch,
                           document.machine->max_cpus,
                           document_has_device(&document, "iothread") ? "yes" : "no");
    document_os(&document);
    if (!document_cpu(&document, err))
        return false;
    document_section(&document, 2, &memory_backing);
    document_devices(&document);
    document_features(&document);
    g_string_append(out, "</domainCapabilities>\n");
    *ret_xml = g_strdup(out->str);
    return true;
}

/* ---- <guest> of the capabilities document ---- */

static void guest_machines(const QemuCaps *caps, GString *out)
{
    for (size_t i = 0; i < caps->n_machines; i++) {
        const QemuMachine *machine = &caps->machines[i];
        const char *deprecated = machine->deprecated ? " deprecated='yes'" : "";
        g_string_append_printf(out, "      <machine maxCpus='%u'%s>%s</machine>\n", machine->max_cpus,
                               deprecated, machine->name);
        if (machine->alias)
            g_string_append_printf(out, "      <machine canonical='%s' maxCpus='%u'%s>%s</machine>\n",
                                   machine->name, machine->max_cpus, deprecated, machine->alias);
    }
}

static unsigned guest_word_size(const char *arch)
{
    return strstr(arch, "64") || strcmp(arch, "s390x") == 0 || strcmp(arch, "alpha") == 0 ? 64 : 32;
}

static void guest_features(const char *arch, GString *out)
{
    bool is_x86 = strcmp(arch, "i686") == 0 || strcmp(arch, "x86_64") == 0;
    g_string_append(out, "    <features>\n");
    if (strcmp(arch, "i686") == 0)
        g_string_append(out, "      <pae/>\n      <nonpae/>\n");
    if (is_x86 || strcmp(arch, "aarch64") == 0)
        g_string_append(out, "      <acpi default='on' toggle='yes'/>\n");
    if (is_x86)
        g_string_append(out, "      <apic default='on' toggle='no'/>\n");
    g_string_append(out, "      <cpuselection/>\n      <deviceboot/>\n");
    g_string_append(out, "      <disksnapshot default='on' toggle='no'/>\n      <externalSnapshot/>\n");
    g_string_append(out, "    </features>\n");
}

static void guest_append(const char *arch, const QemuCaps *caps, GString *out)
{
    g_autofree char *path = g_markup_escape_text(caps->binary, -1);
    g_string_append_printf(out,
                           "  <guest>\n    <os_type>hvm</os_type>\n    <arch name='%s'>\n"
                           "      <wordsize>%u</wordsize>\n      <emulator>%s</emulator>\n",
                           arch, guest_word_size(arch), path);
    guest_machines(caps, out);
    g_string_append(out, "      <domain type='qemu'/>\n");
    if (caps->kvm)
        g_string_append(out, "      <domain type='kvm'/>\n");
    g_string_append(out, "    </arch>\n");
    guest_features(arch, out);
    g_string_append(out, "  </guest>\n\n");
}

bool qemu_caps_format_guests(QemuCapsCache *cache, GString *out, Error **err)
{
    g_autoptr(GPtrArray) binaries = qemu_caps_list_binaries();
    for (unsigned i = 0; i + 1 < binaries->len; i += 2) {
        g_autoptr(QemuCaps) caps = NULL;
        g_autoptr(Error) failure = NULL;
        if (qemu_caps_get(cache, binaries->pdata[i + 1], &caps, &failure)) {
            guest_append(binaries->pdata[i], caps, out);
        } else if (error_code(failure) == ERROR_CANCELLED) {
            return error_propagate(err, g_steal_pointer(&failure));
        } else { /* one broken emulator does not hide the others */
            log_warning_error(failure, "capabilities");
        }
    }
    return true;
}
