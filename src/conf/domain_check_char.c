/* Rules about devices that move bytes: serial ports, consoles, channels, smart cards. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_check.h"

#include <string.h>

#include "base/ip.h"

#include "conf/domain_rows.h"

static const char *target_name(const CharDef *chr)
{
    return enum_name(&char_target_type_names, chr->target_type);
}

static bool check_serial_address(const CharDef *serial, Error **err)
{
    AddressType type = serial->info.address.type;
    if (type == ADDRESS_ABSENT)
        return true;
    switch (serial->target_type) {
    case CHAR_TARGET_USB_SERIAL:
        return type == ADDRESS_USB ||
               error_set(err, ERROR_CONFIG_UNSUPPORTED, "usb-serial requires address of usb type");
    case CHAR_TARGET_ISA_SERIAL:
    case CHAR_TARGET_ISA_DEBUG:
        return type == ADDRESS_ISA ||
               error_set(err, ERROR_CONFIG_UNSUPPORTED, "Target type '%s' requires address type 'isa'",
                         target_name(serial));
    case CHAR_TARGET_PCI_SERIAL:
        return type == ADDRESS_PCI || error_set(err, ERROR_CONFIG_UNSUPPORTED,
                                                "Target type 'pci-serial' requires address type 'pci'");
    default:
        return true;
    }
}

static bool check_serial_model(const DomainDef *def, const CharDef *serial, Error **err)
{
    static const CharTargetType types[CHAR_TARGET_MODEL_COUNT] = {
        [CHAR_TARGET_MODEL_ISA_SERIAL] = CHAR_TARGET_ISA_SERIAL,
        [CHAR_TARGET_MODEL_USB_SERIAL] = CHAR_TARGET_USB_SERIAL,
        [CHAR_TARGET_MODEL_PCI_SERIAL] = CHAR_TARGET_PCI_SERIAL,
        [CHAR_TARGET_MODEL_SPAPR_VTY] = CHAR_TARGET_SPAPR_VIO_SERIAL,
        [CHAR_TARGET_MODEL_PL011] = CHAR_TARGET_SYSTEM_SERIAL,
        [CHAR_TARGET_MODEL_16550A] = CHAR_TARGET_SYSTEM_SERIAL,
        [CHAR_TARGET_MODEL_SCLPCONSOLE] = CHAR_TARGET_SCLP_SERIAL,
        [CHAR_TARGET_MODEL_SCLPLMCONSOLE] = CHAR_TARGET_SCLP_SERIAL,
        [CHAR_TARGET_MODEL_ISA_DEBUGCON] = CHAR_TARGET_ISA_DEBUG,
    };
    const char *model = enum_name(&char_target_model_names, serial->target_model);
    CharTargetType wanted = types[serial->target_model];
    if (wanted && wanted != serial->target_type)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Target model '%s' requires target type '%s'", model,
                         enum_name(&char_target_type_names, wanted));
    bool elsewhere = serial->target_type == CHAR_TARGET_SPAPR_VIO_SERIAL ||
                     serial->target_type == CHAR_TARGET_SYSTEM_SERIAL ||
                     serial->target_type == CHAR_TARGET_SCLP_SERIAL;
    if (elsewhere && domain_is_x86(def))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Serial device with target type '%s' and target model '%s' not compatible with "
                         "guest "
                         "architecture or machine type",
                         target_name(serial), model);
    return true;
}

static bool check_console(const DomainDef *def, const CharDef *console, Error **err)
{
    switch (console->target_type) {
    case CHAR_TARGET_XEN:
    case CHAR_TARGET_UML:
    case CHAR_TARGET_LXC:
    case CHAR_TARGET_OPENVZ:
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "unsupported console target type %s",
                         target_name(console));
    case CHAR_TARGET_SCLP:
    case CHAR_TARGET_SCLPLM:
        return !domain_is_x86(def) ||
               error_set(err, ERROR_CONFIG_UNSUPPORTED, "%sconsole is not supported in this QEMU binary",
                         target_name(console));
    default:
        return true;
    }
}

static bool check_channel(const CharDef *channel, Error **err)
{
    IpAddress address;
    if (channel->target_type == CHAR_TARGET_GUESTFWD && !ip_parse(channel->guestfwd_address, &address))
        return error_set(err, ERROR_SYSTEM, "Cannot parse socket address '%s'", channel->guestfwd_address);
    if (channel->target_type == CHAR_TARGET_GUESTFWD && strchr(channel->guestfwd_address, ':'))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "guestfwd channel only supports IPv4 addresses");
    return true;
}

static bool check_agent_source(const CharDef *chr, Error **err)
{
    if (chr->source.type != CHAR_SPICEVMC || chr->target_type == CHAR_TARGET_VIRTIO)
        return true;
    return error_set(err, ERROR_CONFIG_UNSUPPORTED, "spicevmc device type only supports virtio");
}

/* Two channels can't share a port of a controller. */
static bool check_virtio_port(const CharDef *chr, GHashTable *taken, Error **err)
{
    const DeviceAddress *address = &chr->info.address;
    if (address->type != ADDRESS_VIRTIO_SERIAL || address->wants_numbers || !address->virtio_serial.port)
        return true;
    uint64_t place = (uint64_t)address->virtio_serial.controller << 32 | address->virtio_serial.port;
    if (g_hash_table_add(taken, g_memdup2(&place, sizeof(place))))
        return true;
    return error_set(err, ERROR_XML_INVALID, "virtio serial port %u on controller %u is already occupied",
                     address->virtio_serial.port, address->virtio_serial.controller);
}

static bool check_smartcards(const DomainDef *def, Error **err)
{
    if (def_list_len(def->smartcards) > 1)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "this QEMU binary lacks multiple smartcard support");
    for (DEF_EACH(SmartcardDef, card, def->smartcards)) {
        if (card->database && card->database[0] != '/')
            return error_set(err, ERROR_XML_INVALID, "expecting absolute path: %s", card->database);
        if (card->info.address.type != ADDRESS_ABSENT && card->info.address.type != ADDRESS_CCID)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Controllers must use the 'ccid' address type");
    }
    return true;
}

bool domain_check_chars(const DomainDef *def, Error **err)
{
    g_autoptr(GHashTable) taken = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    for (DEF_EACH(CharDef, serial, def->serials)) {
        if (!check_serial_address(serial, err) || !check_serial_model(def, serial, err) ||
            !check_agent_source(serial, err))
            return false;
    }
    for (DEF_EACH(CharDef, parallel, def->parallels)) {
        if (!check_agent_source(parallel, err))
            return false;
    }
    for (unsigned i = 0; i < def_list_len(def->consoles); i++) {
        const CharDef *console = g_ptr_array_index(def->consoles, i);
        if (i && console->target_type == CHAR_TARGET_SERIAL)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Only the first console can be a serial port");
        if (!check_console(def, console, err) || !check_agent_source(console, err) ||
            !check_virtio_port(console, taken, err))
            return false;
    }
    for (DEF_EACH(CharDef, channel, def->channels)) {
        if (!check_channel(channel, err) || !check_virtio_port(channel, taken, err))
            return false;
    }
    return check_smartcards(def, err);
}
