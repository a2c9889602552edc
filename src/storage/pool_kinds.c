/* All kinds of pools: the table, what each can, what it finds. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "conf/xml_internal.h"
#include "storage/folder.h"
#include "storage/pool.h"
#include "storage/pool_kinds.h"

static const PoolBackend dir_backend = {
    .is_folder = true,
    .build = folder_build,
    .remove = folder_remove,
    .scan = folder_scan,
    .plan_volume = folder_plan_volume,
    .make_volume = folder_make_volume,
    .remove_volume = folder_remove_volume,
    .resize_volume = folder_resize_volume,
    .look_at_volume = folder_look_at_volume,
};

/* clang-format off */
const PoolBackend *const pool_backends[POOL_TYPE_COUNT] = {
    [POOL_TYPE_DIR] = &dir_backend,
    [POOL_TYPE_FS] = &fs_backend,
    [POOL_TYPE_NETFS] = &netfs_backend,
    [POOL_TYPE_LOGICAL] = &logical_backend,
    [POOL_TYPE_DISK] = &disk_backend,
    [POOL_TYPE_ISCSI] = &iscsi_backend,
    [POOL_TYPE_ISCSI_DIRECT] = &iscsi_direct_backend,
    [POOL_TYPE_SCSI] = &scsi_backend,
    [POOL_TYPE_MPATH] = &mpath_backend,
    [POOL_TYPE_RBD] = &rbd_backend,
    [POOL_TYPE_GLUSTER] = &gluster_backend,
    [POOL_TYPE_ZFS] = &zfs_backend,
};
/* clang-format on */

/* ---- capabilities ---- */

/* What <storagepoolCapabilities> says of a kind; the names are those of the documents. */
typedef struct KindOptions {
    const char *source_default; /* NULL: its source has no formats */
    const EnumNames *source_formats;
    const char *volume_default; /* NULL: its volumes have none */
    const char *volume_formats; /* separated by blanks */
} KindOptions;

#define FILE_FORMATS "none raw dir bochs cloop dmg iso vpc vdi fat vhd ploop cow qcow qcow2 qed vmdk"

static const KindOptions kind_options[POOL_TYPE_COUNT] = {
    [POOL_TYPE_DIR] = { .volume_default = "raw", .volume_formats = FILE_FORMATS },
    [POOL_TYPE_FS] = { "auto", &pool_fs_format_names, "raw", FILE_FORMATS },
    [POOL_TYPE_NETFS] = { "auto", &pool_netfs_format_names, "raw", FILE_FORMATS },
    [POOL_TYPE_LOGICAL] = { "lvm2", &pool_logical_format_names, NULL, NULL },
    [POOL_TYPE_DISK] = { "unknown", &pool_disk_format_names, "none",
                         "none linux fat16 fat32 linux-swap linux-lvm linux-raid extended" },
    [POOL_TYPE_RBD] = { .volume_default = "raw", .volume_formats = "" },
    [POOL_TYPE_GLUSTER] = { .volume_default = "raw", .volume_formats = FILE_FORMATS },
    [POOL_TYPE_VSTORAGE] = { .volume_default = "raw", .volume_formats = FILE_FORMATS },
};

static void add_source_formats(GString *xml, const KindOptions *kind)
{
    g_string_append_printf(xml,
                           "    <poolOptions>\n      <defaultFormat type='%s'/>\n"
                           "      <enum name='sourceFormatType'>\n",
                           kind->source_default);
    for (unsigned i = 0; i < kind->source_formats->count; i++)
        g_string_append_printf(xml, "        <value>%s</value>\n", enum_name(kind->source_formats, i));
    g_string_append(xml, "      </enum>\n    </poolOptions>\n");
}

static void add_volume_formats(GString *xml, const KindOptions *kind)
{
    g_auto(GStrv) names = g_strsplit(kind->volume_formats, " ", -1);

    g_string_append_printf(xml,
                           "    <volOptions>\n      <defaultFormat type='%s'/>\n"
                           "      <enum name='targetFormatType'>\n",
                           kind->volume_default);
    for (unsigned i = 0; names[i]; i++)
        g_string_append_printf(xml, "        <value>%s</value>\n", names[i]);
    g_string_append(xml, "      </enum>\n    </volOptions>\n");
}

char *pool_capabilities(const Host *host)
{
    GString *xml = g_string_new("<storagepoolCapabilities>\n");

    for (unsigned type = 0; type < POOL_TYPE_COUNT; type++) {
        const KindOptions *kind = &kind_options[type];
        g_string_append_printf(xml, "  <pool type='%s' supported='%s'>\n", enum_name(&pool_type_names, type),
                               pool_backends[type] ? "yes" : "no");
        if (kind->source_default)
            add_source_formats(xml, kind);
        if (kind->volume_default)
            add_volume_formats(xml, kind);
        g_string_append(xml, "  </pool>\n");
    }
    g_string_append(xml, "</storagepoolCapabilities>\n");
    return g_string_free(xml, FALSE);
}

/* ---- sources ---- */

/* A <source> as of a pool of @type. */
static bool parse_source(unsigned type, const char *spec, PoolDef **ret_def, Error **err)
{
    g_autoptr(xmlDoc) doc = NULL;
    void *def = NULL;
    XmlReader reader = { .source = "(storage_source_specification)" };

    if (!xml_document_read(spec, strlen(spec), reader.source, &doc, err))
        return false;
    xmlNode *root = xmlDocGetRootElement(doc);
    if (strcmp((const char *)root->name, "source") != 0)
        return error_set(err, ERROR_XML_INVALID, "expecting root element of 'source', not '%s'",
                         (const char *)root->name);
    xmlNode *pool = xmlNewNode(NULL, BAD_CAST "pool");
    xmlUnlinkNode(root);
    xmlDocSetRootElement(doc, pool);
    xmlAddChild(pool, root);
    xmlNewProp(pool, BAD_CAST "type", BAD_CAST enum_name(&pool_type_names, type));
    if (!xml_table_read(&pool_table, &reader, pool, &def, err))
        return false;
    *ret_def = def;
    return true;
}

bool pool_find_sources(Host *host, const char *name, const char *spec, unsigned flags, const char *function,
                       char **ret_xml, Error **err)
{
    g_autoptr(PoolDef) def = NULL;
    uint8_t type = 0;

    if (!check_flags(flags, 0, function, err))
        return false;
    if (!enum_from_name(&pool_type_names, name, &type))
        return error_set(err, ERROR_INTERNAL, "unknown storage pool type %s", name);
    const PoolBackend *backend = pool_backends[type];
    if (!backend)
        return error_set(err, ERROR_INTERNAL, "missing backend for pool type %d (%s)", type, name);
    if (!backend->find_sources)
        return error_set(err, ERROR_NOT_SUPPORTED, "pool type '%s' does not support source discovery", name);
    if (spec && !parse_source(type, spec, &def, err))
        return false;
    GString *xml = g_string_new("<sources>\n");
    if (!backend->find_sources(host, def, xml, err)) {
        g_string_free(xml, TRUE);
        return false;
    }
    g_string_append(xml, "</sources>\n");
    *ret_xml = g_string_free(xml, FALSE);
    return true;
}
