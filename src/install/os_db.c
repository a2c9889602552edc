/* The files are parsed as they are; what a system inherits is looked up when it is asked for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/os_db.h"

#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

#include "install/document.h"

#define DEPTH_MAX 64 /* of systems that derive from each other: a ring would have no end */
#define FILE_MAX_BYTES ((gsize)4 << 20)

struct OsDb {
    GPtrArray *docs;     /* of xmlDoc */
    GPtrArray *systems;  /* of xmlNode, borrowed, in the order of the files */
    GHashTable *by_name; /* short ids and ids: xmlNode; what comes later wins */
    GHashTable *texts;   /* interned, so that facts can borrow them */
};

static const char *keep(OsDb *db, char *text)
{
    if (!text)
        return NULL;
    char *known = g_hash_table_lookup(db->texts, text);
    if (known) {
        g_free(text);
        return known;
    }
    g_hash_table_add(db->texts, text);
    return text;
}

static const char *text_of(OsDb *db, const xmlNode *node, const char *path)
{
    return keep(db, doc_get(node, path));
}

static void add_system(OsDb *db, xmlNode *node)
{
    const char *id = text_of(db, node, "@id");

    if (!id)
        return;
    g_ptr_array_add(db->systems, node);
    g_hash_table_insert(db->by_name, (void *)id, node);
    for (const xmlNode *name = NULL; (name = doc_next(node, "short-id", name));)
        g_hash_table_insert(db->by_name, (void *)text_of(db, name, "."), node);
}

static void add_file(OsDb *db, const char *path)
{
    g_autofree char *text = NULL;
    gsize len = 0;

    if (!g_file_get_contents(path, &text, &len, NULL) || len > FILE_MAX_BYTES)
        return;
    xmlDoc *doc =
        xmlReadMemory(text, (int)len, "os", NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    if (!root) {
        xmlFreeDoc(doc);
        return;
    }
    g_ptr_array_add(db->docs, doc);
    for (xmlNode *node = NULL; (node = doc_next(root, "os", node));)
        add_system(db, node);
}

/* Files in folders of vendors: FOLDER/os/debian.org/debian-11.xml */
static void add_folder(OsDb *db, const char *folder)
{
    g_autofree char *top = g_build_filename(folder, "os", NULL);
    g_autoptr(GDir) vendors = g_dir_open(top, 0, NULL);
    const char *vendor, *name;

    while (vendors && (vendor = g_dir_read_name(vendors))) {
        g_autofree char *path = g_build_filename(top, vendor, NULL);
        g_autoptr(GDir) files = g_dir_open(path, 0, NULL);
        while (files && (name = g_dir_read_name(files))) {
            g_autofree char *file = g_build_filename(path, name, NULL);
            if (g_str_has_suffix(name, ".xml"))
                add_file(db, file);
        }
    }
}

static void free_doc(void *doc)
{
    xmlFreeDoc(doc);
}

/* Beside the program where it was built, or where it is installed. */
static void add_own(OsDb *db)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = self ? g_path_get_dirname(self) : NULL;
    static const char *const places[] = { "../share/lodge/osinfo", "../../../data/osinfo",
                                          "../../../../data/osinfo" };

    for (size_t i = 0; folder && i < G_N_ELEMENTS(places); i++) {
        g_autofree char *path = g_build_filename(folder, places[i], NULL);
        add_folder(db, path);
    }
}

OsDb *os_db_new(const char *const *folders)
{
    OsDb *db = g_new0(OsDb, 1);

    db->docs = g_ptr_array_new_with_free_func(free_doc);
    db->systems = g_ptr_array_new();
    db->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    db->texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (!folders) {
        /* What the distribution knows by now is better than what we knew once. */
        g_autofree char *own = g_build_filename(g_get_user_config_dir(), "osinfo", NULL);
        add_own(db);
        add_folder(db, "/usr/share/osinfo");
        add_folder(db, "/usr/local/share/osinfo");
        add_folder(db, "/etc/osinfo");
        add_folder(db, own);
    }
    for (; folders && *folders; folders++)
        add_folder(db, *folders);
    return db;
}

void os_db_free(OsDb *db)
{
    if (!db)
        return;
    g_hash_table_unref(db->by_name);
    g_hash_table_unref(db->texts);
    g_ptr_array_unref(db->systems);
    g_ptr_array_unref(db->docs);
    g_free(db);
}

