/* Character devices: -chardev and the serial, parallel, channel and console devices on top. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command_private.h"

static void append_option(GString *out, const char *key, const char *value)
{
    if (!value)
        return;
    g_autofree char *escaped = option_escape(value);
    g_string_append_printf(out, ",%s=%s", key, escaped);
}

static bool source_listens(const CharSource *source)
{
    return source->mode == CHAR_MODE_BIND || source->mode == CHAR_MODE_SERVER;
}

static void chardev_server_or_reconnect(GString *out, const CharSource *source)
{
    if (source_listens(source))
        g_string_append(out, ",server=on,wait=off");
    else if (source->reconnect == TRISTATE_ON)
        g_string_append_printf(out, ",reconnect=%u", source->reconnect_timeout_s);
}

static void chardev_tcp(GString *out, const char *id, const CharSource *source)
{
    g_string_append_printf(out, "socket,id=%s", id);
    append_option(out, "host", source->host);
    append_option(out, "port", source->service);
    if (source->protocol == CHAR_PROTOCOL_TELNET || source->protocol == CHAR_PROTOCOL_TELNETS)
        g_string_append(out, ",telnet=on");
    chardev_server_or_reconnect(out, source);
}

static void chardev_udp(GString *out, const char *id, const CharSource *source)
{
    g_string_append_printf(out, "udp,id=%s", id);
    append_option(out, "host", source->host ? source->host : "");
    append_option(out, "port", source->service);
    append_option(out, "localaddr", source->bind_host ? source->bind_host : "");
    append_option(out, "localport", source->bind_service ? source->bind_service : "0");
}

static void chardev_unix(GString *out, const char *id, const CharSource *source, int fd)
{
    g_string_append_printf(out, "socket,id=%s", id);
    if (fd >= 0)
        g_string_append_printf(out, ",fd=%d", fd);
    else
        append_option(out, "path", source->path);
    chardev_server_or_reconnect(out, source);
}

static int opened_fd(const Builder *b, const CharSource *source, bool is_log)
{
    return b->env->char_fd ? b->env->char_fd(source, is_log, b->env->arg) : -1;
}

static unsigned add_fdset(Builder *b, int fd)
{
    const unsigned set = b->fdset_next++;

    add_text(b, "-add-fd", "set=%u,fd=%d", set, fd);
    return set;
}

/* A file that the daemon opened goes to QEMU as a descriptor set: QEMU may have no right to the path. */
static void chardev_file(Builder *b, GString *out, const char *id, const CharSource *source, int fd)
{
    g_string_append_printf(out, "file,id=%s", id);
    if (fd >= 0) {
        g_string_append_printf(out, ",path=/dev/fdset/%u,append=on", add_fdset(b, fd));
        return;
    }
    append_option(out, "path", source->path);
    if (source->append != TRISTATE_ABSENT)
        g_string_append_printf(out, ",append=%s", source->append == TRISTATE_ON ? "on" : "off");
}

static void chardev_vdagent(GString *out, const char *id, const CharSource *source)
{
    g_string_append_printf(out, "qemu-vdagent,id=%s,name=vdagent", id);
    if (source->clipboard != TRISTATE_ABSENT)
        g_string_append_printf(out, ",clipboard=%s", source->clipboard == TRISTATE_ON ? "on" : "off");
    if (source->mouse != SPICE_MOUSE_ABSENT)
        g_string_append_printf(out, ",mouse=%s", source->mouse == SPICE_MOUSE_CLIENT ? "on" : "off");
}

static const char *spicevmc_name(const CharDef *chr)
{
    if (chr && chr->target_name && g_str_has_prefix(chr->target_name, "com.redhat.spice.0"))
        return "vdagent";
    return chr ? "vdagent" : "usbredir";
}

