/* Domain documents on their way in and out of the core: reading them completes them with what this host's
 * QEMU says (machine type, CPU, addresses). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "xml"
#include <string.h>
#include <sys/utsname.h>

#include "base/log.h"
#include "conf/domain_defaults.h"
#include "conf/domain_device.h"
#include "conf/domain_rows.h"
#include "conf/domain_xml.h"
#include "machine/vm_snapshot_private.h"
#include "qemu/address.h"

bool vm_xml_get_caps(Host *host, const DomainDef *def, QemuCaps **ret_caps, Error **err)
{
    const char *arch = def->os.arch ? enum_name(&arch_names, def->os.arch) : NULL;

    if (def->emulator)
        return qemu_caps_get(host->machines->qemu_caps, def->emulator, ret_caps, err);
    return qemu_caps_get_default(host->machines->qemu_caps, arch, ret_caps, err);
}

/* "qemu64-x86_64-cpu" is the model "qemu64". */
static char *cpu_model_from_type(const char *type_name)
{
    if (!type_name)
        return NULL;
    const size_t len = strlen(type_name);
    if (g_str_has_suffix(type_name, "-cpu")) {
        const char *end = type_name + len - strlen("-cpu");
        for (const char *p = end - 1; p > type_name; p--) {
            if (*p == '-')
                return g_strndup(type_name, (gsize)(p - type_name));
        }
    }
    return g_strdup(type_name);
}

static Arch host_arch(void)
{
    struct utsname name;
    uint8_t arch = ARCH_X86_64;
    if (uname(&name) == 0)
        (void)enum_from_name(&arch_names, name.machine, &arch); /* an unknown one builds no machine anyway */
    return (Arch)arch;
}

/* A 64-bit x86 emulator runs 32-bit machines too. */
static bool emulator_runs(const QemuCaps *caps, Arch arch)
{
    const char *own = qemu_caps_arch(caps);
    if (arch == ARCH_ABSENT || !own)
        return true;
    return strcmp(own, enum_name(&arch_names, arch)) == 0 ||
           (arch == ARCH_I686 && strcmp(own, "x86_64") == 0);
}

static bool platform_ask(void *arg, const DomainDef *def, DomainPlatform *ret_platform, Error **err)
{
    const VmXmlHooks *context = arg;
    g_autoptr(QemuCaps) caps = NULL;
    g_autoptr(Error) why = NULL;

    ret_platform->nvram_dir = g_strdup(context->host->paths->nvram);
    /* A file of ours is complete; probing QEMU would only make the daemon's start slow. */
    if ((context->flags & VM_XML_TRUSTED) && def->emulator && def->os.machine)
        return true;
    if (!vm_xml_get_caps(context->host, def, &caps, &why)) {
        if (context->flags & VM_XML_TRUSTED)
            return true;
        return error_propagate(err, g_steal_pointer(&why));
    }
    if (!(context->flags & VM_XML_TRUSTED) && !emulator_runs(caps, def->os.arch))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Emulator '%s' does not support arch '%s'",
                         qemu_caps_binary(caps), enum_name(&arch_names, def->os.arch));
    const QemuMachine *machine = qemu_caps_machine(caps, def->os.machine);
    if (!machine) {
        if (context->flags & VM_XML_TRUSTED)
            return true;
        /* Of a board that the reference does not know by name it says that it has no PCI. */
        const bool is_known = domain_is_q35(def) || domain_is_i440fx(def) ||
                              (def->os.machine && g_str_has_prefix(def->os.machine, "rhel"));
        return error_set(err, is_known ? ERROR_CONFIG_UNSUPPORTED : ERROR_XML_INVALID,
                         "Emulator '%s' does not support machine type '%s'", qemu_caps_binary(caps),
                         def->os.machine ? def->os.machine : "(default)");
    }
    ret_platform->emulator = g_strdup(qemu_caps_binary(caps));
    ret_platform->machine = g_strdup(machine->name);
    ret_platform->cpu_model = cpu_model_from_type(machine->default_cpu_type);
    return true;
}

/* What only QEMU knows. */
static bool check_platform(const DomainDef *def, const QemuCaps *caps, Error **err)
{
    const QemuMachine *machine = qemu_caps_machine(caps, def->os.machine);

    if (machine && machine->max_cpus && def->vcpus > machine->max_cpus)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Maximum CPUs greater than specified machine type limit %u", machine->max_cpus);
    return true;
}

