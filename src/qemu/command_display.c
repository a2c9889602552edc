/* What a person sees and hears: audio back ends, graphics servers, video cards, sound cards. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "qemu/command_private.h"

#define VNC_PORT_FIRST 5900 /* QEMU counts displays from here */

static unsigned audio_id(OptU32 id)
{
    return id.is_set && id.value ? id.value : 1;
}

static bool has_audio(const DomainDef *def, unsigned id)
{
    for (DEF_EACH(AudioDef, audio, def->audios)) {
        if (audio->id == id)
            return true;
    }
    return false;
}

static const char *audio_driver(AudioType type)
{
    switch (type) {
    case AUDIO_PULSEAUDIO:
        return "pa";
    case AUDIO_FILE:
        return "wav";
    default:
        return enum_name(&audio_type_names, type);
    }
}

static void build_audio(Builder *b, const AudioDef *audio)
{
    Json *object = json_object();
    g_autofree char *id = g_strdup_printf("audio%u", audio->id);
    prop_str(object, "id", id);
    prop_str(object, "driver", audio_driver(audio->type));
    prop_opt(object, "timer-period", audio->timer_period_us);
    if (audio->type == AUDIO_PULSEAUDIO)
        prop_str(object, "server", audio->server_name);
    if (audio->type == AUDIO_FILE)
        prop_str(object, "path", audio->path);
    add_json(b, "-audiodev", object);
}

static const ListenDef *graphics_listen(const GraphicsDef *graphics)
{
    return def_list_len(graphics->listens) ? g_ptr_array_index(graphics->listens, 0) : NULL;
}

/* IPv6 addresses stand in brackets where a port follows. */
static void append_address(GString *out, const char *address)
{
    bool ipv6 = strchr(address, ':') != NULL;
    g_autofree char *escaped = option_escape(address);
    g_string_append_printf(out, ipv6 ? "[%s]" : "%s", escaped);
}

static const char *listen_address(const ListenDef *listen)
{
    return listen && listen->address ? listen->address : "127.0.0.1";
}

static bool build_vnc(Builder *b, const GraphicsDef *graphics, Error **err)
{
    g_autoptr(GString) out = g_string_new(NULL);
    const ListenDef *listen = graphics_listen(graphics);

    if (listen && listen->type == LISTEN_SOCKET && listen->socket) {
        g_autofree char *path = option_escape(listen->socket);
        g_string_append_printf(out, "vnc=unix:%s", path);
    } else if (listen && listen->type == LISTEN_NONE) {
        g_string_append(out, "none");
    } else if (graphics->port < VNC_PORT_FIRST || graphics->port > 65535) {
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "vnc port must be in range [%d,65535]",
                         VNC_PORT_FIRST);
    } else {
        append_address(out, listen_address(listen));
        g_string_append_printf(out, ":%d", graphics->port - VNC_PORT_FIRST);
        if (graphics->websocket > 0)
            g_string_append_printf(out, ",websocket=%d", graphics->websocket);
        else if (graphics->websocket < 0)
            g_string_append(out, ",websocket=on");
    }
    if (graphics->share_policy != VNC_SHARE_ABSENT)
        g_string_append_printf(out, ",share=%s", enum_name(&vnc_share_policy_names, graphics->share_policy));
    if (graphics->passwd || b->env->vnc_has_password)
        g_string_append(out, ",password=on"); /* the password itself goes over the control connection */
    if (graphics->power_control != TRISTATE_ABSENT)
        g_string_append_printf(out, ",power-control=%s",
                               graphics->power_control == TRISTATE_ON ? "on" : "off");
    if (has_audio(b->def, audio_id(graphics->audio_id)))
        g_string_append_printf(out, ",audiodev=audio%u", audio_id(graphics->audio_id));
    add_text(b, "-vnc", "%s", out->str);
    if (graphics->keymap)
        add_text(b, "-k", "%s", graphics->keymap);
    return true;
}

static void append_rendernode(GString *out, const GraphicsDef *graphics)
{
    if (!graphics->gl_rendernode)
        return;
    g_autofree char *node = option_escape(graphics->gl_rendernode);
    g_string_append_printf(out, ",rendernode=%s", node);
}

static void spice_option(GString *out, const char *key, const EnumNames *names, unsigned value)
{
    if (value)
        g_string_append_printf(out, ",%s=%s", key, enum_name(names, value));
}

/* There is no TLS here: what must be secret is not sent in clear text instead. */
static bool spice_check_tls(const GraphicsDef *graphics, Error **err)
{
    bool wanted = graphics->tls_port > 0 || graphics->default_mode == SPICE_MODE_SECURE;
    if (graphics->tls_port == -1)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Auto allocation of spice TLS port requested but spice TLS is disabled in "
                         "qemu.conf");
    for (DEF_EACH(SpiceChannel, channel, graphics->channels))
        wanted |= channel->mode == SPICE_MODE_SECURE;
    return !wanted || error_set(err, ERROR_CONFIG_UNSUPPORTED,
                                "spice secure channels set in XML configuration, but TLS is not supported by "
                                "this version");
}

