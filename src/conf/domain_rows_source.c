/* Rows of storage sources: files, devices, servers, with what it takes to get in; and the images below. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/domain_rows.h"
#include "conf/volume.h"
#include "conf/xml_internal.h"

#define SOURCE_TYPE(mask) ONLY(StorageSource, type, mask)
#define OF_NETWORK SOURCE_TYPE(BIT(STORAGE_NETWORK))
#define OF_NVME SOURCE_TYPE(BIT(STORAGE_NVME))
#define OF_VHOST SOURCE_TYPE(BIT(STORAGE_VHOST_USER))

const XmlTable storage_host_table =
    TABLE(StorageHost, "storage-host",
          ROWS(ATTR("name", StorageHost, name, .doc = "host name or address"),
               ATTR("port", StorageHost, port, .max = 65535, .text_code = ERROR_INVALID_ARGUMENT,
                    .doc = "port; the protocol's own by default"),
               ATTR("transport", StorageHost, transport, .names = &storage_transport_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "transport"),
               ATTR("socket", StorageHost, socket, .doc = "path of a unix socket")),
          .doc = "A server that has the storage.");

/* ---- what it takes to get in ---- */

static bool auth_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    const StorageAuth *auth = base;
    bool has_secret = false;
    for (const xmlNode *child = element->children; child; child = child->next)
        has_secret |= child->type == XML_ELEMENT_NODE && xmlStrEqual(child->name, BAD_CAST "secret");
    if (!has_secret)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "Missing <secret> element in auth");
    if (!auth->secret_usage && uuid_is_null(&auth->secret_uuid))
        return xml_error(reader, element, ERROR_XML_INVALID, err, "missing secret uuid or usage attribute");
    if (auth->secret_usage && !uuid_is_null(&auth->secret_uuid))
        return xml_error(reader, element, ERROR_XML_INVALID, err, "either secret uuid or usage expected");
    return true;
}

const XmlTable storage_auth_table =
    TABLE(StorageAuth, "storage-auth",
          ROWS(ATTR("username", StorageAuth, username, .flags = ROW_REQUIRED,
                    .missing_code = ERROR_XML_INVALID, .doc = "who logs in"),
               GROUP("secret",
                     ROWS(ATTR("type", StorageAuth, secret_type, .names = &storage_secret_type_names,
                               .doc = "what the secret is for"),
                          ATTR("uuid", StorageAuth, secret_uuid, .doc = "UUID of the secret object"),
                          ATTR("usage", StorageAuth, secret_usage, .doc = "or its usage")),
                     .doc = "the secret that has the password")),
          .finish = auth_finish, .doc = "How QEMU logs in at the server.");

static const XmlTable cookie_table =
    TABLE(NamedValue, "cookie",
          ROWS(ATTR("name", NamedValue, name, .flags = ROW_REQUIRED, .doc = "name"),
               TEXT(NamedValue, value, .doc = "value")),
          .doc = "A cookie for the HTTP server.");

static const XmlTable slice_table =
    TABLE(StorageSlice, "slice",
          ROWS(ATTR("type", StorageSlice, type, .flags = ROW_REQUIRED, .doc = "always storage"),
               ATTR("offset", StorageSlice, offset_bytes, .flags = ROW_REQUIRED | ROW_ALWAYS,
                    .max = INT64_MAX, .doc = "bytes into the source"),
               ATTR("size", StorageSlice, size_bytes, .flags = ROW_REQUIRED, .min = 1, .max = INT64_MAX,
                    .doc = "bytes")),
          .doc = "The part of the source that holds the image.");

static const XmlTable reservations_table =
    TABLE(StorageReservations, "reservations",
          ROWS(ATTR("managed", StorageReservations, managed, .names = &tristate_yes_no_names,
                    .flags = ROW_REQUIRED, .doc = "whether Lodge runs the helper"),
               GROUP("source",
                     ROWS(ATTR("type", StorageReservations, type, .doc = "always unix"),
                          ATTR("path", StorageReservations, path, .doc = "path of the helper's socket"),
                          ATTR("mode", StorageReservations, mode, .doc = "always client")),
                     .doc = "where the helper listens")),
          .doc = "Persistent reservations of SCSI devices.");

#define STARTUP_ROW                                                                                          \
    ATTR("startupPolicy", StorageSource, startup_policy, .names = &startup_policy_names,                     \
         .doc = "what to do when the source is missing at start")
