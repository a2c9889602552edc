/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/place.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "cli/domain.h"
#include "cli/lodge_call.h"
#include "cli/transfer.h"
#include "wire/error_map.h"
#include "wire/uri.h"

#define DROP_MS 5000
#define DROP_PAUSE_MS 20
#define SOCKET "/run/libvirt/libvirt-sock"
#define MAKE_NETWORK_MS 60000

/* ---- where the daemon keeps things ---- */

/* Its root, as far as the address tells: "" is the host's own. NULL: a session's, or another host's socket.
 */
static char *daemon_root(const Cli *cli)
{
    g_autofree char *text = cli_uri(cli);
    g_auto(WireUri) uri = { 0 };

    if (!wire_uri_parse(text, &uri, NULL) || strcmp(uri.path, "/system") != 0)
        return NULL;
    if (!uri.socket)
        return g_strdup("");
    return g_str_has_suffix(uri.socket, SOCKET) ? g_strndup(uri.socket, strlen(uri.socket) - strlen(SOCKET))
                                                : NULL;
}

bool place_is_session(const Cli *cli)
{
    g_autofree char *text = cli_uri(cli);
    g_auto(WireUri) uri = { 0 };

    return wire_uri_parse(text, &uri, NULL) && strcmp(uri.path, "/session") == 0;
}

char *place_log(const Cli *cli, const char *name)
{
    g_autofree char *root = daemon_root(cli);

    return root ? g_strdup_printf("%s/var/log/libvirt/qemu/%s", root, name) : NULL;
}

static char *images_folder(const Cli *cli)
{
    g_autofree char *root = daemon_root(cli);

    return root ? g_strconcat(root, "/var/lib/libvirt/images", NULL)
                : g_build_filename(g_get_user_data_dir(), "libvirt/images", NULL);
}

/* ---- pools ---- */

static bool pool_path(Cli *cli, const WireStoragePool *pool, char **ret_path, Error **err)
{
    const WireStoragePoolGetXmlDescArgs args = { .pool = *pool };
    g_auto(WireStoragePoolGetXmlDescRet) ret = { 0 };
    g_autoptr(XmlDoc) doc = NULL;

    if (!cli_call(cli, PROC_STORAGE_POOL_GET_XML_DESC, &args, &ret, err) || !xml_parse(ret.xml, &doc, err))
        return false;
    *ret_path = xml_get(doc, NULL, "/pool/target/path");
    return *ret_path ||
           error_set(err, ERROR_OPERATION_UNSUPPORTED, "pool '%s' has no folder for files", pool->name);
}

static bool pool_start(Cli *cli, const WireStoragePool *pool, Error **err)
{
    const WireStoragePoolIsActiveArgs ask = { .pool = *pool };
    WireStoragePoolIsActiveRet is = { 0 };
    const WireStoragePoolCreateArgs start = { .pool = *pool, .flags = VIR_STORAGE_POOL_CREATE_WITH_BUILD };

    return cli_call(cli, PROC_STORAGE_POOL_IS_ACTIVE, &ask, &is, err) &&
           (is.active || cli_call(cli, PROC_STORAGE_POOL_CREATE, &start, NULL, err));
}

/* The library lies beside the images: /var/lib/libvirt/library. */
static bool pool_make(Cli *cli, const char *name, WireStoragePool *ret_pool, Error **err)
{
    g_auto(WireStoragePoolDefineXmlRet) ret = { 0 };
    g_autofree char *path = NULL;

    if (strcmp(name, "library") == 0) {
        g_auto(WireStoragePool) images = { 0 };
        g_autofree char *folder = NULL;
        if (!place_pool(cli, "default", PLACE_MAKE, &images, &folder, err))
            return false;
        g_autofree char *parent = g_path_get_dirname(folder);
        path = path_join(parent, "library");
    } else {
        path = images_folder(cli);
    }
    g_autofree char *xml =
        g_markup_printf_escaped("<pool type='dir'><name>%s</name><target><path>%s</path>"
                                "<permissions><mode>0711</mode></permissions></target></pool>",
                                name, path);
    const WireStoragePoolDefineXmlArgs args = { .xml = xml };
    if (!cli_call(cli, PROC_STORAGE_POOL_DEFINE_XML, &args, &ret, err))
        return false;
    const WireStoragePoolSetAutostartArgs autostart = { .pool = ret.pool, .autostart = 1 };
    const WireStoragePoolUndefineArgs undo = { .pool = ret.pool };
    if (!pool_start(cli, &ret.pool, err) ||
        !cli_call(cli, PROC_STORAGE_POOL_SET_AUTOSTART, &autostart, NULL, err)) {
        (void)!cli_call(cli, PROC_STORAGE_POOL_UNDEFINE, &undo, NULL, NULL);
        return false;
    }
    if (!cli->quiet)
        fprintf(stderr, "Pool '%s' made and started: %s\n", name, path);
    *ret_pool = ret.pool;
    ret.pool = (WireStoragePool){ 0 };
    return true;
}

