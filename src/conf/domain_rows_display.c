/* Rows of what people see, hear and touch: input devices, graphics, video, sound. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/units.h"
#include "conf/domain_rows.h"
#include "conf/domain_xml.h"
#include "conf/xml_internal.h"

/* ---- input ---- */

static bool input_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    const InputDef *input = base;
    const bool is_host_device = input->type == INPUT_PASSTHROUGH || input->type == INPUT_EVDEV;

    for (const xmlNode *child = element->children; child; child = child->next) {
        if (is_host_device && !input->source && child->type == XML_ELEMENT_NODE &&
            xmlStrEqual(child->name, BAD_CAST "source"))
            return xml_error(reader, child, ERROR_XML_INVALID, err, "Missing evdev path for input device");
    }
    return true;
}

const XmlTable input_table =
    TABLE(InputDef, "input",
          ROWS(ATTR("type", InputDef, type, .names = &input_type_names, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                    .flags = ROW_REQUIRED, .missing_code = ERROR_INTERNAL, .doc = "kind of device"),
               ATTR("bus", InputDef, bus, .names = &input_bus_names, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                    .fallback = "ps2, or usb for a tablet", .doc = "what it is plugged into"),
               ATTR("model", InputDef, model, .names = &virtio_model_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .doc = "generation of the virtio device"),
               GROUP("driver", ROWS(INCLUDE(InputDef, virtio, &virtio_options_table)),
                     .doc = "virtio options"),
               GROUP("source",
                     ROWS(ATTR("evdev", InputDef, source, HOST_SIDE,
                               ONLY(InputDef, type, BIT(INPUT_PASSTHROUGH)),
                               .doc = "event device of the host"),
                          ATTR("dev", InputDef, source, HOST_SIDE, ONLY(InputDef, type, BIT(INPUT_EVDEV)),
                               .doc = "event device of the host"),
                          ATTR("grab", InputDef, grab, HOST_SIDE, ONLY(InputDef, type, BIT(INPUT_EVDEV)),
                               .doc = "all: grab every input device"),
                          ATTR("grabToggle", InputDef, grab_toggle, HOST_SIDE,
                               ONLY(InputDef, type, BIT(INPUT_EVDEV)), .doc = "keys that switch the grab"),
                          ATTR("repeat", InputDef, repeat, HOST_SIDE, .names = &tristate_on_off_names,
                               ONLY(InputDef, type, BIT(INPUT_EVDEV)), .doc = "repeat keys")),
                     .doc = "the host's device"),
               INCLUDE(InputDef, info, &device_info_table)),
          .finish = input_finish, .doc = "A keyboard, mouse or tablet.");

/* ---- graphics ---- */

/* Ports: 0 = absent, -1 = to be chosen when the machine starts. An inactive document does not tell the port
 * of the last run. */
static bool read_port(const char *text, int32_t *ret_port, Error **err)
{
    int64_t port = 0;
    if (!parse_int(text, &port, err))
        return false;
    if (port < -1 || port > INT32_MAX) /* a start refuses what is no port */
        return error_set(err, ERROR_XML_INVALID, "%s is not a port", text);
    *ret_port = (int32_t)port;
    return true;
}

static bool read_main_port(const char *text, void *base, Error **err)
{
    return read_port(text, &((GraphicsDef *)base)->port, err);
}

static bool write_number(GString *out, int32_t number)
{
    g_string_append_printf(out, "%d", number);
    return true;
}

/* A display on a unix socket, or on none, has no ports. */
static bool has_ports(const GraphicsDef *graphics)
{
    const ListenDef *first = def_list_len(graphics->listens) ? g_ptr_array_index(graphics->listens, 0) : NULL;
    return !first || first->type == LISTEN_ADDRESS || first->type == LISTEN_NETWORK;
}

static bool default_mode_is_written(const void *base, unsigned flags)
{
    return ((const GraphicsDef *)base)->default_mode != SPICE_MODE_ANY;
}

static bool autoport_is_written(const void *base, unsigned flags)
{
    return has_ports(base);
}

/* VNC and RDP always show a port, "-1" for one to be chosen; SPICE shows none then. */
static bool write_main_port(const void *base, unsigned flags, GString *out)
{
    const GraphicsDef *graphics = base;
    bool is_auto = graphics->autoport == TRISTATE_ON;
    if (!has_ports(graphics))
        return false;
    if (graphics->type == GRAPHICS_SPICE) {
        if (!graphics->port || (is_auto && flags & XML_FORMAT_INACTIVE))
            return false;
        return write_number(out, graphics->port);
    }
    if (is_auto && (flags & XML_FORMAT_INACTIVE || graphics->port <= 0))
        return write_number(out, -1);
    return graphics->port > 0 && write_number(out, graphics->port);
}
static const XmlCodec main_port_codec = { read_main_port, write_main_port, "-1|[0-9]+" };

