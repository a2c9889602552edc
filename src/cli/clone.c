/* Machines made from others.
 *
 * A clone is defined before its disks are made, as with `lodge run`. Its disks are overlays on images that
 * never change any more (of a template, of a snapshot), or copies. What tells it from the original is new:
 * UUID, addresses of its cards, ports, files of logs; copies of the firmware's variables and of the TPM are
 * its own. Inside of it a new seed makes cloud-init take it for another machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/clone.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/uuid.h"
#include "cli/backup_xml.h"
#include "cli/domain.h"
#include "cli/identity.h"
#include "cli/image_call.h"
#include "cli/library.h"
#include "cli/lodge_call.h"
#include "cli/place.h"
#include "cli/seed.h"
#include "cli/undefine.h"
#include "install/cloud_init.h"

#define INTERFACES_MAX 64u

static void disk_free(void *data)
{
    CloneDisk *disk = data;

    g_free(disk->target);
    g_free(disk->image);
    g_free(disk->format);
    g_free(disk->backing);
    g_free(disk->backing_format);
    g_free(disk);
}

/* ---- the original ---- */

static bool is_listed(const char *list, const char *target)
{
    g_auto(GStrv) words = list ? g_strsplit_set(list, ",\n", -1) : NULL;

    return words && g_strv_contains((const char *const *)words, target);
}

/* How large it is, and what it stands on. */
static bool look_at_image(Cli *cli, CloneDisk *disk, Error **err)
{
    const WireLodgeImageInfoArgs call = { .image = disk->image, .format = disk->format };
    g_auto(WireLodgeImageInfoRet) ret = { 0 };
    g_autoptr(Json) chain = NULL;

    if (!lodge_call(cli, LODGE_PROC_IMAGE_INFO, &call, &ret, WIRE_NO_TIMEOUT, err) ||
        !json_parse(ret.json, strlen(ret.json), "the daemon's answer", &chain, err))
        return error_prefix(err, "disk '%s'", disk->target);
    const Json *top = json_array_get(chain, 0), *below = json_array_get(chain, 1);
    disk->bytes = json_get_uint(top, "virtual_bytes", 0);
    if (!disk->format)
        disk->format = g_strdup(json_get_str(top, "format"));
    if (json_get_str(top, "path")) { /* of a volume: where it lies */
        g_free(disk->image);
        disk->image = g_strdup(json_get_str(top, "path"));
    }
    if (below) {
        disk->backing = g_strdup(json_get_str(below, "path"));
        disk->backing_format = g_strdup(json_get_str(below, "format"));
    }
    return true;
}

static bool take_seed(CloneSource *source, const CloneDisk *disk, Error **err)
{
    const WireStorageVolLookupByPathArgs args = { .path = disk->image };
    g_auto(WireStorageVolLookupByPathRet) found = { 0 };

    if (source->seed || !disk->image || !g_str_has_suffix(disk->image, ".iso") ||
        !cli_call(source->cli, PROC_STORAGE_VOL_LOOKUP_BY_PATH, &args, &found, NULL) ||
        !seed_get(source->cli, &found.vol, &source->seed, NULL))
        return true; /* some other disc */
    source->seed_target = g_strdup(disk->target);
    return true;
}

static bool read_disks(CloneSource *source, const char *shared, const char *copied, Error **err)
{
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) nodes = NULL;

    if (!xml_parse(source->xml, &doc, err) || !xml_select(doc, NULL, "/domain/devices/disk", &nodes, err))
        return false;
    for (guint i = 0; i < nodes->len; i++) {
        xmlNode *node = nodes->pdata[i];
        CloneDisk *disk = g_new0(CloneDisk, 1);
        g_autofree char *device = xml_get(doc, node, "./@device"), *only = NULL, *several = NULL;
        g_ptr_array_add(source->disks, disk);
        disk->target = xml_get(doc, node, "./target/@dev");
        disk->image = domain_disk_image(doc, node, &disk->format);
        only = xml_get(doc, node, "name(./readonly)");
        several = xml_get(doc, node, "name(./shareable)");
        const bool is_drive = g_strcmp0(device, "cdrom") == 0 || g_strcmp0(device, "floppy") == 0;
        disk->is_shared = is_drive || (only && *only) || (several && *several) || !disk->image;
        if (is_drive && !take_seed(source, disk, err))
            return false;
        if (disk->image && is_listed(copied, disk->target))
            disk->is_shared = false;
        if (is_listed(shared, disk->target))
            disk->is_shared = true;
        /* Those whose memory is kept are looked at then. */
        if (!disk->is_shared && (!source->with_memory || source->memory) &&
            !look_at_image(source->cli, disk, err))
            return false;
    }
    return true;
}