static bool chardev_build(Builder *b, const char *alias, const CharSource *source, const char *spice_name,
                          Error **err)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *id = g_strdup_printf("char%s", alias);
    const int fd = opened_fd(b, source, false);

    switch (source->type) {
    case CHAR_NULL:
    case CHAR_VC:
    case CHAR_PTY:
    case CHAR_STDIO:
        g_string_append_printf(out, "%s,id=%s", enum_name(&char_type_names, source->type), id);
        break;
    case CHAR_DEV:
        g_string_append_printf(out, "serial,id=%s", id);
        append_option(out, "path", source->path);
        break;
    case CHAR_FILE:
        chardev_file(b, out, id, source, fd);
        break;
    case CHAR_PIPE:
        g_string_append_printf(out, "pipe,id=%s", id);
        append_option(out, "path", source->path);
        break;
    case CHAR_TCP:
        chardev_tcp(out, id, source);
        break;
    case CHAR_UDP:
        chardev_udp(out, id, source);
        break;
    case CHAR_UNIX:
        chardev_unix(out, id, source, fd);
        break;
    case CHAR_SPICEVMC:
        g_string_append_printf(out, "spicevmc,id=%s,name=%s", id, spice_name);
        break;
    case CHAR_SPICEPORT:
        g_string_append_printf(out, "spiceport,id=%s", id);
        append_option(out, "name", source->path);
        break;
    case CHAR_QEMU_VDAGENT:
        chardev_vdagent(out, id, source);
        break;
    default:
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "character device type '%s' is not supported by this version",
                         enum_name(&char_type_names, source->type));
    }
    const int log_fd = opened_fd(b, source, true);
    if (log_fd >= 0)
        g_string_append_printf(out, ",logfile=/dev/fdset/%u,logappend=on", add_fdset(b, log_fd));
    else
        append_option(out, "logfile", source->log_file);
    if (log_fd < 0 && source->log_file && source->log_append != TRISTATE_ABSENT)
        g_string_append_printf(out, ",logappend=%s", source->log_append == TRISTATE_ON ? "on" : "off");
    add_text(b, "-chardev", "%s", out->str);
    return true;
}

bool build_chardev(Builder *b, const char *alias, const CharSource *source, Error **err)
{
    return chardev_build(b, alias, source, spicevmc_name(NULL), err);
}

static Json *char_device_new(const CharDef *chr, const char *driver)
{
    g_autofree char *chardev = g_strdup_printf("char%s", chr->info.alias);
    Json *device = device_new(driver);
    prop_str(device, "chardev", chardev);
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

static bool build_serial(Builder *b, const CharDef *chr, Error **err)
{
    const char *driver = serial_driver(chr);

    if (!chardev_build(b, chr->info.alias, &chr->source, spicevmc_name(chr), err))
        return false;
    if (!driver) {
        add_text(b, "-serial", "chardev:char%s", chr->info.alias);
        return true;
    }
    if (!device_require(b->caps, driver, err))
        return false;
    AUTO_JSON device = char_device_new(chr, driver);
    if (!prop_info(device, b->def, &chr->info, err))
        return false;
    if (g_str_equal(driver, "isa-serial") && chr->target_port.value >= 4)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "serial port %u: the machine has room for ISA ports 0 to 3", chr->target_port.value);
    if (g_str_equal(driver, "isa-serial"))
        prop_uint(device, "index", chr->target_port.value);
    add_json(b, "-device", g_steal_pointer(&device));
    return true;
}

static bool build_parallel(Builder *b, const CharDef *chr, Error **err)
{
    if (!chardev_build(b, chr->info.alias, &chr->source, spicevmc_name(chr), err))
        return false;
    AUTO_JSON device = char_device_new(chr, "isa-parallel");
    if (!prop_info(device, b->def, &chr->info, err))
        return false;
    add_json(b, "-device", g_steal_pointer(&device));
    return true;
}

static void build_guestfwd(Builder *b, const CharDef *chr)
{
    g_autofree char *forward = g_strdup_printf("tcp:%s:%u-chardev:char%s", chr->guestfwd_address,
                                               chr->guestfwd_port, chr->info.alias);
    Json *netdev = json_object();
    Json *list = json_array();
    Json *entry = json_object();
    prop_str(entry, "str", forward);
    json_array_append_new(list, entry);
    prop_str(netdev, "type", "user");
    json_object_set_new(netdev, "guestfwd", list);
    prop_str(netdev, "id", chr->info.alias);
    add_json(b, "-netdev", netdev);
}

