/* Character devices: the chardev and the serial, parallel, channel and console devices on top. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "qemu/command_private.h"

char *device_char_fd_name(const char *alias)
{
    return g_strdup_printf("char%s", alias);
}

char *device_char_log_fd_name(const char *alias)
{
    return g_strdup_printf("char%s-log", alias);
}

/* ---- back ends, as QAPI's ChardevBackend has them ---- */

static Json *socket_address(const char *type, Json *data)
{
    return json_pack("{s:s, s:o}", "type", type, "data", data);
}

static Json *inet_address(const char *host, const char *port)
{
    Json *data = json_object();
    prop_str(data, "host", host);
    prop_str(data, "port", port);
    return socket_address("inet", data);
}

static void backend_server_or_reconnect(Json *data, const CharSource *source)
{
    const bool listens = source->mode == CHAR_MODE_BIND || source->mode == CHAR_MODE_SERVER;

    prop_bool(data, "server", listens);
    if (listens)
        prop_bool(data, "wait", false);
    else if (source->reconnect != TRISTATE_ABSENT)
        prop_uint(data, "reconnect",
                  source->reconnect == TRISTATE_ON ? source->reconnect_timeout_s.value : 0);
}

/* What encrypts the connection; NULL: nothing does. */
static char *plan_char_tls(const PlanContext *c, const char *alias, const CharSource *source, Plan *plan)
{
    const bool wanted = source->tls == TRISTATE_ABSENT ? c->env->chardev_tls : source->tls == TRISTATE_ON;

    if (source->type != CHAR_TCP || !wanted)
        return NULL;
    char *id = g_strdup_printf("objchar%s_tls0", alias);
    const bool listens = source->mode == CHAR_MODE_BIND || source->mode == CHAR_MODE_SERVER;
    Json *creds = json_object();
    prop_str(creds, "qom-type", "tls-creds-x509");
    prop_str(creds, "id", id);
    prop_str(creds, "dir", c->env->chardev_tls_dir ? c->env->chardev_tls_dir : "/etc/pki/qemu");
    prop_str(creds, "endpoint", listens ? "server" : "client");
    prop_bool(creds, "verify-peer", !listens || c->env->chardev_tls_verify);
    plan_add(plan, PLAN_OBJECT, creds);
    return id;
}

static void backend_tcp(Json *data, const CharSource *source)
{
    json_object_set_new(data, "addr", inet_address(source->host, source->service));
    if (source->protocol == CHAR_PROTOCOL_TELNET)
        prop_bool(data, "telnet", true);
    backend_server_or_reconnect(data, source);
}

static void backend_udp(Json *data, const CharSource *source)
{
    json_object_set_new(data, "remote", inet_address(source->host ? source->host : "", source->service));
    json_object_set_new(data, "local",
                        inet_address(source->bind_host ? source->bind_host : "",
                                     source->bind_service ? source->bind_service : "0"));
}

static void backend_unix(Json *data, const CharSource *source, const char *fd_name, Plan *plan)
{
    Json *address = json_object();

    if (fd_name)
        json_object_set_new(address, "str", plan_descriptors(plan, fd_name));
    else
        prop_str(address, "path", source->path);
    json_object_set_new(data, "addr", socket_address(fd_name ? "fd" : "unix", address));
    backend_server_or_reconnect(data, source);
}

/* A file that the daemon opened goes to QEMU as a descriptor set: QEMU may have no right to the path. */
static void prop_file(Json *data, const char *key, const char *append_key, const char *path, Tristate append,
                      const char *fd_name, Plan *plan)
{
    if (fd_name)
        json_object_set_new(data, key, plan_descriptor_set(plan, fd_name));
    else
        prop_str(data, key, path);
    prop_tristate(data, append_key, fd_name ? TRISTATE_ON : append);
}

static void backend_vdagent(Json *data, const CharSource *source)
{
    prop_tristate(data, "clipboard", source->clipboard);
    if (source->mouse != SPICE_MOUSE_ABSENT)
        prop_bool(data, "mouse", source->mouse == SPICE_MOUSE_CLIENT);
}