/* The document of a snapshot of the disks that are not shared; owned. NULL: there are none. */
static char *snapshot_document(const CloneSource *source, const char *name)
{
    g_autoptr(GString) xml = g_string_new(NULL);
    unsigned n = 0;

    g_string_append_printf(xml, "<domainsnapshot><name>%s</name><disks>", name);
    for (guint i = 0; i < source->disks->len; i++) {
        const CloneDisk *disk = source->disks->pdata[i];
        n += !disk->is_shared;
        if (disk->image)
            g_string_append_printf(xml, "<disk name='%s' snapshot='%s'/>", disk->target,
                                   disk->is_shared ? "no" : "external");
    }
    g_string_append(xml, "</disks></domainsnapshot>");
    return n ? g_string_free(g_steal_pointer(&xml), FALSE) : NULL;
}

static char *snapshot_name(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *when = g_date_time_format(now, "%Y%m%d-%H%M%S");

    return g_strdup_printf("clones-%s-%04x", when, g_random_int() & 0xffff);
}

/* From now on the images that were read are not written to: the original goes on in overlays. */
static bool freeze(CloneSource *source, Error **err)
{
    g_autofree char *name = snapshot_name(), *xml = snapshot_document(source, name);
    WireDomainSnapshotCreateXmlArgs args = {
        .dom = source->dom, .flags = VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
    };
    g_auto(WireDomainSnapshotCreateXmlRet) ret = { 0 };

    if (source->quiesce)
        args.flags |= VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE;
    args.xml_desc = xml ? xml : (char *)"<domainsnapshot/>";
    source->snapshot = g_steal_pointer(&name);
    if (cli_call(source->cli, PROC_DOMAIN_SNAPSHOT_CREATE_XML, &args, &ret, err))
        return true;
    g_clear_pointer(&source->snapshot, g_free);
    return error_prefix(err, "cannot freeze the disks of machine '%s'", source->dom.name);
}

/* The same with its memory. What was read of the machine is replaced by what it was at that moment: of one
 * that is paused that was perhaps long ago. */
static bool keep_memory(CloneSource *source, const char *shared, const char *copied, Error **err)
{
    g_autofree char *name = snapshot_name(), *xml = snapshot_document(source, name);
    const WireLodgeMemoryKeepArgs args = { .dom = source->dom,
                                           .snapshot_xml = xml,
                                           .flags = source->quiesce ? LODGE_MEMORY_KEEP_QUIESCE : 0 };
    WireLodgeMemoryKeepRet ret = { 0 };

    if (!lodge_call(source->cli, LODGE_PROC_MEMORY_KEEP, &args, &ret, WIRE_NO_TIMEOUT, err))
        return false;
    g_free(source->xml);
    source->xml = ret.xml;
    source->memory = ret.memory;
    source->snapshot = ret.snapshot;
    g_ptr_array_set_size(source->disks, 0);
    return read_disks(source, shared, copied, err);
}

static bool fetch_files(CloneSource *source, Error **err)
{
    const WireLodgeDomainFilesArgs args = { .dom = source->dom, .json = (char *)"" };
    g_auto(WireLodgeDomainFilesRet) ret = { 0 };

    if (!lodge_call(source->cli, LODGE_PROC_DOMAIN_FILES, &args, &ret, WIRE_NO_TIMEOUT, err))
        return false;
    if (strcmp(ret.json, "[]") != 0)
        source->files = g_strdup(ret.json);
    return true;
}