static bool parse_finish(Host *host, unsigned flags, DomainDef *def, Error **err)
{
    g_autoptr(QemuCaps) caps = NULL;

    if (uuid_is_null(&def->uuid))
        uuid_generate(&def->uuid);
    if (!def->name)
        return error_set(err, ERROR_XML_INVALID, "domain without a name");
    if (!vm_check_name(def->name, err))
        return false;
    if (flags & (VM_XML_LIVE | VM_XML_TRUSTED))
        return true;
    return vm_xml_get_caps(host, def, &caps, err) && check_platform(def, caps, err) &&
           qemu_assign_addresses(def, caps, err);
}

void vm_xml_hooks_init(VmXmlHooks *hooks, Host *host, unsigned flags)
{
    *hooks = (VmXmlHooks){ .hooks = { .host_arch = host_arch(), .platform = platform_ask, .arg = hooks },
                           .host = host,
                           .flags = flags };
}

bool vm_xml_parse(Host *host, const char *xml, size_t len, const char *source, unsigned flags,
                  DomainDef **ret_def, Error **err)
{
    VmXmlHooks hooks;
    DomainParseFlags parse_flags = 0;
    g_autoptr(DomainDef) def = NULL;

    vm_xml_hooks_init(&hooks, host, flags);
    if (flags & VM_XML_LIVE)
        parse_flags |= DOMAIN_PARSE_SKIP_DEFAULTS;
    else
        parse_flags |= DOMAIN_PARSE_INACTIVE;
    if (flags & VM_XML_VALIDATE)
        parse_flags |= DOMAIN_PARSE_VALIDATE;
    if (flags & VM_XML_TRUSTED)
        parse_flags |= DOMAIN_PARSE_SKIP_CHECKS;
    if (!domain_def_parse_text(xml, len, source, parse_flags, &hooks.hooks, &def, err) ||
        !parse_finish(host, flags, def, err))
        return false;
    *ret_def = g_steal_pointer(&def);
    return true;
}

bool vm_snapshot_parse(Host *host, const char *xml, size_t len, MomentParseFlags flags, SnapshotDef **ret_def,
                       Error **err)
{
    VmXmlHooks hooks;
    g_autoptr(SnapshotDef) def = NULL;

    vm_xml_hooks_init(&hooks, host, flags & MOMENT_PARSE_STORED ? VM_XML_TRUSTED : 0);
    if (!snapshot_def_parse(xml, len, flags, &hooks.hooks, &def, err) ||
        (def->domain && !parse_finish(host, hooks.flags, def->domain, err)) ||
        (def->inactive && !parse_finish(host, hooks.flags, def->inactive, err)))
        return false;
    *ret_def = g_steal_pointer(&def);
    return true;
}

bool vm_checkpoint_parse(Host *host, const char *xml, size_t len, MomentParseFlags flags,
                         CheckpointDef **ret_def, Error **err)
{
    VmXmlHooks hooks;
    g_autoptr(CheckpointDef) def = NULL;

    vm_xml_hooks_init(&hooks, host, 0);
    if (!checkpoint_def_parse(xml, len, flags, &hooks.hooks, &def, err) ||
        (def->domain && !parse_finish(host, hooks.flags, def->domain, err)))
        return false;
    *ret_def = g_steal_pointer(&def);
    return true;
}

/* Deeper inside than any file of ours has it, so that the depth of what fits here fits there. */
#define READ_BACK_BEGIN "<x><x><x>"
#define READ_BACK_END "</x></x></x>"

typedef struct ReadBack {
    char *name;
    Uuid uuid;
} ReadBack;

static void read_back_free(void *data)
{
    ReadBack *back = data;

    g_free(back->name);
    g_free(back);
}

static void read_back_dropped(void *arg, const char *path, unsigned line)
{
}

static bool read_back(const xmlNode *root, void *arg, Error **err)
{
    const ReadBack *back = arg;
    const DomainHooks hooks = { .dropped = read_back_dropped }; /* nothing is logged: this may be a worker */
    g_autoptr(DomainDef) again = NULL;

    if (!domain_def_parse_node(root->children->children->children, "(stored_definition)",
                               DOMAIN_PARSE_INACTIVE | DOMAIN_PARSE_SKIP_DEFAULTS, &hooks, &again, err))
        return false;
    if (g_strcmp0(again->name, back->name) != 0 || !uuid_equal(&again->uuid, &back->uuid))
        return error_set(err, ERROR_INTERNAL, "it would be the machine '%s'", again->name ? again->name : "");
    return true;
}