static void spice_plaintext_channels(GString *out, const GraphicsDef *graphics)
{
    if (graphics->default_mode == SPICE_MODE_INSECURE)
        g_string_append(out, ",plaintext-channel=default");
    for (DEF_EACH(SpiceChannel, channel, graphics->channels)) {
        if (channel->mode == SPICE_MODE_INSECURE)
            g_string_append_printf(out, ",plaintext-channel=%s",
                                   enum_name(&spice_channel_name_names, channel->name));
    }
}

static bool build_spice(Builder *b, const GraphicsDef *graphics, Error **err)
{
    if (!spice_check_tls(graphics, err))
        return false;
    g_autoptr(GString) out = g_string_new(NULL);
    const ListenDef *listen = graphics_listen(graphics);

    if (listen && listen->type == LISTEN_SOCKET && listen->socket) {
        g_autofree char *path = option_escape(listen->socket);
        g_string_append_printf(out, ",unix=on,addr=%s", path);
    } else if (!listen || listen->type != LISTEN_NONE) {
        if (graphics->port > 0)
            g_string_append_printf(out, ",port=%d", graphics->port);
        g_autofree char *address = option_escape(listen_address(listen));
        g_string_append_printf(out, ",addr=%s", address);
    }
    if (!graphics->passwd && !b->env->spice_has_password)
        g_string_append(out, ",disable-ticketing=on");
    spice_plaintext_channels(out, graphics);
    spice_option(out, "image-compression", &spice_image_compression_names, graphics->image_compression);
    spice_option(out, "jpeg-wan-compression", &spice_wan_compression_names, graphics->jpeg);
    spice_option(out, "zlib-glz-wan-compression", &spice_wan_compression_names, graphics->zlib);
    spice_option(out, "playback-compression", &tristate_on_off_names, graphics->playback_compression);
    spice_option(out, "streaming-video", &spice_streaming_names, graphics->streaming);
    if (graphics->mouse == SPICE_MOUSE_SERVER)
        g_string_append(out, ",agent-mouse=off");
    else if (graphics->mouse == SPICE_MOUSE_CLIENT)
        g_string_append(out, ",agent-mouse=on");
    if (graphics->clipboard_copypaste == TRISTATE_OFF)
        g_string_append(out, ",disable-copy-paste=on");
    if (graphics->filetransfer == TRISTATE_OFF)
        g_string_append(out, ",disable-agent-file-xfer=on");
    if (graphics->gl == TRISTATE_ON) {
        g_string_append(out, ",gl=on");
        append_rendernode(out, graphics);
    }
    g_string_append(out, ",seamless-migration=on");
    add_text(b, "-spice", "%s", out->str + 1);
    if (graphics->keymap)
        add_text(b, "-k", "%s", graphics->keymap);
    return true;
}

static bool build_graphics(Builder *b, const GraphicsDef *graphics, Error **err)
{
    switch (graphics->type) {
    case GRAPHICS_VNC:
        return build_vnc(b, graphics, err);
    case GRAPHICS_SPICE:
        return build_spice(b, graphics, err);
    case GRAPHICS_EGL_HEADLESS: {
        g_autoptr(GString) out = g_string_new("egl-headless");
        append_rendernode(out, graphics);
        add_text(b, "-display", "%s", out->str);
        return true;
    }
    default:
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "graphics type '%s' is not supported by this version",
                         enum_name(&graphics_type_names, graphics->type));
    }
}

static const char *video_driver_of(const VideoDef *video, bool primary)
{
    switch (video->model) {
    case VIDEO_VGA:
        return "VGA";
    case VIDEO_CIRRUS:
        return "cirrus-vga";
    case VIDEO_VMVGA:
        return "vmware-svga";
    case VIDEO_QXL:
        return primary ? "qxl-vga" : "qxl";
    case VIDEO_VIRTIO:
        if (video->accel3d == TRISTATE_ON)
            return primary ? "virtio-vga-gl" : "virtio-gpu-gl-pci";
        return primary ? "virtio-vga" : "virtio-gpu-pci";
    case VIDEO_BOCHS:
        return "bochs-display";
    case VIDEO_RAMFB:
        return "ramfb";
    default:
        return NULL;
    }
}

static void prop_video_memory(Json *device, const VideoDef *video)
{
    if (video->model == VIDEO_QXL) {
        prop_uint(device, "ram_size", (uint64_t)video->ram_KiB * 1024);
        prop_uint(device, "vram_size", (uint64_t)video->vram_KiB * 1024);
        prop_uint(device, "vram64_size_mb", video->vram64_KiB / 1024);
        prop_uint(device, "vgamem_mb", video->vgamem_KiB / 1024);
    } else if ((video->model == VIDEO_VGA || video->model == VIDEO_VMVGA) && video->vram_KiB) {
        prop_uint(device, "vgamem_mb", video->vram_KiB / 1024);
    } else if (video->model == VIDEO_BOCHS && video->vram_KiB) {
        prop_uint(device, "vgamem", (uint64_t)video->vram_KiB * 1024);
    }
}

