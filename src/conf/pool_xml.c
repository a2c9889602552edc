/* The storage pool document as text: what follows from the rest, and what each type needs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/pool.h"

#define SOURCE "(storage_pool_definition)"

/* What a document of the type must say. */
enum {
    NEEDS_HOST = 1,
    NEEDS_DEVICE = 2,
    NEEDS_DIR = 4,
    NEEDS_ADAPTER = 8,
    NEEDS_NAME = 16,
    NEEDS_TARGET = 32,
    NEEDS_INITIATOR = 64,
    NEEDS_NOTHING = 128
};
static const uint8_t pool_needs[POOL_TYPE_COUNT] = {
    [POOL_TYPE_DIR] = NEEDS_TARGET,
    [POOL_TYPE_FS] = NEEDS_DEVICE | NEEDS_TARGET,
    [POOL_TYPE_NETFS] = NEEDS_HOST | NEEDS_DIR | NEEDS_TARGET,
    [POOL_TYPE_LOGICAL] = NEEDS_TARGET,
    [POOL_TYPE_DISK] = NEEDS_DEVICE | NEEDS_TARGET,
    [POOL_TYPE_ISCSI] = NEEDS_HOST | NEEDS_TARGET,
    [POOL_TYPE_ISCSI_DIRECT] = NEEDS_HOST | NEEDS_DEVICE | NEEDS_INITIATOR,
    [POOL_TYPE_SCSI] = NEEDS_ADAPTER | NEEDS_TARGET,
    [POOL_TYPE_MPATH] = NEEDS_TARGET,
    [POOL_TYPE_RBD] = NEEDS_NAME | NEEDS_HOST,
    [POOL_TYPE_SHEEPDOG] = NEEDS_NAME | NEEDS_HOST,
    [POOL_TYPE_GLUSTER] = NEEDS_NAME | NEEDS_HOST,
    [POOL_TYPE_ZFS] = NEEDS_NAME,
    [POOL_TYPE_VSTORAGE] = NEEDS_NAME | NEEDS_TARGET,
};

static bool missing(Error **err, const char *what)
{
    return error_set(err, ERROR_XML_INVALID, "missing storage pool %s", what);
}

static bool is_wwn(const char *text)
{
    return strlen(text) == 16 && strspn(text, "0123456789abcdefABCDEF") == 16;
}

static bool adapter_check(const PoolAdapter *adapter, Error **err)
{
    const char *const wwns[] = { adapter->wwnn, adapter->wwpn, adapter->parent_wwnn, adapter->parent_wwpn,
                                 adapter->parent_fabric_wwn };
    if (adapter->type == POOL_ADAPTER_FC_HOST && (!adapter->wwnn || !adapter->wwpn))
        return error_set(err, ERROR_XML_INVALID,
                         "'wwnn' and 'wwpn' must be specified for adapter type 'fchost'");
    for (size_t i = 0; i < G_N_ELEMENTS(wwns); i++) {
        if (wwns[i] && !is_wwn(wwns[i]))
            return error_set(err, ERROR_INTERNAL, "Malformed wwn: %s", wwns[i]);
    }
    if (adapter->type == POOL_ADAPTER_SCSI_HOST && !adapter->name && !adapter->has_address)
        return error_set(err, ERROR_XML_INVALID,
                         "Either 'name' or 'parent' must be specified for the 'scsi_host' adapter");
    return true;
}

static bool pool_check(const PoolDef *def, Error **err)
{
    const unsigned needs = pool_needs[def->type];

    if (!def->name)
        return error_set(err, ERROR_XML_INVALID, "missing pool source name element");
    if (strchr(def->name, '/'))
        return error_set(err, ERROR_XML_INVALID, "name %s cannot contain '/'", def->name);
    if (strchr(def->name, '\n'))
        return error_set(err, ERROR_XML_SYNTAX, "invalid char in name: \n");
    if (def->auth && uuid_is_null(&def->auth->secret_uuid) && !def->auth->secret_usage)
        return error_set(err, ERROR_XML_INVALID, "Missing <secret> element in auth");
    if ((needs & NEEDS_NAME) && !def->source_name)
        return missing(err, "source name");
    if ((needs & NEEDS_HOST) && !def->hosts)
        return missing(err, "source host name");
    if ((needs & NEEDS_DIR) && !def->source_dir)
        return missing(err, "source path");
    if ((needs & NEEDS_DEVICE) && !def->devices)
        return missing(err, "source device name");
    if ((needs & NEEDS_INITIATOR) && !def->initiator)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "missing initiator IQN");
    if ((needs & NEEDS_ADAPTER) && !def->adapter)
        return missing(err, "source adapter");
    if ((needs & NEEDS_TARGET) && !def->target_path)
        return missing(err, "target path");
    return !def->adapter || adapter_check(def->adapter, err);
}

