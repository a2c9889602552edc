/* The documents about this host. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/capabilities.h"

#include <string.h>

#include "host/kvm_probe.h"
#include "host/node.h"
#include "machine/vm_private.h"
#include "machine/vm_security.h"

QemuCapsCache *host_qemu_caps(Host *host)
{
    return host->machines->qemu_caps;
}

bool host_get_capabilities_xml(Host *host, char **ret_xml, Error **err)
{
    GString *out = g_string_new("<capabilities>\n\n");
    Uuid uuid;
    g_autofree char *label = NULL;

    node_get_uuid(host->config->host_uuid, &uuid);
    label = g_strdup_printf("+%u:+%u", (unsigned)host->config->qemu_uid, (unsigned)host->config->qemu_gid);
    if (!node_format_capabilities(&uuid, security_model(host), host->paths->is_session ? NULL : label, out,
                                  err) ||
        !qemu_caps_format_guests(host->machines->qemu_caps, out, err)) {
        g_string_free(out, TRUE);
        return false;
    }
    g_string_append(out, "</capabilities>\n");
    *ret_xml = g_string_free(out, FALSE);
    return true;
}

static bool host_get_caps(Host *host, const char *emulator, const char *arch, QemuCaps **ret_caps,
                          Error **err)
{
    uint8_t known;

    if (arch && !enum_from_name(&arch_names, arch, &known))
        return error_set(err, ERROR_INVALID_ARGUMENT, "unknown architecture: %s", arch);
    if (!emulator)
        return qemu_caps_get_default(host->machines->qemu_caps, arch, ret_caps, err);
    g_autoptr(QemuCaps) caps = NULL;
    if (!qemu_caps_get(host->machines->qemu_caps, emulator, &caps, err))
        return false;
    if (arch && strcmp(arch, qemu_caps_arch(caps)) != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "architecture from emulator '%s' doesn't match given architecture '%s'",
                         qemu_caps_arch(caps), arch);
    *ret_caps = g_steal_pointer(&caps);
    return true;
}

bool host_get_domain_capabilities_xml(Host *host, const char *emulator, const char *arch, const char *machine,
                                      const char *virt_type, char **ret_xml, Error **err)
{
    g_autoptr(QemuCaps) caps = NULL;

    return host_get_caps(host, emulator, arch, &caps, err) &&
           qemu_caps_format_domain(caps, machine, virt_type, ret_xml, err);
}

bool host_get_qemu_version(Host *host, uint64_t *ret_version, Error **err)
{
    g_autoptr(QemuCaps) caps = NULL;

    if (!qemu_caps_get_default(host->machines->qemu_caps, NULL, &caps, err))
        return false;
    *ret_version = qemu_caps_version(caps);
    return true;
}

int host_get_max_vcpus(Host *host, const char *type)
{
    /* What the interface promises for any machine type; the exact limit of each is in domcapabilities. */
    const int max = type && g_ascii_strcasecmp(type, "kvm") == 0 ? kvm_get_max_vcpus() : 0;
    if (!type || g_ascii_strcasecmp(type, "qemu") == 0 || g_ascii_strcasecmp(type, "kvm") == 0)
        return max > 0 ? max : 255;
    return -1;
}