static bool build_virtio_port(Builder *b, const CharDef *chr, const char *driver, Error **err)
{
    AUTO_JSON device = device_new(driver);
    g_autofree char *chardev = g_strdup_printf("char%s", chr->info.alias);

    if (!device_require(b->caps, driver, err))
        return false;
    if (chr->info.address.type == ADDRESS_VIRTIO_SERIAL && !prop_info(device, b->def, &chr->info, err))
        return false;
    /* The order of the properties is fixed by what people compare: bus, nr, chardev, id. */
    json_object_del(device, "id");
    prop_str(device, "chardev", chardev);
    prop_str(device, "id", chr->info.alias);
    if (chr->class == CHAR_CLASS_CHANNEL)
        prop_str(device, "name", chr->target_name ? chr->target_name : "com.redhat.spice.0");
    add_json(b, "-device", g_steal_pointer(&device));
    return true;
}

static bool build_channel(Builder *b, const CharDef *chr, Error **err)
{
    if (!chardev_build(b, chr->info.alias, &chr->source, spicevmc_name(chr), err))
        return false;
    if (chr->target_type == CHAR_TARGET_GUESTFWD) {
        build_guestfwd(b, chr);
        return true;
    }
    return build_virtio_port(b, chr, "virtserialport", err);
}

static bool build_console(Builder *b, const CharDef *chr, Error **err)
{
    switch (chr->target_type) {
    case CHAR_TARGET_VIRTIO:
        return chardev_build(b, chr->info.alias, &chr->source, spicevmc_name(chr), err) &&
               build_virtio_port(b, chr, "virtconsole", err);
    case CHAR_TARGET_SERIAL:
    case CHAR_TARGET_ABSENT: /* another name of the first serial port */
        return true;
    default:
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unsupported console target type %s",
                         enum_name(&char_target_type_names, chr->target_type));
    }
}

static bool build_smartcard(Builder *b, const SmartcardDef *card, Error **err)
{
    if (card->mode == SMARTCARD_HOST || card->mode == SMARTCARD_HOST_CERTIFICATES) {
        AUTO_JSON device = device_new("ccid-card-emulated");
        if (!device_require(b->caps, "ccid-card-emulated", err))
            return false;
        prop_str(device, "backend", card->mode == SMARTCARD_HOST ? "nss-emulated" : "certificates");
        prop_str(device, "cert1", card->certificate[0]);
        prop_str(device, "cert2", card->certificate[1]);
        prop_str(device, "cert3", card->certificate[2]);
        prop_str(device, "db", card->database);
        if (!prop_info(device, b->def, &card->info, err))
            return false;
        add_json(b, "-device", g_steal_pointer(&device));
        return true;
    }
    g_autofree char *chardev = g_strdup_printf("char%s", card->info.alias);
    if (!device_require(b->caps, "ccid-card-passthru", err) ||
        !chardev_build(b, card->info.alias, &card->source, "smartcard", err))
        return false;
    AUTO_JSON device = device_new("ccid-card-passthru");
    prop_str(device, "chardev", chardev);
    if (!prop_info(device, b->def, &card->info, err))
        return false;
    add_json(b, "-device", g_steal_pointer(&device));
    return true;
}

bool build_chardevs(Builder *b, Error **err)
{
    unsigned index = 0;
    for (DEF_EACH(SmartcardDef, card, b->def->smartcards)) {
        builder_at(b, "/domain/devices/smartcard[%u]", ++index);
        if (!build_smartcard(b, card, err))
            return false;
    }
    const struct {
        const char *element;
        const GPtrArray *list;
        bool (*build)(Builder *b, const CharDef *chr, Error **err);
    } classes[] = { { "serial", b->def->serials, build_serial },
                    { "parallel", b->def->parallels, build_parallel },
                    { "channel", b->def->channels, build_channel },
                    { "console", b->def->consoles, build_console } };
    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++) {
        index = 0;
        for (DEF_EACH(CharDef, chr, classes[i].list)) {
            builder_at(b, "/domain/devices/%s[%u]", classes[i].element, ++index);
            if (!classes[i].build(b, chr, err))
                return false;
        }
    }
    return true;
}
