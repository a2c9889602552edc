/* Consoles, channels, screenshots, display sockets.
 *
 * A console has at most one client. We open QEMU's pty (or socket) for it and hand over the descriptor as a
 * stream; who holds which device is kept in the run, so that a second client is refused or, with FORCE, takes
 * over. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "console"
#include "machine/vm_console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "base/socket.h"
#include "machine/vm_console_log.h"
#include "machine/vm_private.h"

#define PTY_PREFIX "/dev/pts/"

static void vm_console_free(VmConsole *console)
{
    g_free(console->alias);
    vm_unref(console->vm);
    g_free(console);
}

/* The front end has let go. */
static void console_on_close(void *arg, bool finished)
{
    VmConsole *console = arg;
    Vm *vm = console->vm;

    if (vm->run)
        (void)g_ptr_array_remove(vm->run->consoles, console);
    vm_console_free(console);
}

void vm_consoles_close(VmRun *run)
{
    /* Ending a stream may make the front end close it at once, which takes it out of the list. */
    while (run->consoles->len > 0) {
        VmConsole *console = g_ptr_array_remove_index(run->consoles, run->consoles->len - 1);
        stream_kill(console->stream, NULL);
    }
}

static bool console_claim(Vm *vm, bool is_channel, const char *alias, bool force, Error **err)
{
    for (guint i = 0; i < vm->run->consoles->len; i++) {
        VmConsole *console = g_ptr_array_index(vm->run->consoles, i);
        if (strcmp(console->alias, alias) != 0)
            continue;
        if (!force) {
            error_set(err, ERROR_OPERATION_FAILED,
                      is_channel ? "Active channel stream exists for this domain"
                                 : "Active console session exists for this domain");
            return error_hint(err, "the flag 'force' ends that session and takes over");
        }
        (void)g_ptr_array_remove_index(vm->run->consoles, i);
        stream_kill(console->stream,
                    error_new(ERROR_OPERATION_FAILED, "another client took this console over"));
        return true;
    }
    return true;
}

static bool char_open(CharType type, const char *path, int *ret_fd, Error **err)
{
    if (type == CHAR_UNIX)
        return socket_connect_unix_trusted(path, 2000, ret_fd, err);
    /* The path is what QEMU told: a compromised one must not make us open something else. */
    if (!g_str_has_prefix(path, PTY_PREFIX) || strchr(path + strlen(PTY_PREFIX), '/'))
        return error_set(err, ERROR_INTERNAL, "'%s' is not a pty", path);
    const int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_set_errno(err, errno, "Unable to open character device '%s'", path);
    *ret_fd = fd;
    return true;
}

/* Copies what it needs of @device: opening a socket waits, and the device may be unplugged meanwhile. */
static bool console_open(Vm *vm, const CharDef *device, bool force, Stream **ret_stream, Error **err)
{
    const uint64_t serial = vm->run->serial;
    const bool is_channel = device->class == CHAR_CLASS_CHANNEL;
    g_autofree char *alias = g_strdup(device->info.alias ? device->info.alias : "console");
    g_autofree char *path = g_strdup(device->source.path);
    AUTO_FD fd = -1;

    if (!console_claim(vm, is_channel, alias, force, err) || !char_open(device->source.type, path, &fd, err))
        return false;
    if (!vm->run || vm->run->serial != serial || vm->run->stopping)
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    if (!console_claim(vm, is_channel, alias, force, err))
        return false;
    VmConsole *console = g_new0(VmConsole, 1);
    console->alias = g_steal_pointer(&alias);
    console->vm = vm_ref(vm);
    console->stream = stream_new(fd_steal(&fd), STREAM_BOTH, console_on_close, console);
    g_ptr_array_add(vm->run->consoles, console);
    *ret_stream = console->stream;
    return true;
}

static CharDef *find_in(const GPtrArray *list, const char *alias)
{
    for (DEF_EACH(CharDef, device, list)) {
        if (!alias || (device->info.alias && strcmp(device->info.alias, alias) == 0))
            return device;
    }
    return NULL;
}

/* The device behind a name; the first console or serial port for NULL. */
static CharDef *console_find(const DomainDef *live, const char *alias)
{
    CharDef *device = find_in(live->consoles, alias);
    unsigned number = 0;
    char rest = 0;

    /* The first console goes by the alias of the serial port that it is, but people count consoles. */
    if (!device && alias && sscanf(alias, "console%u%c", &number, &rest) == 1 &&
        number < def_list_len(live->consoles))
        device = g_ptr_array_index(live->consoles, number);
    if (device && device->target_type == CHAR_TARGET_SERIAL && def_list_len(live->serials) > 0)
        device = g_ptr_array_index(live->serials, 0);
    if (!device)
        device = find_in(live->serials, alias);
    if (!device && alias)
        device = find_in(live->parallels, alias);
    return device;
}

bool vm_open_console(Vm *vm, const char *device_name, unsigned flags, const Caller *caller,
                     Stream **ret_stream, Error **err)
{
    if (!check_flags(flags, VIR_DOMAIN_CONSOLE_FORCE | VIR_DOMAIN_CONSOLE_SAFE, "qemuDomainOpenConsole",
                     err) ||
        !vm_require_running(vm, err))
        return false;
    if (!vm->run || !vm->live)
        return error_set(err, ERROR_INVALID_STATE, "domain is not running");
    const CharDef *device = console_find(vm->live, device_name);
    if (!device)
        return error_set(err, ERROR_INTERNAL, "cannot find character device %s",
                         device_name ? device_name : "<default>");
    if (device->source.type != CHAR_PTY && device->source.type != CHAR_UNIX)
        return error_set(err, ERROR_INTERNAL, "character device %s is not using a PTY or UNIX socket",
                         device->info.alias ? device->info.alias : "<default>");
    if (!device->source.path)
        return error_set(err, ERROR_INVALID_STATE, "character device '%s' is not ready yet",
                         device->info.alias);
    return console_open(vm, device, flags & VIR_DOMAIN_CONSOLE_FORCE, ret_stream, err);
}