bool clone_source_open(Cli *cli, const WireDomain *dom, CloneKind kind, const char *shared,
                       const char *copied, CloneSource *ret_source, Error **err)
{
    CloneSource *source = ret_source;
    bool is_active = false;

    *source = (CloneSource){ .cli = cli,
                             .name = g_strdup(dom->name),
                             .keep_snapshot = kind == CLONE_LINKED,
                             .quiesce = ret_source->quiesce,
                             .with_memory = ret_source->with_memory };
    source->disks = g_ptr_array_new_with_free_func(disk_free);
    source->dom = (WireDomain){ .name = g_strdup(dom->name), .uuid = dom->uuid, .id = dom->id };
    const unsigned which = source->with_memory ? 0 : VIR_DOMAIN_XML_INACTIVE;
    if (!cli_domain_is_active(cli, dom, &is_active, err) ||
        !cli_domain_xml(cli, dom, which | VIR_DOMAIN_XML_SECURE, &source->xml, err) ||
        !read_disks(source, shared, copied, err))
        return false;
    if (source->with_memory && !is_active) {
        error_set(err, ERROR_INVALID_STATE, "machine '%s' is not running: there is no memory to go on from",
                  dom->name);
        return error_hint(err, "start it, or clone it without --running");
    }
    if (source->with_memory && kind == CLONE_LINKED && !keep_memory(source, shared, copied, err))
        return false;
    if (!fetch_files(source, err))
        return false;
    return source->memory || (!is_active && kind == CLONE_FULL) || freeze(source, err);
}

void clone_source_close(CloneSource *source)
{
    if (source->memory) {
        const WireLodgeMemoryReleaseArgs args = { .memory = source->memory };
        fiber_shield_begin();
        /* Without a connection there is none any more. */
        (void)!lodge_call(source->cli, LODGE_PROC_MEMORY_RELEASE, &args, NULL, WIRE_NO_TIMEOUT, NULL);
        fiber_shield_end();
    }
    if (source->snapshot && !source->keep_snapshot) {
        const WireDomainSnapshotDeleteArgs args = { .snap = { .name = source->snapshot,
                                                              .dom = source->dom } };
        g_autoptr(Error) why = NULL;
        fiber_shield_begin();
        if (!cli_call(source->cli, PROC_DOMAIN_SNAPSHOT_DELETE, &args, NULL, &why))
            fprintf(stderr, "warning: snapshot '%s' of machine '%s' is left: %s\n", source->snapshot,
                    source->dom.name, error_message(why));
        fiber_shield_end();
    }
    g_free(source->name);
    g_free(source->xml);
    g_free(source->seed_target);
    g_free(source->files);
    g_free(source->snapshot);
    g_free(source->memory);
    json_decref(source->seed);
    g_clear_pointer(&source->disks, g_ptr_array_unref);
    wire_domain_clear(&source->dom);
}

/* ---- one clone ---- */

typedef struct Made {
    RestoredDisk place;    /* where the clone's disk is */
    const CloneDisk *disk; /* NULL: the seed */
    WireStoragePool pool;
    char *volume; /* its name; NULL: a file in no pool */
    WireStorageVol vol;
} Made;

typedef struct Clone {
    const CloneOrder *order;
    const CloneSource *source;
    Cli *cli;
    GPtrArray *made; /* Made */
    GPtrArray *macs;
    char uuid[UUID_STRING_LEN];
    WireDomain dom;
    bool is_defined;
} Clone;

static void made_free(void *data)
{
    Made *made = data;

    g_free(made->place.target);
    g_free(made->place.path);
    g_free(made->place.format);
    g_free(made->volume);
    wire_storage_pool_clear(&made->pool);
    wire_storage_vol_clear(&made->vol);
    g_free(made);
}

static void clone_clear(Clone *clone)
{
    g_clear_pointer(&clone->made, g_ptr_array_unref);
    g_clear_pointer(&clone->macs, g_ptr_array_unref);
    wire_domain_clear(&clone->dom);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Clone, clone_clear)

static bool go_on(const Clone *clone, Error **err)
{
    return !clone->order->interrupted || !*clone->order->interrupted ||
           error_set(err, ERROR_CANCELLED, "interrupted");
}

