/* Devices of this machine. A row per kind says under which bus or class the kernel has it, and which function
 * reads what is special about it. Where udev runs, its database adds serial numbers and links; without it (a
 * container, a rescue system) the kernel's own files do. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/sysdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "host/sysdev_private.h"

#define FILE_MAX 65536
#define DEPTH_MAX 64 /* of a path in sysfs: how many parents are looked at */

/* ---- files ---- */

__attribute__((format(printf, 2, 0))) static char *device_file(const SysDevice *device, const char *format,
                                                               va_list args)
{
    g_autofree char *file = g_strdup_vprintf(format, args);

    return g_strconcat(device->root, device->path, "/", file, NULL);
}

static uint8_t *read_bytes(const char *path, size_t max, size_t *ret_len)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t len = 0;

    if (fd < 0)
        return NULL;
    uint8_t *data = g_malloc(max + 1);
    while (len < max) {
        const ssize_t got = read(fd, data + len, max - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && len == 0) {
            g_free(data);
            return NULL;
        }
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    data[len] = 0;
    *ret_len = len;
    return data;
}

/* Drivers and devices write what they like. */
static char *make_text(const char *text)
{
    char *valid = g_utf8_make_valid(text, -1);

    for (char *c = valid; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
    g_strstrip(valid);
    if (!*valid)
        g_clear_pointer(&valid, g_free);
    return valid;
}

static char *read_text(const char *path)
{
    size_t len = 0;
    g_autofree uint8_t *data = read_bytes(path, FILE_MAX, &len);

    return data ? make_text((const char *)data) : NULL;
}

char *sysdev_text(const SysDevice *device, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *path = device_file(device, format, args);
    va_end(args);
    return read_text(path);
}

static bool parse_number(const char *text, uint64_t *ret_value)
{
    char *end = NULL;

    if (!text || !g_ascii_isxdigit(*text))
        return false;
    errno = 0;
    const guint64 value = g_ascii_strtoull(text, &end, 0);
    if (errno || end == text || *end)
        return false;
    *ret_value = value;
    return true;
}

bool sysdev_number(const SysDevice *device, uint64_t *ret_value, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *path = device_file(device, format, args);
    va_end(args);
    g_autofree char *text = read_text(path);
    return parse_number(text, ret_value);
}

OptU32 sysdev_u32(const SysDevice *device, const char *format, ...)
{
    uint64_t value = 0;
    va_list args;

    va_start(args, format);
    g_autofree char *path = device_file(device, format, args);
    va_end(args);
    g_autofree char *text = read_text(path);
    const bool ok = parse_number(text, &value) && value <= UINT32_MAX;
    return (OptU32){ .value = ok ? (uint32_t)value : 0, .is_set = ok };
}

uint8_t *sysdev_bytes(const SysDevice *device, const char *file, size_t max, size_t *ret_len)
{
    g_autofree char *path = g_strconcat(device->root, device->path, "/", file, NULL);

    return read_bytes(path, max, ret_len);
}

char *sysdev_link(const SysDevice *device, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *path = device_file(device, format, args);
    va_end(args);
    g_autofree char *target = g_file_read_link(path, NULL);
    return target ? g_path_get_basename(target) : NULL;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *list_directory(const char *path)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

    for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir))
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_texts);
    return names;
}

GPtrArray *sysdev_list(const SysDevice *device, const char *directory)
{
    g_autofree char *path = g_strconcat(device->root, device->path, "/", directory, NULL);

    return list_directory(path);
}

bool sysdev_has(const SysDevice *device, const char *file)
{
    g_autofree char *path = g_strconcat(device->root, device->path, "/", file, NULL);

    return access(path, F_OK) == 0;
}

/* ---- what the kernel and udev say of it ---- */

static void read_uevent(SysDevice *device)
{
    size_t len = 0;
    g_autofree uint8_t *data = sysdev_bytes(device, "uevent", FILE_MAX, &len);
    g_auto(GStrv) lines = g_strsplit(data ? (const char *)data : "", "\n", 0);

    for (char **line = lines; *line; line++) {
        char *equals = strchr(*line, '=');
        if (!equals)
            continue;
        *equals = '\0';
        char *value = make_text(equals + 1);
        if (value)
            g_hash_table_replace(device->uevent, g_strdup(*line), value);
    }
}

static const char *uevent_of(const SysDevice *device, const char *key)
{
    return g_hash_table_lookup(device->uevent, key);
}

