/* Options about the machine as a whole. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "install/install.h"
#include "install/option_apply.h"

#define QEMU_SPACE "http://libvirt.org/schemas/domain/qemu/1.0"

/* A whole number of a word; absent: true, output untouched. */
static bool take_number(InstallWords *words, const char *name, uint64_t max, uint64_t *ret_value, Error **err)
{
    const char *text = install_word_take(words, name);
    char *end = NULL;

    if (!text)
        return true;
    errno = 0;
    const uint64_t value = g_ascii_strtoull(text, &end, 10);
    if (errno || end == text || *end || value > max || *text == '-')
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--%s: %s must be a whole number up to %" PRIu64 ", not '%s'", words->option->name,
                         name, max, text);
    *ret_value = value;
    return true;
}

bool apply_metadata(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    bool genid = false;

    if (!install_word_take_bool(words, "genid_enable", &genid, err))
        return false;
    if (genid)
        (void)doc_make(node, "genid");
    const char *name = install_word_take(words, "os_name"), *id = install_word_take(words, "os_full_id");
    if (name || id)
        install_set(&install->os_asked, id ? id : name);
    return true;
}

/* MiB on the command line, KiB in the document. */
bool apply_memory(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    const uint64_t max_mib = UINT64_C(1) << 40;
    uint64_t memory = 0, current = 0, maximum = 0, most = 0, slots = 0;
    bool hugepages = false;

    if (!take_number(words, "memory", max_mib, &memory, err) ||
        !take_number(words, "currentMemory", max_mib, &current, err) ||
        !take_number(words, "maxMemory", max_mib, &most, err) ||
        !take_number(words, "maxMemory.slots", UINT16_MAX, &slots, err) ||
        !install_word_take_bool(words, "hugepages", &hugepages, err))
        return false;
    /* "maxmemory" is the older word for the element memory; names are compared without capitals. */
    for (guint i = 0; i < words->list->len; i++) {
        InstallWord *word = &g_array_index(words->list, InstallWord, i);
        if (g_strcmp0(word->name, "maxmemory") != 0)
            continue;
        maximum = g_ascii_strtoull(word->value, NULL, 10);
        most = 0;
        word->is_used = true;
    }
    if (maximum) {
        current = current ? current : memory;
        memory = maximum;
    }
    if (!memory && !current)
        return true;
    memory = memory ? memory : current;
    doc_setf(node, "memory", "%" PRIu64, memory * 1024);
    doc_setf(node, "currentMemory", "%" PRIu64, (current ? current : memory) * 1024);
    if (most)
        doc_setf(node, "maxMemory", "%" PRIu64, most * 1024);
    if (slots)
        doc_setf(node, "maxMemory/@slots", "%" PRIu64, slots);
    if (hugepages)
        (void)doc_make(node, "memoryBacking/hugepages");
    return true;
}

static unsigned divide(unsigned all, unsigned by)
{
    return all / by ? all / by : 1;
}

/* What is left out of a topology follows from the rest; cores before sockets before threads. */
static void fill_topology(unsigned vcpus, unsigned *sockets, unsigned *dies, unsigned *cores,
                          unsigned *threads)
{
    if (!*dies)
        *dies = 1;
    if (!*cores && *sockets)
        *cores = divide(vcpus, *sockets * *dies * (*threads ? *threads : 1));
    if (!*cores && !*sockets)
        *cores = divide(vcpus, *dies * (*threads ? *threads : 1));
    if (!*sockets)
        *sockets = divide(vcpus, *cores * *dies * (*threads ? *threads : 1));
    if (!*threads)
        *threads = divide(vcpus, *sockets * *dies * *cores);
}

