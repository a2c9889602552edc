/* Rows of character devices: serial and parallel ports, consoles, channels; and of all devices that move
 * bytes to such a place. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_rows.h"
#include "conf/xml_internal.h"

#define TYPE(mask) ONLY(CharSource, type, mask)
#define PATH_TYPES (BIT(CHAR_DEV) | BIT(CHAR_FILE) | BIT(CHAR_PIPE) | BIT(CHAR_UNIX) | BIT(CHAR_PTY))
#define LISTENING_TYPES (BIT(CHAR_TCP) | BIT(CHAR_UNIX))

/* ---- <source> ---- */

static bool path_is_written(const void *base, unsigned flags)
{
    const CharSource *source = base;
    return source->type != CHAR_PTY || !(flags & XML_FORMAT_INACTIVE);
}

static bool udp_read(XmlReader *reader, const XmlRow *row, const xmlNode *element, void *base, Error **err)
{
    CharSource *source = base;
    const char *mode = xml_attr(element, "mode");
    bool bind = mode && strcmp(mode, "bind") == 0;
    if (mode && !bind && strcmp(mode, "connect") != 0)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "'%s' is not a known mode", mode);
    char **host = bind ? &source->bind_host : &source->host;
    char **service = bind ? &source->bind_service : &source->service;
    if (*host || *service)
        return xml_drop(reader, element, err);
    const char *text = xml_attr(element, "host");
    *host = text && *text ? g_strdup(text) : NULL;
    text = xml_attr(element, "service");
    *service = text && *text ? g_strdup(text) : NULL;
    return true;
}

static void udp_write_side(const char *mode, const char *host, const char *service, unsigned indent,
                           GString *out)
{
    if (!host && !service)
        return;
    xml_indent(indent, out);
    g_string_append_printf(out, "<source mode='%s'", mode);
    if (host) {
        xml_append_literal(out, " host='");
        xml_escape_attribute(host, out);
        xml_append_literal(out, "'");
    }
    if (service) {
        xml_append_literal(out, " service='");
        xml_escape_attribute(service, out);
        xml_append_literal(out, "'");
    }
    xml_append_literal(out, "/>\n");
}

static void udp_write(const XmlRow *row, const void *base, unsigned flags, unsigned indent, GString *out)
{
    const CharSource *source = base;
    udp_write_side("bind", source->bind_host, source->bind_service, indent, out);
    udp_write_side("connect", source->host, source->service, indent, out);
}

static const XmlRow udp_schema_rows[] = { ATTR("mode", CharSource, mode, .names = &char_mode_names,
                                               .doc = "bind: the address to receive on; connect: to send to"),
                                          ATTR("host", CharSource, host, .doc = "host name or address"),
                                          ATTR("service", CharSource, service, .doc = "port"),
                                          { 0 } };
static const XmlCustom udp_custom = { udp_read, udp_write, udp_schema_rows };

static const XmlRow char_source_rows[] = {
    ATTR("mode", CharSource, mode, .names = &char_mode_names, TYPE(LISTENING_TYPES),
         .doc = "bind: QEMU listens; connect: QEMU connects"),
    ATTR("path", CharSource, path, TYPE(PATH_TYPES), .show = path_is_written,
         .doc = "path of the file, device or socket"),
    ATTR("append", CharSource, append, .names = &tristate_on_off_names, TYPE(BIT(CHAR_FILE)),
         .doc = "keep what is in the file"),
    ATTR("host", CharSource, host, TYPE(BIT(CHAR_TCP)), .doc = "host name or address"),
    ATTR("service", CharSource, service, TYPE(BIT(CHAR_TCP)), .doc = "port"),
    ATTR("tls", CharSource, tls, .fallback = "no", .names = &tristate_yes_no_names, TYPE(BIT(CHAR_TCP)),
         .doc = "encrypt the connection"),
    ATTR("channel", CharSource, path, TYPE(BIT(CHAR_SPICEPORT) | BIT(CHAR_DBUS)),
         .doc = "name of the channel"),
    ATTR("master", CharSource, path, TYPE(BIT(CHAR_NMDM)), .doc = "this side's device"),
    ATTR("slave", CharSource, slave, REFUSED("only bhyve has it"), TYPE(BIT(CHAR_NMDM)),
         .doc = "the other side's device"),
    GROUP("clipboard",
          ROWS(ATTR("copypaste", CharSource, clipboard, .flags = ROW_REQUIRED,
                    .names = &tristate_yes_no_names, .doc = "shared or not")),
          TYPE(BIT(CHAR_QEMU_VDAGENT)), .doc = "the clipboard"),
    GROUP("mouse",
          ROWS(ATTR("mode", CharSource, mouse, .flags = ROW_REQUIRED, .names = &spice_mouse_mode_names,
                    .doc = "who draws it")),
          TYPE(BIT(CHAR_QEMU_VDAGENT)), .doc = "the mouse pointer"),
    GROUP("reconnect",
          ROWS(ATTR("enabled", CharSource, reconnect, .names = &tristate_yes_no_names,
                    .doc = "connect again"),
               ATTR("timeout", CharSource, reconnect_timeout_s, .max = UINT32_MAX,
                    .doc = "seconds between attempts")),
          TYPE(LISTENING_TYPES), .doc = "what happens when the connection is lost"),
    LIST("seclabel", CharSource, seclabels, &security_label_table, .doc = "how the path is labelled"),
    { 0 }
};