#define INDEX_ROW                                                                                            \
    ATTR("index", StorageSource, index, .flags = ROW_LIVE, .max = UINT32_MAX,                                \
         .doc = "number of the source in the running machine")
#define SECLABEL_ROW                                                                                         \
    LIST("seclabel", StorageSource, seclabels, &security_label_table, .doc = "how the source is labelled")
/* Those of each place in the document, in its order. */
#define NETWORK_ROWS                                                                                         \
    LIST("host", StorageSource, hosts, &storage_host_table, OF_NETWORK,                                      \
         .doc = "servers that have the storage"),                                                            \
        GROUP("snapshot", ROWS(ATTR("name", StorageSource, snapshot, .doc = "name of the snapshot")),        \
              OF_NETWORK, .doc = "snapshot of an RBD image"),                                                \
        GROUP("config", ROWS(ATTR("file", StorageSource, config, .doc = "path of the file")), OF_NETWORK,    \
              .doc = "configuration file of the RBD client"),                                                \
        GROUP("initiator",                                                                                   \
              ROWS(GROUP("iqn", ROWS(ATTR("name", StorageSource, initiator, .doc = "name")),                 \
                         .doc = "qualified name of the initiator")),                                         \
              OF_NETWORK, .doc = "who QEMU is for an iSCSI target"),                                         \
        GROUP("ssl",                                                                                         \
              ROWS(ATTR("verify", StorageSource, ssl_verify, .names = &tristate_yes_no_names,                \
                        .doc = "whether the certificate must be right")),                                    \
              OF_NETWORK, .doc = "TLS of https and ftps"),                                                   \
        GROUP("cookies",                                                                                     \
              ROWS(LIST("cookie", StorageSource, cookies, &cookie_table, .flags = ROW_SECRET,                \
                        .doc = "a cookie")),                                                                 \
              OF_NETWORK, .flags = ROW_SECRET, .doc = "HTTP cookies"),                                       \
        GROUP("readahead",                                                                                   \
              ROWS(ATTR("size", StorageSource, readahead_bytes, .max = INT64_MAX, .doc = "bytes")),          \
              OF_NETWORK, .doc = "read-ahead of the HTTP client"),                                           \
        GROUP("timeout",                                                                                     \
              ROWS(ATTR("seconds", StorageSource, timeout_s, .max = INT32_MAX, .doc = "seconds")),           \
              OF_NETWORK, .doc = "time limit of the HTTP client"),                                           \
        GROUP("identity",                                                                                    \
              ROWS(ATTR("user", StorageSource, nfs_user, .doc = "name or number of the user"),               \
                   ATTR("group", StorageSource, nfs_group, .doc = "name or number of the group")),           \
              OF_NETWORK, .doc = "who QEMU is for an NFS server"),                                           \
        GROUP("reconnect",                                                                                   \
              ROWS(ATTR("delay", StorageSource, reconnect_delay_s, OF_NETWORK, .max = UINT32_MAX,            \
                        .doc = "seconds for which NBD requests wait for the server to come back"),           \
                   ATTR("enabled", StorageSource, vhost_reconnect, .names = &tristate_yes_no_names,          \
                        OF_VHOST, .doc = "whether to reconnect"),                                            \
                   ATTR("timeout", StorageSource, vhost_reconnect_s, OF_VHOST, .max = UINT32_MAX,            \
                        .doc = "seconds between tries")),                                                    \
              .doc = "reconnecting to the server"),                                                          \
        KEPT("knownHosts", REFUSED("QEMU reads the known hosts of its own user"), .doc = "SSH host keys")
#define DATA_STORE_ROW                                                                                       \
    OBJECT("dataStore", StorageSource, data_store, &data_store_table,                                        \
           .doc = "qcow2: the file in which the data lies")
#define OTHER_SOURCE_ROWS                                                                                    \
    GROUP("slices", ROWS(LIST("slice", StorageSource, slices, &slice_table, .doc = "a part")),               \
          .doc = "the part of the source to use"),                                                           \
        OBJECT("auth", StorageSource, auth, &storage_auth_table, .doc = "credentials"),                      \
        OBJECT("reservations", StorageSource, reservations, &reservations_table,                             \
               .doc = "persistent reservations"),                                                            \
        OBJECT("encryption", StorageSource, encryption, &volume_encryption_table, .flags = ROW_LONG,         \
               .doc = "encryption of the image"),                                                            \
        EMBED("address", StorageSource, nvme_address, &source_pci_address_table, OF_NVME,                    \
              .doc = "PCI address of an NVMe disk"),                                                         \
        KEPT("properties", REFUSED("there is none that QEMU knows"), .doc = "further properties")

