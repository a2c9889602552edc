/* The page: files that were built, as they lie in a folder of data. Parts of a path were checked one by one,
 * so none leads out of it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "http/hub.h"
#include "http/route.h"

#define FILE_MAX_BYTES ((size_t)33554432)

static const char missing[] = "The page is not installed here. Its files belong into /usr/share/lodge/web.\n"
                              "What programs can do is described at " HTTP_API "/openapi.json.\n";

/* Installed, or in a source tree, seen from a build folder in it. Owned; NULL: not there. */
static char *page_folder(void)
{
    static const char *const places[] = { "../share/lodge/web", "../../../data/web", "../../../../data/web" };
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = self ? g_path_get_dirname(self) : NULL;

    for (size_t i = 0; dir && i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = g_build_filename(dir, places[i], NULL);
        g_autofree char *index = g_build_filename(path, "index.html", NULL);
        if (access(index, R_OK) == 0)
            return g_steal_pointer(&path);
    }
    return NULL;
}

static const char *page_type(const char *name)
{
    static const char *const types[][2] = {
        { ".html", "text/html; charset=utf-8" },
        { ".js", "text/javascript; charset=utf-8" },
        { ".mjs", "text/javascript; charset=utf-8" },
        { ".css", "text/css; charset=utf-8" },
        { ".json", "application/json" },
        { ".svg", "image/svg+xml" },
        { ".png", "image/png" },
        { ".ico", "image/x-icon" },
        { ".webp", "image/webp" },
        { ".woff2", "font/woff2" },
        { ".woff", "font/woff" },
        { ".wasm", "application/wasm" },
        { ".webmanifest", "application/manifest+json" },
        { ".txt", "text/plain; charset=utf-8" },
        { ".map", "application/json" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (g_str_has_suffix(name, types[i][0]))
            return types[i][1];
    }
    return "application/octet-stream";
}

/* false: there is none. A .gz beside it is sent instead where the client takes that. */
AWAITS static bool page_send(HttpRequest *req, const char *folder, const char *name)
{
    const char *accepts = http_header(req, "Accept-Encoding");
    g_autofree char *path = path_join(folder, name), *packed = g_strconcat(path, ".gz", NULL);
    const bool may_pack = accepts && strstr(accepts, "gzip");
    g_autofree char *data = NULL;
    size_t len;

    if (may_pack && file_read(packed, FILE_MAX_BYTES, &data, &len, NULL))
        http_add_header(req, "Content-Encoding", "gzip");
    else if (!file_read(path, FILE_MAX_BYTES, &data, &len, NULL))
        return false;
    http_add_header(req, "Vary", "Accept-Encoding");
    /* Names of assets change with what is in them. */
    http_add_header(req, "Cache-Control",
                    g_str_has_prefix(name, "assets/") ? "public, max-age=31536000, immutable" : "no-cache");
    return http_answer_data(req, 200, page_type(name), g_steal_pointer(&data), len);
}

static bool handle_page(HttpRequest *req, Error **err)
{
    g_autofree char *folder = page_folder();
    GPtrArray *segments = req->target.segments;
    g_autoptr(GString) name = g_string_new(NULL);

    if (!folder)
        return http_answer_text(req, segments->len ? 404 : 200, "text/plain; charset=utf-8",
                                g_strdup(missing));
    /* Links inside the page are relative to a folder. */
    if (segments->len == 0 && !g_str_has_suffix(req->target.path, "/")) {
        g_autofree char *to = g_strconcat(http_hub_prefix(req->hub), "/", NULL);
        http_add_header(req, "Location", to);
        return http_answer_none(req) && (req->status = 308);
    }
    for (guint i = 0; i < segments->len; i++)
        g_string_append_printf(name, "%s%s", i ? "/" : "", (char *)g_ptr_array_index(segments, i));
    /* An escaped slash would make two parts of one. */
    for (guint i = 0; i < segments->len; i++) {
        if (strchr(g_ptr_array_index(segments, i), '/'))
            return error_set(err, ERROR_NO_HOSTNAME, "there is no %s", req->target.path);
    }
    if (segments->len > 0 && page_send(req, folder, name->str))
        return true;
    /* What the page shows under paths of its own is for the page to know. */
    if (strchr(name->str, '.') || !page_send(req, folder, "index.html"))
        return error_set(err, ERROR_NO_HOSTNAME, "there is no %s", req->target.path);
    return true;
}

static bool handle_unknown(HttpRequest *req, Error **err)
{
    return error_set(err, ERROR_NO_HOSTNAME, "there is no %s", req->target.path);
}

const HttpRoute http_routes_page[] = {
    { "GET", "//api", HTTP_ANYONE, .flags = HTTP_TAIL, .handle = handle_unknown },
    { "GET", "//", HTTP_ANYONE, .flags = HTTP_TAIL, .handle = handle_page },
    { 0 },
};
