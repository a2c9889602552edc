/* Names of images inside of images.
 *
 * A "json:" text is flattened first, because QEMU takes {"file": {"driver": ..}} and {"file.driver": ..} for
 * the same. Then each option that is understood is taken out of the set; one that is left over decides that
 * the whole is refused. URLs and the older forms fill the same struct. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/source_name.h"

#include <string.h>

#include "base/json.h"
#include "base/units.h"
#include "conf/domain_rows.h"
#include "storage/image.h"

#define JSON_DEPTH_MAX 6
#define MESSAGE_NAME_MAX 200

StorageSource *source_new(StorageType type)
{
    StorageSource *source = xml_table_new(&backing_table);

    source->type = type;
    return source;
}

void source_free(StorageSource *source)
{
    xml_table_free(&backing_table, source);
}

char *name_for_message(const char *name)
{
    g_autofree char *valid = g_utf8_make_valid(name, -1);
    GString *out = g_string_new(NULL);

    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        if (out->len >= MESSAGE_NAME_MAX) {
            g_string_append(out, "...");
            break;
        }
        if (g_unichar_isprint(g_utf8_get_char(at)))
            g_string_append_len(out, at, g_utf8_next_char(at) - at);
        else
            g_string_append_printf(out, "\\x%02x", g_utf8_get_char(at));
    }
    return g_string_free(out, FALSE);
}

static bool refuse(Error **err, ErrorCode code, const char *what, const char *name)
{
    g_autofree char *text = name_for_message(name);

    return error_set(err, code, "%s '%s'", what, text);
}

/* ---- servers ---- */

static StorageHost *add_host(StorageSource *source, StorageTransport transport)
{
    StorageHost *host = g_new0(StorageHost, 1);

    host->transport = transport;
    if (!source->hosts)
        source->hosts = g_ptr_array_new();
    g_ptr_array_add(source->hosts, host);
    return host;
}

static bool add_inet(StorageSource *source, const char *name, const char *port, StorageTransport transport,
                     Error **err)
{
    uint64_t number = 0;

    if (!name || !*name)
        return error_set(err, ERROR_OPERATION_FAILED, "the name of the server is missing");
    if (port && *port && (!parse_uint(port, &number, NULL) || number > 65535))
        return refuse(err, ERROR_OPERATION_FAILED, "this is no port:", port);
    StorageHost *host = add_host(source, transport);
    host->name = g_strdup(name);
    host->port = (uint32_t)number;
    return true;
}

static StorageSource *network_new(StorageProtocol protocol)
{
    StorageSource *source = source_new(STORAGE_NETWORK);

    source->protocol = protocol;
    return source;
}

/* ---- URLs ---- */

/* nbd+unix:///export?socket=/path, and the like of gluster */
static bool take_socket(StorageSource *source, const char *query, Error **err)
{
    g_autoptr(GHashTable) params = query ? g_uri_parse_params(query, -1, "&", G_URI_PARAMS_NONE, NULL) : NULL;
    const char *path = params ? g_hash_table_lookup(params, "socket") : NULL;

    if (!path || g_hash_table_size(params) != 1)
        return error_set(err, ERROR_OPERATION_FAILED, "a URL of a unix socket has the query 'socket=PATH'");
    add_host(source, STORAGE_TRANSPORT_UNIX)->socket = g_strdup(path);
    return true;
}

static bool split_scheme(const char *scheme, StorageProtocol *ret_protocol, StorageTransport *ret_transport,
                         Error **err)
{
    static const StorageProtocol known[] = { STORAGE_PROTOCOL_NBD,   STORAGE_PROTOCOL_GLUSTER,
                                             STORAGE_PROTOCOL_ISCSI, STORAGE_PROTOCOL_HTTP,
                                             STORAGE_PROTOCOL_HTTPS, STORAGE_PROTOCOL_FTP,
                                             STORAGE_PROTOCOL_FTPS,  STORAGE_PROTOCOL_SSH,
                                             STORAGE_PROTOCOL_NFS };
    g_auto(GStrv) words = g_strsplit(scheme, "+", 2);
    uint8_t protocol, transport = STORAGE_TRANSPORT_TCP;
    bool is_known = false;

    if (words[1] && !enum_from_name(&storage_transport_names, words[1], &transport))
        return refuse(err, ERROR_OPERATION_UNSUPPORTED, "images are not followed over", scheme);
    if (enum_from_name(&storage_protocol_names, words[0], &protocol)) {
        for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
            is_known |= known[i] == protocol;
    }
    if (!is_known || (words[1] && protocol != STORAGE_PROTOCOL_NBD && protocol != STORAGE_PROTOCOL_GLUSTER))
        return refuse(err, ERROR_OPERATION_UNSUPPORTED, "images are not followed over", scheme);
    *ret_protocol = (StorageProtocol)protocol;
    *ret_transport = words[1] ? (StorageTransport)transport : STORAGE_TRANSPORT_ABSENT;
    return true;
}