/* udev names what it knows of a device by its kind and number: b8:0, c189:1, n2, +pci:0000:00:03.0 */
static char *udev_file(const SysDevice *device, const char *subsystem)
{
    const char *major = uevent_of(device, "MAJOR"), *minor = uevent_of(device, "MINOR");
    const char *index = uevent_of(device, "IFINDEX");
    g_autofree char *name = NULL;

    if (major && minor && !strchr(major, '/') && !strchr(minor, '/'))
        name = g_strdup_printf("%c%s:%s", strcmp(subsystem, "block") == 0 ? 'b' : 'c', major, minor);
    else if (index && !strchr(index, '/'))
        name = g_strconcat("n", index, NULL);
    else
        name = g_strdup_printf("+%s:%s", subsystem, device->name);
    return g_strconcat(device->root, "/run/udev/data/", name, NULL);
}

static void read_udev(SysDevice *device, const char *subsystem)
{
    g_autofree char *path = udev_file(device, subsystem);
    size_t len = 0;
    g_autofree uint8_t *data = read_bytes(path, FILE_MAX, &len);
    g_auto(GStrv) lines = g_strsplit(data ? (const char *)data : "", "\n", 0);

    for (char **line = lines; *line; line++) {
        char *text = (*line)[0] && (*line)[1] == ':' ? *line + 2 : NULL;
        char *equals = text ? strchr(text, '=') : NULL;
        g_autofree char *value = text ? make_text(**line == 'E' && equals ? equals + 1 : text) : NULL;
        if (value && **line == 'S') {
            g_ptr_array_add(device->links, g_strconcat("/dev/", value, NULL));
        } else if (value && **line == 'E' && equals) {
            *equals = '\0';
            g_hash_table_replace(device->udev, g_strdup(text), g_steal_pointer(&value));
        }
    }
    g_ptr_array_sort(device->links, compare_texts);
}

static const char *udev_of(const SysDevice *device, const char *key)
{
    return g_hash_table_lookup(device->udev, key);
}

/* ---- parts ---- */

static GPtrArray *list_of(GPtrArray **list, const XmlTable *table)
{
    if (!*list)
        *list = xml_list_new(table);
    return *list;
}

NodedevCapPart *sysdev_add_part(NodeDeviceDef *def, NodedevPart type)
{
    NodedevCapPart *part = xml_table_new(&nodedev_part_table);

    part->type = type;
    g_ptr_array_add(list_of(&def->parts, &nodedev_part_table), part);
    return part;
}

void sysdev_add_mdev_types(const SysDevice *device, NodeDeviceDef *def)
{
    g_autoptr(GPtrArray) names = sysdev_list(device, "mdev_supported_types");

    if (names->len == 0)
        return;
    NodedevCapPart *part = sysdev_add_part(def, PART_MDEV_TYPES);
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        NodedevMdevType *type = xml_table_new(&nodedev_mdev_type_table);
        type->id = make_text(name);
        type->name = sysdev_text(device, "mdev_supported_types/%s/name", name);
        type->device_api = sysdev_text(device, "mdev_supported_types/%s/device_api", name);
        type->available = sysdev_u32(device, "mdev_supported_types/%s/available_instances", name).value;
        g_ptr_array_add(list_of(&part->mdev_types, &nodedev_mdev_type_table), type);
    }
}

NodedevGroup *sysdev_read_iommu_group(const SysDevice *device, bool with_addresses)
{
    g_autofree char *link = sysdev_link(device, "iommu_group");
    uint64_t number = 0;

    if (!parse_number(link, &number) || number > UINT32_MAX)
        return NULL;
    NodedevGroup *group = xml_table_new(&nodedev_group_table);
    group->number = (uint32_t)number;
    g_autoptr(GPtrArray) names = sysdev_list(device, "iommu_group/devices");
    for (guint i = 0; with_addresses && i < names->len; i++) {
        NodedevAddress found;
        if (!sysdev_parse_pci(g_ptr_array_index(names, i), &found))
            continue;
        NodedevAddress *address = xml_table_new(&nodedev_address_table);
        *address = found;
        g_ptr_array_add(list_of(&group->addresses, &nodedev_address_table), address);
    }
    return group;
}

/* ---- the kinds ---- */