/* What has no data store of its own. */
static const XmlTable data_store_source_table =
    TABLE(StorageSource, "data-store-source",
          ROWS(ATTR("file", StorageSource, path, SOURCE_TYPE(BIT(STORAGE_FILE)), .doc = "path of the file"),
               ATTR("dev", StorageSource, path, SOURCE_TYPE(BIT(STORAGE_BLOCK)),
                    .doc = "path of the block device"),
               INDEX_ROW),
          .doc = "Where the data is.");
static const XmlTable data_store_table =
    TABLE(StorageSource, "data-store",
          ROWS(ATTR("type", StorageSource, type, .names = &storage_type_names, .flags = ROW_REQUIRED,
                    .doc = "file or block"),
               GROUP("format",
                     ROWS(ATTR("type", StorageSource, format, .names = &storage_format_names,
                               .doc = "always raw")),
                     .doc = "format of the data"),
               { .node = XML_EMBED,
                 XML_NAME_("source"),
                 .table = &data_store_source_table,
                 .flags = ROW_EMPTY_OK,
                 .doc = "where the data is" }),
          .doc = "Data of an image.");

#define PLACE_ROWS                                                                                           \
    ATTR("file", StorageSource, path, SOURCE_TYPE(BIT(STORAGE_FILE)), .doc = "path of the image file"),      \
        ATTR("fdgroup", StorageSource, fd_group, SOURCE_TYPE(BIT(STORAGE_FILE)),                             \
             .doc = "group of descriptors that a client opened, in place of the path"),                      \
        ATTR("dev", StorageSource, path, SOURCE_TYPE(BIT(STORAGE_BLOCK)),                                    \
             .doc = "path of the block device"),                                                             \
        ATTR("dir", StorageSource, path, SOURCE_TYPE(BIT(STORAGE_DIR)), .doc = "path of the directory"),     \
        ATTR("protocol", StorageSource, protocol, .names = &storage_protocol_names, OF_NETWORK,              \
             .doc = "network protocol"),                                                                     \
        ATTR("name", StorageSource, path, OF_NETWORK, .doc = "name of the image or export"),                 \
        ATTR("query", StorageSource, query, OF_NETWORK, .doc = "query part of an HTTP URL"),                 \
        ATTR("tls", StorageSource, tls, .names = &tristate_yes_no_names, OF_NETWORK,                         \
             .doc = "encrypt the connection"),                                                               \
        ATTR("tlsHostname", StorageSource, tls_hostname, OF_NETWORK,                                         \
             .doc = "host name to expect in the certificate"),                                               \
        ATTR("pool", StorageSource, pool, SOURCE_TYPE(BIT(STORAGE_VOLUME)), .doc = "storage pool"),          \
        ATTR("volume", StorageSource, path, SOURCE_TYPE(BIT(STORAGE_VOLUME)), .doc = "volume of the pool"),  \
        ATTR("mode", StorageSource, volume_mode, SOURCE_TYPE(BIT(STORAGE_VOLUME)),                           \
             .doc = "iSCSI pools: host or direct"),                                                          \
        ATTR("type", StorageSource, source_kind, SOURCE_TYPE(BIT(STORAGE_NVME) | BIT(STORAGE_VHOST_USER)),   \
             .flags = ROW_REQUIRED, .doc = "always pci for NVMe and unix for vhost-user"),                   \
        HELD("source", StorageSource, nvme_node, HOST_SIDE),                                                 \
        HELD("source", StorageSource, asked_pool, HOST_SIDE, .flags = ROW_LIVE),                             \
        HELD("source", StorageSource, asked_volume, HOST_SIDE, .flags = ROW_LIVE),                           \
        HELD("source", StorageSource, asked_mode, HOST_SIDE, .flags = ROW_LIVE),                             \
        HELD("source", StorageSource, has_auth_of_pool, HOST_SIDE, .flags = ROW_LIVE),                       \
        ATTR("managed", StorageSource, nvme_managed, .names = &tristate_yes_no_names, OF_NVME,               \
             .doc = "Lodge takes the controller from its driver and gives it back"),                         \
        ATTR("namespace", StorageSource, nvme_namespace, OF_NVME, .max = UINT32_MAX, .flags = ROW_ALWAYS,    \
             .doc = "NVMe name space"),                                                                      \
        ATTR("path", StorageSource, path, OF_VHOST, .flags = ROW_REQUIRED,                                   \
             .doc = "path of the vhost-user socket")