static bool read_tls_port(const char *text, void *base, Error **err)
{
    return read_port(text, &((GraphicsDef *)base)->tls_port, err);
}

static bool write_tls_port(const void *base, unsigned flags, GString *out)
{
    const GraphicsDef *graphics = base;
    bool hide = !graphics->tls_port || !has_ports(graphics) ||
                (graphics->autoport == TRISTATE_ON && flags & XML_FORMAT_INACTIVE);
    return !hide && write_number(out, graphics->tls_port);
}
static const XmlCodec tls_port_codec = { read_tls_port, write_tls_port, "-1|[0-9]+" };

static bool read_websocket(const char *text, void *base, Error **err)
{
    return read_port(text, &((GraphicsDef *)base)->websocket, err);
}

static bool write_websocket(const void *base, unsigned flags, GString *out)
{
    const GraphicsDef *graphics = base;
    if (!graphics->websocket)
        return false;
    if (graphics->websocket_generated == TRISTATE_ON && flags & XML_FORMAT_INACTIVE)
        return write_number(out, -1);
    return write_number(out, graphics->websocket);
}
static const XmlCodec websocket_codec = { read_websocket, write_websocket, "-1|[0-9]+" };

/* listen= and socket= of <graphics> are older spellings of the first <listen>. They are still written. */
static bool read_old_listen(void *base, ListenType type, const char *text)
{
    GraphicsDef *graphics = base;
    if (!*text)
        return true;
    ListenDef *listen = xml_table_new(&listen_table);
    listen->type = type;
    if (type == LISTEN_ADDRESS)
        listen->address = g_strdup(text);
    else
        listen->socket = g_strdup(text);
    if (!graphics->listens)
        graphics->listens = xml_list_new(&listen_table);
    g_ptr_array_add(graphics->listens, listen);
    return true;
}

static bool read_listen_attr(const char *text, void *base, Error **err)
{
    return read_old_listen(base, LISTEN_ADDRESS, text);
}

static bool write_listen_attr(const void *base, unsigned flags, GString *out)
{
    const GraphicsDef *graphics = base;
    const ListenDef *first = def_list_len(graphics->listens) ? g_ptr_array_index(graphics->listens, 0) : NULL;
    bool has_address =
        first && first->address &&
        (first->type == LISTEN_ADDRESS || (first->type == LISTEN_NETWORK && !(flags & XML_FORMAT_INACTIVE)));
    if (!has_address || (first->from_config && flags & XML_FORMAT_INACTIVE))
        return false;
    xml_escape_attribute(first->address, out);
    return true;
}
static const XmlCodec listen_attr_codec = { read_listen_attr, write_listen_attr, NULL };

static bool read_socket_attr(const char *text, void *base, Error **err)
{
    return read_old_listen(base, LISTEN_SOCKET, text);
}

static bool write_socket_attr(const void *base, unsigned flags, GString *out)
{
    const GraphicsDef *graphics = base;
    const ListenDef *first = def_list_len(graphics->listens) ? g_ptr_array_index(graphics->listens, 0) : NULL;
    bool hide = !first || first->type != LISTEN_SOCKET || !first->socket ||
                (flags & XML_FORMAT_INACTIVE && first->auto_generated);
    if (!hide)
        xml_escape_attribute(first->socket, out);
    return !hide;
}
static const XmlCodec socket_attr_codec = { read_socket_attr, write_socket_attr, NULL };

static bool listen_address_is_written(const void *base, unsigned flags)
{
    const ListenDef *listen = base;
    return !(flags & XML_FORMAT_INACTIVE && (listen->from_config || listen->type == LISTEN_NETWORK));
}

static bool listen_is_ours(const void *base, unsigned flags)
{
    return !(flags & XML_FORMAT_INACTIVE && ((const ListenDef *)base)->auto_generated);
}

/* Where an address came from: for the status file alone, so that a restarted daemon still knows. */
static bool is_status(const void *base, unsigned flags)
{
    return (flags & DOMAIN_FORMAT_STATUS) != 0;
}

static bool read_from_config(const char *text, void *base, Error **err)
{
    ((ListenDef *)base)->from_config = strcmp(text, "1") == 0;
    return true;
}