static StorageSource *source_from_url(const char *url, Error **err)
{
    StorageProtocol protocol = STORAGE_PROTOCOL_ABSENT;
    StorageTransport transport = STORAGE_TRANSPORT_ABSENT;
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_ENCODED_QUERY | G_URI_FLAGS_HAS_PASSWORD, NULL);

    if (!uri) {
        refuse(err, ERROR_OPERATION_FAILED, "this is no URL:", url);
        return NULL;
    }
    if (!split_scheme(g_uri_get_scheme(uri), &protocol, &transport, err))
        return NULL;
    if (g_uri_get_userinfo(uri)) {
        error_set(err, ERROR_OPERATION_UNSUPPORTED,
                  "URLs with a user name in them are not followed"); /* not repeated: it may have a password
                                                                      */
        return NULL;
    }
    g_autoptr(StorageSource) source = network_new(protocol);
    const char *path = g_uri_get_path(uri), *query = g_uri_get_query(uri);
    const bool keeps_slash = protocol == STORAGE_PROTOCOL_SSH || protocol == STORAGE_PROTOCOL_NFS;
    path += *path == '/' && !keeps_slash;
    source->path = g_strdup(*path ? path : NULL); /* nbd: the default export */
    if (transport == STORAGE_TRANSPORT_UNIX)
        return take_socket(source, query, err) ? g_steal_pointer(&source) : NULL;
    if (query && (protocol == STORAGE_PROTOCOL_HTTP || protocol == STORAGE_PROTOCOL_HTTPS)) {
        source->query = g_strdup(query);
    } else if (query) {
        refuse(err, ERROR_OPERATION_UNSUPPORTED, "the query of a URL is not followed:", query);
        return NULL;
    }
    g_autofree char *port = g_uri_get_port(uri) > 0 ? g_strdup_printf("%d", g_uri_get_port(uri)) : NULL;
    return add_inet(source, g_uri_get_host(uri), port, transport, err) ? g_steal_pointer(&source) : NULL;
}

/* ---- older forms ---- */

/* nbd:HOST:PORT[:exportname=NAME] and nbd:unix:PATH[:exportname=NAME] */
static StorageSource *source_from_nbd(const char *text, Error **err)
{
    static const char export_word[] = ":exportname=";
    g_autoptr(StorageSource) source = network_new(STORAGE_PROTOCOL_NBD);
    const char *name = strstr(text, export_word);
    g_autofree char *where = name ? g_strndup(text, (size_t)(name - text)) : g_strdup(text);

    source->path = g_strdup(name ? name + strlen(export_word) : NULL);
    if (g_str_has_prefix(where, "unix:")) {
        add_host(source, STORAGE_TRANSPORT_UNIX)->socket = g_strdup(where + strlen("unix:"));
        return g_steal_pointer(&source);
    }
    char *port = strrchr(where, ':');
    if (!port) {
        refuse(err, ERROR_OPERATION_FAILED, "there is no port in", text);
        return NULL;
    }
    *port++ = '\0';
    return add_inet(source, where, port, STORAGE_TRANSPORT_ABSENT, err) ? g_steal_pointer(&source) : NULL;
}

/* a\:b:c is "a:b" and "c". Changes the text; *io_text is NULL after the last. */
static char *next_rbd_word(char **io_text)
{
    char *word = *io_text, *to = word, *from = word;

    while (*from && *from != ':') {
        if (*from == '\\' && from[1])
            from++;
        *to++ = *from++;
    }
    *io_text = *from ? from + 1 : NULL;
    *to = '\0';
    return word;
}

static bool add_monitors(StorageSource *source, const char *list, Error **err)
{
    g_auto(GStrv) words = g_strsplit_set(list, ";,", 64);

    for (unsigned i = 0; words[i]; i++) {
        char *name = words[i], *port = NULL;
        if (*name == '[' && strchr(name, ']')) {
            char *end = strchr(++name, ']');
            *end++ = '\0';
            port = *end == ':' ? end + 1 : NULL;
        } else if ((port = strrchr(name, ':'))) {
            *port++ = '\0';
        }
        if (!add_inet(source, name, port, STORAGE_TRANSPORT_ABSENT, err))
            return false;
    }
    return true;
}