bool place_pool(Cli *cli, const char *name, PlaceMake make, WireStoragePool *ret_pool, char **ret_path,
                Error **err)
{
    const WireStoragePoolLookupByNameArgs args = { .name = (char *)name };
    g_auto(WireStoragePoolLookupByNameRet) found = { 0 };
    g_autoptr(Error) why = NULL;

    if (!cli_call(cli, PROC_STORAGE_POOL_LOOKUP_BY_NAME, &args, &found, &why)) {
        const bool can_make = strcmp(name, "default") == 0 || strcmp(name, "library") == 0;
        if (wire_error_code(why) != VIR_ERR_NO_STORAGE_POOL || make != PLACE_MAKE || !can_make)
            return error_propagate(err, g_steal_pointer(&why));
        if (!pool_make(cli, name, &found.pool, err))
            return error_prefix(err, "cannot make pool '%s'", name);
    } else if (!pool_start(cli, &found.pool, err)) {
        return error_prefix(err, "cannot start pool '%s'", name);
    }
    if (ret_path && !pool_path(cli, &found.pool, ret_path, err))
        return false;
    *ret_pool = found.pool;
    found.pool = (WireStoragePool){ 0 };
    return true;
}

/* ---- networks ---- */

static bool network_make(Cli *cli, const char *name, Error **err)
{
    const WireLodgeNetworkMakeArgs call = { .name = (char *)name, .forward = (char *)"nat" };
    g_auto(WireLodgeNetworkMakeRet) ret = { 0 };

    if (!lodge_call(cli, LODGE_PROC_NETWORK_MAKE, &call, &ret, MAKE_NETWORK_MS, err))
        return error_prefix(err, "cannot make network '%s'", name);
    if (!cli->quiet)
        fprintf(stderr, "Network '%s' made and started: %s on %s\n", ret.name, ret.subnet, ret.bridge);
    return true;
}

bool place_network(Cli *cli, const char *name, Error **err)
{
    const WireNetworkLookupByNameArgs args = { .name = (char *)name };
    g_auto(WireNetworkLookupByNameRet) found = { 0 };
    g_autoptr(Error) why = NULL;
    WireNetworkIsActiveRet is = { 0 };

    if (!cli_call(cli, PROC_NETWORK_LOOKUP_BY_NAME, &args, &found, &why)) {
        if (wire_error_code(why) == VIR_ERR_NO_NETWORK && strcmp(name, "default") == 0)
            return network_make(cli, name, err);
        return error_propagate(err, g_steal_pointer(&why));
    }
    const WireNetworkIsActiveArgs ask = { .net = found.net };
    const WireNetworkCreateArgs start = { .net = found.net };
    if (!cli_call(cli, PROC_NETWORK_IS_ACTIVE, &ask, &is, err))
        return false;
    if (is.active)
        return true;
    if (!cli_call(cli, PROC_NETWORK_CREATE, &start, NULL, err))
        return error_prefix(err, "cannot start network '%s'", name);
    if (!cli->quiet)
        fprintf(stderr, "Network '%s' started\n", name);
    return true;
}

bool place_platform(Cli *cli, Install *install, Error **err)
{
    g_auto(WireConnectGetCapabilitiesRet) host = { 0 };
    g_auto(WireConnectGetDomainCapabilitiesRet) can = { 0 };

    if (!cli_call(cli, PROC_CONNECT_GET_CAPABILITIES, NULL, &host, err) ||
        !install_platform(install, host.capabilities, err))
        return false;
    const WireConnectGetDomainCapabilitiesArgs call = { .emulatorbin = install->emulator,
                                                        .arch = install->arch,
                                                        .machine = install->machine,
                                                        .virttype = install->virt_type };
    return cli_call(cli, PROC_CONNECT_GET_DOMAIN_CAPABILITIES, &call, &can, err) &&
           install_limits(install, can.capabilities, err);
}

