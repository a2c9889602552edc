/* What rows cannot say of an option: each takes the words that mean more than one place. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "install/option.h"

typedef bool OptionApply(Install *install, xmlNode *node, InstallWords *words, Error **err);

/* of the machine (option_guest.c) */
OptionApply apply_metadata, apply_memory, apply_vcpus, apply_cpu, apply_boot, apply_features, apply_clock,
    apply_sysinfo, apply_launch_security;
/* of devices (option_device.c, option_disk.c) */
OptionApply apply_disk, apply_network, apply_graphics, apply_controller, apply_input, apply_char,
    apply_channel, apply_hostdev, apply_filesystem, apply_sound, apply_watchdog, apply_smartcard,
    apply_redirdev, apply_tpm, apply_rng, apply_panic, apply_memdev, apply_vsock, apply_video;

/* Those whose value is no list of words. */
MUST_CHECK bool take_xml(Install *install, const char *text, Error **err);
MUST_CHECK bool take_qemu_commandline(Install *install, const char *text, Error **err);

/* What "--controller usb2" stands for, made of its first element. */
void add_usb2(xmlNode *first);