/* rbd:POOL/IMAGE[@SNAPSHOT][:OPTION=VALUE]... */
static StorageSource *source_from_rbd(const char *text, Error **err)
{
    g_autoptr(StorageSource) source = network_new(STORAGE_PROTOCOL_RBD);
    g_autofree char *words = g_strdup(text);
    char *rest = words;

    source->path = g_strdup(next_rbd_word(&rest));
    char *snapshot = strchr(source->path, '@');
    if (snapshot) {
        *snapshot = '\0';
        source->snapshot = g_strdup(snapshot + 1);
    }
    while (rest) {
        const char *word = next_rbd_word(&rest);
        if (g_str_has_prefix(word, "conf=")) {
            g_free(source->config);
            source->config = g_strdup(word + strlen("conf="));
        } else if (g_str_has_prefix(word, "mon_host=")) {
            if (!add_monitors(source, word + strlen("mon_host="), err))
                return NULL;
        } else {
            g_autofree char *option = g_strndup(word, strcspn(word, "=")); /* its value may be a key */
            refuse(err, ERROR_OPERATION_UNSUPPORTED,
                   "the name of an RBD image has an option that is not followed:", option);
            return NULL;
        }
    }
    return g_steal_pointer(&source);
}

/* ---- json: ---- */

/* "file.driver" -> "nbd". Numbers and switches become text. */
static bool flatten(const Json *value, const char *name, unsigned depth, GHashTable *flat, Error **err)
{
    const char *key;
    Json *member;
    size_t i;

    if (depth > JSON_DEPTH_MAX)
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "it is nested more than %d deep", JSON_DEPTH_MAX);
    if (json_is_object(value) || json_is_array(value)) {
        json_object_foreach ((Json *)value, key, member) {
            g_autofree char *path = *name ? g_strdup_printf("%s.%s", name, key) : g_strdup(key);
            if (!flatten(member, path, depth + 1, flat, err))
                return false;
        }
        json_array_foreach ((Json *)value, i, member) {
            g_autofree char *path = g_strdup_printf("%s.%zu", name, i);
            if (!flatten(member, path, depth + 1, flat, err))
                return false;
        }
        return true;
    }
    if (g_hash_table_contains(flat, name))
        return refuse(err, ERROR_OPERATION_FAILED, "there are two values of", name);
    char *text =
        json_is_string(value) ? g_strdup(json_string_value(value)) : json_dumps(value, JSON_ENCODE_ANY);
    g_hash_table_insert(flat, g_strdup(name), text);
    return true;
}

typedef struct Options {
    GHashTable *flat;
    const char *prefix; /* "" or "file." */
} Options;

/* Takes an option out of the set. Owned; NULL: not there. */
static char *take(Options *options, const char *name)
{
    g_autofree char *key = g_strconcat(options->prefix, name, NULL);
    g_autofree char *old_key = NULL;
    char *value = NULL;

    (void)g_hash_table_steal_extended(options->flat, key, (gpointer *)&old_key, (gpointer *)&value);
    return value;
}

static bool take_server(Options *options, const char *server, StorageSource *source, Error **err)
{
    g_autofree char *type_key = g_strconcat(server, ".type", NULL);
    g_autofree char *host_key = g_strconcat(server, ".host", NULL);
    g_autofree char *port_key = g_strconcat(server, ".port", NULL);
    g_autofree char *path_key = g_strconcat(server, ".path", NULL);
    g_autofree char *type = take(options, type_key);

    if (g_strcmp0(type, "unix") == 0) {
        g_autofree char *path = take(options, path_key);
        if (!path)
            return error_set(err, ERROR_OPERATION_FAILED, "the path of the unix socket is missing");
        add_host(source, STORAGE_TRANSPORT_UNIX)->socket = g_steal_pointer(&path);
        return true;
    }
    if (type && strcmp(type, "inet") != 0 && strcmp(type, "tcp") != 0)
        return refuse(err, ERROR_OPERATION_UNSUPPORTED, "servers are not followed over", type);
    g_autofree char *host = take(options, host_key);
    g_autofree char *port = take(options, port_key);
    return add_inet(source, host, port, STORAGE_TRANSPORT_ABSENT, err);
}