/* ---- volumes ---- */

bool volume_find(Cli *cli, const WireStoragePool *pool, const char *name, WireStorageVol *ret_volume,
                 Error **err)
{
    const WireStorageVolLookupByNameArgs args = { .pool = *pool, .name = (char *)name };
    WireStorageVolLookupByNameRet ret = { 0 };

    /* Quick; and what was made has to be found to be taken back. */
    fiber_shield_begin();
    const bool ok = cli_call(cli, PROC_STORAGE_VOL_LOOKUP_BY_NAME, &args, &ret, err);
    fiber_shield_end();
    if (ok)
        *ret_volume = ret.vol;
    return ok;
}

bool volume_create(Cli *cli, const WireStoragePool *pool, const char *xml, WireStorageVol *ret_volume,
                   Error **err)
{
    const WireStorageVolCreateXmlArgs args = { .pool = *pool, .xml = (char *)xml };
    WireStorageVolCreateXmlRet ret = { 0 };

    /* As volume_find(). */
    fiber_shield_begin();
    const bool ok = cli_call(cli, PROC_STORAGE_VOL_CREATE_XML, &args, &ret, err);
    fiber_shield_end();
    if (ok)
        *ret_volume = ret.vol;
    return ok;
}

void volume_drop(Cli *cli, const WireStorageVol *volume)
{
    const WireStorageVolDeleteArgs args = { .vol = *volume };
    const uint64_t until_ms = loop_now_ms() + DROP_MS;
    bool again = volume->name != NULL;

    fiber_shield_begin();
    while (again) {
        g_autoptr(Error) err = NULL;
        again = !cli_call(cli, PROC_STORAGE_VOL_DELETE, &args, NULL, &err) &&
                error_code(err) == ERROR_INVALID_STATE && loop_now_ms() < until_ms &&
                fiber_sleep(DROP_PAUSE_MS, NULL);
    }
    fiber_shield_end();
}

bool volume_put(Cli *cli, const WireStoragePool *pool, const char *name, mode_t mode, int fd,
                WireStorageVol *ret_volume, Error **err)
{
    g_auto(WireStorageVol) volume = { 0 };
    struct stat st;

    if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return error_set_errno(err, errno, "cannot read what becomes '%s'", name);
    g_autofree char *xml = g_markup_printf_escaped("<volume><name>%s</name><capacity unit='bytes'>%" PRIu64
                                                   "</capacity><allocation>0</allocation><target><format "
                                                   "type='raw'/><permissions><mode>0%o</mode>"
                                                   "</permissions></target></volume>",
                                                   name, (uint64_t)st.st_size, (unsigned)mode);
    if (!volume_create(cli, pool, xml, &volume, err))
        return false;
    const WireStorageVolUploadArgs call = { .vol = volume,
                                            .length = (uint64_t)st.st_size,
                                            .flags = VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM };
    if (!transfer_upload(cli, &call, fd, name, err)) {
        volume_drop(cli, &volume);
        return error_prefix(err, "cannot fill volume '%s'", name);
    }
    *ret_volume = volume;
    volume = (WireStorageVol){ 0 };
    return true;
}

bool volume_get_text(Cli *cli, const WireStorageVol *volume, size_t max, char **ret_text, Error **err)
{
    const WireStorageVolDownloadArgs call = { .vol = *volume, .length = max };
    AUTO_FD fd = memfd_create("volume", MFD_CLOEXEC);

    if (fd < 0)
        return error_set_errno(err, errno, "cannot make a file in memory");
    if (!transfer_download(cli, &call, fd, volume->name, err))
        return false;
    const off_t len = lseek(fd, 0, SEEK_END);
    g_autofree char *text = g_malloc0((size_t)MAX(len, 0) + 1);
    if (pread(fd, text, (size_t)len, 0) != len)
        return error_set_errno(err, EIO, "cannot read '%s'", volume->name);
    *ret_text = g_steal_pointer(&text);
    return true;
}

bool volume_delete(Cli *cli, const WireStorageVol *volume, Error **err)
{
    const WireLodgeVolumeDeleteArgs careful = { .vol = *volume };

    return lodge_call(cli, LODGE_PROC_VOLUME_DELETE, &careful, NULL, WIRE_NO_TIMEOUT, err);
}
