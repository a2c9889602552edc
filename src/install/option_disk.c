/* --disk: what it is made of is only noted here (InstallDisk); who knows pools and files looks it up. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "install/install.h"
#include "install/option_apply.h"

/* "rbd://host:port/pool/image" */
static bool is_url(const char *path)
{
    const char *colon = strstr(path, "://");

    return colon && colon != path &&
           strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789+") == (size_t)(colon - path);
}

static void set_url(xmlNode *node, const char *url)
{
    g_autofree char *scheme = g_strndup(url, (size_t)(strstr(url, "://") - url));
    const char *host = strstr(url, "://") + 3, *slash = strchr(host, '/');
    g_autofree char *authority = slash ? g_strndup(host, (size_t)(slash - host)) : g_strdup(host);
    char *colon = strrchr(authority, ':'), *plus = strchr(scheme, '+');
    const char *name = slash ? slash + 1 : NULL;

    doc_set(node, "@type", "network");
    if (plus) { /* gluster+tcp, nbd+unix */
        *plus = 0;
        doc_set(node, "source/host/@transport", plus + 1);
    }
    doc_set(node, "source/@protocol", scheme);
    if (plus && strcmp(plus + 1, "unix") == 0) {
        const char *socket = name ? strstr(name, "?socket=") : NULL;
        g_autofree char *export = socket ? g_strndup(name, (size_t)(socket - name)) : g_strdup(name);
        doc_set(node, "source/host/@socket", socket ? socket + strlen("?socket=") : NULL);
        doc_set(node, "source/@name", export);
        return;
    }
    if (colon && !strchr(colon, ']')) {
        *colon = 0;
        doc_set(node, "source/host/@port", colon + 1);
    }
    doc_set(node, "source/@name", name);
    doc_set(node, "source/host/@name", authority);
}

static bool take_size(InstallWords *words, InstallDisk *disk, Error **err)
{
    const char *size = install_word_take(words, "size"), *sparse = install_word_take(words, "sparse");
    bool is_sparse = true;
    char *end = NULL;

    if (size) {
        disk->size_gib = g_ascii_strtod(size, &end);
        if (end == size || *end || !(disk->size_gib > 0) || disk->size_gib > 8e9)
            return error_set(err, ERROR_INVALID_ARGUMENT, "--disk: size is a number of GiB, not '%s'", size);
    }
    if (sparse && !install_read_bool("disk", "sparse", sparse, &is_sparse, err))
        return false;
    disk->is_full = !is_sparse;
    return true;
}

static bool take_permissions(InstallWords *words, xmlNode *node, Error **err)
{
    const char *perms = install_word_take(words, "perms");

    if (!perms || strcmp(perms, "rw") == 0)
        return true;
    if (strcmp(perms, "ro") != 0 && strcmp(perms, "sh") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--disk: perms is rw, ro or sh, not '%s'", perms);
    (void)doc_make(node, strcmp(perms, "ro") == 0 ? "readonly" : "shareable");
    return true;
}

bool apply_disk(Install *install, xmlNode *node, InstallWords *words, Error **err)
{
    InstallDisk disk = { .node = node };
    const char *path = install_word_take(words, "path");
    const char *format = install_word_take(words, "format"), *pool = install_word_take(words, "pool");
    const char *vol = install_word_take(words, "vol"), *store = install_word_take(words, "backing_store");
    const char *store_format = install_word_take(words, "backing_format");

    if (!take_size(words, &disk, err) || !take_permissions(words, node, err))
        return false;
    if (path && is_url(path)) {
        set_url(node, path);
        path = NULL;
    }
    if (vol && !strchr(vol, '/'))
        return error_set(err, ERROR_INVALID_ARGUMENT, "--disk: vol is POOL/VOLUME, not '%s'", vol);
    if ((path != NULL) + (pool != NULL) + (vol != NULL) > 1)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--disk: only one of path, pool and vol says where it is");
    doc_default(node, "@device", "disk");
    if (doc_is(node, "@device", "cdrom"))
        (void)doc_make(node, "readonly");
    disk.path = g_strdup(path);
    disk.pool = g_strdup(pool);
    disk.vol = g_strdup(vol);
    disk.format = g_strdup(format);
    disk.backing_store = g_strdup(store);
    disk.backing_format = g_strdup(store_format);
    g_array_append_val(install->disks, disk);
    return true;
}
