/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/catalogue.h"

#include <libxml/parser.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

#define LIST_MAX ((size_t)4 << 20)
#define OSINFO "/usr/share/osinfo"
#define ARCH "x86_64"
#define STREAM_ARCH "amd64"

static const char images_json[] =
#include "images_gen.h"
    ;

static void entry_free(void *data)
{
    CatalogueEntry *entry = data;
    char *const texts[] = { entry->name,    entry->url,      entry->title,        entry->os,
                            entry->version, entry->checksum, entry->checksum_url, entry->origin };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_free(entry);
}

Catalogue *catalogue_new(void)
{
    Catalogue *catalogue = g_new0(Catalogue, 1);

    catalogue->entries = g_ptr_array_new_with_free_func(entry_free);
    catalogue->streams = g_ptr_array_new_with_free_func(g_free);
    return catalogue;
}

void catalogue_free(Catalogue *catalogue)
{
    if (!catalogue)
        return;
    g_ptr_array_unref(catalogue->entries);
    g_ptr_array_unref(catalogue->streams);
    g_free(catalogue);
}

/* "debian12" is "debian-12". */
static bool is_same(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += *a == '-';
        b += *b == '-';
        if (g_ascii_tolower(*a) != g_ascii_tolower(*b))
            return false;
        if (!*a)
            return true;
    }
}

const CatalogueEntry *catalogue_find(const Catalogue *catalogue, const char *name)
{
    for (guint i = 0; i < catalogue->entries->len; i++) {
        const CatalogueEntry *entry = catalogue->entries->pdata[i];
        if (is_same(entry->name, name))
            return entry;
    }
    return NULL;
}

/* ---- lists of ours ---- */

static bool is_address(const char *url)
{
    static const char *const schemes[] = { "http://", "https://", "ftp://", "ftps://", "file://" };

    for (size_t i = 0; url && i < G_N_ELEMENTS(schemes); i++)
        if (g_str_has_prefix(url, schemes[i]))
            return true;
    return false;
}

static bool add_list_entry(Catalogue *catalogue, const Json *item, const char *origin, Error **err)
{
    const char *name = json_get_str(item, "name"), *url = json_get_str(item, "url"),
               *sha256 = json_get_str(item, "sha256"), *sha512 = json_get_str(item, "sha512");

    if (!name || !*name || !is_address(url))
        return error_set(err, ERROR_CONFIG_SYNTAX, "%s: image '%s' has no name, or no URL", origin,
                         name ? name : "");
    CatalogueEntry *entry = g_new0(CatalogueEntry, 1);
    *entry = (CatalogueEntry){ .name = g_strdup(name),
                               .url = g_strdup(url),
                               .title = g_strdup(json_get_str(item, "title")),
                               .os = g_strdup(json_get_str(item, "os")),
                               .version = g_strdup(json_get_str(item, "version")),
                               .checksum = sha512   ? g_strconcat("sha512:", sha512, NULL)
                                           : sha256 ? g_strconcat("sha256:", sha256, NULL)
                                                    : NULL,
                               .checksum_url = g_strdup(json_get_str(item, "checksum_url")),
                               .origin = g_strdup(origin) };
    g_ptr_array_add(catalogue->entries, entry);
    return true;
}

static bool add_list(Catalogue *catalogue, const char *text, size_t len, const char *origin, Error **err)
{
    g_autoptr(Json) list = NULL;
    size_t i;
    json_t *item;

    if (!json_parse(text, len, origin, &list, err))
        return false;
    json_array_foreach (json_get_arr(list, "images"), i, item)
        if (!add_list_entry(catalogue, item, origin, err))
            return false;
    json_array_foreach (json_get_arr(list, "streams"), i, item)
        if (is_address(json_string_value(item)))
            g_ptr_array_add(catalogue->streams, g_strdup(json_string_value(item)));
    return true;
}