bool vm_xml_check_text(const DomainDef *def, const char *text, Error **err)
{
    g_autofree char *inside = g_strconcat(READ_BACK_BEGIN, text, READ_BACK_END, NULL);
    g_autofree char *name = g_strdup(def->name);
    g_autoptr(Error) why = NULL;
    ReadBack *back = g_new0(ReadBack, 1);

    back->name = g_strdup(name);
    back->uuid = def->uuid;
    if (xml_document_use(inside, strlen(inside), "(stored_definition)", read_back, back, read_back_free,
                         &why)) {
        read_back_free(back);
        return true;
    }
    if (error_code(why) == ERROR_TIMEOUT || error_code(why) == ERROR_CANCELLED)
        return error_propagate(err, g_steal_pointer(&why));
    return error_set(err, ERROR_INTERNAL, "the definition of '%s' would not read back: %s", name,
                     error_message(why));
}

bool vm_xml_check_readable(const DomainDef *def, Error **err)
{
    g_autofree char *text = vm_xml_format(def, XML_FORMAT_SECURE | XML_FORMAT_INACTIVE);

    return vm_xml_check_text(def, text, err);
}

/* A source as it is outside of documents. */
typedef struct FoundSource {
    StorageSource *source;
    StorageSource found;
} FoundSource;

/* A volume was found once, at the start; in documents it keeps the name that it was asked for by. */
static void name_volumes(const DomainDef *def, GArray *found)
{
    for (DEF_EACH(DiskDef, disk, def->disks)) {
        StorageSource *source = &disk->src;
        if (!source->asked_volume)
            continue;
        const FoundSource one = { .source = source, .found = *source };
        g_array_append_val(found, one);
        source->type = STORAGE_VOLUME;
        source->path = source->asked_volume;
        source->pool = source->asked_pool;
        source->volume_mode = source->asked_mode;
        if (source->has_auth_of_pool)
            source->auth = NULL;
    }
}

char *vm_xml_format(const DomainDef *def, unsigned format_flags)
{
    GString *out = g_string_sized_new(4096);
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(FoundSource));

    name_volumes(def, found); /* for this call, in which nothing waits */
    domain_def_format(def, (DomainFormatFlags)format_flags, out);
    for (guint i = 0; i < found->len; i++)
        *g_array_index(found, FoundSource, i).source = g_array_index(found, FoundSource, i).found;
    return g_string_free(out, FALSE);
}

/* The labels that every start adds by itself (vm_start.c): not part of what the user wrote. */
static bool has_implicit_labels(const DomainDef *def)
{
    for (DEF_EACH(SecurityLabel, label, def->seclabels)) {
        if (label->type != SECLABEL_DYNAMIC || !label->model || label->base_label ||
            (strcmp(label->model, "dac") != 0 && strcmp(label->model, "apparmor") != 0))
            return false;
    }
    return def_list_len(def->seclabels) > 0;
}

static void drop_labels(DomainDef *def)
{
    while (def_list_len(def->seclabels)) /* the last one takes the list with it */
        xml_list_remove(&security_label_table, &def->seclabels, def->seclabels->len - 1);
}

char *vm_xml_format_inactive(const DomainDef *live, unsigned format_flags)
{
    if (!has_implicit_labels(live))
        return vm_xml_format(live, format_flags | XML_FORMAT_INACTIVE);
    g_autoptr(DomainDef) def = domain_def_copy(live);
    drop_labels(def);
    return vm_xml_format(def, format_flags | XML_FORMAT_INACTIVE);
}

bool vm_xml_check_abi(const DomainDef *from, const DomainDef *to, Error **err)
{
    return domain_def_check_abi_stable(from, to, err);
}

/* Paths that each start makes anew: another host has its own. */
static void drop_generated_paths(const Host *host, DomainDef *def)
{
    for (DEF_EACH(CharDef, channel, def->channels)) {
        if (channel->source.type == CHAR_UNIX && channel->source.path &&
            g_str_has_prefix(channel->source.path, host->paths->channel_target)) {
            g_clear_pointer(&channel->source.path, g_free);
            channel->source.mode = CHAR_MODE_ABSENT;
        }
    }
}

char *vm_xml_format_migratable(const Host *host, const DomainDef *source)
{
    g_autoptr(DomainDef) def = domain_def_copy(source);

    drop_generated_paths(host, def);
    if (has_implicit_labels(def))
        drop_labels(def);
    domain_order_controllers(def);
    return vm_xml_format(def, XML_FORMAT_SECURE | XML_FORMAT_MIGRATABLE);
}