/* "3" of "host3", "1" of "1:0:0:0" at @index; false: there is no number. */
static bool number_in(const char *name, const char *prefix, unsigned index, OptU32 *ret_number)
{
    if (!g_str_has_prefix(name, prefix))
        return false;
    g_auto(GStrv) parts = g_strsplit(name + strlen(prefix), ":", 8);
    uint64_t value = 0;

    if (index >= g_strv_length(parts) || !g_ascii_isdigit(*parts[index]))
        return false;
    char *end = NULL;
    value = g_ascii_strtoull(parts[index], &end, 10);
    if (*end || value > UINT32_MAX)
        return false;
    *ret_number = (OptU32){ .value = (uint32_t)value, .is_set = true };
    return true;
}

static uint32_t hex_of(const char *text)
{
    return text ? (uint32_t)(g_ascii_strtoull(text, NULL, 16) & 0xffff) : 0;
}

static char *first_text(const char *known, char *otherwise)
{
    if (!known)
        return otherwise;
    g_free(otherwise);
    return g_strdup(known);
}

static bool read_usb_device(const SysDevice *device, NodeDeviceDef *def)
{
    g_autofree char *vendor = sysdev_text(device, "idVendor"), *product = sysdev_text(device, "idProduct");

    def->usb_bus = sysdev_u32(device, "busnum");
    def->usb_device = sysdev_u32(device, "devnum");
    def->vendor_name = (NodedevName){ .id = hex_of(vendor),
                                      .text = first_text(udev_of(device, "ID_VENDOR_FROM_DATABASE"),
                                                         sysdev_text(device, "manufacturer")) };
    def->product_name = (NodedevName){ .id = hex_of(product),
                                       .text = first_text(udev_of(device, "ID_MODEL_FROM_DATABASE"),
                                                          sysdev_text(device, "product")) };
    return def->usb_bus.is_set && def->usb_device.is_set;
}

static OptU32 hex_file(const SysDevice *device, const char *file)
{
    g_autofree char *text = sysdev_text(device, "%s", file);

    return (OptU32){ .value = hex_of(text) & 0xff, .is_set = text != NULL };
}

static bool read_usb(const SysDevice *device, NodeDeviceDef *def)
{
    def->usb_number = hex_file(device, "bInterfaceNumber");
    def->usb_class = hex_file(device, "bInterfaceClass");
    def->usb_subclass = hex_file(device, "bInterfaceSubClass");
    def->usb_protocol = hex_file(device, "bInterfaceProtocol");
    def->description = sysdev_text(device, "interface");
    return def->usb_number.is_set;
}

/* ---- network interfaces ---- */

static bool ask_ethtool(int fd, const char *name, void *question)
{
    struct ifreq request = { 0 };

    g_strlcpy(request.ifr_name, name, sizeof(request.ifr_name));
    request.ifr_data = question;
    return ioctl(fd, SIOCETHTOOL, &request) == 0;
}

static void add_feature(NodeDeviceDef *def, const char *name)
{
    NodedevText *feature = xml_table_new(&nodedev_text_table);

    feature->key = g_strdup(name);
    g_ptr_array_add(list_of(&def->features, &nodedev_text_table), feature);
}

#define FEATURES_MAX 4096
#define TUNNEL_FEATURE "tx-udp_tnl-segmentation"

/* Is the feature on that the kernel calls TUNNEL_FEATURE? It has a number only at run time. */
static bool has_tunnel_feature(int fd, const char *name)
{
    g_autofree struct ethtool_sset_info *sizes = g_malloc0(sizeof(*sizes) + sizeof(sizes->data[0]));

    *sizes = (struct ethtool_sset_info){ .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES };
    if (!ask_ethtool(fd, name, sizes) || !sizes->sset_mask || sizes->data[0] == 0 ||
        sizes->data[0] > FEATURES_MAX)
        return false;
    const uint32_t count = sizes->data[0], blocks = (count + 31) / 32;
    g_autofree struct ethtool_gstrings *strings =
        g_malloc0(sizeof(*strings) + (size_t)count * ETH_GSTRING_LEN);
    *strings =
        (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = count };
    g_autofree struct ethtool_gfeatures *features =
        g_malloc0(sizeof(*features) + blocks * sizeof(features->features[0]));
    features->cmd = ETHTOOL_GFEATURES;
    features->size = blocks;
    if (!ask_ethtool(fd, name, strings) || !ask_ethtool(fd, name, features))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (strncmp((const char *)strings->data + i * ETH_GSTRING_LEN, TUNNEL_FEATURE, ETH_GSTRING_LEN) == 0)
            return features->features[i / 32].active & (1U << (i % 32));
    }
    return false;
}