/* NULL: no back end of QEMU's. */
static const char *const backend_types[CHAR_TYPE_COUNT] = {
    [CHAR_DEV] = "serial",
    [CHAR_TCP] = "socket",
    [CHAR_UNIX] = "socket",
    [CHAR_NULL] = "null",
    [CHAR_VC] = "vc",
    [CHAR_PTY] = "pty",
    [CHAR_STDIO] = "stdio",
    [CHAR_FILE] = "file",
    [CHAR_PIPE] = "pipe",
    [CHAR_UDP] = "udp",
    [CHAR_SPICEVMC] = "spicevmc",
    [CHAR_SPICEPORT] = "spiceport",
    [CHAR_QEMU_VDAGENT] = "qemu-vdagent",
    [CHAR_DBUS] = "dbus",
};

static void backend_data(Json *data, const CharSource *source, const char *spice_name, const char *fd_name,
                         Plan *plan)
{
    switch (source->type) {
    case CHAR_DEV:
    case CHAR_PIPE:
        prop_str(data, "device", source->path);
        break;
    case CHAR_FILE:
        prop_file(data, "out", "append", source->path, source->append, fd_name, plan);
        break;
    case CHAR_TCP:
        backend_tcp(data, source);
        break;
    case CHAR_UDP:
        backend_udp(data, source);
        break;
    case CHAR_UNIX:
        backend_unix(data, source, fd_name, plan);
        break;
    case CHAR_SPICEVMC:
        prop_str(data, "type", spice_name);
        break;
    case CHAR_SPICEPORT:
        prop_str(data, "fqdn", source->path);
        break;
    case CHAR_DBUS:
        prop_str(data, "name", source->path);
        break;
    case CHAR_QEMU_VDAGENT:
        backend_vdagent(data, source);
        break;
    default:
        break;
    }
}

static bool plan_typed_chardev(const PlanContext *c, const char *alias, const CharSource *source,
                               const char *type, const char *spice_name, Plan *plan, Error **err)
{
    g_autofree char *fd_name = device_char_fd_name(alias);
    g_autofree char *log_name = device_char_log_fd_name(alias);
    const bool has_fd = plan_fds_get(c->env->fds, fd_name) >= 0;
    const bool has_log_fd = plan_fds_get(c->env->fds, log_name) >= 0;

    if (!type)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "character device type '%s' is not supported by this version",
                         enum_name(&char_type_names, source->type));
    g_autofree char *tls = plan_char_tls(c, alias, source, plan);
    Json *data = json_object(), *chardev = json_object();
    prop_format(chardev, "id", "char%s", alias);
    prop_str(data, "tls-creds", tls);
    backend_data(data, source, spice_name, has_fd ? fd_name : NULL, plan);
    if (source->log_file)
        prop_file(data, "logfile", "logappend", source->log_file, source->log_append,
                  has_log_fd ? log_name : NULL, plan);
    else if (has_log_fd) /* the daemon's own, which moves the place that is written to */
        json_object_set_new(data, "logfile", plan_descriptor_set(plan, log_name));
    json_object_set_new(chardev, "backend", json_pack("{s:s, s:o}", "type", type, "data", data));
    plan_add(plan, PLAN_CHARDEV, chardev);
    return true;
}

bool plan_chardev(const PlanContext *c, const char *alias, const CharSource *source, const char *spice_name,
                  Plan *plan, Error **err)
{
    return plan_typed_chardev(c, alias, source, backend_types[source->type], spice_name, plan, err);
}

/* ---- devices ---- */

/* The guest's agent of spice is what its channels are for, unless they have a name of their own. */
static bool plan_char_backend(const PlanContext *c, const CharDef *chr, Plan *plan, Error **err)
{
    return plan_chardev(c, chr->info.alias, &chr->source, "vdagent", plan, err);
}

Json *char_device_new(const DeviceInfo *info, const char *driver)
{
    Json *device = device_new(driver);
    prop_format(device, "chardev", "char%s", info->alias);
    return device;
}

static const char *serial_driver(const CharDef *chr)
{
    switch (chr->target_model) {
    case CHAR_TARGET_MODEL_USB_SERIAL:
        return "usb-serial";
    case CHAR_TARGET_MODEL_PCI_SERIAL:
        return "pci-serial";
    case CHAR_TARGET_MODEL_ISA_DEBUGCON:
        return "isa-debugcon";
    case CHAR_TARGET_MODEL_SPAPR_VTY:
        return "spapr-vty";
    case CHAR_TARGET_MODEL_SCLPCONSOLE:
        return "sclpconsole";
    case CHAR_TARGET_MODEL_SCLPLMCONSOLE:
        return "sclplmconsole";
    case CHAR_TARGET_MODEL_PL011:
    case CHAR_TARGET_MODEL_16550A:
        return NULL; /* part of the board: -serial */
    default:
        return "isa-serial";
    }
}