/* server.0, server.1, ... */
static bool take_servers(Options *options, StorageSource *source, bool required, Error **err)
{
    for (unsigned i = 0;; i++) {
        g_autofree char *server = g_strdup_printf("server.%u", i);
        g_autofree char *host = g_strdup_printf("%s%s.host", options->prefix, server);
        g_autofree char *path = g_strdup_printf("%s%s.path", options->prefix, server);
        if (!g_hash_table_contains(options->flat, host) && !g_hash_table_contains(options->flat, path))
            return i > 0 || !required || error_set(err, ERROR_OPERATION_FAILED, "the server is missing");
        if (!take_server(options, server, source, err))
            return false;
    }
}

static bool take_path(Options *options, const char *name, StorageSource *source, Error **err)
{
    source->path = take(options, name);
    return source->path || error_set(err, ERROR_OPERATION_FAILED, "the option '%s' is missing", name);
}

static bool take_nbd(Options *options, StorageSource *source, Error **err)
{
    source->path = take(options, "export");
    return take_server(options, "server", source, err);
}

static bool take_ssh_or_nfs(Options *options, StorageSource *source, Error **err)
{
    return take_path(options, "path", source, err) && take_server(options, "server", source, err);
}

static bool take_gluster(Options *options, StorageSource *source, Error **err)
{
    g_autofree char *volume = take(options, "volume");
    g_autofree char *path = take(options, "path");

    if (!volume || !path)
        return error_set(err, ERROR_OPERATION_FAILED, "volume or path is missing");
    source->path = g_strdup_printf("%s/%s", volume, path);
    return take_servers(options, source, true, err);
}

static bool take_rbd(Options *options, StorageSource *source, Error **err)
{
    g_autofree char *pool = take(options, "pool");
    g_autofree char *image = take(options, "image");

    if (!pool || !image)
        return error_set(err, ERROR_OPERATION_FAILED, "pool or image is missing");
    source->path = g_strdup_printf("%s/%s", pool, image);
    source->snapshot = take(options, "snapshot");
    source->config = take(options, "conf");
    return take_servers(options, source, false, err);
}

static bool take_iscsi(Options *options, StorageSource *source, Error **err)
{
    g_autofree char *transport = take(options, "transport");
    g_autofree char *portal = take(options, "portal");
    g_autofree char *target = take(options, "target");
    g_autofree char *lun = take(options, "lun");

    if (!portal || !target)
        return error_set(err, ERROR_OPERATION_FAILED, "portal or target is missing");
    if (g_strcmp0(transport, "tcp") != 0)
        return refuse(err, ERROR_OPERATION_UNSUPPORTED, "iSCSI is not followed over",
                      transport ? transport : "");
    source->path = g_strdup_printf("%s/%s", target, lun ? lun : "0");
    if (!add_monitors(source, portal, err)) /* they are HOST:PORT, too */
        return false;
    return (source->hosts && source->hosts->len == 1) ||
           refuse(err, ERROR_OPERATION_FAILED, "this is no portal:", portal);
}

static StorageSource *take_network(Options *options, StorageProtocol protocol, Error **err)
{
    static bool (*const takers[STORAGE_PROTOCOL_COUNT])(Options *, StorageSource *, Error **) = {
        [STORAGE_PROTOCOL_NBD] = take_nbd,        [STORAGE_PROTOCOL_SSH] = take_ssh_or_nfs,
        [STORAGE_PROTOCOL_NFS] = take_ssh_or_nfs, [STORAGE_PROTOCOL_GLUSTER] = take_gluster,
        [STORAGE_PROTOCOL_RBD] = take_rbd,        [STORAGE_PROTOCOL_ISCSI] = take_iscsi,
    };
    g_autoptr(StorageSource) source = network_new(protocol);

    if (!takers[protocol]) {
        refuse(err, ERROR_OPERATION_UNSUPPORTED, "images are not followed over",
               enum_name(&storage_protocol_names, protocol));
        return NULL;
    }
    return takers[protocol](options, source, err) ? g_steal_pointer(&source) : NULL;
}

static StorageSource *source_from_text(const char *name, const StorageSource *above, Error **err);