static void read_features(const SysDevice *device, NodeDeviceDef *def)
{
    static const struct {
        uint32_t command;
        const char *name;
    } simple[] = { { ETHTOOL_GRXCSUM, "rx" }, { ETHTOOL_GTXCSUM, "tx" }, { ETHTOOL_GSG, "sg" },
                   { ETHTOOL_GTSO, "tso" },   { ETHTOOL_GUFO, "ufo" },   { ETHTOOL_GGSO, "gso" },
                   { ETHTOOL_GGRO, "gro" } };
    static const struct {
        uint32_t flag;
        const char *name;
    } flagged[] = { { ETH_FLAG_LRO, "lro" },
                    { ETH_FLAG_RXVLAN, "rxvlan" },
                    { ETH_FLAG_TXVLAN, "txvlan" },
                    { ETH_FLAG_NTUPLE, "ntuple" },
                    { ETH_FLAG_RXHASH, "rxhash" } };
    struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };
    AUTO_FD fd = *device->root ? -1 : socket(AF_LOCAL, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    for (size_t i = 0; fd >= 0 && i < G_N_ELEMENTS(simple); i++) {
        struct ethtool_value value = { .cmd = simple[i].command };
        if (ask_ethtool(fd, device->name, &value) && value.data)
            add_feature(def, simple[i].name);
    }
    const bool has_flags = fd >= 0 && ask_ethtool(fd, device->name, &flags);
    for (size_t i = 0; has_flags && i < G_N_ELEMENTS(flagged); i++) {
        if (flags.data & flagged[i].flag)
            add_feature(def, flagged[i].name);
    }
    g_autoptr(GPtrArray) rdma = sysdev_list(device, "device/infiniband");
    if (rdma->len)
        add_feature(def, "rdma");
    if (fd >= 0 && has_tunnel_feature(fd, device->name))
        add_feature(def, "txudptnl");
}

static bool read_net(const SysDevice *device, NodeDeviceDef *def)
{
    const char *type = uevent_of(device, "DEVTYPE");
    g_autofree char *state = sysdev_text(device, "operstate");
    uint8_t known = OPERSTATE_NONE;

    /* Bridges are networks of their own, not devices. */
    if (type && strcmp(type, "bridge") == 0)
        return false;
    def->interface = make_text(device->name);
    def->address = sysdev_text(device, "address");
    if (state && enum_from_name(&operstate_names, state, &known))
        def->link_state = known;
    if (def->link_state == OPERSTATE_UP) {
        /* -1 where nobody knows: as clients have always seen it. */
        g_autofree char *speed = sysdev_text(device, "speed");
        if (speed)
            def->link_mbps = (OptU32){ .value = (uint32_t)g_ascii_strtoll(speed, NULL, 10), .is_set = true };
    }
    def->net_kind = type && strcmp(type, "wlan") == 0 ? NET_KIND_80211 : NET_KIND_80203;
    read_features(device, def);
    return def->interface != NULL;
}

/* ---- SCSI ---- */

static SysDevice at_path(const SysDevice *device, const char *path)
{
    return (SysDevice){ .root = device->root, .path = path, .name = device->name };
}

/* "0x2000..." without the 0x. */
static char *wwn_file(const SysDevice *device, const char *file)
{
    g_autofree char *text = sysdev_text(device, "%s", file);

    return text ? g_strdup(g_str_has_prefix(text, "0x") ? text + 2 : text) : NULL;
}

static bool read_scsi_host(const SysDevice *device, NodeDeviceDef *def)
{
    g_autofree char *host_path = g_strconcat("/sys/class/scsi_host/", device->name, NULL);
    g_autofree char *fc_path = g_strconcat("/sys/class/fc_host/", device->name, NULL);
    const SysDevice host = at_path(device, host_path), fc = at_path(device, fc_path);

    if (!number_in(device->name, "host", 0, &def->host))
        return false;
    def->unique_id = sysdev_u32(&host, "unique_id");
    if (!sysdev_has(&fc, "port_name"))
        return true;
    NodedevCapPart *part = sysdev_add_part(def, PART_FC_HOST);
    part->wwnn = wwn_file(&fc, "node_name");
    part->wwpn = wwn_file(&fc, "port_name");
    part->fabric_wwn = wwn_file(&fc, "fabric_name");
    const SysDevice *ops = sysdev_has(&fc, "vport_create")     ? &fc
                           : sysdev_has(&host, "vport_create") ? &host
                                                               : NULL;
    if (!ops)
        return true;
    part = sysdev_add_part(def, PART_VPORT_OPS);
    part->max_vports = sysdev_u32(ops, "max_npiv_vports");
    part->vports = sysdev_u32(ops, "npiv_vports_inuse");
    return true;
}