static bool build_video(Builder *b, const VideoDef *video, bool primary, Error **err)
{
    if (video->model == VIDEO_NONE)
        return true;
    const char *driver = video_driver_of(video, primary);
    if (!driver)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "video model '%s' is not supported by this version",
                         enum_name(&video_model_names, video->model));
    if (!device_require(b->caps, driver, err))
        return false;
    AUTO_JSON device = device_new(driver);
    prop_str(device, "id", video->info.alias);
    if ((video->model == VIDEO_QXL || video->model == VIDEO_VIRTIO) && video->heads)
        prop_uint(device, "max_outputs", video->heads);
    prop_video_memory(device, video);
    if (video->model == VIDEO_VIRTIO)
        prop_virtio(device, &video->virtio);
    if (video->width && video->height) {
        prop_uint(device, "xres", video->width);
        prop_uint(device, "yres", video->height);
    }
    if (!prop_info(device, b->def, &video->info, err))
        return false;
    add_json(b, "-device", g_steal_pointer(&device));
    return true;
}

static const char *sound_driver(SoundModel model)
{
    switch (model) {
    case SOUND_SB16:
        return "sb16";
    case SOUND_ES1370:
        return "ES1370";
    case SOUND_AC97:
        return "AC97";
    case SOUND_ICH6:
        return "intel-hda";
    case SOUND_ICH9:
        return "ich9-intel-hda";
    case SOUND_USB:
        return "usb-audio";
    default:
        return NULL;
    }
}

static const char *codec_driver(CodecType type)
{
    return type == CODEC_MICRO ? "hda-micro" : type == CODEC_OUTPUT ? "hda-output" : "hda-duplex";
}

static void build_codec(Builder *b, const SoundDef *sound, unsigned index, CodecType type)
{
    Json *codec = device_new(codec_driver(type));
    g_autofree char *id = g_strdup_printf("%s-codec%u", sound->info.alias, index);
    g_autofree char *bus = g_strdup_printf("%s.0", sound->info.alias);
    g_autofree char *audio = g_strdup_printf("audio%u", audio_id(sound->audio_id));
    prop_str(codec, "id", id);
    prop_str(codec, "bus", bus);
    prop_uint(codec, "cad", index);
    prop_str(codec, "audiodev", audio);
    add_json(b, "-device", codec);
}

static bool build_sound(Builder *b, const SoundDef *sound, Error **err)
{
    if (sound->model == SOUND_PCSPK)
        return true; /* part of the board: see -machine */
    const char *driver = sound_driver(sound->model);
    if (!driver)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "sound card model '%s' is not supported by qemu",
                         enum_name(&sound_model_names, sound->model));
    if (!device_require(b->caps, driver, err))
        return false;
    AUTO_JSON device = device_new(driver);
    bool has_codecs = sound->model == SOUND_ICH6 || sound->model == SOUND_ICH9;
    prop_str(device, "id", sound->info.alias);
    if (!has_codecs) {
        g_autofree char *audio = g_strdup_printf("audio%u", audio_id(sound->audio_id));
        prop_str(device, "audiodev", audio);
    }
    if (!prop_info(device, b->def, &sound->info, err))
        return false;
    add_json(b, "-device", g_steal_pointer(&device));
    if (has_codecs) {
        unsigned index = 0;
        for (DEF_EACH(SoundCodec, codec, sound->codecs))
            build_codec(b, sound, index++, codec->type);
        if (!index)
            build_codec(b, sound, 0, CODEC_DUPLEX);
    }
    return true;
}

bool build_displays(Builder *b, Error **err)
{
    unsigned index = 0;
    for (DEF_EACH(AudioDef, audio, b->def->audios)) {
        builder_at(b, "/domain/devices/audio[%u]", ++index);
        build_audio(b, audio);
    }
    index = 0;
    for (DEF_EACH(GraphicsDef, graphics, b->def->graphics)) {
        builder_at(b, "/domain/devices/graphics[%u]", ++index);
        if (!build_graphics(b, graphics, err))
            return false;
    }
    if (!index) {
        builder_own(b, "no graphics in the definition: no window either");
        add_text(b, "-display", "none");
    }
    index = 0;
    for (DEF_EACH(VideoDef, video, b->def->videos)) {
        builder_at(b, "/domain/devices/video[%u]", ++index);
        if (!build_video(b, video, video->primary == TRISTATE_ON || index == 1, err))
            return false;
    }
    index = 0;
    for (DEF_EACH(SoundDef, sound, b->def->sounds)) {
        builder_at(b, "/domain/devices/sound[%u]", ++index);
        if (!build_sound(b, sound, err))
            return false;
    }
    return true;
}