/* A managed helper is the daemon's own; another one is reached at a socket. */
static bool finish_reservations(XmlReader *reader, const xmlNode *element, const StorageSource *source,
                                Error **err)
{
    const StorageReservations *reservations = source->reservations;

    if (!reservations || reservations->managed == TRISTATE_ON)
        return true;
    if (!reservations->type)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "missing connection type for <reservations/>");
    if (strcmp(reservations->type, "unix") != 0)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "unsupported connection type for <reservations/>: %s", reservations->type);
    if (!reservations->path)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "missing path attribute for <reservations/>");
    if (!reservations->mode)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "missing connection mode for <reservations/>");
    return strcmp(reservations->mode, "client") == 0 ||
           xml_error(reader, element, ERROR_XML_INVALID, err,
                     "unsupported connection mode for <reservations/>: %s", reservations->mode);
}

static bool finish_nvme(XmlReader *reader, const xmlNode *element, const StorageSource *source, Error **err)
{
    bool has_address = false;

    if (source->type != STORAGE_NVME)
        return true;
    if (strcmp(source->source_kind, "pci") != 0)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "unsupported source type '%s'",
                         source->source_kind);
    if (!xml_attr(element, "namespace"))
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "missing 'namespace' attribute to disk source");
    for (const xmlNode *child = element->children; child; child = child->next)
        has_address |= child->type == XML_ELEMENT_NODE && xmlStrEqual(child->name, BAD_CAST "address");
    return has_address ||
           xml_error(reader, element, ERROR_XML_INVALID, err, "NVMe disk source is missing address");
}

/* What only some protocols have says nothing elsewhere. */
static void drop_foreign_options(StorageSource *source)
{
    const uint64_t protocol = BIT(source->protocol);
    const uint64_t web = BIT(STORAGE_PROTOCOL_HTTP) | BIT(STORAGE_PROTOCOL_HTTPS),
                   ftp = BIT(STORAGE_PROTOCOL_FTP) | BIT(STORAGE_PROTOCOL_FTPS),
                   encrypted = BIT(STORAGE_PROTOCOL_HTTPS) | BIT(STORAGE_PROTOCOL_FTPS);

    if (!(protocol & encrypted))
        source->ssl_verify = TRISTATE_ABSENT;
    if (!(protocol & (web | ftp)))
        source->readahead_bytes = source->timeout_s = 0;
    if (!(protocol & web)) {
        g_clear_pointer(&source->query, g_free);
        while (def_list_len(source->cookies)) /* the last one takes the list with it */
            xml_list_remove(&cookie_table, &source->cookies, source->cookies->len - 1);
    }
    if (source->protocol != STORAGE_PROTOCOL_NFS) {
        g_clear_pointer(&source->nfs_user, g_free);
        g_clear_pointer(&source->nfs_group, g_free);
    }
}

static bool source_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    StorageSource *source = base;

    drop_foreign_options(source);
    for (DEF_EACH(StorageHost, host, source->hosts)) {
        if (host->transport == STORAGE_TRANSPORT_UNIX) /* has no name */
            g_clear_pointer(&host->name, g_free);
    }
    for (unsigned i = def_list_len(source->slices); i-- > 0;) {
        const StorageSlice *slice = g_ptr_array_index(source->slices, i);
        if (strcmp(slice->type, "storage") != 0)
            xml_list_remove(&slice_table, &source->slices, i);
    }
    return finish_reservations(reader, element, source, err) && finish_nvme(reader, element, source, err);
}

/* Everything but "type" and format, which sit in other elements for disks, backing stores and mirrors. Empty
 * drives have no source. */
const XmlTable storage_source_table =
    TABLE(StorageSource, "storage-source",
          ROWS(PLACE_ROWS, STARTUP_ROW, INDEX_ROW, NETWORK_ROWS, SECLABEL_ROW, OTHER_SOURCE_ROWS,
               DATA_STORE_ROW),
          KEEPS(StorageSource), .finish = source_finish, .doc = "Where the data is.");