bool apply_vcpus(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    uint64_t vcpus = 0, most = 0, current = 0, sockets = 0, dies = 0, cores = 0, threads = 0;

    if (!take_number(words, "maxcpus", 4096, &most, err) ||
        !take_number(words, "maxvcpus", 4096, &most, err) ||
        !take_number(words, "vcpus", 4096, &vcpus, err) || !take_number(words, "vcpu", 4096, &most, err) ||
        !take_number(words, "vcpu.current", 4096, &current, err) ||
        !take_number(words, "sockets", 4096, &sockets, err) ||
        !take_number(words, "dies", 4096, &dies, err) || !take_number(words, "cores", 4096, &cores, err) ||
        !take_number(words, "threads", 4096, &threads, err))
        return false;
    const char *cpuset = install_word_take(words, "cpuset");
    const bool has_topology = sockets || dies || cores || threads;
    if (has_topology) {
        unsigned s = (unsigned)sockets, d = (unsigned)dies, c = (unsigned)cores, t = (unsigned)threads;
        const uint64_t product = (s ? s : 1) * (d ? d : 1) * (uint64_t)(c ? c : 1) * (t ? t : 1);
        if (!vcpus && !most)
            vcpus = product;
        fill_topology((unsigned)(most ? most : vcpus), &s, &d, &c, &t);
        doc_setf(node, "cpu/topology/@sockets", "%u", s);
        doc_setf(node, "cpu/topology/@dies", "%u", d);
        doc_setf(node, "cpu/topology/@cores", "%u", c);
        doc_setf(node, "cpu/topology/@threads", "%u", t);
    }
    if (most && vcpus && !current)
        current = vcpus;
    if (most || vcpus)
        doc_setf(node, "vcpu", "%" PRIu64, most ? most : vcpus);
    if (current)
        doc_setf(node, "vcpu/@current", "%" PRIu64, current);
    if (cpuset && strcmp(cpuset, "auto") == 0)
        return error_set(err, ERROR_NOT_SUPPORTED,
                         "--vcpus: cpuset=auto is not known: name the host's CPUs, like 0-3");
    if (cpuset)
        doc_set(node, "vcpu/@cpuset", cpuset);
    return true;
}

static void add_feature(xmlNode *node, const char *policy, const char *name)
{
    xmlNode *feature = doc_add(node, "feature");

    doc_set(feature, "@policy", policy);
    doc_set(feature, "@name", name);
}

static void set_model(xmlNode *node, const char *model)
{
    static const char *const modes[] = { "host-passthrough", "host-model", "maximum", "custom", NULL };

    if (strcmp(model, "host") == 0 || strcmp(model, "host-copy") == 0)
        doc_set(node, "@mode", "host-model");
    else if (strcmp(model, "none") == 0 || strcmp(model, "hv-default") == 0)
        return; /* as QEMU has it */
    else if (g_strv_contains(modes, model))
        doc_set(node, "@mode", model);
    else {
        doc_default(node, "@mode", "custom");
        doc_default(node, "@match", "exact");
        doc_set(node, "model", model);
    }
}

/* "MODEL,+feature,-feature,disable=feature" */
bool apply_cpu(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    static const char *const policies[] = { "force", "require", "optional", "disable", "forbid", NULL };
    bool secure = true;
    const char *model = install_word_take(words, "model");

    if (!install_word_take_bool(words, "secure", &secure, err))
        return false;
    if (model)
        set_model(node, model);
    for (guint i = 0; i < words->list->len; i++) {
        InstallWord *word = &g_array_index(words->list, InstallWord, i);
        if (word->name && g_strv_contains(policies, word->name))
            add_feature(node, word->name, word->value);
        else if (!word->name && strchr("+-", *word->value) && *word->value)
            add_feature(node, *word->value == '+' ? "force" : "disable", word->value + 1);
        else
            continue;
        word->is_used = true;
    }
    return true;
}

bool apply_boot(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    static const char *const devices[] = { "hd", "cdrom", "fd", "network", NULL };
    bool efi = false;

    install->boot_given = true;
    for (guint i = 0; i < words->list->len; i++) {
        InstallWord *word = &g_array_index(words->list, InstallWord, i);
        const char *name = word->name ? word->name : word->value;
        if (word->is_used || !g_strv_contains(devices, name))
            continue;
        doc_set(doc_add(node, "boot"), "@dev", name);
        word->is_used = true;
    }
    for (guint i = 0; i < words->list->len; i++) {
        InstallWord *word = &g_array_index(words->list, InstallWord, i);
        if (strcmp(word->name ? word->name : word->value, "uefi") == 0) {
            word->is_used = true;
            efi = true;
        }
    }
    if (efi)
        doc_set(node, "@firmware", "efi");
    const char *initargs = install_word_take(words, "initargs");
    if (initargs) {
        g_auto(GStrv) parts = g_strsplit(initargs, " ", -1);
        for (char **part = parts; *part; part++)
            if (**part)
                doc_set(doc_add(node, "initarg"), ".", *part);
    }
    const char *arch = install_word_take(words, "arch"), *type = install_word_take(words, "domain_type"),
               *machine = install_word_take(words, "machine"), *os = install_word_take(words, "os_type"),
               *emulator = install_word_take(words, "emulator");
    install_set(&install->arch, arch ? arch : install->arch);
    install_set(&install->virt_type, type ? type : install->virt_type);
    install_set(&install->machine, machine ? machine : install->machine);
    install_set(&install->os_type, os ? os : install->os_type);
    install_set(&install->emulator, emulator ? emulator : install->emulator);
    (void)install_word_take(words, "refresh-machine-type");
    return true;
}