static bool write_from_config(const void *base, unsigned flags, GString *out)
{
    bool yes = ((const ListenDef *)base)->from_config;
    g_string_append(out, yes ? "1" : "");
    return yes;
}
static const XmlCodec from_config_codec = { read_from_config, write_from_config, "0|1" };

static bool read_auto_generated(const char *text, void *base, Error **err)
{
    ((ListenDef *)base)->auto_generated = strcmp(text, "1") == 0;
    return true;
}

static bool write_auto_generated(const void *base, unsigned flags, GString *out)
{
    bool yes = ((const ListenDef *)base)->auto_generated;
    g_string_append(out, yes ? "1" : "");
    return yes;
}
static const XmlCodec auto_generated_codec = { read_auto_generated, write_auto_generated, "0|1" };

static bool listen_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    ListenDef *listen = base;
    if (listen->type != LISTEN_ADDRESS && listen->type != LISTEN_NETWORK)
        g_clear_pointer(&listen->address, g_free);
    if (listen->network && listen->type != LISTEN_NETWORK)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "attribute 'network' is for type network");
    if (!listen->network && listen->type == LISTEN_NETWORK)
        return xml_error(reader, element, ERROR_XML_INVALID, err, "attribute 'network' is missing");
    return true;
}

const XmlTable listen_table =
    TABLE(ListenDef, "listen",
          ROWS(ATTR("type", ListenDef, type, .names = &listen_type_names, .flags = ROW_REQUIRED,
                    .doc = "kind of place"),
               ATTR("address", ListenDef, address, .show = listen_address_is_written,
                    .doc = "host name or address"),
               ATTR("network", ListenDef, network, .doc = "name of the virtual network"),
               ATTR("socket", ListenDef, socket, .show = listen_is_ours, .doc = "path of the unix socket"),
               CODEC_ATTR("fromConfig", &from_config_codec, .show = is_status, .flags = ROW_LIVE,
                          .doc = "1: the address is that of the daemon's configuration; status files only"),
               CODEC_ATTR("autoGenerated", &auto_generated_codec, .show = is_status, .flags = ROW_LIVE,
                          .doc = "1: the socket was made by the daemon; status files only")),
          .finish = listen_finish, .doc = "A place where the display can be reached.");

static const XmlTable spice_channel_table =
    TABLE(SpiceChannel, "spice-channel",
          ROWS(ATTR("name", SpiceChannel, name, .names = &spice_channel_name_names, .flags = ROW_REQUIRED,
                    .doc = "which channel"),
               ATTR("mode", SpiceChannel, mode, .names = &spice_mode_names, .flags = ROW_REQUIRED,
                    .doc = "whether it must be encrypted")),
          .doc = "Encryption of one SPICE channel.");

/* The old spelling and the first <listen> must agree; then they are one. */
static bool graphics_merge_listens(XmlReader *reader, const xmlNode *element, GraphicsDef *graphics,
                                   Error **err)
{
    const char *attr = xml_attr(element, "listen");
    const char *socket = xml_attr(element, "socket");
    unsigned n_old = (attr && *attr) + (socket && *socket && graphics->type == GRAPHICS_VNC);
    bool can_listen =
        graphics->type == GRAPHICS_VNC || graphics->type == GRAPHICS_SPICE || graphics->type == GRAPHICS_RDP;
    if (!can_listen || !n_old || def_list_len(graphics->listens) <= n_old)
        return true;
    ListenDef *old = g_ptr_array_index(graphics->listens, 0);
    const ListenDef *first = g_ptr_array_index(graphics->listens, n_old);
    if (old->type == LISTEN_ADDRESS && first->type == LISTEN_ADDRESS && first->address &&
        strcmp(first->address, old->address) != 0)
        return xml_error(reader, element, ERROR_CONFIG_UNSUPPORTED, err,
                         "attribute 'listen' says '%s', but the first <listen> says '%s'", old->address,
                         first->address);
    if (old->type == LISTEN_SOCKET && first->type == LISTEN_SOCKET && first->socket &&
        strcmp(first->socket, old->socket) != 0)
        return xml_error(reader, element, ERROR_CONFIG_UNSUPPORTED, err,
                         "attribute 'socket' says '%s', but the first <listen> says '%s'", old->socket,
                         first->socket);
    bool keeps_new = first->address || first->type != LISTEN_ADDRESS;
    for (unsigned i = 0; i < n_old; i++)
        xml_list_remove(&listen_table, &graphics->listens, keeps_new ? 0 : n_old - i);
    return true;
}