/* The pool that the original's image is in, or the one that is asked for; without one the default. */
static bool find_pool(const Clone *clone, const CloneDisk *disk, Made *made, char **ret_folder, Error **err)
{
    const WireStorageVolLookupByPathArgs by_path = { .path = disk->image };
    g_auto(WireStorageVolLookupByPathRet) volume = { 0 };
    g_auto(WireStoragePoolLookupByVolumeRet) pool = { 0 };
    const char *name = clone->order->pool;

    if (!name && cli_call(clone->cli, PROC_STORAGE_VOL_LOOKUP_BY_PATH, &by_path, &volume, NULL)) {
        const WireStoragePoolLookupByVolumeArgs of = { .vol = volume.vol };
        /* Clones do not go into the library of templates. */
        if (cli_call(clone->cli, PROC_STORAGE_POOL_LOOKUP_BY_VOLUME, &of, &pool, NULL) &&
            strcmp(pool.pool.name, LIBRARY_POOL) != 0)
            name = pool.pool.name;
    }
    return place_pool(clone->cli, name ? name : "default", PLACE_MAKE, &made->pool, ret_folder, err);
}

static const char *ending_of(const char *format)
{
    return strcmp(format, "raw") == 0 ? "img" : format;
}

static unsigned count_copied(const CloneSource *source)
{
    unsigned n = 0;

    for (guint i = 0; i < source->disks->len; i++)
        n += !((const CloneDisk *)source->disks->pdata[i])->is_shared;
    return n;
}

/* web.qcow2, or web-vda.qcow2 if there are several. */
static bool plan_disk(Clone *clone, const CloneDisk *disk, Error **err)
{
    const char *const *files = clone->order->files;
    const unsigned n = count_copied(clone->source);
    const bool is_linked = clone->order->kind == CLONE_LINKED;
    Made *made = g_new0(Made, 1);
    g_autofree char *folder = NULL;

    made->disk = disk;
    made->place.target = g_strdup(disk->target);
    made->place.format = g_strdup(!is_linked && g_str_equal(disk->format, "raw") ? "raw" : "qcow2");
    g_ptr_array_add(clone->made, made);
    if (files && clone->made->len <= g_strv_length((char **)files)) {
        made->place.path = g_canonicalize_filename(files[clone->made->len - 1], NULL);
        return true;
    }
    if (!find_pool(clone, disk, made, &folder, err))
        return false;
    made->volume = g_strdup_printf("%s%s%s.%s", clone->order->name, n > 1 ? "-" : "",
                                   n > 1 ? disk->target : "", ending_of(made->place.format));
    made->place.path = path_join(folder, made->volume);
    return true;
}

static bool plan_seed(Clone *clone, Error **err)
{
    Made *made;
    g_autofree char *folder = NULL;

    if (!clone->source->seed_target)
        return true;
    const Made *first = clone->made->len ? clone->made->pdata[0] : NULL;
    g_autofree char *pool = g_strdup(clone->order->pool          ? clone->order->pool
                                     : first && first->pool.name ? first->pool.name
                                                                 : "default");
    made = g_new0(Made, 1);
    made->place.target = g_strdup(clone->source->seed_target);
    made->place.format = g_strdup("raw");
    made->volume = g_strdup_printf("%s-seed.iso", clone->order->name);
    g_ptr_array_add(clone->made, made);
    if (!place_pool(clone->cli, pool, PLACE_MAKE, &made->pool, &folder, err))
        return false;
    made->place.path = path_join(folder, made->volume);
    return true;
}

