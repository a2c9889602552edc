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

static Json *audio_stream(const AudioStream *stream)
{
    Json *object = json_object();
    prop_tristate(object, "mixing-engine", stream->mixing_engine);
    prop_tristate(object, "fixed-settings", stream->fixed_settings);
    prop_opt(object, "voices", stream->voices);
    prop_opt(object, "buffer-length", stream->buffer_length_us);
    prop_opt(object, "frequency", stream->frequency_hz);
    prop_opt(object, "channels", stream->channels);
    prop_enum(object, "format", &audio_format_names, stream->format);
    prop_str(object, "dev", stream->dev);
    prop_opt(object, "buffer-count", stream->buffer_count);
    prop_tristate(object, "try-poll", stream->try_poll);
    prop_str(object, "server-name", stream->server);
    prop_str(object, "client-name", stream->client);
    prop_str(object, "connect-ports", stream->connect_ports);
    prop_tristate(object, "exact-name", stream->exact_name);
    prop_str(object, "name", stream->name);
    prop_str(object, "stream-name", stream->stream_name);
    prop_opt(object, "latency", stream->latency_us);
    return object;
}

bool plan_audio(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const AudioDef *audio = def;
    Json *object = json_object();
    prop_format(object, "id", "audio%u", audio->id);
    prop_str(object, "driver", audio_driver(audio->type));
    prop_opt(object, "timer-period", audio->timer_period_us);
    if (audio->type == AUDIO_PULSEAUDIO)
        prop_str(object, "server", audio->server_name);
    if (audio->type == AUDIO_FILE)
        prop_str(object, "path", audio->path);
    prop_tristate(object, "try-mmap", audio->try_mmap);
    prop_tristate(object, "exclusive", audio->exclusive);
    prop_opt(object, "dsp-policy", audio->dsp_policy);
    if (audio->input)
        json_object_set_new(object, "in", audio_stream(audio->input));
    if (audio->output)
        json_object_set_new(object, "out", audio_stream(audio->output));
    g_autofree char *text = json_format(object);
    json_decref(object);
    plan_text(plan, "-audiodev", "%s", text);
    return true;
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

#define VNC_CREDENTIALS "vnc-tls-creds0"

/* All displays of VNC have the same. */
static void plan_vnc_tls(const PlanContext *c, const GraphicsDef *graphics, Plan *plan)
{
    for (DEF_EACH(GraphicsDef, first, c->def->graphics)) {
        if (first->type != GRAPHICS_VNC)
            continue;
        if (first != graphics)
            return;
        break;
    }
    Json *creds = json_object();
    prop_str(creds, "qom-type", "tls-creds-x509");
    prop_str(creds, "id", VNC_CREDENTIALS);
    prop_str(creds, "dir", c->env->vnc_tls_dir);
    prop_str(creds, "endpoint", "server");
    prop_bool(creds, "verify-peer", c->env->vnc_tls_verify);
    plan_add(plan, PLAN_OBJECT, creds);
}

static bool plan_vnc(const PlanContext *c, const GraphicsDef *graphics, Plan *plan, Error **err)
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
            g_string_append(out, ",websocket=-1"); /* a start has chosen one */
    }
    if (graphics->share_policy != VNC_SHARE_ABSENT)
        g_string_append_printf(out, ",share=%s", enum_name(&vnc_share_policy_names, graphics->share_policy));
    if (graphics->passwd || c->env->vnc_has_password)
        g_string_append(out, ",password=on"); /* the password itself goes over the control connection */
    if (c->env->vnc_tls_dir) {
        plan_vnc_tls(c, graphics, plan);
        append_option(out, "tls-creds", VNC_CREDENTIALS);
    }
    if (c->env->vnc_sasl)
        g_string_append(out, ",sasl=on");
    if (graphics->power_control != TRISTATE_ABSENT)
        g_string_append_printf(out, ",power-control=%s",
                               graphics->power_control == TRISTATE_ON ? "on" : "off");
    if (has_audio(c->def, audio_id(graphics->audio_id)))
        g_string_append_printf(out, ",audiodev=audio%u", audio_id(graphics->audio_id));
    plan_text(plan, "-vnc", "%s", out->str);
    if (graphics->keymap)
        plan_text(plan, "-k", "%s", graphics->keymap);
    return true;
}

static void append_rendernode(GString *out, const GraphicsDef *graphics)
{
    if (graphics->gl_rendernode)
        append_option(out, "rendernode", graphics->gl_rendernode);
}

static void spice_option(GString *out, const char *key, const EnumNames *names, unsigned value)
{
    if (value)
        g_string_append_printf(out, ",%s=%s", key, enum_name(names, value));
}