/* A channel that repeats the default says nothing. */
static void drop_default_channels(GraphicsDef *graphics)
{
    SpiceMode common = graphics->default_mode == SPICE_MODE_ABSENT ? SPICE_MODE_ANY : graphics->default_mode;
    for (unsigned i = def_list_len(graphics->channels); i-- > 0;) {
        const SpiceChannel *channel = g_ptr_array_index(graphics->channels, i);
        if (channel->mode == common || channel->mode == SPICE_MODE_ANY)
            xml_list_remove(&spice_channel_table, &graphics->channels, i);
    }
}

static bool graphics_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    GraphicsDef *graphics = base;
    if (!graphics_merge_listens(reader, element, graphics, err))
        return false;
    drop_default_channels(graphics);
    for (const xmlNode *child = element->children; child; child = child->next) {
        if ((graphics->type == GRAPHICS_SPICE || graphics->type == GRAPHICS_SDL) &&
            child->type == XML_ELEMENT_NODE && xmlStrEqual(child->name, BAD_CAST "gl") &&
            graphics->gl == TRISTATE_ABSENT)
            return xml_error(reader, element, ERROR_XML_INVALID, err,
                             "Missing required attribute 'enable' in element 'gl'");
    }
    if (graphics->type != GRAPHICS_VNC && graphics->type != GRAPHICS_SPICE && graphics->type != GRAPHICS_RDP)
        return true;
    if (graphics->type == GRAPHICS_SPICE) {
        if (graphics->port == -1 && graphics->tls_port == -1)
            graphics->autoport = TRISTATE_ON;
    } else if (graphics->port < 0 || (!graphics->port && graphics->autoport != TRISTATE_OFF)) {
        graphics->autoport = TRISTATE_ON;
        graphics->port = 0;
    }
    bool has_port = graphics->port || graphics->tls_port;
    if (graphics->autoport == TRISTATE_ABSENT && has_port)
        graphics->autoport = TRISTATE_OFF;
    if (graphics->autoport == TRISTATE_ON && reader->flags & XML_READ_INACTIVE)
        graphics->port = graphics->tls_port = 0;
    if (graphics->websocket == -1)
        graphics->websocket_generated = TRISTATE_ON;
    return true;
}

#define TYPE(mask) ONLY(GraphicsDef, type, mask)
#define VNC BIT(GRAPHICS_VNC)
#define SPICE BIT(GRAPHICS_SPICE)
#define REMOTE (VNC | SPICE | BIT(GRAPHICS_RDP))

static const XmlRow spice_rows[] = {
    LIST("channel", GraphicsDef, channels, &spice_channel_table, TYPE(SPICE),
         .doc = "encryption of single channels"),
    GROUP("image",
          ROWS(ATTR("compression", GraphicsDef, image_compression, .flags = ROW_REQUIRED,
                    .names = &spice_image_compression_names, .doc = "algorithm")),
          TYPE(SPICE), .doc = "compression of images"),
    GROUP("jpeg",
          ROWS(ATTR("compression", GraphicsDef, jpeg, .flags = ROW_REQUIRED,
                    .names = &spice_wan_compression_names, .doc = "when")),
          TYPE(SPICE), .doc = "JPEG compression for slow links"),
    GROUP("zlib",
          ROWS(ATTR("compression", GraphicsDef, zlib, .flags = ROW_REQUIRED,
                    .names = &spice_wan_compression_names, .doc = "when")),
          TYPE(SPICE), .doc = "zlib compression for slow links"),
    GROUP("playback",
          ROWS(ATTR("compression", GraphicsDef, playback_compression, .flags = ROW_REQUIRED,
                    .names = &tristate_on_off_names, .doc = "or not")),
          TYPE(SPICE), .doc = "compression of sound"),
    GROUP("streaming",
          ROWS(ATTR("mode", GraphicsDef, streaming, .flags = ROW_REQUIRED, .names = &spice_streaming_names,
                    .doc = "what")),
          TYPE(SPICE), .doc = "detection of video streams"),
    GROUP("mouse",
          ROWS(ATTR("mode", GraphicsDef, mouse, .flags = ROW_REQUIRED, .names = &spice_mouse_mode_names,
                    .doc = "by whom")),
          TYPE(SPICE), .doc = "who draws the mouse pointer"),
    GROUP("clipboard",
          ROWS(ATTR("copypaste", GraphicsDef, clipboard_copypaste, .flags = ROW_REQUIRED,
                    .names = &tristate_yes_no_names, .doc = "or not")),
          TYPE(SPICE), .doc = "the clipboard is shared"),
    GROUP("filetransfer",
          ROWS(ATTR("enable", GraphicsDef, filetransfer, .flags = ROW_REQUIRED,
                    .names = &tristate_yes_no_names, .doc = "or not")),
          TYPE(SPICE), .doc = "files can be dropped into the guest"),
    { 0 }
};