GBytes *vm_console_backlog(const Vm *vm, const char *device_name)
{
    const CharDef *device = vm->run && vm->live ? console_find(vm->live, device_name) : NULL;

    return device && device->info.alias ? vm_console_log_read(vm->run, device->info.alias) : NULL;
}

bool vm_open_channel(Vm *vm, const char *name, unsigned flags, const Caller *caller, Stream **ret_stream,
                     Error **err)
{
    const CharDef *found = NULL;

    if (!check_flags(flags, VIR_DOMAIN_CHANNEL_FORCE, "qemuDomainOpenChannel", err) ||
        !vm_require_running(vm, err))
        return false;
    for (DEF_EACH(CharDef, channel, vm->live->channels)) {
        if (!name || (channel->target_name && strcmp(channel->target_name, name) == 0) ||
            (channel->info.alias && strcmp(channel->info.alias, name) == 0)) {
            found = channel;
            break;
        }
    }
    if (!found)
        return error_set(err, ERROR_INTERNAL, "cannot find channel %s", name ? name : "<default>");
    if (found->source.type != CHAR_UNIX || !found->source.path)
        return error_set(err, ERROR_INTERNAL, "channel %s is not using a UNIX socket",
                         name ? name : "<default>");
    return console_open(vm, found, flags & VIR_DOMAIN_CHANNEL_FORCE, ret_stream, err);
}

/* ---- screenshots ---- */

/* The card that shows @screen, counted over all heads of all cards; *io_screen becomes the head on it. NULL.
 */
static const VideoDef *screen_find(const DomainDef *live, unsigned *io_screen)
{
    for (DEF_EACH(VideoDef, video, live->videos)) {
        const unsigned heads = MAX(video->heads, 1);
        if (video->model == VIDEO_NONE)
            continue;
        if (*io_screen < heads)
            return video;
        *io_screen -= heads;
    }
    return NULL;
}

/* Into a file in memory, which QEMU must have open for writing only: nobody else can reach it. */
static bool screenshot_take(Vm *vm, const char *alias, unsigned head, bool png, int *ret_fd, Error **err)
{
    AUTO_FD fd = memfd_create("screenshot", MFD_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    AUTO_FD write_fd = fd < 0 ? -1 : open(path, O_WRONLY | O_CLOEXEC);

    if (write_fd < 0)
        return error_set_errno(err, errno, "cannot make a file for a screenshot");
    if (!monitor_screendump(vm_monitor(vm), write_fd, alias, head, png, 0, err))
        return false;
    *ret_fd = fd_steal(&fd);
    return true;
}

bool vm_screenshot(Vm *vm, unsigned screen, unsigned flags, const Caller *caller, Stream **ret_stream,
                   char **ret_mime, Error **err)
{
    g_auto(Job) job = { 0 };
    g_autoptr(Error) why = NULL;
    int fd = -1;

    if (!check_flags(flags, 0, "qemuDomainScreenshot", err) || !vm_require_running(vm, err) ||
        !job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !vm_require_monitor(vm, err))
        return false;
    if (def_list_len(vm->live->videos) == 0)
        return error_set(err, ERROR_INVALID_STATE, "no screens to take screenshot from");
    /* The first screen needs no name: it is what QEMU shows by itself. */
    const bool is_first = screen == 0;
    const VideoDef *video = screen_find(vm->live, &screen);
    if (!video)
        return error_set(err, ERROR_INVALID_STATE, "no such screen ID");
    g_autofree char *alias = is_first ? NULL : g_strdup(video->info.alias);

    bool png = true;
    if (!screenshot_take(vm, alias, screen, png, &fd, &why)) {
        if (error_code(why) != ERROR_REFUSED || !vm_require_monitor(vm, NULL))
            return error_propagate(err, g_steal_pointer(&why));
        /* Before QEMU 7.1 there is only PPM. */
        png = false;
        if (!screenshot_take(vm, alias, screen, png, &fd, err))
            return false;
    }
    *ret_mime = g_strdup(png ? "image/png" : "image/x-portable-pixmap");
    *ret_stream = stream_new(fd, STREAM_TO_CLIENT, NULL, NULL);
    return true;
}

/* ---- displays ---- */

bool vm_open_graphics(Vm *vm, unsigned index, int fd, unsigned flags, const Caller *caller, Error **err)
{
    g_auto(Job) job = { 0 };

    if (!check_flags(flags, VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH, "qemuDomainOpenGraphics", err) ||
        !job_begin(&vm->object, JOB_MODIFY, caller, &job, err) || !vm_require_monitor(vm, err))
        return false;
    if (index >= def_list_len(vm->live->graphics))
        return error_set(err, ERROR_INTERNAL, "No graphics backend with index %u", index);
    const GraphicsDef *graphics = g_ptr_array_index(vm->live->graphics, index);
    const bool is_vnc = graphics->type == GRAPHICS_VNC;
    if (!is_vnc && graphics->type != GRAPHICS_SPICE)
        return error_set(err, ERROR_INTERNAL, "Can only open VNC or SPICE graphics backends, not %s",
                         enum_name(&graphics_type_names, graphics->type));
    if (!monitor_add_client(vm_monitor(vm), is_vnc ? "vnc" : "spice", fd,
                            flags & VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH, 0, err))
        return false;
    (void)close(fd); /* QEMU has its own copy now */
    return true;
}