static bool plan(Clone *clone, Error **err)
{
    static const uint8_t prefix[3] = { 0x52, 0x54, 0x00 };
    const CloneSource *source = clone->source;
    g_autoptr(XmlDoc) doc = NULL;
    g_autoptr(GPtrArray) interfaces = NULL;
    Uuid uuid;

    clone->made = g_ptr_array_new_with_free_func(made_free);
    clone->macs = g_ptr_array_new_with_free_func(g_free);
    uuid_generate(&uuid);
    if (clone->order->uuid && !uuid_parse(clone->order->uuid, &uuid, err))
        return false;
    uuid_format(&uuid, clone->uuid);
    for (guint i = 0; i < source->disks->len; i++) {
        const CloneDisk *disk = source->disks->pdata[i];
        if (!disk->is_shared && !plan_disk(clone, disk, err))
            return false;
    }
    if (!plan_seed(clone, err) || !xml_parse(source->xml, &doc, err) ||
        !xml_select(doc, NULL, "/domain/devices/interface", &interfaces, err))
        return false;
    const char *const *given = clone->order->macs;
    for (guint i = 0; i < interfaces->len && i < INTERFACES_MAX; i++) {
        char text[MAC_STRING_LEN];
        Mac mac;
        mac_generate(prefix, &mac);
        if (given && *given && g_ascii_strcasecmp(*given, "RANDOM") != 0 && !mac_parse(*given, &mac, err))
            return false;
        given += given && *given;
        mac_format(&mac, text);
        g_ptr_array_add(clone->macs, g_strdup(text));
    }
    g_ptr_array_add(clone->macs, NULL);
    return true;
}

static bool make_document(const Clone *clone, char **ret_xml, Error **err)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new();

    for (guint i = 0; i < clone->made->len; i++)
        g_ptr_array_add(places, &((Made *)clone->made->pdata[i])->place);
    const DefinitionEdit edit = { .name = clone->order->name,
                                  .disks = places,
                                  .keep_others = true,
                                  .uuid = clone->uuid,
                                  .macs = (const char *const *)clone->macs->pdata,
                                  .nvram = clone->order->nvram };
    return definition_edit(clone->source->xml, &edit, ret_xml, err);
}

/* A volume that stands on the original's image, or on what that stands on. */
static char *volume_document(const Made *made, const char *backing, const char *backing_format)
{
    g_autofree char *below =
        backing ? g_markup_printf_escaped("<backingStore><path>%s</path><format type='%s'/></backingStore>",
                                          backing, backing_format)
                : g_strdup("");
    g_autofree char *head =
        g_markup_printf_escaped("<volume><name>%s</name><capacity unit='bytes'>%" PRIu64
                                "</capacity><allocation>0</allocation><target><format type='%s'/></target>",
                                made->volume, made->disk->bytes, made->place.format);

    return g_strconcat(head, below, "</volume>", NULL);
}

/* Anywhere, by the daemon's qemu-img. */
static bool convert_disk(const Clone *clone, const Made *made, Error **err)
{
    g_autofree char *target =
        made->volume ? g_strdup_printf("%s/%s", made->pool.name, made->volume) : g_strdup(made->place.path);

    return image_convert(clone->cli, made->disk->image, made->disk->format, target, made->place.format, err);
}

static bool copy_disk(const Clone *clone, Made *made, Error **err)
{
    const WireStorageVolLookupByPathArgs by_path = { .path = made->disk->image };
    g_auto(WireStorageVolLookupByPathRet) from = { 0 };

    if (!made->volume || !cli_call(clone->cli, PROC_STORAGE_VOL_LOOKUP_BY_PATH, &by_path, &from, NULL)) {
        if (!convert_disk(clone, made, err))
            return false;
        return !made->volume || volume_find(clone->cli, &made->pool, made->volume, &made->vol, err);
    }
    g_autofree char *xml = volume_document(made, NULL, NULL);
    const WireStorageVolCreateXmlFromArgs call = { .pool = made->pool, .xml = xml, .clonevol = from.vol };
    WireStorageVolCreateXmlFromRet ret = { 0 };
    if (!cli_call_settled(clone->cli, PROC_STORAGE_VOL_CREATE_XML_FROM, &call, &ret, err))
        return false;
    made->vol = ret.vol;
    return true;
}

static bool make_disk(const Clone *clone, Made *made, Error **err)
{
    if (clone->order->preserve_data && !made->volume)
        return true;
    if (clone->order->kind == CLONE_FULL)
        return copy_disk(clone, made, err);
    if (!made->volume)
        return error_set(err, ERROR_NOT_SUPPORTED, "a linked clone's disk has to be in a pool");
    g_autofree char *xml = volume_document(made, made->disk->image, made->disk->format);
    return volume_create(clone->cli, &made->pool, xml, &made->vol, err);
}