const XmlTable graphics_table =
    TABLE(GraphicsDef, "graphics",
          ROWS(ATTR("type", GraphicsDef, type,
                    REFUSED_VALUES(BIT(GRAPHICS_RDP) | BIT(GRAPHICS_DESKTOP), "QEMU has no such display"),
                    .names = &graphics_type_names, .flags = ROW_REQUIRED, .doc = "kind of display"),
               CODEC_ATTR("port", &main_port_codec, TYPE(REMOTE), .bad_code = ERROR_INTERNAL,
                          .doc = "TCP port; -1: chosen at start"),
               CODEC_ATTR("tlsPort", &tls_port_codec, TYPE(SPICE),
                          .doc = "TCP port of the encrypted channels"),
               ATTR("autoport", GraphicsDef, autoport, .names = &tristate_yes_no_names, TYPE(REMOTE),
                    .show = autoport_is_written, .flags = ROW_MAY_BE_EMPTY,
                    .doc = "ports are chosen at start"),
               CODEC_ATTR("websocket", &websocket_codec, TYPE(VNC),
                          .doc = "TCP port for web sockets; -1: chosen at start"),
               ATTR("websocketGenerated", GraphicsDef, websocket_generated, .names = &tristate_yes_no_names,
                    TYPE(VNC), .flags = ROW_LIVE, .show = is_status,
                    .doc = "the port was chosen at start; status files only"),
               CODEC_ATTR("socket", &socket_attr_codec, TYPE(VNC),
                          .doc = "older spelling of <listen type='socket'>"),
               CODEC_ATTR("listen", &listen_attr_codec, TYPE(REMOTE),
                          .doc = "older spelling of <listen type='address'>"),
               ATTR("keymap", GraphicsDef, keymap, TYPE(VNC | SPICE), .doc = "keyboard layout"),
               ATTR("sharePolicy", GraphicsDef, share_policy, .names = &vnc_share_policy_names, TYPE(VNC),
                    .doc = "whether viewers share the display"),
               ATTR("powerControl", GraphicsDef, power_control, .names = &tristate_yes_no_names, TYPE(VNC),
                    .doc = "viewers may power off and reset"),
               ATTR("defaultMode", GraphicsDef, default_mode, .fallback = "any", .names = &spice_mode_names,
                    TYPE(SPICE), .show = default_mode_is_written, .doc = "encryption of channels not listed"),
               ATTR("replaceUser", GraphicsDef, replace_user, REFUSED("only VirtualBox has it"),
                    .fallback = "no", .names = &tristate_yes_no_names, TYPE(BIT(GRAPHICS_RDP)),
                    .doc = "a new viewer takes over"),
               ATTR("multiUser", GraphicsDef, multi_user, REFUSED("only VirtualBox has it"), .fallback = "no",
                    .names = &tristate_yes_no_names, TYPE(BIT(GRAPHICS_RDP)),
                    .doc = "several viewers at once"),
               ATTR("display", GraphicsDef, display, TYPE(BIT(GRAPHICS_SDL) | BIT(GRAPHICS_DESKTOP)),
                    .doc = "X display"),
               ATTR("xauth", GraphicsDef, xauth, TYPE(BIT(GRAPHICS_SDL)), .doc = "X authority file"),
               ATTR("fullscreen", GraphicsDef, fullscreen, .fallback = "no", .names = &tristate_yes_no_names,
                    TYPE(BIT(GRAPHICS_SDL) | BIT(GRAPHICS_DESKTOP)), .doc = "fill the screen"),
               ATTR("p2p", GraphicsDef, p2p, .fallback = "no", .names = &tristate_yes_no_names,
                    TYPE(BIT(GRAPHICS_DBUS)), .doc = "no bus between"),
               ATTR("address", GraphicsDef, dbus_address, TYPE(BIT(GRAPHICS_DBUS)),
                    .doc = "address of the bus"),
               ATTR("passwd", GraphicsDef, passwd, TYPE(VNC | SPICE),
                    .flags = ROW_SECRET | ROW_CHANGEABLE | ROW_KEEP_EMPTY, .doc = "password"),
               ATTR("passwdValidTo", GraphicsDef, passwd_valid_to, TYPE(VNC | SPICE),
                    .flags = ROW_SECRET | ROW_CHANGEABLE, .doc = "when the password ends (UTC)"),
               ATTR("connected", GraphicsDef, passwd_connected, .names = &graphics_password_action_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, TYPE(VNC | SPICE),
                    .flags = ROW_MAY_BE_EMPTY | ROW_CHANGEABLE,
                    .doc = "what happens to viewers when the password changes"),
               LIST("listen", GraphicsDef, listens, &listen_table, TYPE(REMOTE),
                    .doc = "where the display can be reached"),
               { .node = XML_INCLUDE,
                 XML_NAME_("#include"),
                 .table = &(const XmlTable)TABLE(GraphicsDef, "spice", spice_rows,
                                                 .doc = "What only SPICE has.") },
               GROUP("gl",
                     ROWS(ATTR("enable", GraphicsDef, gl, .names = &tristate_yes_no_names,
                               .flags = ROW_MAY_BE_EMPTY, .doc = "or not"),
                          ATTR("rendernode", GraphicsDef, gl_rendernode,
                               .doc = "path of the host's render node")),
                     TYPE(SPICE | BIT(GRAPHICS_SDL) | BIT(GRAPHICS_EGL_HEADLESS) | BIT(GRAPHICS_DBUS)),
                     .doc = "OpenGL"),
               GROUP("audio",
                     ROWS(ATTR("id", GraphicsDef, audio_id, .flags = ROW_REQUIRED, .max = UINT32_MAX,
                               .doc = "number of the <audio>")),
                     TYPE(VNC | BIT(GRAPHICS_DBUS)), .doc = "sound for the viewer")),
          .finish = graphics_finish, .doc = "A display that people can look at.");