#define NO_UDP (~BIT(CHAR_UDP))

/* Only a client can come back, and it waits a while first. */
static bool char_finish_reconnect(XmlReader *reader, const xmlNode *element, const CharSource *source,
                                  Error **err)
{
    bool is_server = source->mode == CHAR_MODE_BIND || source->mode == CHAR_MODE_SERVER;
    if (source->reconnect != TRISTATE_ON)
        return true;
    if (!source->reconnect_timeout_s.is_set)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "Missing required attribute 'timeout' in element 'reconnect'");
    if (is_server)
        return xml_error(reader, element, ERROR_INTERNAL, err,
                         "chardev reconnect is possible only for connect mode");
    return source->reconnect_timeout_s.value || xml_error(reader, element, ERROR_INVALID_ARGUMENT, err,
                                                          "chardev reconnect source timeout cannot be '0'");
}

bool char_source_finish(XmlReader *reader, const xmlNode *element, CharSource *source, bool may_choose_path,
                        Error **err)
{
    if (source->type == CHAR_TYPE_ABSENT)
        source->type = CHAR_PTY;
    switch (source->type) {
    case CHAR_DEV:
    case CHAR_FILE:
    case CHAR_PIPE:
        if (!source->path)
            return xml_error(reader, element, ERROR_INTERNAL, err, "the source path is missing");
        break;
    case CHAR_TCP:
        if (source->mode == CHAR_MODE_ABSENT)
            source->mode = CHAR_MODE_CONNECT;
        if (source->protocol == CHAR_PROTOCOL_ABSENT)
            source->protocol = CHAR_PROTOCOL_RAW;
        if (!source->service || (!source->host && source->mode == CHAR_MODE_CONNECT))
            return xml_error(reader, element, ERROR_INTERNAL, err, "the source needs a host and a service");
        return char_finish_reconnect(reader, element, source, err);
    case CHAR_UDP:
        if (!source->service)
            return xml_error(reader, element, ERROR_INTERNAL, err,
                             "the source to connect to needs a service");
        break;
    case CHAR_DBUS:
        if (!source->path)
            return xml_error(reader, element, ERROR_CONFIG_UNSUPPORTED, err,
                             "Missing source channel attribute for char device");
        break;
    case CHAR_SPICEPORT:
        if (!source->path)
            return xml_error(reader, element, ERROR_CONFIG_UNSUPPORTED, err, "the source needs a channel");
        break;
    case CHAR_UNIX:
        if (!source->path && !may_choose_path)
            return xml_error(reader, element, ERROR_INTERNAL, err, "the source path is missing");
        if (!char_finish_reconnect(reader, element, source, err))
            return false;
        if (source->mode == CHAR_MODE_ABSENT && source->path)
            source->mode = CHAR_MODE_CONNECT;
        break;
    case CHAR_PTY:
        if (reader->flags & XML_READ_INACTIVE)
            g_clear_pointer(&source->path, g_free);
        break;
    default:
        break;
    }
    if (!source->path && source->type == CHAR_UNIX) /* a path of the daemon's own, at start */
        source->mode = CHAR_MODE_ABSENT;
    return true;
}

const XmlTable char_source_table =
    TABLE(CharSource, "char-source",
          ROWS(ATTR("type", CharSource, type, .names = &char_type_names, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                    .fallback = "pty", .doc = "where the bytes go on the host"),
               GROUP("source", char_source_rows, TYPE(NO_UDP), .doc = "the place on the host"),
               CUSTOM("source", &udp_custom, TYPE(BIT(CHAR_UDP)), .doc = "the two sides of a UDP device"),
               GROUP("protocol",
                     ROWS(ATTR("type", CharSource, protocol,
                               REFUSED_VALUES(BIT(CHAR_PROTOCOL_TELNETS) | BIT(CHAR_PROTOCOL_TLS),
                                              "only ESX has it; QEMU encrypts with <source tls='yes'>"),
                               .names = &char_protocol_names, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                               .doc = "raw or telnet")),
                     TYPE(BIT(CHAR_TCP)), .doc = "what is spoken on the connection"),
               GROUP("log",
                     ROWS(ATTR("file", CharSource, log_file, .doc = "path of the file"),
                          ATTR("append", CharSource, log_append, .names = &tristate_on_off_names,
                               .doc = "keep what is in the file")),
                     .doc = "a copy of everything that the guest writes"),
               HELD("bind_host", CharSource, bind_host), HELD("bind_service", CharSource, bind_service)),
          KEEPS(CharSource), .doc = "Where the bytes of a character device go.");

