/* Rules about what people see, hear and touch: input devices, displays, graphics cards, sound. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/domain_check.h"

#include <string.h>

#include "conf/domain_device.h"
#include "conf/domain_rows.h"

/* ---- input ---- */

static bool check_evdev(const InputDef *input, Error **err)
{
    static const char *const toggles[] = { "ctrl-ctrl", "alt-alt",    "shift-shift",
                                           "meta-meta", "scrolllock", "ctrl-scrolllock" };
    bool known = !input->grab_toggle;
    if (input->bus != INPUT_BUS_ABSENT && input->bus != INPUT_BUS_NONE)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "input evdev doesn't support bus element");
    if (input->grab && strcmp(input->grab, "all") != 0)
        return error_set(err, ERROR_XML_INVALID,
                         "Invalid value for attribute 'grab' in element 'source': '%s'.", input->grab);
    for (size_t i = 0; !known && i < G_N_ELEMENTS(toggles); i++)
        known = strcmp(input->grab_toggle, toggles[i]) == 0;
    return known || error_set(err, ERROR_XML_INVALID,
                              "Invalid value for attribute 'grabToggle' in element 'source': '%s'.",
                              input->grab_toggle);
}

static bool check_input(const InputDef *input, Error **err)
{
    const char *type = enum_name(&input_type_names, input->type);
    const char *bus = enum_name(&input_bus_names, input->bus);
    AddressType address = input->info.address.type;
    if (input->type == INPUT_EVDEV)
        return check_evdev(input, err);
    if (input->bus == INPUT_BUS_PS2 && input->type != INPUT_MOUSE && input->type != INPUT_KEYBOARD)
        return error_set(err, ERROR_INTERNAL, "ps2 bus does not support %s input device", type);
    if (input->bus == INPUT_BUS_XEN)
        return error_set(err, ERROR_INTERNAL, "unsupported input bus %s", bus);
    if (input->type == INPUT_PASSTHROUGH && input->bus != INPUT_BUS_VIRTIO)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "only bus 'virtio' is supported for 'passthrough' input devices");
    if (input->model != VIRTIO_MODEL_ABSENT && input->bus != INPUT_BUS_VIRTIO)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "only bus 'virtio' is supported for input model '%s'",
                         enum_name(&virtio_model_names, input->model));
    if (input->model > VIRTIO_MODEL_VIRTIO && input->type != INPUT_PASSTHROUGH)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "virtio (non-)transitional models are not supported for input type=%s", type);
    if (input->bus == INPUT_BUS_USB && address != ADDRESS_ABSENT && address != ADDRESS_USB)
        return error_set(err, ERROR_XML_INVALID, "Invalid address for a USB device");
    return true;
}

/* ---- displays ---- */

static bool check_password_time(const GraphicsDef *graphics, Error **err)
{
    if (!graphics->passwd_valid_to)
        return true;
    g_autofree char *iso = g_strconcat(graphics->passwd_valid_to, "Z", NULL);
    g_autoptr(GDateTime) time =
        strlen(iso) == strlen("YYYY-MM-DDTHH:MM:SSZ") ? g_date_time_new_from_iso8601(iso, NULL) : NULL;
    return time || error_set(err, ERROR_INTERNAL,
                             "cannot parse password validity time '%s', expect YYYY-MM-DDTHH:MM:SS",
                             graphics->passwd_valid_to);
}

static bool check_audio_id(const DomainDef *def, OptU32 id, Error **err)
{
    if (!id.is_set)
        return true;
    for (DEF_EACH(AudioDef, audio, def->audios)) {
        if (audio->id == id.value)
            return true;
    }
    return error_set(err, ERROR_XML_INVALID, "no audio device with ID %u", id.value);
}

static bool check_graphics(const DomainDef *def, Error **err)
{
    for (DEF_EACH(GraphicsDef, graphics, def->graphics)) {
        bool is_vnc = graphics->type == GRAPHICS_VNC, is_spice = graphics->type == GRAPHICS_SPICE;
        if (graphics->type == GRAPHICS_RDP || graphics->type == GRAPHICS_DESKTOP)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s graphics are not supported with this QEMU",
                             enum_name(&graphics_type_names, graphics->type));
        if (is_vnc && graphics->passwd && strlen(graphics->passwd) > 8)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "VNC password is %zu characters long, only 8 permitted",
                             strlen(graphics->passwd));
        if (is_spice && graphics->tls_port > 0)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "spice TLS port set in XML configuration, but TLS is disabled in qemu.conf");
        if (is_vnc && graphics->passwd_connected && graphics->passwd_connected != PASSWORD_ACTION_KEEP)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "VNC supports connected='keep' only");
        if (!check_password_time(graphics, err) || !check_audio_id(def, graphics->audio_id, err))
            return false;
    }
    return true;
}