/* ---- video ---- */

static bool video_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    for (const xmlNode *model = element->children; model; model = model->next) {
        const bool is_model = model->type == XML_ELEMENT_NODE && xmlStrEqual(model->name, BAD_CAST "model");
        for (const xmlNode *part = is_model ? model->children : NULL; part; part = part->next) {
            if (part->type == XML_ELEMENT_NODE && xmlStrEqual(part->name, BAD_CAST "acceleration") &&
                !part->properties)
                return xml_error(reader, part, ERROR_CONFIG_UNSUPPORTED, err,
                                 "missing values for acceleration");
        }
    }
    return true;
}

const XmlTable video_table =
    TABLE(VideoDef, "video",
          ROWS(GROUP("driver",
                     ROWS(ATTR("vgaconf", VideoDef, vgaconf, HARMLESS, .names = &vga_conf_names,
                               .flags = ROW_MAY_BE_EMPTY, .doc = "VGA registers"),
                          ATTR("name", VideoDef, driver, .fallback = "qemu", .names = &video_driver_names,
                               .doc = "who runs the card"),
                          INCLUDE(VideoDef, virtio, &virtio_options_table)),
                     .doc = "how the card is run"),
               GROUP("model",
                     ROWS(ATTR("type", VideoDef, model, .names = &video_model_names,
                               .bad_code = ERROR_CONFIG_UNSUPPORTED, .fallback = "cirrus or vga",
                               .flags = ROW_MAY_BE_EMPTY, .doc = "kind of card"),
                          ATTR("ram", VideoDef, ram_KiB, .max = UINT32_MAX, .flags = ROW_MAY_BE_EMPTY,
                               .doc = "KiB of primary memory (qxl)"),
                          ATTR("vram", VideoDef, vram_KiB, .max = UINT32_MAX, .flags = ROW_MAY_BE_EMPTY,
                               .doc = "KiB of video memory"),
                          ATTR("vram64", VideoDef, vram64_KiB, .max = UINT32_MAX, .flags = ROW_MAY_BE_EMPTY,
                               .doc = "KiB of 64-bit video memory (qxl)"),
                          ATTR("vgamem", VideoDef, vgamem_KiB, .max = UINT32_MAX, .flags = ROW_MAY_BE_EMPTY,
                               .doc = "KiB of VGA memory (qxl)"),
                          ATTR("heads", VideoDef, heads, .fallback = "1", .text_code = ERROR_INTERNAL,
                               .max = UINT32_MAX, .flags = ROW_MAY_BE_EMPTY, .doc = "number of monitors"),
                          ATTR("primary", VideoDef, primary, .names = &tristate_yes_no_names,
                               .fallback = "the first is", .flags = ROW_MAY_BE_EMPTY,
                               .doc = "the card that the firmware uses"),
                          ATTR("blob", VideoDef, blob, .fallback = "off", .names = &tristate_on_off_names,
                               .flags = ROW_MAY_BE_EMPTY, .doc = "blob resources"),
                          GROUP("acceleration",
                                ROWS(ATTR("accel3d", VideoDef, accel3d, .names = &tristate_yes_no_names,
                                          .doc = "3D"),
                                     ATTR("accel2d", VideoDef, accel2d, REFUSED("QEMU has none"),
                                          .fallback = "no", .names = &tristate_yes_no_names, .doc = "2D"),
                                     ATTR("rendernode", VideoDef, rendernode,
                                          .doc = "path of the host's render node")),
                                .doc = "acceleration"),
                          GROUP("resolution",
                                ROWS(ATTR("x", VideoDef, width, .flags = ROW_REQUIRED, .min = 1,
                                          .max = UINT32_MAX, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                                          .doc = "pixels"),
                                     ATTR("y", VideoDef, height, .flags = ROW_REQUIRED, .min = 1,
                                          .max = UINT32_MAX, .bad_code = ERROR_CONFIG_UNSUPPORTED,
                                          .doc = "pixels")),
                                .doc = "preferred resolution")),
                     .doc = "the card that the guest sees"),
               INCLUDE(VideoDef, info, &device_info_table)),
          .finish = video_finish, .doc = "A graphics card.");

