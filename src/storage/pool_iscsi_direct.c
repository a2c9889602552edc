/* Pools of the disks of an iSCSI target that the kernel never sees: machines reach them by libiscsi. Here its
 * tools are asked, each as a child of its own; a password is in their environment, which only root can read.
 */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "storage/image_make.h"
#include "storage/pool_auth.h"
#include "storage/pool_kinds.h"
#include "storage/scsi.h"
#include "storage/tool.h"
#include "storage/volume_block.h"
#include "wire/wire_enums.h"

#define TOOL_MS 60000
#define PACKAGE "libiscsi-bin"
#define ISCSI_PORT 3260
#define ENV_USER "LIBISCSI_CHAP_USERNAME="
#define ENV_PASSWORD "LIBISCSI_CHAP_PASSWORD="

static bool check_source(const PoolDef *def, Error **err)
{
    if (!def->hosts || def->hosts->len != 1)
        return error_set(err, ERROR_INTERNAL, "Expected exactly 1 host for the storage pool");
    if (!def->initiator)
        return error_set(err, ERROR_XML_INVALID, "missing initiator IQN");
    const char *host = ((const PoolHost *)def->hosts->pdata[0])->name;
    if (!storage_check_argument("host name", host, err) ||
        !storage_check_argument("initiator name", def->initiator, err))
        return false;
    /* Both become part of an URL. */
    if (strpbrk(host, "/@%?# "))
        return error_set(err, ERROR_XML_INVALID, "'%s' is no host name", host);
    return true;
}

static char *portal_url(const PoolDef *def)
{
    const PoolHost *host = def->hosts->pdata[0];
    const bool is_ipv6 = strchr(host->name, ':') && host->name[0] != '[';

    return g_strdup_printf(is_ipv6 ? "iscsi://[%s]:%u" : "iscsi://%s:%u", host->name,
                           host->port ? host->port : ISCSI_PORT);
}

/* User and password as the tools take them; wiped by environment_free(). */
static bool environment_of(Host *host, const PoolDef *def, char ***ret_environment, Error **err)
{
    g_autoptr(GBytes) value = NULL;
    gsize len = 0;
    char **environment = g_new0(char *, 3);

    *ret_environment = environment;
    if (!def->auth)
        return true;
    if (def->auth->type != 0)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "iscsi-direct storage pool only supports 'chap' auth type");
    if (!pool_auth_get_value(host, def->auth, &value, err))
        return false;
    const char *data = g_bytes_get_data(value, &len);
    if (memchr(data, '\0', len))
        return error_set(err, ERROR_INVALID_SECRET, "a password with a NUL byte cannot be used");
    environment[0] = g_strconcat(ENV_USER, def->auth->username, NULL);
    environment[1] = g_strdup_printf(ENV_PASSWORD "%.*s", (int)len, data);
    return true;
}

static void environment_free(char ***environment)
{
    if (*environment && (*environment)[0])
        explicit_bzero((*environment)[1], strlen((*environment)[1]));
    g_strfreev(*environment);
}

AWAITS static bool run_tool(Host *host, const PoolDef *def, const char *const *argv, char **ret_out,
                            Error **err)
{
    __attribute__((cleanup(environment_free))) char **environment = NULL;

    if (!environment_of(host, def, &environment, err))
        return false;
    g_auto(Tool) tool = tool_of(argv, PACKAGE, TOOL_MS);
    tool.environment = (const char *const *)environment;
    return tool_run(&tool, ret_out, err);
}

/* "Lun:3    Type:DIRECT_ACCESS (Size:32M)" below "Target:IQN Portal:..." */
static GArray *luns_of(const char *out, const char *iqn, bool *ret_is_there)
{
    g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
    g_autofree char *header = g_strdup_printf("Target:%s Portal:", iqn);
    GArray *luns = g_array_new(FALSE, FALSE, sizeof(unsigned));
    bool is_ours = false;

    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, "Target:")) {
            is_ours = g_str_has_prefix(*line, header);
            *ret_is_there = *ret_is_there || is_ours;
        } else if (is_ours && g_str_has_prefix(*line, "Lun:") && strstr(*line, "Type:DIRECT_ACCESS")) {
            const unsigned lun = (unsigned)g_ascii_strtoull(*line + 4, NULL, 10);
            g_array_append_val(luns, lun);
        }
    }
    return luns;
}

AWAITS static bool read_size(Pool *pool, const char *url, uint64_t *ret_bytes, Error **err)
{
    g_autofree char *initiator = g_strdup(pool_def(pool)->initiator);
    g_autofree char *out = NULL;

    if (!run_tool(pool->host, pool_def(pool),
                  (const char *const[]){ "iscsi-readcapacity16", "-s", "-i", initiator, url, NULL }, &out,
                  err))
        return false;
    g_strstrip(out);
    return parse_uint(out, ret_bytes, err);
}

AWAITS static bool add_lun(Pool *pool, GPtrArray *found, const char *portal, unsigned lun, Error **err)
{
    const PoolDef *def = pool_def(pool);
    const PoolHost *host = def->hosts->pdata[0];
    const char *iqn = ((const PoolDevice *)def->devices->pdata[0])->path;
    g_autofree char *url = g_strdup_printf("%s/%s/%u", portal, iqn, lun);
    g_autofree char *name = g_strdup_printf("unit:0:0:%u", lun);
    g_autofree char *path = g_strdup_printf("ip-%s:%u-iscsi-%s-lun-%u", host->name,
                                            host->port ? host->port : ISCSI_PORT, iqn, lun);
    uint64_t size = 0;

    if (!read_size(pool, url, &size, err))
        return false;
    VolumeDef *volume = block_found_add(found, name, path);
    ((BlockFound *)found->pdata[found->len - 1])->is_there = true;
    volume->type = VOLUME_NETWORK;
    volume->capacity = volume->allocation = (OptU64){ .value = size, .is_set = true };
    return true;
}