static bool check_spice_source(void *arg, DeviceKind kind, void *device, DeviceInfo *info)
{
    const CharSource *source = device_char_source(kind, device);
    if (!source || (source->type != CHAR_SPICEVMC && source->type != CHAR_SPICEPORT))
        return true;
    return error_set(arg, ERROR_CONFIG_UNSUPPORTED, "chardev '%s' not supported without spice graphics",
                     enum_name(&char_type_names, source->type));
}

/* ---- graphics cards ---- */

static bool is_power_of_2(uint32_t number)
{
    return !(number & (number - 1));
}

static bool check_video_memory(const VideoDef *video, Error **err)
{
    const struct {
        const char *name;
        uint32_t KiB;
        bool only_qxl;
    } sizes[] = {
        { "ram", video->ram_KiB, true },
        { "vram64", video->vram64_KiB, true },
        { "vgamem", video->vgamem_KiB, true },
        { "vram", video->vram_KiB, false },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (sizes[i].KiB && sizes[i].only_qxl && video->model != VIDEO_QXL)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s attribute only supported for video type qxl",
                             sizes[i].name);
    }
    if (video->vgamem_KiB && video->vgamem_KiB < 1024)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "value for 'vgamem' must be at least 1 MiB (1024 KiB)");
    if (!is_power_of_2(video->vgamem_KiB))
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "value for 'vgamem' must be power of two");
    bool has_vram = video->model == VIDEO_VGA || video->model == VIDEO_VMVGA || video->model == VIDEO_BOCHS;
    if (has_vram && video->vram_KiB && video->vram_KiB < 1024)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "value for 'vram' must be at least 1 MiB (1024 KiB)");
    return true;
}

static bool check_video(const VideoDef *video, Error **err)
{
    const char *model = enum_name(&video_model_names, video->model);
    bool is_virtio = video->model == VIDEO_VIRTIO;
    switch (video->model) {
    case VIDEO_XEN:
    case VIDEO_VBOX:
    case VIDEO_PARALLELS:
    case VIDEO_GOP:
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "domain configuration does not support video model '%s'", model);
    default:
        break;
    }
    if (video->driver == VIDEO_DRIVER_VHOSTUSER && !is_virtio)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "'vhostuser' driver is only supported with 'virtio' device");
    if (video->accel3d == TRISTATE_ON && !is_virtio)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "3d acceleration is supported only with 'virtio' video device");
    if (video->accel2d == TRISTATE_ON)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "qemu does not support the accel2d setting");
    if (video->heads > 1 && !is_virtio && video->model != VIDEO_QXL)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "video type '%s' doesn't support multiple 'heads'",
                         model);
    if (video->width && !is_virtio && video->model != VIDEO_QXL && video->model != VIDEO_VGA &&
        video->model != VIDEO_BOCHS)
        return error_set(err, ERROR_XML_INVALID, "model resolution is not supported");
    return check_video_memory(video, err) && (is_virtio || domain_check_virtio_options(&video->virtio, err));
}

static bool check_videos(const DomainDef *def, Error **err)
{
    unsigned primaries = 0;
    for (DEF_EACH(VideoDef, video, def->videos)) {
        primaries += video->primary == TRISTATE_ON;
        if (video->model == VIDEO_NONE && def_list_len(def->videos) > 1)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "a 'none' video type must be the only video device defined for the domain");
        if (!check_video(video, err))
            return false;
    }
    for (DEF_EACH(VideoDef, video, def->videos)) {
        bool only_first = video->model == VIDEO_BOCHS || video->model == VIDEO_VGA ||
                          video->model == VIDEO_CIRRUS || video->model == VIDEO_VMVGA ||
                          video->model == VIDEO_RAMFB;
        if (only_first && video->primary != TRISTATE_ON)
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "video type '%s' is only valid as primary video device",
                             enum_name(&video_model_names, video->model));
    }
    if (primaries > 1)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "Only one primary video device is supported");
    return true;
}

/* ---- sound ---- */

static bool check_audios(const DomainDef *def, Error **err)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(NULL, NULL);
    for (DEF_EACH(AudioDef, audio, def->audios)) {
        if (!g_hash_table_add(ids, GUINT_TO_POINTER(audio->id)))
            return error_set(err, ERROR_XML_INVALID, "audio ID %u is used multiple times", audio->id);
        if (audio->type == AUDIO_SPICE && !domain_find_graphics(def, GRAPHICS_SPICE))
            return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                             "Spice audio is not supported without spice graphics");
    }
    for (DEF_EACH(SoundDef, sound, def->sounds)) {
        if (!check_audio_id(def, sound->audio_id, err))
            return false;
    }
    return true;
}

bool domain_check_displays(const DomainDef *def, Error **err)
{
    for (DEF_EACH(InputDef, input, def->inputs)) {
        if (!check_input(input, err))
            return false;
    }
    if (!check_graphics(def, err) || !check_videos(def, err) || !check_audios(def, err))
        return false;
    return domain_find_graphics(def, GRAPHICS_SPICE) ||
           domain_each_device((DomainDef *)def, check_spice_source, err);
}