static bool read_scsi_target(const SysDevice *device, NodeDeviceDef *def)
{
    g_autofree char *up = g_path_get_dirname(device->path);
    g_autofree char *port = g_path_get_basename(up);

    def->target_name = make_text(device->name);
    if (!g_str_has_prefix(port, "rport-"))
        return def->target_name != NULL;
    g_autofree char *path = g_strconcat("/sys/class/fc_remote_ports/", port, NULL);
    const SysDevice remote = at_path(device, path);
    NodedevCapPart *part = sysdev_add_part(def, PART_FC_REMOTE_PORT);
    part->rport = make_text(port);
    part->wwpn = wwn_file(&remote, "port_name");
    return def->target_name != NULL;
}

static bool read_scsi(const SysDevice *device, NodeDeviceDef *def)
{
    /* Numbers of SCSI-3, T10: what libvirt's documents call them. */
    static const char *const types[] = { "disk",  "tape",    "printer", "cpu",       "worm",
                                         "cdrom", "scanner", "mod",     "changer",   NULL,
                                         NULL,    NULL,      "raid",    "enclosure", "rbc" };
    uint64_t type = 0;

    if (!number_in(device->name, "", 0, &def->host) || !number_in(device->name, "", 1, &def->scsi_bus) ||
        !number_in(device->name, "", 2, &def->scsi_target) || !number_in(device->name, "", 3, &def->lun))
        return false;
    if (sysdev_number(device, &type, "type") && type < G_N_ELEMENTS(types))
        def->scsi_type = g_strdup(types[type]);
    return true;
}

/* ---- storage ---- */

static const char *guess_drive(const SysDevice *device)
{
    static const struct {
        const char *prefix, *type;
    } guesses[] = { { "vd", "disk" },  { "sd", "disk" },   { "nvme", "disk" }, { "hd", "disk" },
                    { "sr", "cdrom" }, { "fd", "floppy" }, { "mmcblk", "sd" }, { "xvd", "disk" } };
    const char *type = udev_of(device, "ID_TYPE");

    if (udev_of(device, "ID_CDROM") || (type && strcmp(type, "cd") == 0))
        return "cdrom";
    if (udev_of(device, "ID_DRIVE_FLOPPY"))
        return "floppy";
    if (udev_of(device, "ID_DRIVE_FLASH_SD"))
        return "sd";
    if (type && strcmp(type, "generic") != 0)
        return type;
    for (size_t i = 0; i < G_N_ELEMENTS(guesses); i++) {
        if (g_str_has_prefix(device->name, guesses[i].prefix))
            return guesses[i].type;
    }
    return NULL;
}

static char *node_path_of(const SysDevice *device)
{
    const char *name = uevent_of(device, "DEVNAME");

    return name ? g_strconcat(*name == '/' ? "" : "/dev/", name, NULL) : NULL;
}

static OptU64 number_file(const SysDevice *device, const char *file, uint64_t factor)
{
    uint64_t value = 0;
    const bool ok = sysdev_number(device, &value, "%s", file) && value <= UINT64_MAX / factor;

    return (OptU64){ .value = ok ? value * factor : 0, .is_set = ok };
}

static bool read_storage(const SysDevice *device, NodeDeviceDef *def)
{
    const char *type = uevent_of(device, "DEVTYPE"), *drive = guess_drive(device);
    const OptU64 size = number_file(device, "size", 512);
    const OptU64 block = number_file(device, "queue/logical_block_size", 1);
    const uint64_t block_bytes = block.is_set && block.value ? block.value : 512;
    const OptU64 n_blocks = { .value = size.value / block_bytes, .is_set = size.is_set };

    def->block = node_path_of(device);
    if (!drive || !def->block || (type && strcmp(type, "disk") != 0))
        return false;
    def->drive_type = g_strdup(drive);
    def->storage_bus = g_strdup(udev_of(device, "ID_BUS"));
    def->model = sysdev_text(device, "device/model");
    def->vendor = sysdev_text(device, "device/vendor");
    def->serial = first_text(udev_of(device, "ID_SERIAL"), NULL);
    const OptU32 removable = sysdev_u32(device, "removable");
    if (!removable.value) {
        def->size_bytes = size;
        def->block_bytes = (OptU64){ .value = block_bytes, .is_set = true };
        def->n_blocks = n_blocks;
    } else {
        const bool has_medium =
            strcmp(drive, "cdrom") == 0 ? udev_of(device, "ID_CDROM_MEDIA") != NULL : size.value > 0;
        NodedevCapPart *part = sysdev_add_part(def, PART_REMOVABLE);
        part->media_available = (OptU64){ .value = has_medium, .is_set = true };
        part->media_size_bytes = (OptU64){ .value = has_medium ? size.value : 0, .is_set = true };
        part->name = g_strdup(udev_of(device, "ID_FS_LABEL"));
        if (has_medium) {
            part->block_bytes = (OptU64){ .value = block_bytes, .is_set = true };
            part->n_blocks = n_blocks;
        }
    }
    if (removable.value && def->storage_bus && strcmp(def->storage_bus, "usb") == 0)
        sysdev_add_part(def, PART_HOTPLUGGABLE);
    return true;
}

