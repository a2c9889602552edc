/* TLS of what goes between the QEMUs of a migration.
 *
 * Where nobody asks for it two lodged agree on it: the source offers it with a digest of its CA, and a
 * destination with a certificate of the same CA takes the offer and says which name the source will find in
 * there. Both sides have QEMU read the certificates before they say so: what does not work is not agreed on.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "migrate"
#include "base/file.h"
#include "base/log.h"
#include "host/node.h"
#include "machine/vm_migrate_private.h"
#include "qemu/monitor_nbd.h"
#include "wire/tls.h"

#define PEM_MAX ((size_t)1 << 20)

static bool explain(const Vm *vm, Error **err)
{
    return error_prefix(err, "TLS of the migration with the certificates in '%s'",
                        vm->host->config->migrate_tls_x509_cert_dir);
}

bool migrate_tls_to_connect(Vm *vm, Error **err)
{
    return (monitor_nbd_remove_tls(vm_monitor(vm), MIGRATE_TLS_ID, 0, err) && vm_require_monitor(vm, err) &&
            monitor_add_client_tls(vm_monitor(vm), MIGRATE_TLS_ID,
                                   vm->host->config->migrate_tls_x509_cert_dir, true, 0, err)) ||
           explain(vm, err);
}

bool migrate_tls_to_listen(Vm *vm, Error **err)
{
    const Config *config = vm->host->config;

    return monitor_nbd_add_tls(vm_monitor(vm), MIGRATE_TLS_ID, config->migrate_tls_x509_cert_dir,
                               config->migrate_tls_x509_verify, 0, err) ||
           explain(vm, err);
}

AWAITS static char *read_pem(const Vm *vm, const char *name, size_t *ret_len)
{
    g_autofree char *path = path_join(vm->host->config->migrate_tls_x509_cert_dir, name);
    char *text = NULL;

    return file_read(path, PEM_MAX, &text, ret_len, NULL) ? text : NULL;
}

AWAITS static char *digest_authority(const Vm *vm)
{
    size_t len = 0;
    g_autofree char *pem = read_pem(vm, "ca-cert.pem", &len);

    return pem ? g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)pem, len) : NULL;
}

char *migrate_tls_offer(Vm *vm, const MigrateParams *params)
{
    g_autoptr(Error) why = NULL;

    if (!vm->host->config->migrate_tls_offered || (params->flags & (VIR_MIGRATE_TLS | VIR_MIGRATE_TUNNELLED)))
        return NULL;
    g_autofree char *authority = digest_authority(vm);
    if (!authority || !vm_monitor(vm))
        return NULL;
    const bool works = migrate_tls_to_connect(vm, &why);
    if (vm_monitor(vm) && !monitor_nbd_remove_tls(vm_monitor(vm), MIGRATE_TLS_ID, 0, NULL))
        log_debug("machine '%s' keeps credentials of TLS", vm->name);
    if (works)
        return g_steal_pointer(&authority);
    log_info("machine '%s' goes without TLS: %s", vm->name, error_message(why));
    return NULL;
}

char *migrate_tls_take(Vm *vm, const MigrateParams *params, const char *offer)
{
    g_autoptr(Error) why = NULL;
    g_autofree char *authority = offer && vm->host->config->migrate_tls_offered ? digest_authority(vm) : NULL;
    g_autofree char *host = node_get_hostname();
    g_auto(MigrateAddress) asked = { 0 };
    size_t len = 0;

    if (!authority || strcmp(authority, offer) != 0)
        return NULL;
    g_autofree char *pem = read_pem(vm, "server-cert.pem", &len);
    if (!pem)
        return NULL;
    if (params->uri && migrate_address_parse(params->uri, &asked, NULL) && asked.host &&
        wire_tls_certificate_is_for(pem, len, asked.host)) {
        g_free(host);
        host = g_strdup(asked.host);
    } else if (!wire_tls_certificate_is_for(pem, len, host)) {
        log_info("machine '%s' comes without TLS: this host's certificate is not for '%s'", vm->name, host);
        return NULL;
    }
    if (vm_monitor(vm) && migrate_tls_to_listen(vm, &why))
        return g_steal_pointer(&host);
    log_info("machine '%s' comes without TLS: %s", vm->name, error_message(why));
    return NULL;
}