/* ---- serial, parallel, console, channel ---- */

static bool char_finish(XmlReader *reader, const xmlNode *element, CharDef *chr, CharClass class, Error **err)
{
    chr->class = class;
    return char_source_finish(reader, element, &chr->source, class == CHAR_CLASS_CHANNEL, err);
}

static bool serial_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    return char_finish(reader, element, base, CHAR_CLASS_SERIAL, err);
}
static bool parallel_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    return char_finish(reader, element, base, CHAR_CLASS_PARALLEL, err);
}
static bool console_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    return char_finish(reader, element, base, CHAR_CLASS_CONSOLE, err);
}
static bool channel_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    CharDef *chr = base;
    if (chr->target_type == CHAR_TARGET_ABSENT)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "the target of a channel needs a type");
    if (chr->target_type == CHAR_TARGET_GUESTFWD && (!chr->guestfwd_address || !chr->guestfwd_port))
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "a guestfwd target needs an address and a port");
    return char_finish(reader, element, base, CHAR_CLASS_CHANNEL, err);
}

#define PORT_ROW                                                                                             \
    ATTR("port", CharDef, target_port, .max = INT32_MAX, .doc = "number among the ports of this kind")
#define MODEL_ROW                                                                                            \
    GROUP("model",                                                                                           \
          ROWS(ATTR("name", CharDef, target_model, .names = &char_target_model_names,                        \
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .flags = ROW_MAY_BE_EMPTY, .doc = "name")),        \
          .doc = "the QEMU device")

static bool tty_is_written(const void *base, unsigned flags)
{
    const CharDef *console = base;
    return console->source.type == CHAR_PTY && console->target_type == CHAR_TARGET_SERIAL;
}

const XmlTable serial_table =
    TABLE(CharDef, "serial",
          ROWS(INCLUDE(CharDef, source, &char_source_table, HOST_SIDE),
               GROUP("target",
                     ROWS(ATTR("type", CharDef, target_type, .names = &char_target_type_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .fallback = "by machine type",
                               .doc = "the bus of the port"),
                          PORT_ROW, MODEL_ROW),
                     .doc = "what the guest sees"),
               INCLUDE(CharDef, info, &device_info_table), HELD("name", CharDef, target_name),
               HELD("address", CharDef, guestfwd_address), HELD("tty", CharDef, tty)),
          .kept = offsetof(CharDef, kept), .has_kept = true, .finish = serial_finish,
          .doc = "A serial port.");

const XmlTable parallel_table =
    TABLE(CharDef, "parallel",
          ROWS(INCLUDE(CharDef, source, &char_source_table, HOST_SIDE),
               GROUP("target", ROWS(PORT_ROW), .doc = "what the guest sees"),
               INCLUDE(CharDef, info, &device_info_table), HELD("name", CharDef, target_name),
               HELD("address", CharDef, guestfwd_address), HELD("tty", CharDef, tty)),
          KEEPS(CharDef), .finish = parallel_finish, .doc = "A parallel port.");

const XmlTable console_table =
    TABLE(CharDef, "console",
          ROWS(INCLUDE(CharDef, source, &char_source_table, HOST_SIDE),
               ATTR("tty", CharDef, tty, .flags = ROW_LIVE, .show = tty_is_written,
                    .doc = "path of the terminal"),
               GROUP("target",
                     ROWS(ATTR("type", CharDef, target_type, .names = &char_target_type_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .fallback = "serial",
                               .doc = "serial: the first serial port; virtio: a port of its own"),
                          PORT_ROW),
                     .doc = "what the guest sees"),
               INCLUDE(CharDef, info, &device_info_table), HELD("name", CharDef, target_name),
               HELD("address", CharDef, guestfwd_address)),
          KEEPS(CharDef), .finish = console_finish,
          .doc = "The guest's console. The first one is the first serial port.");