static bool read_scsi_generic(const SysDevice *device, NodeDeviceDef *def)
{
    def->chardev = node_path_of(device);
    return def->chardev != NULL;
}

static bool read_drm(const SysDevice *device, NodeDeviceDef *def)
{
    const char *type = uevent_of(device, "DEVTYPE");

    if (!type || strcmp(type, "drm_minor") != 0 || !uevent_of(device, "DEVNAME"))
        return false;
    def->drm = g_str_has_prefix(device->name, "card")       ? DRM_PRIMARY
               : g_str_has_prefix(device->name, "controlD") ? DRM_CONTROL
               : g_str_has_prefix(device->name, "renderD")  ? DRM_RENDER
                                                            : DRM_NONE;
    return def->drm != DRM_NONE;
}

/* ---- mediated devices, channels, crypto, vDPA ---- */

static bool read_mdev(const SysDevice *device, NodeDeviceDef *def)
{
    g_autofree char *up = g_path_get_dirname(device->path);
    Uuid uuid;

    if (!uuid_parse(device->name, &uuid, NULL))
        return false;
    def->type_id = sysdev_link(device, "mdev_type");
    def->mdev_uuid = g_strdup(device->name);
    def->parent_address = g_path_get_basename(up);
    def->group = sysdev_read_iommu_group(device, false);
    return def->type_id != NULL;
}

/* "0.0.10c4" */
static bool parse_channel(const char *text, OptU32 *cssid, OptU32 *ssid, OptU32 *devno)
{
    unsigned a = 0, b = 0, c = 0;
    int end = 0;

    if (!text || sscanf(text, "%2x.%1x.%4x%n", &a, &b, &c, &end) != 3 || text[end])
        return false;
    *cssid = (OptU32){ .value = a, .is_set = true };
    *ssid = (OptU32){ .value = b, .is_set = true };
    *devno = (OptU32){ .value = c, .is_set = true };
    return true;
}

static bool read_ccw(const SysDevice *device, NodeDeviceDef *def)
{
    return parse_channel(device->name, &def->cssid, &def->ssid, &def->devno);
}

static bool read_css(const SysDevice *device, NodeDeviceDef *def)
{
    g_autofree char *behind = sysdev_text(device, "dev_busid");

    /* Those of other kinds than I/O have no device. */
    if (!def->driver || (strcmp(def->driver, "io_subchannel") != 0 && strcmp(def->driver, "vfio_ccw") != 0) ||
        !parse_channel(device->name, &def->cssid, &def->ssid, &def->devno))
        return false;
    (void)parse_channel(behind, &def->channel_cssid, &def->channel_ssid, &def->channel_devno);
    sysdev_add_mdev_types(device, def);
    return true;
}

static bool read_ap(const SysDevice *device, NodeDeviceDef *def)
{
    unsigned card = 0, domain = 0;
    int end = 0;

    if (sscanf(device->name, "card%2x%n", &card, &end) == 1 && !device->name[end])
        def->cap = NODEDEV_AP_CARD;
    else if (sscanf(device->name, "%2x.%4x%n", &card, &domain, &end) == 2 && !device->name[end])
        def->cap = NODEDEV_AP_QUEUE;
    else
        return false;
    def->ap_adapter = (OptU32){ .value = card, .is_set = true };
    def->ap_domain = (OptU32){ .value = domain, .is_set = def->cap == NODEDEV_AP_QUEUE };
    return true;
}

static bool read_ap_matrix(const SysDevice *device, NodeDeviceDef *def)
{
    sysdev_add_mdev_types(device, def);
    return true;
}