/* ---- sound ---- */

static const XmlTable codec_table =
    TABLE(SoundCodec, "codec",
          ROWS(ATTR("type", SoundCodec, type, .names = &codec_type_names,
                    .bad_code = ERROR_CONFIG_UNSUPPORTED, .flags = ROW_REQUIRED, .doc = "kind of codec")),
          .doc = "A codec of an HDA sound card.");

const XmlTable sound_table = TABLE(SoundDef, "sound",
                                   ROWS(ATTR("model", SoundDef, model, .names = &sound_model_names,
                                             .flags = ROW_REQUIRED, .doc = "kind of card"),
                                        LIST("codec", SoundDef, codecs, &codec_table, .doc = "codecs"),
                                        GROUP("audio",
                                              ROWS(ATTR("id", SoundDef, audio_id, .flags = ROW_REQUIRED,
                                                        .max = UINT32_MAX, .doc = "number of the <audio>")),
                                              .doc = "where the sound goes"),
                                        INCLUDE(SoundDef, info, &device_info_table)),
                                   .doc = "A sound card.");

#define NUMBER(text, member, what)                                                                           \
    ATTR(text, AudioStream, member, .max = UINT32_MAX, .flags = ROW_MAY_BE_EMPTY, .doc = what)
#define POSITIVE(text, member, what) ATTR(text, AudioStream, member, .min = 1, .max = UINT32_MAX, .doc = what)
#define SWITCH(text, Type, member, what, ...)                                                                \
    ATTR(text, Type, member, .names = &tristate_yes_no_names, .flags = ROW_MAY_BE_EMPTY, .doc = what,        \
         __VA_ARGS__)

static bool has_audio_settings(const void *base, unsigned flags)
{
    const AudioStream *stream = base;
    return stream->frequency_hz.is_set || stream->channels.is_set || stream->format != AUDIO_FORMAT_ABSENT;
}

static bool audio_stream_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    const AudioStream *stream = base;
    if (stream->fixed_settings == TRISTATE_ON && stream->mixing_engine == TRISTATE_OFF)
        return xml_error(reader, element, ERROR_CONFIG_UNSUPPORTED, err,
                         "fixed audio settings requires mixing engine");
    if (has_audio_settings(base, 0) && stream->fixed_settings != TRISTATE_ON)
        return xml_error(reader, element, ERROR_CONFIG_UNSUPPORTED, err,
                         "audio settings specified without fixed settings flag");
    return true;
}

static const XmlTable audio_stream_table =
    TABLE(AudioStream, "audio-stream",
          ROWS(SWITCH("mixingEngine", AudioStream, mixing_engine, "QEMU mixes voices"),
               SWITCH("fixedSettings", AudioStream, fixed_settings,
                      "the settings below hold, whatever the guest plays"),
               POSITIVE("voices", voices, "voices at once"),
               POSITIVE("bufferLength", buffer_length_us, "microseconds that are buffered"),
               ATTR("dev", AudioStream, dev, .doc = "ALSA, CoreAudio, OSS: device of the host"),
               NUMBER("bufferCount", buffer_count, "CoreAudio, OSS, SDL: number of buffers"),
               SWITCH("tryPoll", AudioStream, try_poll, "ALSA, OSS: wait for the device by polling"),
               ATTR("serverName", AudioStream, server, .doc = "Jack: server"),
               ATTR("clientName", AudioStream, client, .doc = "Jack: name of the client"),
               ATTR("connectPorts", AudioStream, connect_ports,
                    .doc = "Jack: regular expression of ports to connect to"),
               SWITCH("exactName", AudioStream, exact_name, "Jack: no other client name"),
               ATTR("name", AudioStream, name, .doc = "PulseAudio: sink or source"),
               ATTR("streamName", AudioStream, stream_name, .doc = "PulseAudio: name of the stream"),
               NUMBER("latency", latency_us, "PulseAudio: wanted latency in microseconds"),
               GROUP("settings",
                     ROWS(NUMBER("frequency", frequency_hz, "hertz"), NUMBER("channels", channels, "number"),
                          ATTR("format", AudioStream, format, .names = &audio_format_names,
                               .flags = ROW_MAY_BE_EMPTY, .doc = "of samples")),
                     .show = has_audio_settings, .doc = "fixed settings")),
          .finish = audio_stream_finish, .doc = "Recording or playback.");