#define VIRTIO_CHANNEL ONLY(CharDef, target_type, BIT(CHAR_TARGET_VIRTIO) | BIT(CHAR_TARGET_XEN))
#define GUESTFWD ONLY(CharDef, target_type, BIT(CHAR_TARGET_GUESTFWD))
const XmlTable channel_table =
    TABLE(CharDef, "channel",
          ROWS(INCLUDE(CharDef, source, &char_source_table, HOST_SIDE),
               GROUP("target",
                     ROWS(ATTR("type", CharDef, target_type, .names = &char_target_type_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "kind of channel"),
                          ATTR("name", CharDef, target_name, VIRTIO_CHANNEL,
                               .doc = "name of the port inside the guest"),
                          ATTR("state", CharDef, state, .names = &channel_state_names, VIRTIO_CHANNEL,
                               .flags = ROW_LIVE, .doc = "whether the guest has the port open"),
                          ATTR("address", CharDef, guestfwd_address, GUESTFWD,
                               .doc = "address that the guest connects to"),
                          ATTR("port", CharDef, guestfwd_port, GUESTFWD, .max = 65535,
                               .doc = "port that the guest connects to")),
                     .doc = "what the guest sees"),
               INCLUDE(CharDef, info, &device_info_table), HELD("tty", CharDef, tty)),
          KEEPS(CharDef), .finish = channel_finish, .doc = "A private channel between guest and host.");

/* ---- other devices that move bytes ---- */

static bool smartcard_read_certificate(XmlReader *reader, const XmlRow *row, const xmlNode *element,
                                       void *base, Error **err)
{
    SmartcardDef *card = base;
    xmlChar *text = xmlNodeGetContent(element);
    unsigned i = 0;
    while (i < G_N_ELEMENTS(card->certificate) && card->certificate[i])
        i++;
    if (i < G_N_ELEMENTS(card->certificate))
        card->certificate[i] = g_strdup((const char *)text);
    xmlFree(text);
    if (i == G_N_ELEMENTS(card->certificate))
        return xml_error(reader, element, ERROR_XML_INVALID, err, "three certificates are needed, no more");
    return true;
}

static void smartcard_write_certificates(const XmlRow *row, const void *base, unsigned flags, unsigned indent,
                                         GString *out)
{
    const SmartcardDef *card = base;
    for (unsigned i = 0; i < G_N_ELEMENTS(card->certificate) && card->certificate[i]; i++) {
        xml_indent(indent, out);
        xml_append_literal(out, "<certificate>");
        xml_escape(card->certificate[i], out);
        xml_append_literal(out, "</certificate>\n");
    }
}
static const XmlRow certificate_schema_rows[] = { TEXT(SmartcardDef, certificate[0], .doc = "name"), { 0 } };
static const XmlCustom certificate_custom = { smartcard_read_certificate, smartcard_write_certificates,
                                              certificate_schema_rows };

static bool smartcard_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    SmartcardDef *card = base;
    if (card->mode == SMARTCARD_HOST_CERTIFICATES && !card->certificate[2])
        return xml_error(reader, element, ERROR_XML_INVALID, err, "three certificates are needed");
    if (card->mode != SMARTCARD_PASSTHROUGH)
        return true;
    if (!card->source.type)
        return xml_error(reader, element, ERROR_XML_INVALID, err,
                         "passthrough mode requires a character device type attribute");
    return char_source_finish(reader, element, &card->source, false, err);
}

#define CERTIFICATES ONLY(SmartcardDef, mode, BIT(SMARTCARD_HOST_CERTIFICATES))
const XmlTable smartcard_table = TABLE(SmartcardDef, "smartcard",
                                       ROWS(ATTR("mode", SmartcardDef, mode, .names = &smartcard_mode_names,
                                                 .flags = ROW_REQUIRED, .doc = "where the card is"),
                                            INCLUDE(SmartcardDef, source, &char_source_table,
                                                    ONLY(SmartcardDef, mode, BIT(SMARTCARD_PASSTHROUGH))),
                                            CUSTOM("certificate", &certificate_custom, CERTIFICATES,
                                                   .doc = "name of a certificate; three are needed"),
                                            CHILD("database", SmartcardDef, database, CERTIFICATES,
                                                  .doc = "path of the certificate database"),
                                            HELD("certificate", SmartcardDef, certificate[0]),
                                            HELD("certificate", SmartcardDef, certificate[1]),
                                            HELD("certificate", SmartcardDef, certificate[2]),
                                            INCLUDE(SmartcardDef, info, &device_info_table)),
                                       .finish = smartcard_finish, .doc = "A smart card reader with a card.");

static bool redirdev_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    RedirdevDef *redirdev = base;
    if (!redirdev->source.type)
        return xml_error(reader, element, ERROR_INTERNAL, err, "missing type in redirdev");
    return char_source_finish(reader, element, &redirdev->source, false, err);
}

const XmlTable redirdev_table =
    TABLE(RedirdevDef, "redirdev",
          ROWS(ATTR("bus", RedirdevDef, bus, .names = &redir_bus_names, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                    .fallback = "usb", .doc = "always usb"),
               INCLUDE(RedirdevDef, source, &char_source_table, HOST_SIDE),
               INCLUDE(RedirdevDef, info, &bootable_info_table)),
          .finish = redirdev_finish, .doc = "A USB device of the viewer's computer.");