static bool read_vdpa(const SysDevice *device, NodeDeviceDef *def)
{
    g_autoptr(GPtrArray) names = sysdev_list(device, "");

    for (guint i = 0; i < names->len && !def->chardev; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (g_str_has_prefix(name, "vhost-vdpa-"))
            def->chardev = g_strconcat("/dev/", name, NULL);
    }
    return true;
}

typedef struct Kind {
    const char *subsystem;
    const char *devtype; /* NULL: any */
    NodedevCap cap;
    const char *prefix;    /* of its name */
    const char *directory; /* where all of them are, below /sys; NULL: with the ones before */
    bool (*read)(const SysDevice *device, NodeDeviceDef *def); /* false: it is none */
} Kind;

static const Kind kinds[] = {
    { "pci", NULL, NODEDEV_PCI, "pci", "bus/pci/devices", sysdev_read_pci },
    { "usb", "usb_device", NODEDEV_USB_DEVICE, "usb", "bus/usb/devices", read_usb_device },
    { "usb", "usb_interface", NODEDEV_USB, "usb", NULL, read_usb },
    { "net", NULL, NODEDEV_NET, "net", "class/net", read_net },
    { "scsi", "scsi_host", NODEDEV_SCSI_HOST, "scsi", "bus/scsi/devices", read_scsi_host },
    { "scsi", "scsi_target", NODEDEV_SCSI_TARGET, "scsi", NULL, read_scsi_target },
    { "scsi", "scsi_device", NODEDEV_SCSI, "scsi", NULL, read_scsi },
    { "block", NULL, NODEDEV_STORAGE, "block", "class/block", read_storage },
    { "scsi_generic", NULL, NODEDEV_SCSI_GENERIC, "scsi_generic", "class/scsi_generic", read_scsi_generic },
    { "drm", NULL, NODEDEV_DRM, "drm", "class/drm", read_drm },
    { "mdev", NULL, NODEDEV_MDEV, "mdev", "bus/mdev/devices", read_mdev },
    { "ccw", NULL, NODEDEV_CCW, "ccw", "bus/ccw/devices", read_ccw },
    { "css", NULL, NODEDEV_CSS, "css", "bus/css/devices", read_css },
    { "ap", NULL, NODEDEV_AP_CARD, "ap", "bus/ap/devices", read_ap },
    { "matrix", NULL, NODEDEV_AP_MATRIX, "ap", "bus/matrix/devices", read_ap_matrix },
    { "vdpa", NULL, NODEDEV_VDPA, "vdpa", "bus/vdpa/devices", read_vdpa },
};

static const Kind *find_kind(const SysDevice *device, const char *subsystem)
{
    const char *devtype = uevent_of(device, "DEVTYPE");

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(kinds[i].subsystem, subsystem) == 0 &&
            (!kinds[i].devtype || g_strcmp0(kinds[i].devtype, devtype) == 0))
            return &kinds[i];
    }
    return NULL;
}

static void device_open(SysDevice *device, const char *root, const char *path)
{
    const char *slash = strrchr(path, '/');

    *device = (SysDevice){
        .root = root,
        .path = path,
        .name = slash ? slash + 1 : path,
        .uevent = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
        .udev = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
        .links = g_ptr_array_new_with_free_func(g_free),
    };
}

static void device_close(SysDevice *device)
{
    g_hash_table_unref(device->uevent);
    g_hash_table_unref(device->udev);
    g_ptr_array_unref(device->links);
}

/* What tells two devices of one kernel name apart. */
static char *make_name(const Kind *kind, const SysDevice *device, const NodeDeviceDef *def)
{
    const char *more = def->cap == NODEDEV_NET       ? def->address
                       : def->cap == NODEDEV_STORAGE ? def->serial
                       : def->cap == NODEDEV_MDEV    ? def->parent_address
                                                     : NULL;

    return nodedev_make_name(kind->prefix, device->name, more);
}

/* The nearest device above that we know. Those with names of their own are nobody's parents. */
static char *find_parent(const char *root, const char *path)
{
    g_autofree char *up = g_path_get_dirname(path);

    for (unsigned depth = 0; depth < DEPTH_MAX && g_str_has_prefix(up, "/sys/devices/"); depth++) {
        SysDevice device;
        char *name = NULL;
        device_open(&device, root, up);
        g_autofree char *subsystem = sysdev_link(&device, "subsystem");
        if (subsystem) {
            read_uevent(&device);
            const Kind *kind = find_kind(&device, subsystem);
            if (kind)
                name = nodedev_make_name(kind->prefix, device.name, NULL);
        }
        device_close(&device);
        if (name)
            return name;
        char *next = g_path_get_dirname(up);
        g_free(up);
        up = next;
    }
    return g_strdup("computer");
}