bool catalogue_load(Catalogue *catalogue, Error **err)
{
    g_autofree char *own = g_build_filename(g_get_user_config_dir(), "lodge", "images.json", NULL);
    const char *const files[] = { own, "/etc/lodge/images.json" };

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *text = NULL;
        size_t len = 0;
        if (access(files[i], F_OK) < 0)
            continue;
        if (!file_read(files[i], LIST_MAX, &text, &len, err) ||
            !add_list(catalogue, text, len, files[i], err))
            return false;
    }
    return add_list(catalogue, images_json, strlen(images_json), "lodge", err);
}

/* ---- osinfo-db ---- */

static char *child_text(xmlNode *parent, const char *name)
{
    for (xmlNode *node = parent->children; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE || strcmp((const char *)node->name, name) != 0 ||
            xmlHasNsProp(node, BAD_CAST "lang", BAD_CAST "http://www.w3.org/XML/1998/namespace"))
            continue;
        xmlChar *text = xmlNodeGetContent(node);
        char *copy = g_strstrip(g_strdup((const char *)text));
        xmlFree(text);
        return copy;
    }
    return NULL;
}

static bool has_value(xmlNode *node, const char *attribute, const char *wanted)
{
    xmlChar *value = xmlGetProp(node, BAD_CAST attribute);
    const bool is = value && strcmp((const char *)value, wanted) == 0;

    xmlFree(value);
    return is;
}

static void add_osinfo_image(Catalogue *catalogue, xmlNode *os, xmlNode *image)
{
    g_autofree char *name = child_text(os, "short-id"), *url = child_text(image, "url");

    if (!name || !is_address(url) || !has_value(image, "arch", ARCH) ||
        has_value(image, "format", "containerdisk") || has_value(image, "live", "true") ||
        has_value(image, "cloud-init", "false") || catalogue_find(catalogue, name))
        return;
    xmlChar *id = xmlGetProp(os, BAD_CAST "id");
    CatalogueEntry *entry = g_new0(CatalogueEntry, 1);
    *entry = (CatalogueEntry){ .name = g_steal_pointer(&name),
                               .url = g_steal_pointer(&url),
                               .title = child_text(os, "name"),
                               .os = g_strdup((const char *)id),
                               .version = child_text(os, "version"),
                               .origin = g_strdup("osinfo") };
    xmlFree(id);
    g_ptr_array_add(catalogue->entries, entry);
}

AWAITS static void add_osinfo_file(Catalogue *catalogue, const char *path)
{
    g_autofree char *text = NULL;
    size_t len = 0;

    if (!file_read(path, LIST_MAX, &text, &len, NULL) || !strstr(text, "<image "))
        return;
    xmlDoc *doc =
        xmlReadMemory(text, (int)len, path, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    for (xmlNode *os = root ? root->children : NULL; os; os = os->next) {
        for (xmlNode *node = os->children; node; node = node->next)
            if (node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, "image") == 0)
                add_osinfo_image(catalogue, os, node);
    }
    xmlFreeDoc(doc);
}

void catalogue_load_osinfo(Catalogue *catalogue)
{
    const char *root = g_getenv("OSINFO_SYSTEM_DIR");
    g_autofree char *folder = path_join(root ? root : OSINFO, "os");
    g_autoptr(GPtrArray) vendors = NULL;

    if (!file_list_dir(folder, &vendors, NULL))
        return;
    for (guint i = 0; i < vendors->len; i++) {
        g_autofree char *vendor = path_join(folder, (const char *)vendors->pdata[i]);
        g_autoptr(GPtrArray) files = NULL;
        if (!file_list_dir(vendor, &files, NULL))
            continue;
        for (guint k = 0; k < files->len; k++) {
            g_autofree char *path = path_join(vendor, (const char *)files->pdata[k]);
            if (g_str_has_suffix(path, ".xml"))
                add_osinfo_file(catalogue, path);
        }
    }
}

/* ---- simplestreams ---- */

/* Paths count from the folder that "streams" lies in. */
static char *stream_address(const char *url, const char *path)
{
    const char *end = strstr(url, "/streams/v1/");

    return end ? g_strdup_printf("%.*s/%s", (int)(end - url), url, path) : NULL;
}