/* What the back end does not have says nothing. */
static void audio_stream_trim(AudioStream *stream, AudioType type)
{
    bool has_device = type == AUDIO_ALSA || type == AUDIO_COREAUDIO || type == AUDIO_OSS;
    if (!stream)
        return;
    if (!has_device)
        g_clear_pointer(&stream->dev, g_free);
    if (type != AUDIO_COREAUDIO && type != AUDIO_OSS && type != AUDIO_SDL)
        stream->buffer_count = (OptU32){ 0 };
    if (type != AUDIO_OSS)
        stream->try_poll = TRISTATE_ABSENT;
    if (type != AUDIO_JACK) {
        g_clear_pointer(&stream->server, g_free);
        g_clear_pointer(&stream->client, g_free);
        g_clear_pointer(&stream->connect_ports, g_free);
        stream->exact_name = TRISTATE_ABSENT;
    }
    if (type != AUDIO_PULSEAUDIO) {
        g_clear_pointer(&stream->name, g_free);
        g_clear_pointer(&stream->stream_name, g_free);
        stream->latency_us = (OptU32){ 0 };
    }
}

static bool read_sdl_driver(const char *text, void *base, Error **err)
{
    static const char *const drivers[] = { "esd", "alsa", "arts", "pulseaudio", NULL };
    AudioDef *audio = base;

    if (!g_strv_contains(drivers, text))
        return error_set(err, ERROR_XML_INVALID, "'%s' is not a known SDL driver", text);
    g_free(audio->server_name);
    audio->server_name = g_strdup(text);
    return true;
}

static bool write_sdl_driver(const void *base, unsigned flags, GString *out)
{
    const AudioDef *audio = base;

    if (audio->server_name)
        g_string_append(out, audio->server_name);
    return audio->server_name;
}
static const XmlCodec sdl_driver_codec = { read_sdl_driver, write_sdl_driver, "esd|alsa|arts|pulseaudio" };

static bool audio_finish(XmlReader *reader, const xmlNode *element, void *base, Error **err)
{
    AudioDef *audio = base;
    audio_stream_trim(audio->input, audio->type);
    audio_stream_trim(audio->output, audio->type);
    return true;
}

#define OSS ONLY(AudioDef, type, BIT(AUDIO_OSS))
const XmlTable audio_table =
    TABLE(AudioDef, "audio",
          ROWS(ATTR("id", AudioDef, id, .flags = ROW_REQUIRED, .min = 1, .max = UINT32_MAX,
                    .doc = "number of the back end"),
               ATTR("type", AudioDef, type, .names = &audio_type_names, .flags = ROW_REQUIRED,
                    .doc = "kind of back end"),
               ATTR("timerPeriod", AudioDef, timer_period_us, .min = 1, .max = UINT32_MAX,
                    .doc = "microseconds"),
               ATTR("serverName", AudioDef, server_name, ONLY(AudioDef, type, BIT(AUDIO_PULSEAUDIO)),
                    .doc = "PulseAudio server"),
               ATTR("path", AudioDef, path, .doc = "path of the sound file"),
               CODEC_ATTR("driver", &sdl_driver_codec, ONLY(AudioDef, type, BIT(AUDIO_SDL)),
                          .doc = "SDL driver"),
               SWITCH("tryMMap", AudioDef, try_mmap, "OSS: map the device's memory", OSS),
               SWITCH("exclusive", AudioDef, exclusive, "OSS: nobody else may play", OSS),
               ATTR("dspPolicy", AudioDef, dsp_policy, OSS, .max = INT32_MAX, .flags = ROW_MAY_BE_EMPTY,
                    .doc = "OSS: timing"),
               OBJECT("input", AudioDef, input, &audio_stream_table, .doc = "recording"),
               OBJECT("output", AudioDef, output, &audio_stream_table, .doc = "playback")),
          .finish = audio_finish, .doc = "Where sound goes on the host.");