/* What is switched off is not put back by what suits the system. */
bool apply_features(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    static const char *const usual[] = { "acpi", "apic", "pae" };

    for (size_t i = 0; i < G_N_ELEMENTS(usual); i++) {
        bool on = true;
        if (!install_word_take_bool(words, usual[i], &on, err))
            return false;
        if (!on)
            g_hash_table_add(install->none, (void *)usual[i]);
    }
    return true;
}

/* "rtc_tickpolicy=catchup": a timer of that name. */
bool apply_clock(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    static const char *const timers[] = {
        "hpet", "hypervclock", "kvmclock", "pit", "platform", "rtc", "tsc"
    };
    static const char *const keys[] = { "present", "tickpolicy" };

    for (size_t i = 0; i < G_N_ELEMENTS(timers); i++)
        for (size_t k = 0; k < G_N_ELEMENTS(keys); k++) {
            g_autofree char *name = g_strdup_printf("%s_%s", timers[i], keys[k]);
            g_autofree char *path = g_strdup_printf("timer[@name='%s']/@%s", timers[i], keys[k]);
            bool present = false;
            const char *value = install_word_take(words, name);
            if (!value)
                continue;
            if (k == 0 && !install_read_bool("clock", name, value, &present, err))
                return false;
            doc_set(node, path, k == 0 ? (present ? "yes" : "no") : value);
        }
    return true;
}

bool apply_sysinfo(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    const char *type = install_word_take(words, "type");
    xmlNode *domain = install->domain;

    if (g_strcmp0(type, "host") == 0 || g_strcmp0(type, "emulate") == 0) {
        doc_set(domain, "os/smbios/@mode", type);
        return true; /* the element stays empty, and goes */
    }
    doc_set(node, "@type", type ? type : "smbios");
    if (doc_is(node, "@type", "smbios"))
        doc_set(domain, "os/smbios/@mode", "sysinfo");
    return true;
}

bool apply_launch_security(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    if (doc_is(node, "@type", "sev"))
        doc_default(node, "policy", "0x03");
    return true;
}

bool take_qemu_commandline(Install *install, const char *text, Error **err)
{
    g_auto(GStrv) args = NULL;
    g_autoptr(GError) error = NULL;
    xmlNode *list = doc_find(install->domain, "commandline");

    if (g_str_has_prefix(text, "args="))
        text += strlen("args=");
    if (!list) {
        list = xmlNewChild(install->domain, NULL, (const xmlChar *)"commandline", NULL);
        xmlSetNs(list, xmlNewNs(list, (const xmlChar *)QEMU_SPACE, (const xmlChar *)"qemu"));
    }
    if (g_str_has_prefix(text, "env=")) {
        const char *equals = strchr(text + 4, '=');
        g_autofree char *name =
            equals ? g_strndup(text + 4, (size_t)(equals - text - 4)) : g_strdup(text + 4);
        xmlNode *env = xmlNewChild(list, list->ns, (const xmlChar *)"env", NULL);
        xmlSetProp(env, (const xmlChar *)"name", (const xmlChar *)name);
        xmlSetProp(env, (const xmlChar *)"value", (const xmlChar *)(equals ? equals + 1 : ""));
        return true;
    }
    if (!g_shell_parse_argv(text, NULL, &args, &error))
        return error_set(err, ERROR_INVALID_ARGUMENT, "--qemu-commandline: %s", error->message);
    for (char **arg = args; *arg; arg++)
        xmlSetProp(xmlNewChild(list, list->ns, (const xmlChar *)"arg", NULL), (const xmlChar *)"value",
                   (const xmlChar *)*arg);
    return true;
}

/* The first "=" outside of brackets parts the place from the value. */
static const char *find_equals(const char *text)
{
    unsigned depth = 0;

    for (; *text; text++) {
        depth += *text == '[';
        depth -= *text == ']' && depth > 0;
        if (*text == '=' && depth == 0)
            return text;
    }
    return NULL;
}

bool take_xml(Install *install, const char *text, Error **err)
{
    if (g_str_has_prefix(text, "xpath.delete="))
        return doc_xpath_delete(install->domain, strchr(text, '=') + 1, err);
    if (g_str_has_prefix(text, "xpath.create="))
        return doc_xpath_create(install->domain, strchr(text, '=') + 1, err);
    if (g_str_has_prefix(text, "xpath.set="))
        text = strchr(text, '=') + 1;
    const char *with = strstr(text, ",xpath.value=");
    const char *equals = with ? with : find_equals(text);
    if (!equals)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--xml: '%s' has no value", text);
    g_autofree char *place = g_strndup(text, (size_t)(equals - text));
    return doc_xpath_set(install->domain, place, with ? strchr(with, '=') + 1 : equals + 1, err);
}