char *pool_clean_path(const char *path)
{
    GString *out = g_string_new(NULL);

    for (; *path; path++) {
        if (*path != '/' || out->len == 0 || out->str[out->len - 1] != '/')
            g_string_append_c(out, *path);
    }
    if (out->len > 1 && out->str[out->len - 1] == '/')
        g_string_truncate(out, out->len - 1);
    return g_string_free(out, FALSE);
}

/* The parts of a source that mean something to the type; of those that are not here all do. */
static const uint8_t pool_parts[POOL_TYPE_COUNT] = {
    [POOL_TYPE_DIR] = NEEDS_NOTHING,
    [POOL_TYPE_FS] = NEEDS_DEVICE,
    [POOL_TYPE_NETFS] = NEEDS_HOST | NEEDS_DIR,
    [POOL_TYPE_LOGICAL] = NEEDS_DEVICE | NEEDS_NAME,
    [POOL_TYPE_DISK] = NEEDS_DEVICE,
    [POOL_TYPE_ISCSI] = NEEDS_HOST | NEEDS_DEVICE | NEEDS_INITIATOR,
    [POOL_TYPE_SCSI] = NEEDS_ADAPTER,
    [POOL_TYPE_MPATH] = NEEDS_NOTHING,
};

/* What a document says in the others is forgotten. */
static void pool_drop_parts(PoolDef *def)
{
    const unsigned parts = pool_parts[def->type];
    PoolDef *dropped = g_new0(PoolDef, 1);

    if (parts && !(parts & NEEDS_HOST))
        dropped->hosts = g_steal_pointer(&def->hosts);
    if (parts && !(parts & NEEDS_DEVICE))
        dropped->devices = g_steal_pointer(&def->devices);
    if (parts && !(parts & NEEDS_DIR))
        dropped->source_dir = g_steal_pointer(&def->source_dir);
    if (parts && !(parts & NEEDS_NAME))
        dropped->source_name = g_steal_pointer(&def->source_name);
    if (parts && !(parts & NEEDS_ADAPTER))
        dropped->adapter = g_steal_pointer(&def->adapter);
    if (parts && !(parts & NEEDS_INITIATOR))
        dropped->initiator = g_steal_pointer(&def->initiator);
    pool_def_free(dropped);
}

static void clean_member(char **path)
{
    char *clean = *path ? pool_clean_path(*path) : NULL;

    g_free(*path);
    *path = clean;
}

static void pool_fill_in(PoolDef *def, unsigned flags)
{
    pool_drop_parts(def);
    if (!def->name)
        def->name = g_strdup(def->source_name);
    if (!def->source_name && def->type == POOL_TYPE_LOGICAL)
        def->source_name = g_strdup(def->name);
    if (def->type == POOL_TYPE_LOGICAL) { /* LVM decides where its volumes are */
        def->format = def->format ? def->format : 1;
        g_free(def->target_path);
        def->target_path = def->source_name ? g_strconcat("/dev/", def->source_name, NULL) : NULL;
    }
    if (def->type == POOL_TYPE_ZFS && def->source_name) { /* so does ZFS */
        g_free(def->target_path);
        def->target_path = g_strconcat("/dev/zvol/", def->source_name, NULL);
    }
    if (def->type == POOL_TYPE_GLUSTER && !def->source_dir)
        def->source_dir = g_strdup("/");
    clean_member(&def->target_path);
    clean_member(&def->source_dir);
    if (flags & XML_READ_INACTIVE)
        def->capacity_bytes = def->allocation_bytes = def->available_bytes = 0;
}

bool pool_def_parse(const char *xml, size_t len, unsigned flags, PoolDef **ret_def, Error **err)
{
    XmlReader reader = { .flags = flags, .source = SOURCE };
    g_autoptr(xmlDoc) doc = NULL;
    void *object = NULL;

    if (!xml_document_read(xml, len, SOURCE, &doc, err))
        return false;
    const xmlNode *root = xmlDocGetRootElement(doc);
    if (strcmp((const char *)root->name, "pool") != 0)
        return error_set(err, ERROR_XML_INVALID, "expecting root element of 'pool', not '%s'",
                         (const char *)root->name);
    if (!xml_table_read(&pool_table, &reader, root, &object, err))
        return false;
    g_autoptr(PoolDef) def = object;
    pool_fill_in(def, flags);
    if (!pool_check(def, err))
        return false;
    *ret_def = g_steal_pointer(&def);
    return true;
}

char *pool_def_format(const PoolDef *def, unsigned flags)
{
    GString *out = g_string_new(NULL);

    xml_table_write(&pool_table, "pool", def, flags, 0, out);
    return g_string_free(out, FALSE);
}

void pool_def_free(PoolDef *def)
{
    xml_table_free(&pool_table, def);
}