static bool make_seed(const Clone *clone, Made *made, Error **err)
{
    g_autofree char *instance = g_strdup_printf("%s-1", clone->uuid);
    const CloudInit init = { .instance_id = clone->order->keep_identity ? NULL : instance,
                             .hostname = clone->order->keep_identity ? NULL
                                         : clone->order->hostname    ? clone->order->hostname
                                                                     : clone->order->name,
                             .is_clone = !clone->order->keep_identity,
                             .mac = clone->macs->pdata[0] };
    AUTO_JSON files = json_deep_copy(clone->source->seed);

    if (!cloud_init_check(&init, err))
        return false;
    cloud_init_change(files, &init);
    return seed_put(clone->cli, &made->pool, made->volume, files, &made->vol, err);
}

static bool put_files(const Clone *clone, Error **err)
{
    const WireLodgeDomainFilesArgs args = { .dom = clone->dom,
                                            .json = clone->source->files,
                                            .flags = LODGE_DOMAIN_FILES_PUT };
    g_auto(WireLodgeDomainFilesRet) ret = { 0 };

    return !clone->source->files ||
           lodge_call(clone->cli, LODGE_PROC_DOMAIN_FILES, &args, &ret, WIRE_NO_TIMEOUT, err) ||
           error_prefix(err, "the state of firmware and TPM");
}

static bool define(Clone *clone, Error **err)
{
    g_autofree char *xml = NULL;

    clone->is_defined = make_document(clone, &xml, err) && machine_define(clone->cli, xml, &clone->dom, err);
    return clone->is_defined;
}

/* It runs, whatever comes of that. */
static void tell_identity(const Clone *clone)
{
    const CloneOrder *order = clone->order;
    g_autoptr(Error) why = NULL;
    bool is_told = false;

    if (order->keep_identity)
        return;
    if (strstr(clone->source->xml, IDENTITY_CHANNEL) &&
        !identity_tell(clone->cli, &clone->dom, order->hostname ? order->hostname : order->name,
                       clone->source->seed != NULL, &is_told, &why))
        fprintf(stderr, "warning: the guest of '%s' may not have all of its new identity: %s\n", order->name,
                error_message(why));
    else if (!is_told && !clone->cli->quiet)
        fprintf(stderr,
                "note: the guest of '%s' has no agent that could be told: inside, the machine is the same as "
                "'%s' (machine-id, host keys, host name)\n",
                order->name, clone->source->name);
}

static bool go_on_from_memory(const Clone *clone, Error **err)
{
    const WireLodgeMemoryStartArgs args = { .dom = clone->dom, .memory = clone->source->memory };
    g_auto(WireLodgeMemoryStartRet) ret = { 0 };

    if (!lodge_call(clone->cli, LODGE_PROC_MEMORY_START, &args, &ret, WIRE_NO_TIMEOUT, err))
        return false;
    if (ret.cards)
        fprintf(stderr,
                "warning: the guest of '%s' does not let go of its network cards: those in the place of %s "
                "stay "
                "without a link until it is started anew\n",
                clone->order->name, ret.cards);
    tell_identity(clone);
    return true;
}

static bool fill(Clone *clone, Error **err)
{
    for (guint i = 0; i < clone->made->len; i++) {
        Made *made = clone->made->pdata[i];
        if (!go_on(clone, err) || !(made->disk ? make_disk(clone, made, err) : make_seed(clone, made, err)))
            return error_prefix(err, "disk '%s'", made->place.target);
    }
    if (!put_files(clone, err) || !go_on(clone, err))
        return false;
    if (clone->source->memory)
        return go_on_from_memory(clone, err) && go_on(clone, err);
    const WireDomainCreateArgs start = { .dom = clone->dom };
    return !clone->order->start || cli_call(clone->cli, PROC_DOMAIN_CREATE, &start, NULL, err);
}

static void take_back(const Clone *clone)
{
    fiber_shield_begin();
    if (clone->is_defined)
        machine_take_back(clone->cli, &clone->dom);
    for (guint i = 0; i < clone->made->len; i++) {
        const Made *made = clone->made->pdata[i];
        volume_drop(clone->cli, &made->vol);
    }
    fiber_shield_end();
}