/* ---- what a system is like ---- */

/* The devices that it knows, and those that it lost again. */
static void apply_devices(const xmlNode *system, OsFacts *facts)
{
    static const struct {
        const char *id;
        size_t offset;
    } devices[] = {
        { "http://pcisig.com/pci/1af4/1001", offsetof(OsFacts, has_virtio_block) },
        { "http://pcisig.com/pci/1af4/1042", offsetof(OsFacts, has_virtio_block) },
        { "http://pcisig.com/pci/1af4/1000", offsetof(OsFacts, has_virtio_net) },
        { "http://pcisig.com/pci/1af4/1041", offsetof(OsFacts, has_virtio_net) },
        { "http://pcisig.com/pci/1af4/1004", offsetof(OsFacts, has_virtio_scsi) },
        { "http://pcisig.com/pci/1af4/1048", offsetof(OsFacts, has_virtio_scsi) },
        { "http://pcisig.com/pci/1af4/1005", offsetof(OsFacts, has_virtio_rng) },
        { "http://pcisig.com/pci/1af4/1044", offsetof(OsFacts, has_virtio_rng) },
        { "http://pcisig.com/pci/1af4/1002", offsetof(OsFacts, has_virtio_balloon) },
        { "http://pcisig.com/pci/1af4/1045", offsetof(OsFacts, has_virtio_balloon) },
        { "http://pcisig.com/pci/1af4/1003", offsetof(OsFacts, has_virtio_console) },
        { "http://pcisig.com/pci/1af4/1043", offsetof(OsFacts, has_virtio_console) },
        { "http://pcisig.com/pci/1af4/1050", offsetof(OsFacts, has_virtio_gpu) },
        { "http://qemu.org/chipset/x86/q35", offsetof(OsFacts, has_q35) },
        { "http://pcisig.com/pci/1b36/0004", offsetof(OsFacts, has_xhci) },
    };

    for (xmlNode *list = NULL; (list = doc_next(system, "devices", list));)
        for (xmlNode *device = NULL; (device = doc_next(list, "device", device));) {
            g_autofree char *id = doc_get(device, "@id");
            for (size_t i = 0; i < G_N_ELEMENTS(devices); i++)
                if (g_strcmp0(id, devices[i].id) == 0)
                    *(bool *)((char *)facts + devices[i].offset) = !doc_is(device, "@supported", "false");
        }
}

static void apply_firmware(const xmlNode *system, OsFacts *facts)
{
    for (xmlNode *firmware = NULL; (firmware = doc_next(system, "firmware", firmware));)
        if (doc_is(firmware, "@type", "bios") && doc_is(firmware, "@arch", "x86_64"))
            facts->needs_efi = doc_is(firmware, "@supported", "false");
}

static const xmlNode *resource_set(const xmlNode *system, const char *arch)
{
    for (xmlNode *set = NULL; (set = doc_next(system, "resources", set));)
        if (doc_is(set, "@arch", arch))
            return set;
    return NULL;
}