/* What the options below the prefix say, whose driver is @driver (NULL: none is named). */
static StorageSource *take_source(Options *options, const char *driver, const StorageSource *above,
                                  Error **err)
{
    uint8_t protocol;
    const bool is_url = driver && (strcmp(driver, "http") == 0 || strcmp(driver, "https") == 0 ||
                                   strcmp(driver, "ftp") == 0 || strcmp(driver, "ftps") == 0);
    const bool is_file = !driver || strcmp(driver, "file") == 0 || strcmp(driver, "host_device") == 0;

    if (!is_url && !is_file) {
        if (enum_from_name(&storage_protocol_names, driver, &protocol))
            return take_network(options, (StorageProtocol)protocol, err);
        refuse(err, ERROR_OPERATION_UNSUPPORTED, "images of this driver are not followed:", driver);
        return NULL;
    }
    g_autofree char *text = take(options, is_url ? "url" : "filename");
    if (!text) {
        error_set(err, ERROR_OPERATION_FAILED, "the option '%s%s' is missing", options->prefix,
                  is_url ? "url" : "filename");
        return NULL;
    }
    if (is_url)
        return source_from_url(text, err);
    if (!driver)
        return source_from_text(text, above, err);
    g_autofree char *as_path = g_strconcat("file:", text, NULL); /* whatever colons are in it */
    return source_from_text(as_path, above, err);
}

static StorageSource *source_from_options(GHashTable *flat, const StorageSource *above, char **ret_format,
                                          Error **err)
{
    Options options = { .flat = flat, .prefix = "" };
    g_autofree char *driver = take(&options, "driver");
    g_autofree char *format = NULL;
    uint8_t known;

    if (!driver || enum_from_name(&image_format_names, driver, &known)) {
        options.prefix = "file.";
        format = g_steal_pointer(&driver);
        driver = take(&options, "driver");
    }
    g_autoptr(StorageSource) source = take_source(&options, driver, above, err);
    if (!source)
        return NULL;
    GHashTableIter iter;
    gpointer left;
    g_hash_table_iter_init(&iter, flat);
    if (g_hash_table_iter_next(&iter, &left, NULL)) {
        refuse(err, ERROR_OPERATION_UNSUPPORTED, "it has an option that is not followed:", left);
        return NULL;
    }
    *ret_format = g_steal_pointer(&format);
    return g_steal_pointer(&source);
}

static StorageSource *source_from_json(const char *text, const StorageSource *above, char **ret_format,
                                       Error **err)
{
    AUTO_JSON root = NULL;
    g_autoptr(Error) why = NULL;
    g_autoptr(GHashTable) flat = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    if (!json_parse(text, strlen(text), "name of the backing file", &root, &why) || !json_is_object(root)) {
        error_set(err, ERROR_OPERATION_FAILED, "%s",
                  why ? error_message(why) : "the JSON of the backing file is no object");
        return NULL;
    }
    if (!flatten(root, "", 0, flat, err))
        return NULL;
    return source_from_options(flat, above, ret_format, err);
}

/* ---- all forms ---- */

static StorageSource *source_from_path(const char *path, const StorageSource *above, Error **err)
{
    if (!*path) {
        error_set(err, ERROR_OPERATION_FAILED, "the path is empty");
        return NULL;
    }
    if (*path != '/' &&
        (!above || !above->path || (above->type != STORAGE_FILE && above->type != STORAGE_BLOCK))) {
        refuse(err, ERROR_OPERATION_FAILED, "there is no folder in which to look for", path);
        return NULL;
    }
    StorageSource *source = source_new(STORAGE_FILE);
    g_autofree char *dir = *path == '/' ? NULL : g_path_get_dirname(above->path);
    source->path = dir ? g_build_filename(dir, path, NULL) : g_strdup(path);
    return source;
}

/* Everything but "json:". */
static StorageSource *source_from_text(const char *name, const StorageSource *above, Error **err)
{
    const size_t to_colon = strcspn(name, ":/");

    if (name[to_colon] != ':') /* as QEMU: a colon behind a slash belongs to a path */
        return source_from_path(name, above, err);
    if (g_str_has_prefix(name, "file:"))
        return source_from_path(name + strlen("file:"), above, err);
    if (strncmp(name + to_colon, "://", 3) == 0)
        return source_from_url(name, err);
    if (g_str_has_prefix(name, "nbd:"))
        return source_from_nbd(name + strlen("nbd:"), err);
    if (g_str_has_prefix(name, "rbd:"))
        return source_from_rbd(name + strlen("rbd:"), err);
    g_autofree char *protocol = g_strndup(name, to_colon);
    refuse(err, ERROR_OPERATION_UNSUPPORTED, "images are not followed over", protocol);
    return NULL;
}

bool source_from_name(const char *name, const StorageSource *above, StorageSource **ret_source,
                      char **ret_format, Error **err)
{
    g_autofree char *format = NULL;
    StorageSource *source = g_str_has_prefix(name, "json:")
                                ? source_from_json(name + strlen("json:"), above, &format, err)
                                : source_from_text(name, above, err);

    if (!source)
        return false;
    *ret_source = source;
    *ret_format = g_steal_pointer(&format);
    return true;
}