/* The image of a whole disk among the files of a version. */
static const Json *stream_item(const Json *items)
{
    static const char *const kinds[] = { "disk1.img", "disk.qcow2", "disk-kvm.img", "qcow2", "uefi1.img" };
    const char *key;
    json_t *item;

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        json_object_foreach ((json_t *)items, key, item)
            if (g_strcmp0(json_get_str(item, "ftype"), kinds[i]) == 0 && json_get_str(item, "path"))
                return item;
    }
    return NULL;
}

static void add_stream_product(Catalogue *catalogue, const char *url, const Json *product)
{
    const Json *versions = json_get_obj(product, "versions"), *newest = NULL;
    const char *key, *last = NULL, *os = json_get_str(product, "os"),
                     *version = json_get_str(product, "version") ?: json_get_str(product, "release");
    json_t *value;

    if (!os || !version || g_strcmp0(json_get_str(product, "arch"), STREAM_ARCH) != 0)
        return;
    json_object_foreach ((json_t *)versions, key, value) {
        if (!last || strcmp(key, last) > 0) {
            last = key;
            newest = value;
        }
    }
    const Json *item = newest ? stream_item(json_get_obj(newest, "items")) : NULL;
    g_autofree char *address = item ? stream_address(url, json_get_str(item, "path")) : NULL;
    g_autofree char *lower = g_ascii_strdown(os, -1), *name = g_strdup_printf("%s-%s", lower, version);
    if (!address || catalogue_find(catalogue, name))
        return;
    const char *sha256 = json_get_str(item, "sha256");
    CatalogueEntry *entry = g_new0(CatalogueEntry, 1);
    *entry = (CatalogueEntry){ .name = g_steal_pointer(&name),
                               .url = g_steal_pointer(&address),
                               .title = g_strdup(json_get_str(product, "release_title") ?: version),
                               .version = g_strdup(last),
                               .checksum = sha256 ? g_strconcat("sha256:", sha256, NULL) : NULL,
                               .origin = g_strdup(url) };
    g_ptr_array_add(catalogue->entries, entry);
}

bool catalogue_add_stream(Catalogue *catalogue, const char *url, const char *text, char ***ret_more,
                          Error **err)
{
    g_autoptr(Json) document = NULL;
    g_autoptr(GPtrArray) more = g_ptr_array_new_with_free_func(g_free);
    const char *key;
    json_t *value;

    if (!json_parse(text, strlen(text), url, &document, err))
        return false;
    json_object_foreach (json_get_obj(document, "index"), key, value) {
        const char *path = json_get_str(value, "path");
        g_autofree char *address = path && g_strcmp0(json_get_str(value, "format"), "products:1.0") == 0
                                       ? stream_address(url, path)
                                       : NULL;
        if (address)
            g_ptr_array_add(more, g_steal_pointer(&address));
    }
    json_object_foreach (json_get_obj(document, "products"), key, value)
        add_stream_product(catalogue, url, value);
    g_ptr_array_add(more, NULL);
    *ret_more = (char **)g_ptr_array_free(g_steal_pointer(&more), FALSE);
    return true;
}

/* ---- lists of checksums ---- */

static bool is_sum(const char *text)
{
    const size_t len = strlen(text);

    for (const char *c = text; *c; c++)
        if (!g_ascii_isxdigit(*c))
            return false;
    return len == 64 || len == 128;
}

char *catalogue_checksum(const char *list, const char *file)
{
    g_auto(GStrv) lines = g_strsplit(list, "\n", -1);
    g_autofree char *bsd = g_strdup_printf(" (%s) = ", file);

    for (char **line = lines; *line; line++) {
        const char *behind = strstr(*line, bsd);
        g_autofree char *sum = NULL;
        if (behind) {
            sum = g_strstrip(g_strdup(behind + strlen(bsd)));
        } else {
            g_auto(GStrv) words = g_strsplit_set(g_strstrip(*line), " \t", 2);
            const char *name = words[0] && words[1] ? g_strchug(words[1]) : "";
            if (strcmp(name + (*name == '*'), file) == 0)
                sum = g_strdup(words[0]);
        }
        if (sum && is_sum(sum))
            return g_strconcat(strlen(sum) == 64 ? "sha256:" : "sha512:", sum, NULL);
    }
    return NULL;
}
