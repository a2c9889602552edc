/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/pull.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define LIST_MAX ((size_t)64 << 20)
#define PRODUCTS_MAX 16u

/* Something small that is only read: not an image. */
static bool fetch_text(Cli *cli, const char *url, char **ret_text, Error **err)
{
    g_autofree char *path = NULL, *sum = NULL;

    const FetchOrder order = { .what = url, .url = url };

    if (!library_fetch(cli, &order, &path, &sum, err))
        return false;
    const bool ok = file_read(path, LIST_MAX, ret_text, NULL, err);
    (void)unlink(path);
    return ok;
}

static bool load_stream(Cli *cli, Catalogue *catalogue, const char *url, unsigned depth, Error **err)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) more = NULL;

    if (!fetch_text(cli, url, &text, err) || !catalogue_add_stream(catalogue, url, text, &more, err))
        return false;
    for (unsigned i = 0; depth == 0 && more[i] && i < PRODUCTS_MAX; i++)
        if (!load_stream(cli, catalogue, more[i], 1, err))
            return false;
    return true;
}

bool pull_catalogue(Cli *cli, const char *name, Catalogue **ret_catalogue, Error **err)
{
    g_autoptr(Catalogue) catalogue = catalogue_new();

    if (!catalogue_load(catalogue, err))
        return false;
    if (!name || !catalogue_find(catalogue, name))
        catalogue_load_osinfo(catalogue);
    for (guint i = 0; i < catalogue->streams->len && (!name || !catalogue_find(catalogue, name)); i++) {
        const char *url = catalogue->streams->pdata[i];
        g_autoptr(Error) why = NULL;
        if (load_stream(cli, catalogue, url, 0, &why))
            continue;
        if (error_code(why) == ERROR_CANCELLED)
            return error_propagate(err, g_steal_pointer(&why));
        fprintf(stderr, "warning: %s\n", error_message(why)); /* the other lists are as good as before */
    }
    *ret_catalogue = g_steal_pointer(&catalogue);
    return true;
}

/* "https://host/debian.qcow2?x" is called debian. */
static char *name_of_url(const char *url)
{
    static const char *const endings[] = { ".qcow2", ".img", ".raw", ".vmdk", ".vdi", ".vhdx" };
    g_autofree char *path = g_strndup(url, strcspn(url, "?#"));
    char *name = g_path_get_basename(path);

    for (size_t i = 0; i < G_N_ELEMENTS(endings); i++)
        if (g_str_has_suffix(name, endings[i]))
            name[strlen(name) - strlen(endings[i])] = '\0';
    return name;
}

/* A list of checksums that cannot be had is an error: nobody is to believe that it was looked at. */
static bool find_checksum(Cli *cli, const CatalogueEntry *entry, char **ret_checksum, Error **err)
{
    g_autofree char *list = NULL, *file = g_path_get_basename(entry->url);

    if (entry->checksum || !entry->checksum_url) {
        *ret_checksum = g_strdup(entry->checksum);
        return true;
    }
    if (!fetch_text(cli, entry->checksum_url, &list, err))
        return false;
    *ret_checksum = catalogue_checksum(list, file);
    return *ret_checksum ||
           error_set(err, ERROR_OPERATION_FAILED, "'%s' has no checksum of '%s'", entry->checksum_url, file);
}

static bool unknown_image(const char *what, Error **err)
{
    error_set(err, ERROR_NO_STORAGE_VOL, "no image '%s' is in the library, and no catalogue has one", what);
    return error_hint(err,
                      "'lodge image search' lists what can be fetched; a URL or the path of a file can be "
                      "given, too");
}

/* Fetched and, if it is an image, in the library. */
static bool take(Cli *cli, const char *name, const FetchOrder *order, Json *facts, LibraryImage **ret_image,
                 Error **err)
{
    g_autofree char *path = NULL, *sum = NULL;
    g_autoptr(LibraryImage) there = NULL;

    if (!library_check_name(name, err))
        return false;
    if (library_find(cli, name, &there, NULL) && there->is_whole) {
        error_set(err, ERROR_VOLUME_EXISTS, "there is an image '%s' in the library already", name);
        return error_hint(err,
                          "--name gives the new one another name; 'lodge image rm %s' removes the old one",
                          name);
    }
    if (!library_fetch(cli, order, &path, &sum, err))
        return false;
    json_object_set_new(facts, "url", json_string(order->url));
    json_object_set_new(facts, "sha256", json_string(sum));
    json_object_set_new(facts, "verified", json_boolean(order->checksum != NULL));
    const bool ok = library_put(cli, name, path, facts, ret_image, err);
    /* One that is whole stays when the daemon could not take it: the next attempt begins with it. */
    if (ok || error_code(err ? *err : NULL) == ERROR_INVALID_ARGUMENT ||
        error_code(err ? *err : NULL) == ERROR_OPERATION_UNSUPPORTED) {
        (void)unlink(path);
    } else {
        g_autofree char *part = g_strconcat(path, ".part", NULL);
        (void)rename(path, part);
    }
    if (ok && !order->checksum && !cli->quiet)
        fprintf(stderr, "Image '%s' was not verified: nobody says what its checksum is\n", name);
    return ok;
}

bool pull_image(Cli *cli, const PullOrder *order, LibraryImage **ret_image, Error **err)
{
    g_autoptr(Catalogue) catalogue = NULL;
    AUTO_JSON facts = json_object();
    g_autofree char *sum = g_strdup(order->checksum);
    FetchOrder fetch = {
        .what = order->what, .url = order->what, .is_image = true, .stall_s = order->stall_s
    };

    if (strstr(order->what, "://")) {
        g_autofree char *own = name_of_url(order->what);
        fetch.checksum = sum;
        return take(cli, order->name ? order->name : own, &fetch, facts, ret_image, err);
    }
    if (!pull_catalogue(cli, order->what, &catalogue, err))
        return false;
    const CatalogueEntry *entry = catalogue_find(catalogue, order->what);
    if (!entry)
        return unknown_image(order->what, err);
    if (!sum && !find_checksum(cli, entry, &sum, err))
        return false;
    if (entry->os)
        json_object_set_new(facts, "os", json_string(entry->os));
    if (entry->version)
        json_object_set_new(facts, "version", json_string(entry->version));
    fetch.url = entry->url;
    fetch.checksum = sum;
    return take(cli, order->name ? order->name : order->what, &fetch, facts, ret_image, err);
}