/* The number of a backing image stands in the element around it; earlier versions wrote it here, too. */
static const XmlTable backing_source_table =
    TABLE(StorageSource, "backing-source",
          ROWS(PLACE_ROWS, STARTUP_ROW,
               ATTR("index", StorageSource, index, .flags = ROW_LIVE | ROW_READ_ONLY, .max = UINT32_MAX,
                    .doc = "number of the source in the running machine"),
               NETWORK_ROWS, SECLABEL_ROW, OTHER_SOURCE_ROWS, DATA_STORE_ROW),
          KEEPS(StorageSource), .finish = source_finish, .doc = "Where the image is.");

static bool backing_is_there(const StorageSource *source)
{
    return source->backing || source->backing_ends;
}

static bool backing_read(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base,
                         Error **err);
static void backing_write(const XmlRow *row, const void *base, unsigned flags, unsigned indent, GString *out);

static const XmlRow backing_schema_rows[];
static const XmlCustom backing_custom = { backing_read, backing_write, backing_schema_rows };

#define BACKING_ROW                                                                                          \
    CUSTOM("backingStore", &backing_custom, .table = &backing_table,                                         \
           .doc =                                                                                            \
               "the image that this one is based on; empty: the chain ends here; none: look into the image")

static const XmlRow backing_schema_rows[] = {
    ATTR("type", StorageSource, type, BACKING_TYPES_REFUSED, .names = &storage_type_names,
         .doc = "kind of source"),
    INDEX_ROW,
    GROUP("format",
          ROWS(ATTR("type", StorageSource, format, .names = &storage_format_names, .doc = "image format"),
               METADATA_CACHE_ROW(StorageSource, metadata_cache_bytes)),
          .doc = "format of the image"),
    { .node = XML_EMBED,
      XML_NAME_("source"),
      .table = &backing_source_table,
      .flags = ROW_EMPTY_OK,
      .doc = "where the image is" },
    BACKING_ROW,
    { .node = XML_OBJECT,
      XML_NAME_("#backing"),
      XML_PLACE_(StorageSource, backing),
      .table = &backing_table,
      .flags = ROW_WRITE_ONLY | ROW_READ_ONLY,
      .doc = "the next image" },
    { 0 }
};
const XmlTable backing_table = TABLE(StorageSource, "backing-store", backing_schema_rows,
                                     KEEPS(StorageSource), .doc = "An image of the chain.");

/* <backingStore/> ends the chain; one with a type goes on. Recursion is bounded by the depth of documents. */
static bool backing_read(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base,
                         Error **err)
{
    StorageSource *source = base;
    if (backing_is_there(source))
        return xml_drop(reader, element, err);
    bool has_content = false;
    for (const xmlNode *child = element->children; child; child = child->next)
        has_content |= child->type == XML_ELEMENT_NODE;
    if (!xml_attr(element, "type") && !has_content) {
        source->backing_ends = true;
        return true;
    }
    if (!xml_attr(element, "type"))
        return xml_error(reader, element, ERROR_XML_INVALID, err, "attribute 'type' is missing");
    void *backing = NULL;
    if (!xml_table_read(&backing_table, reader, element, &backing, err))
        return false;
    source->backing = backing;
    if (!source->backing->path &&
        (source->backing->type == STORAGE_FILE || source->backing->type == STORAGE_BLOCK))
        return xml_error(reader, element, ERROR_XML_INVALID, err, "missing disk backing store source");
    if (source->backing->format == STORAGE_FORMAT_ABSENT)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "child element 'format' is missing");
    return true;
}

static void backing_write(const XmlRow *row, const void *base, unsigned flags, unsigned indent, GString *out)
{
    const StorageSource *source = base;
    if (source->backing) {
        xml_table_write(&backing_table, "backingStore", source->backing, flags, indent, out);
    } else if (source->backing_ends) {
        xml_indent(indent, out);
        xml_append_literal(out, "<backingStore/>\n");
    }
}

const XmlTable backing_chain_table = TABLE(StorageSource, "backing-chain",
                                           ROWS(BACKING_ROW, { .node = XML_OBJECT,
                                                               XML_NAME_("#backing"),
                                                               XML_PLACE_(StorageSource, backing),
                                                               .table = &backing_table,
                                                               .flags = ROW_WRITE_ONLY | ROW_READ_ONLY,
                                                               .doc = "the next image" }),
                                           .doc = "The images below.");