/* What must be secret is not sent in clear text where there is no TLS. */
static bool spice_check_tls(const PlanContext *c, const GraphicsDef *graphics, Error **err)
{
    bool wanted = graphics->tls_port > 0 || graphics->default_mode == SPICE_MODE_SECURE;
    if (c->env->spice_tls_dir)
        return true;
    if (graphics->tls_port == -1)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                         "Auto allocation of spice TLS port requested but spice TLS is disabled in "
                         "qemu.conf");
    for (DEF_EACH(SpiceChannel, channel, graphics->channels))
        wanted |= channel->mode == SPICE_MODE_SECURE;
    return !wanted || error_set(err, ERROR_CONFIG_UNSUPPORTED,
                                "spice secure channels set in XML configuration, but TLS is disabled in "
                                "qemu.conf");
}

static void spice_channel(GString *out, SpiceMode mode, const char *name)
{
    if (mode != SPICE_MODE_ABSENT && mode != SPICE_MODE_ANY)
        g_string_append_printf(out, ",%s-channel=%s", mode == SPICE_MODE_SECURE ? "tls" : "plaintext", name);
}

static void spice_channels(GString *out, const GraphicsDef *graphics)
{
    spice_channel(out, graphics->default_mode, "default");
    for (DEF_EACH(SpiceChannel, channel, graphics->channels))
        spice_channel(out, channel->mode, enum_name(&spice_channel_name_names, channel->name));
}

static bool plan_spice(const PlanContext *c, const GraphicsDef *graphics, Plan *plan, Error **err)
{
    if (!spice_check_tls(c, graphics, err))
        return false;
    g_autoptr(GString) out = g_string_new(NULL);
    const ListenDef *listen = graphics_listen(graphics);

    if (listen && listen->type == LISTEN_SOCKET && listen->socket) {
        g_string_append(out, ",unix");
        append_option(out, "addr", listen->socket);
    } else if (listen && listen->type == LISTEN_NONE) {
        g_string_append(out, ",port=0"); /* QEMU wants a word about it */
    } else {
        if (graphics->port > 0)
            g_string_append_printf(out, ",port=%d", graphics->port);
        if (graphics->tls_port > 0)
            g_string_append_printf(out, ",tls-port=%d", graphics->tls_port);
        append_option(out, "addr", listen_address(listen));
    }
    if (c->env->spice_tls_dir && graphics->tls_port > 0)
        append_option(out, "x509-dir", c->env->spice_tls_dir);
    if (c->env->spice_sasl)
        g_string_append(out, ",sasl=on");
    if (!graphics->passwd && !c->env->spice_has_password)
        g_string_append(out, ",disable-ticketing=on");
    spice_channels(out, graphics);
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
    plan_text(plan, "-spice", "%s", out->str + 1);
    if (graphics->keymap)
        plan_text(plan, "-k", "%s", graphics->keymap);
    return true;
}

static void plan_dbus(const PlanContext *c, const GraphicsDef *graphics, Plan *plan)
{
    g_autoptr(GString) out = g_string_new("dbus");

    if (graphics->p2p == TRISTATE_ON) {
        g_string_append(out, ",p2p=on");
    } else {
        g_autofree char *own = device_dbus_address(c->env->lib_dir ? c->env->lib_dir : ".");
        append_option(out, "addr", graphics->dbus_address ? graphics->dbus_address : own);
    }
    if (graphics->gl != TRISTATE_ABSENT)
        g_string_append(out, graphics->gl == TRISTATE_ON ? ",gl=on" : ",gl=off");
    if (graphics->gl == TRISTATE_ON)
        append_rendernode(out, graphics);
    if (graphics->audio_id.is_set && graphics->audio_id.value)
        g_string_append_printf(out, ",audiodev=audio%u", graphics->audio_id.value);
    plan_text(plan, "-display", "%s", out->str);
}

char *device_dbus_address(const char *lib_dir)
{
    return g_strdup_printf("unix:path=%s/dbus.sock", lib_dir);
}

static void plan_sdl(const GraphicsDef *graphics, Plan *plan)
{
    if (graphics->fullscreen == TRISTATE_ON)
        plan_flag(plan, "-full-screen");
    plan_text(plan, "-display", "sdl%s",
              graphics->gl == TRISTATE_ON    ? ",gl=on"
              : graphics->gl == TRISTATE_OFF ? ",gl=off"
                                             : "");
}

bool plan_graphics(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const GraphicsDef *graphics = def;
    switch (graphics->type) {
    case GRAPHICS_VNC:
        return plan_vnc(c, graphics, plan, err);
    case GRAPHICS_SPICE:
        return plan_spice(c, graphics, plan, err);
    case GRAPHICS_DBUS:
        plan_dbus(c, graphics, plan);
        return true;
    case GRAPHICS_SDL:
        plan_sdl(graphics, plan);
        return true;
    case GRAPHICS_EGL_HEADLESS: {
        g_autoptr(GString) out = g_string_new("egl-headless");
        append_rendernode(out, graphics);
        plan_text(plan, "-display", "%s", out->str);
        return true;
    }
    default:
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "%s graphics are not supported with this QEMU",
                         enum_name(&graphics_type_names, graphics->type));
    }
}

