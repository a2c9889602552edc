/* What connects a person with the guest: consoles, channels, screenshots. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/stream.h"
#include "machine/vm.h"

/* @device alias, NULL: the first console or serial. flags: FORCE 1 (ends the holder's stream), SAFE 2 (refuse
 * when held; also refused without SAFE while somebody holds it: ERROR_OPERATION_FAILED). */
AWAITS MUST_CHECK bool vm_open_console(Vm *vm, const char *device, unsigned flags, const Caller *caller,
                                       Stream **ret_stream, Error **err);
/* What @device (as above) printed lately, since the machine was started; also before this daemon was. NULL:
 * nothing is known. New reference; never waits. */
GBytes *vm_console_backlog(const Vm *vm, const char *device);
/* @name: target name of a channel, NULL: the first. */
AWAITS MUST_CHECK bool vm_open_channel(Vm *vm, const char *name, unsigned flags, const Caller *caller,
                                       Stream **ret_stream, Error **err);
/* *ret_mime owned: "image/png" or "image/x-portable-pixmap", what QEMU can do. */
AWAITS MUST_CHECK bool vm_screenshot(Vm *vm, unsigned screen, unsigned flags, const Caller *caller,
                                     Stream **ret_stream, char **ret_mime, Error **err);
/* A client's socket becomes a VNC or SPICE connection. @fd owned on success. */
AWAITS MUST_CHECK bool vm_open_graphics(Vm *vm, unsigned index, int fd, unsigned flags, const Caller *caller,
                                        Error **err);