static void add_node(NodeDeviceDef *def, NodedevNode type, const char *path)
{
    NodedevPath *node = xml_table_new(&nodedev_path_table);

    node->type = type;
    node->path = g_strdup(path);
    g_ptr_array_add(list_of(&def->nodes, &nodedev_path_table), node);
}

static NodeDeviceDef *read_as(const Kind *kind, const SysDevice *device)
{
    NodeDeviceDef *def = xml_table_new(&nodedev_table);
    g_autofree char *node = node_path_of(device);

    def->cap = kind->cap;
    def->path = make_text(device->path);
    def->driver = sysdev_link(device, "driver");
    if (!def->path || !kind->read(device, def)) {
        xml_table_free(&nodedev_table, def);
        return NULL;
    }
    def->name = make_name(kind, device, def);
    def->parent = find_parent(device->root, device->path);
    if (node)
        add_node(def, NODE_DEV, node);
    for (guint i = 0; node && i < device->links->len; i++)
        add_node(def, NODE_LINK, g_ptr_array_index(device->links, i));
    nodedev_set_uuid(def);
    return def;
}

NodeDeviceDef *sysdev_read(const char *root, const char *path)
{
    NodeDeviceDef *def = NULL;
    SysDevice device;

    device_open(&device, root, path);
    g_autofree char *subsystem = sysdev_link(&device, "subsystem");
    if (subsystem) {
        read_uevent(&device);
        const Kind *kind = find_kind(&device, subsystem);
        if (kind) {
            read_udev(&device, subsystem);
            def = read_as(kind, &device);
        }
    }
    device_close(&device);
    return def;
}

NodeDeviceDef *sysdev_read_computer(const char *root)
{
    const SysDevice dmi = { .root = root, .path = "/sys/devices/virtual/dmi/id", .name = "id" };
    NodeDeviceDef *def = xml_table_new(&nodedev_table);
    Uuid uuid = { { 0 } };

    def->name = g_strdup("computer");
    def->cap = NODEDEV_SYSTEM;
    def->product = sysdev_text(&dmi, "product_name");
    def->vendor = sysdev_text(&dmi, "sys_vendor");
    def->version = sysdev_text(&dmi, "product_version");
    def->serial = sysdev_text(&dmi, "product_serial");
    g_autofree char *text = sysdev_text(&dmi, "product_uuid");
    if (text && !uuid_parse(text, &uuid, NULL))
        uuid = (Uuid){ { 0 } };
    def->system_uuid = g_malloc(UUID_STRING_LEN);
    uuid_format(&uuid, def->system_uuid);
    def->firmware_vendor = sysdev_text(&dmi, "bios_vendor");
    def->firmware_version = sysdev_text(&dmi, "bios_version");
    def->firmware_date = sysdev_text(&dmi, "bios_date");
    nodedev_set_uuid(def);
    return def;
}

/* Where an entry of a directory of links leads, as the kernel names it; NULL: nowhere below @root. */
static char *resolve(const char *root, const char *directory, const char *name)
{
    g_autofree char *entry = g_strconcat(root, "/sys/", directory, "/", name, NULL);
    char *real = realpath(entry, NULL);
    g_autofree char *real_root = *root ? realpath(root, NULL) : NULL;
    const size_t skip = real_root ? strlen(real_root) : 0;
    char *path = NULL;

    if (real && (!skip || g_str_has_prefix(real, real_root)) &&
        g_str_has_prefix(real + skip, "/sys/devices/"))
        path = g_strdup(real + skip);
    free(real);
    return path;
}

GPtrArray *sysdev_scan(const char *root)
{
    GPtrArray *found = g_ptr_array_new();

    g_ptr_array_add(found, sysdev_read_computer(root));
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!kinds[i].directory)
            continue;
        g_autofree char *directory = g_strconcat(root, "/sys/", kinds[i].directory, NULL);
        g_autoptr(GPtrArray) names = list_directory(directory);
        for (guint k = 0; k < names->len; k++) {
            g_autofree char *path = resolve(root, kinds[i].directory, g_ptr_array_index(names, k));
            NodeDeviceDef *def = path ? sysdev_read(root, path) : NULL;
            if (def)
                g_ptr_array_add(found, def);
        }
    }
    return found;
}