static const char *video_driver(const VideoDef *video, bool primary)
{
    static const char *const drivers[VIDEO_MODEL_COUNT][2] = {
        [VIDEO_VGA] = { "VGA", "VGA" },
        [VIDEO_CIRRUS] = { "cirrus-vga", "cirrus-vga" },
        [VIDEO_VMVGA] = { "vmware-svga", "vmware-svga" },
        [VIDEO_QXL] = { "qxl", "qxl-vga" },
        [VIDEO_VIRTIO] = { "virtio-gpu-pci", "virtio-vga" },
        [VIDEO_BOCHS] = { "bochs-display", "bochs-display" },
        [VIDEO_RAMFB] = { "ramfb", "ramfb" },
    };
    if (video->model == VIDEO_VIRTIO && video->accel3d == TRISTATE_ON)
        return primary ? "virtio-vga-gl" : "virtio-gpu-gl-pci";
    return drivers[video->model][primary];
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

bool plan_video(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const VideoDef *video = def;
    if (video->model == VIDEO_NONE)
        return true;
    const bool primary = video->primary == TRISTATE_ON || video == g_ptr_array_index(c->def->videos, 0);
    const char *driver = video_driver(video, primary);
    if (!driver)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "video model '%s' is not supported by this version",
                         enum_name(&video_model_names, video->model));
    if (video->driver == VIDEO_DRIVER_VHOSTUSER)
        return error_set(err, ERROR_OPERATION_FAILED, "Unable to find a satisfying vhost-user-gpu");
    Json *device = device_new(driver);
    prop_str(device, "id", video->info.alias);
    if ((video->model == VIDEO_QXL || video->model == VIDEO_VIRTIO) && video->heads)
        prop_uint(device, "max_outputs", video->heads);
    prop_video_memory(device, video);
    if (video->model == VIDEO_VIRTIO) {
        prop_virtio(device, &video->virtio);
        prop_tristate(device, "blob", video->blob);
    }
    if (video->width && video->height) {
        prop_uint(device, "xres", video->width);
        prop_uint(device, "yres", video->height);
    }
    return add_device(c, plan, device, &video->info, err);
}

static const char *const sound_drivers[SOUND_MODEL_COUNT] = {
    [SOUND_SB16] = "sb16",      [SOUND_ES1370] = "ES1370",       [SOUND_AC97] = "AC97",
    [SOUND_ICH6] = "intel-hda", [SOUND_ICH9] = "ich9-intel-hda", [SOUND_USB] = "usb-audio",
};

static const char *codec_driver(CodecType type)
{
    return type == CODEC_MICRO ? "hda-micro" : type == CODEC_OUTPUT ? "hda-output" : "hda-duplex";
}

static bool plan_codec(const PlanContext *c, const SoundDef *sound, unsigned index, CodecType type,
                       Plan *plan, Error **err)
{
    Json *codec = device_new(codec_driver(type));
    prop_format(codec, "id", "%s-codec%u", sound->info.alias, index);
    prop_format(codec, "bus", "%s.0", sound->info.alias);
    prop_uint(codec, "cad", index);
    prop_format(codec, "audiodev", "audio%u", audio_id(sound->audio_id));
    return add_device(c, plan, codec, NULL, err);
}

bool plan_sound(const PlanContext *c, const void *def, Plan *plan, Error **err)
{
    const SoundDef *sound = def;
    if (sound->model == SOUND_PCSPK)
        return true; /* part of the board: see -machine */
    const char *driver = sound_drivers[sound->model];
    if (!driver)
        return error_set(err, ERROR_CONFIG_UNSUPPORTED, "sound card model '%s' is not supported by qemu",
                         enum_name(&sound_model_names, sound->model));
    Json *device = device_new(driver);
    bool has_codecs = sound->model == SOUND_ICH6 || sound->model == SOUND_ICH9;
    prop_str(device, "id", sound->info.alias);
    if (!has_codecs)
        prop_format(device, "audiodev", "audio%u", audio_id(sound->audio_id));
    if (!add_device(c, plan, device, &sound->info, err))
        return false;
    unsigned index = 0;
    for (DEF_EACH(SoundCodec, codec, has_codecs ? sound->codecs : NULL)) {
        if (!plan_codec(c, sound, index++, codec->type, plan, err))
            return false;
    }
    return !has_codecs || index || plan_codec(c, sound, 0, CODEC_DUPLEX, plan, err);
}