bool plan_serial(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const CharDef *chr = def;
    const char *driver = serial_driver(chr);

    if (!plan_char_backend(c, chr, plan, err))
        return false;
    if (!driver) {
        plan_text(plan, "-serial", "chardev:char%s", chr->info.alias);
        return true;
    }
    const bool is_isa = strcmp(driver, "isa-serial") == 0;
    if (is_isa && chr->target_port.value >= 4 && !c->env->for_reference)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "serial port %u: the machine has room for ISA ports 0 to 3", chr->target_port.value);
    AUTO_JSON device = char_device_new(&chr->info, driver);
    if (!prop_info(device, c->def, &chr->info, err))
        return false;
    if (is_isa)
        prop_uint(device, "index", chr->target_port.value);
    return add_device(c, plan, g_steal_pointer(&device), NULL, err);
}

bool plan_parallel(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const CharDef *chr = def;
    const char *type = chr->source.type == CHAR_DEV ? "parallel" : backend_types[chr->source.type];
    if (!plan_typed_chardev(c, chr->info.alias, &chr->source, type, NULL, plan, err))
        return false;
    return add_device(c, plan, char_device_new(&chr->info, "isa-parallel"), &chr->info, err);
}

static void plan_guestfwd(const CharDef *chr, Plan *plan)
{
    Json *netdev = json_object();
    Json *list = json_array();
    Json *entry = json_object();
    prop_format(entry, "str", "tcp:%s:%u-chardev:char%s", chr->guestfwd_address, chr->guestfwd_port,
                chr->info.alias);
    json_array_append_new(list, entry);
    prop_str(netdev, "type", "user");
    json_object_set_new(netdev, "guestfwd", list);
    prop_str(netdev, "id", chr->info.alias);
    plan_add(plan, PLAN_NETDEV, netdev);
}

static bool plan_virtio_port(const PlanContext *c, const CharDef *chr, const char *driver, Plan *plan,
                             Error **err)
{
    AUTO_JSON device = device_new(driver);
    g_autofree char *chardev = g_strdup_printf("char%s", chr->info.alias);

    if (chr->info.address.type == ADDRESS_VIRTIO_SERIAL && !prop_info(device, c->def, &chr->info, err))
        return false;
    /* The order of the properties is fixed by what people compare: bus, nr, chardev, id. */
    json_object_del(device, "id");
    prop_str(device, "chardev", chardev);
    prop_str(device, "id", chr->info.alias);
    if (chr->class == CHAR_CLASS_CHANNEL)
        prop_str(device, "name", chr->target_name);
    return add_device(c, plan, g_steal_pointer(&device), NULL, err);
}

bool plan_channel(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const CharDef *chr = def;
    if (!plan_char_backend(c, chr, plan, err))
        return false;
    if (chr->target_type == CHAR_TARGET_GUESTFWD) {
        plan_guestfwd(chr, plan);
        return true;
    }
    return plan_virtio_port(c, chr, "virtserialport", plan, err);
}

bool plan_console(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const CharDef *chr = def;
    switch (chr->target_type) {
    case CHAR_TARGET_VIRTIO:
        return plan_char_backend(c, chr, plan, err) && plan_virtio_port(c, chr, "virtconsole", plan, err);
    case CHAR_TARGET_SERIAL:
    case CHAR_TARGET_ABSENT: /* another name of the first serial port */
        return true;
    default:
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unsupported console target type %s",
                         enum_name(&char_target_type_names, chr->target_type));
    }
}

bool plan_smartcard(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const SmartcardDef *card = def;
    if (card->mode == SMARTCARD_HOST || card->mode == SMARTCARD_HOST_CERTIFICATES) {
        Json *device = device_new("ccid-card-emulated");
        prop_str(device, "backend", card->mode == SMARTCARD_HOST ? "nss-emulated" : "certificates");
        prop_str(device, "cert1", card->certificate[0]);
        prop_str(device, "cert2", card->certificate[1]);
        prop_str(device, "cert3", card->certificate[2]);
        prop_str(device, "db", card->database);
        return add_device(c, plan, device, &card->info, err);
    }
    if (!plan_chardev(c, card->info.alias, &card->source, "smartcard", plan, err))
        return false;
    return add_device(c, plan, char_device_new(&card->info, "ccid-card-passthru"), &card->info, err);
}
