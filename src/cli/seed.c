/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/seed.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/transfer.h"
#include "install/cloud_init.h"
#include "install/media_run.h"

#define MEDIA_QUIET_MS 30000u
#define SEED_MAX (UINT64_C(16) << 20)

static int temporary(char **ret_path, Error **err)
{
    const int fd = g_file_open_tmp("lodge-seed-XXXXXX", ret_path, NULL);

    if (fd < 0)
        error_set(err, ERROR_SYSTEM, "cannot make a file in '%s'", g_get_tmp_dir());
    return fd;
}

bool seed_put(Cli *cli, const WireStoragePool *pool, const char *name, const Json *files,
              WireStorageVol *ret_volume, Error **err)
{
    g_autofree char *path = NULL;
    g_autoptr(Json) result = NULL;
    AUTO_FD fd = temporary(&path, err);

    if (fd < 0)
        return false;
    AUTO_JSON request =
        json_pack("{s:s, s:s, s:O}", "path", path, "label", CLOUD_LABEL, "files", (json_t *)files);
    const bool ok = media_run("iso-make", request, NULL, MEDIA_QUIET_MS, &result, err) &&
                    volume_put(cli, pool, name, 0600, fd, ret_volume, err);
    (void)unlink(path);
    return ok || error_prefix(err, "the seed of cloud-init");
}

static void take_file(Json *files, const Json *file)
{
    const char *name = json_get_str(file, "name"), *coded = json_get_str(file, "base64");
    gsize len = 0;

    if (!name || !coded)
        return;
    g_autofree guchar *data = g_base64_decode(coded, &len);
    g_autofree char *text = g_strndup((const char *)data, len);
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    json_array_append_new(files, json_pack("{s:s, s:s}", "name", name, "text", valid));
}

bool seed_get(Cli *cli, const WireStorageVol *volume, Json **ret_files, Error **err)
{
    const WireStorageVolDownloadArgs call = { .vol = *volume, .length = SEED_MAX };
    g_autofree char *path = NULL;
    g_autoptr(Json) result = NULL;
    size_t i;
    json_t *file;
    AUTO_FD fd = temporary(&path, err);

    if (fd < 0)
        return false;
    AUTO_JSON request = json_pack("{s:s}", "path", path);
    const bool ok = transfer_download(cli, &call, fd, path, err) &&
                    media_run("iso-read", request, NULL, MEDIA_QUIET_MS, &result, err);
    (void)unlink(path);
    if (!ok)
        return error_prefix(err, "the seed of cloud-init");
    if (g_ascii_strcasecmp(json_get_str(result, "label") ?: "", CLOUD_LABEL) != 0)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "volume '%s' is no seed of cloud-init",
                         volume->name);
    *ret_files = json_array();
    json_array_foreach (json_get_arr(result, "files"), i, file)
        take_file(*ret_files, file);
    return true;
}