AWAITS static bool list_portal(Host *host, const PoolDef *def, bool with_luns, char **ret_out, Error **err)
{
    g_autofree char *url = portal_url(def);
    g_autofree char *initiator = g_strdup(def->initiator);

    return run_tool(host, def,
                    (const char *const[]){ "iscsi-ls", "-i", initiator, with_luns ? "-s" : url,
                                           with_luns ? url : NULL, NULL },
                    ret_out, err);
}

AWAITS static bool iscsi_direct_scan(Pool *pool, PoolScan *scan, Error **err)
{
    g_autoptr(GPtrArray) found = block_found_new();
    g_autofree char *out = NULL;
    bool is_there = false;

    if (!check_source(pool_def(pool), err))
        return false;
    g_autofree char *portal = portal_url(pool_def(pool));
    g_autofree char *iqn = g_strdup(((const PoolDevice *)pool_def(pool)->devices->pdata[0])->path);
    if (!list_portal(pool->host, pool_def(pool), true, &out, err))
        return false;
    g_autoptr(GArray) luns = luns_of(out, iqn, &is_there);
    if (!is_there)
        return error_set(err, ERROR_INTERNAL, "there is no iSCSI target '%s' at %s", iqn, portal);
    for (unsigned i = 0; i < luns->len; i++) {
        if (!add_lun(pool, found, portal, g_array_index(luns, unsigned, i), err))
            return false;
    }
    block_scan_take(pool, scan, found);
    block_sum(scan);
    return true;
}

AWAITS static bool iscsi_direct_find_sources(Host *host, const PoolDef *spec, GString *xml, Error **err)
{
    g_autofree char *out = NULL;

    if (!spec || !spec->hosts)
        return error_set(err, ERROR_INVALID_ARGUMENT, "hostname must be specified for iscsi sources");
    if (!spec->initiator)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "missing initiator IQN");
    if (!check_source(spec, err) || !list_portal(host, spec, false, &out, err))
        return false;
    const PoolHost *server = spec->hosts->pdata[0];
    g_autofree char *port = server->port ? g_strdup_printf(" port='%u'", server->port) : g_strdup("");
    g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
    for (char **line = lines; *line; line++) {
        char *end = strstr(*line, " Portal:");
        if (!g_str_has_prefix(*line, "Target:") || !end)
            continue;
        *end = '\0';
        g_autofree char *text = g_markup_printf_escaped("  <source>\n    <host name='%s'", server->name);
        g_autofree char *rest = g_markup_printf_escaped("/>\n    <device path='%s'/>\n    <initiator>\n      "
                                                        "<iqn name='%s'/>\n    </initiator>\n  </source>\n",
                                                        *line + strlen("Target:"), spec->initiator);
        g_string_append_printf(xml, "%s%s%s", text, port, rest);
    }
    return true;
}

bool iscsi_fill_source(Pool *pool, const Volume *volume, StorageSource *io_source, Error **err)
{
    const PoolDef *def = pool_def(pool);
    const PoolHost *host = def->hosts->pdata[0];

    io_source->type = STORAGE_NETWORK;
    io_source->protocol = STORAGE_PROTOCOL_ISCSI;
    g_free(io_source->path);
    io_source->path = g_strdup_printf("%s/%s", ((const PoolDevice *)def->devices->pdata[0])->path,
                                      strrchr(volume->name, ':') + 1);
    block_set_auth(io_source, def->auth);
    if (def->initiator && !io_source->initiator)
        io_source->initiator = g_strdup(def->initiator);
    block_add_host(io_source, host->name, host->port ? host->port : ISCSI_PORT);
    return true;
}

AWAITS static bool iscsi_direct_wipe(Pool *pool, Volume *volume, int algorithm, Error **err)
{
    const PoolDef *def = pool_def(pool);
    const PoolHost *host = def->hosts->pdata[0];
    const bool is_ipv6 = strchr(host->name, ':') && host->name[0] != '[';
    g_autofree char *name = tool_escape(host->name);
    g_autofree char *target = tool_escape(((const PoolDevice *)def->devices->pdata[0])->path);
    g_autofree char *initiator = tool_escape(def->initiator);
    g_autoptr(GString) options = g_string_new(NULL);
    g_auto(Tool) tool = { 0 };

    tool_init(&tool, "qemu-io", "qemu-utils");
    g_string_printf(options,
                    "driver=raw,file.driver=iscsi,file.transport=tcp,file.portal=%s%s%s:%u,file.target=%s,"
                    "file.lun=%s,file.initiator-name=%s",
                    is_ipv6 ? "[" : "", name, is_ipv6 ? "]" : "", host->port ? host->port : ISCSI_PORT,
                    target, strrchr(volume->name, ':') + 1, initiator);
    if (def->auth) {
        g_autoptr(GBytes) value = NULL;
        g_autofree char *user = tool_escape(def->auth->username);
        if (!pool_auth_get_value(pool->host, def->auth, &value, err) ||
            !tool_add_secret_value(&tool, value, "key0", err))
            return false;
        g_string_append_printf(options, ",file.user=%s,file.password-secret=key0", user);
    }
    return image_wipe_remote(&tool, options->str, volume->def->capacity.value, algorithm, false, err);
}

const PoolBackend iscsi_direct_backend = {
    .scan = iscsi_direct_scan,
    .find_sources = iscsi_direct_find_sources,
    .wipe_volume = iscsi_direct_wipe,
    .fill_source = iscsi_fill_source,
};