/* The machine that had the name goes, with its disks. */
static bool replace(const Clone *clone, Error **err)
{
    const WireDomainLookupByNameArgs args = { .name = (char *)clone->order->name };
    g_auto(WireDomainLookupByNameRet) old = { 0 };
    bool is_active = false;

    if (!cli_call(clone->cli, PROC_DOMAIN_LOOKUP_BY_NAME, &args, &old, NULL))
        return true;
    if (!clone->order->replace) {
        error_set(err, ERROR_OPERATION_FAILED, "there is a machine '%s' already", clone->order->name);
        return error_hint(err, "--replace removes it, and keeps its disks");
    }
    const WireDomainDestroyArgs destroy = { .dom = old.dom };
    const WireDomainUndefineFlagsArgs undefine = { .dom = old.dom, .flags = UNDEFINE_ALL };
    if (!cli_domain_is_active(clone->cli, &old.dom, &is_active, err) ||
        (is_active && !cli_call(clone->cli, PROC_DOMAIN_DESTROY, &destroy, NULL, err)) ||
        !cli_call(clone->cli, PROC_DOMAIN_UNDEFINE_FLAGS, &undefine, NULL, err))
        return false;
    for (guint i = 0; i < clone->made->len; i++) { /* its seed was made with it */
        const Made *made = clone->made->pdata[i];
        g_auto(WireStorageVol) seed = { 0 };
        if (!made->disk && volume_find(clone->cli, &made->pool, made->volume, &seed, NULL) &&
            !volume_delete(clone->cli, &seed, err))
            return false;
    }
    return true;
}

bool clone_make(const CloneOrder *order, Error **err)
{
    g_auto(Clone) clone = { .order = order, .source = order->source, .cli = order->source->cli };

    if (!plan(&clone, err) || !go_on(&clone, err) || !replace(&clone, err))
        return false;
    if (define(&clone, err) && fill(&clone, err))
        return true;
    take_back(&clone);
    return false;
}

bool clone_document(const CloneOrder *order, char **ret_xml, Error **err)
{
    g_auto(Clone) clone = { .order = order, .source = order->source, .cli = order->source->cli };

    return plan(&clone, err) && make_document(&clone, ret_xml, err);
}

/* ---- templates ---- */

static void take_template_disk(CloneSource *source, const Json *said, const char *folder)
{
    CloneDisk *disk = g_new0(CloneDisk, 1);
    const char *volume = json_get_str(said, "volume");

    *disk = (CloneDisk){ .target = g_strdup(json_get_str(said, "target")),
                         .image = volume && path_is_safe_component(volume) ? path_join(folder, volume) : NULL,
                         .format = g_strdup(json_get_str(said, "format")),
                         .bytes = json_get_uint(said, "virtual_bytes", 0) };
    g_ptr_array_add(source->disks, disk);
    disk->is_shared = !disk->image || !disk->target || !disk->format;
}

bool clone_template_open(Cli *cli, const char *name, CloneSource *ret_source, Error **err)
{
    g_autoptr(LibraryImage) image = NULL;
    size_t i;
    json_t *said;

    *ret_source = (CloneSource){ .cli = cli, .name = g_strdup(name), .keep_snapshot = true };
    ret_source->disks = g_ptr_array_new_with_free_func(disk_free);
    if (!library_find(cli, name, &image, err))
        return false;
    const Json *template = json_get_obj(image->facts, "template");
    if (!template || !image->is_whole)
        return error_set(err, ERROR_INVALID_ARGUMENT, "image '%s' of the library is no template", name);
    g_autofree char *folder = g_path_get_dirname(image->path);
    ret_source->xml = g_strdup(json_get_str(template, "definition"));
    ret_source->files = g_strdup(json_get_str(template, "files"));
    ret_source->seed = json_deep_copy(json_get_arr(template, "seed"));
    ret_source->seed_target = g_strdup(json_get_str(template, "seed_target"));
    json_array_foreach (json_get_arr(template, "disks"), i, said)
        take_template_disk(ret_source, said, folder);
    return true;
}