static uint64_t number(const xmlNode *set, const char *path)
{
    g_autofree char *text = set ? doc_get(set, path) : NULL;

    return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

/* What it likes; of one that only says what it needs, twice that. */
static uint64_t resource(const xmlNode *system, const char *name)
{
    static const char *const archs[] = { "x86_64", "all" };
    g_autofree char *liked = g_strdup_printf("recommended/%s", name);
    g_autofree char *needed = g_strdup_printf("minimum/%s", name);
    uint64_t value = 0;

    for (size_t i = 0; !value && i < G_N_ELEMENTS(archs); i++)
        value = number(resource_set(system, archs[i]), liked);
    for (size_t i = 0; !value && i < G_N_ELEMENTS(archs); i++)
        value = 2 * number(resource_set(system, archs[i]), needed);
    return value;
}

static void apply_system(OsDb *db, const xmlNode *system, OsFacts *facts, unsigned depth)
{
    static const char *const above[] = { "derives-from", "clones" };

    for (size_t i = 0; depth < DEPTH_MAX && i < G_N_ELEMENTS(above); i++)
        for (xmlNode *link = NULL; (link = doc_next(system, above[i], link));) {
            g_autofree char *id = doc_get(link, "@id");
            const xmlNode *parent = id ? g_hash_table_lookup(db->by_name, id) : NULL;
            if (parent)
                apply_system(db, parent, facts, depth + 1);
        }
    apply_devices(system, facts);
    apply_firmware(system, facts);
    if (resource_set(system, "x86_64") || resource_set(system, "all") || depth == 0) {
        const bool inherits =
            resource_set(system, "all") && doc_is(resource_set(system, "all"), "@inherit", "true");
        if (!inherits) {
            facts->vcpus = (unsigned)resource(system, "n-cpus");
            facts->ram_bytes = resource(system, "ram");
            facts->disk_bytes = resource(system, "storage");
        }
    }
}

static void read_facts(OsDb *db, const xmlNode *system, OsFacts *ret_facts)
{
    *ret_facts = (OsFacts){ .id = text_of(db, system, "@id"),
                            .short_id = text_of(db, system, "short-id"),
                            .name = text_of(db, system, "name"),
                            .family = text_of(db, system, "family"),
                            .distro = text_of(db, system, "distro"),
                            .version = text_of(db, system, "version"),
                            .codename = text_of(db, system, "codename") };
    apply_system(db, system, ret_facts, 0);
}

bool os_db_find(OsDb *db, const char *name, OsFacts *ret_facts)
{
    const xmlNode *system = g_hash_table_lookup(db->by_name, name);

    if (system)
        read_facts(db, system, ret_facts);
    return system != NULL;
}

/* "debian" of "debian11"; "win2k" of "win2k22" */
static size_t stem_length(const char *name)
{
    size_t len = strlen(name);

    while (len > 0 && (g_ascii_isdigit(name[len - 1]) || name[len - 1] == '.'))
        len--;
    return len;
}

/* Numbers in names count as numbers: fedora9 comes before fedora36. */
static int compare_versions(const char *a, const char *b)
{
    while (*a && *b) {
        if (g_ascii_isdigit(*a) && g_ascii_isdigit(*b)) {
            char *a_end, *b_end;
            const unsigned long x = strtoul(a, &a_end, 10), y = strtoul(b, &b_end, 10);
            if (x != y)
                return x < y ? -1 : 1;
            a = a_end;
            b = b_end;
        } else if (*a != *b) {
            return *a < *b ? -1 : 1;
        } else {
            a++;
            b++;
        }
    }
    return *a ? 1 : *b ? -1 : 0;
}

bool os_db_nearest(OsDb *db, const char *name, OsFacts *ret_facts)
{
    const size_t stem = stem_length(name);
    const xmlNode *below = NULL, *above = NULL;
    g_autofree char *best_below = NULL, *best_above = NULL;

    for (guint i = 0; stem > 0 && i < db->systems->len; i++) {
        const xmlNode *system = db->systems->pdata[i];
        g_autofree char *other = doc_get(system, "short-id");
        if (!other || stem_length(other) != stem || strncmp(other, name, stem) != 0 || !other[stem])
            continue;
        const int order = compare_versions(other, name);
        if (order <= 0 && (!best_below || compare_versions(other, best_below) > 0)) {
            below = system;
            g_free(best_below);
            best_below = g_strdup(other);
        }
        if (order > 0 && (!best_above || compare_versions(other, best_above) < 0)) {
            above = system;
            g_free(best_above);
            best_above = g_strdup(other);
        }
    }
    if (!below && !above)
        return false;
    read_facts(db, below ? below : above, ret_facts);
    return true;
}

static int compare_texts(const void *a, const void *b)
{
    return compare_versions(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *os_db_names(OsDb *db)
{
    GPtrArray *names = g_ptr_array_new();

    for (guint i = 0; i < db->systems->len; i++) {
        const char *name = text_of(db, db->systems->pdata[i], "short-id");
        if (name && g_hash_table_lookup(db->by_name, name) == db->systems->pdata[i])
            g_ptr_array_add(names, (void *)name);
    }
    qsort(names->pdata, names->len, sizeof(names->pdata[0]), compare_texts);
    return names;
}

/* ---- media and trees ---- */

/* Whether a text fits what the database says of it; what it does not say, anything fits. */
static bool fits(const xmlNode *node, const char *path, const char *text, unsigned *ret_weight)
{
    g_autofree char *pattern = doc_get(node, path);

    if (!pattern)
        return true;
    *ret_weight += 1000 + (unsigned)strlen(pattern);
    return text && g_regex_match_simple(pattern, text, G_REGEX_OPTIMIZE, 0);
}

static bool is_for_us(const xmlNode *node)
{
    return doc_is(node, "@arch", "x86_64") || doc_is(node, "@arch", "i686") || doc_is(node, "@arch", "all");
}

static void media_found(OsDb *db, const xmlNode *system, const xmlNode *node, OsMedia *ret_media)
{
    g_autofree char *reboots = doc_get(node, "@installer-reboots");

    *ret_media = (OsMedia){ .kernel = text_of(db, node, "kernel"),
                            .initrd = text_of(db, node, "initrd"),
                            .reboots = reboots ? (unsigned)g_ascii_strtoull(reboots, NULL, 10) : 1,
                            .is_live = doc_is(node, "@live", "true"),
                            .is_installer = !doc_is(node, "@installer", "false") };
    read_facts(db, system, &ret_media->os);
}

bool os_db_detect_iso(OsDb *db, const IsoLabel *label, OsMedia *ret_media)
{
    const xmlNode *best_system = NULL, *best = NULL;
    unsigned best_weight = 0;

    for (guint i = 0; i < db->systems->len; i++) {
        const xmlNode *system = db->systems->pdata[i];
        for (xmlNode *media = NULL; (media = doc_next(system, "media", media));) {
            const xmlNode *iso = doc_find(media, "iso");
            unsigned weight = 0;
            if (!iso || !is_for_us(media) || !fits(iso, "volume-id", label->volume, &weight) ||
                !fits(iso, "system-id", label->system, &weight) ||
                !fits(iso, "publisher-id", label->publisher, &weight) ||
                !fits(iso, "application-id", label->application, &weight))
                continue;
            /* More conditions, and longer ones, say more. */
            if (weight > best_weight || (weight == best_weight && doc_is(media, "@arch", "x86_64"))) {
                best_weight = weight;
                best_system = system;
                best = media;
            }
        }
    }
    if (!best || best_weight == 0)
        return false;
    media_found(db, best_system, best, ret_media);
    return true;
}

bool os_db_detect_tree(OsDb *db, const char *treeinfo, OsMedia *ret_media)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    const xmlNode *best_system = NULL, *best = NULL;
    unsigned best_weight = 0;

    if (!g_key_file_load_from_data(file, treeinfo, strlen(treeinfo), G_KEY_FILE_NONE, NULL))
        return false;
    g_autofree char *family = g_key_file_get_string(file, "general", "family", NULL);
    g_autofree char *variant = g_key_file_get_string(file, "general", "variant", NULL);
    g_autofree char *version = g_key_file_get_string(file, "general", "version", NULL);
    g_autofree char *arch = g_key_file_get_string(file, "general", "arch", NULL);
    for (guint i = 0; i < db->systems->len; i++) {
        const xmlNode *system = db->systems->pdata[i];
        for (xmlNode *tree = NULL; (tree = doc_next(system, "tree", tree));) {
            const xmlNode *info = doc_find(tree, "treeinfo");
            unsigned weight = 0, variant_weight = 0;
            if (!info || !is_for_us(tree) || !fits(info, "family", family, &weight) ||
                !fits(info, "version", version, &weight) || !fits(info, "arch", arch, &weight))
                continue;
            /* A variant that the database does not have is still the system. */
            weight += fits(info, "variant", variant, &variant_weight) ? variant_weight : 0;
            if (weight <= best_weight)
                continue;
            best_weight = weight;
            best_system = system;
            best = tree;
        }
    }
    if (!best)
        return false;
    media_found(db, best_system, best, ret_media);
    return true;
}

char *os_db_tree(OsDb *db, const char *name, const char *arch)
{
    const xmlNode *system = g_hash_table_lookup(db->by_name, name);

    for (xmlNode *tree = NULL; system && (tree = doc_next(system, "tree", tree));)
        if (doc_is(tree, "@arch", arch) && doc_has(tree, "url"))
            return doc_get(tree, "url");
    return NULL;
}
