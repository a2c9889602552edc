/* Whether a guest can have the time stamp counter that its document asks for. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/cpu.h"

/* A processor that cannot scale its counter gives its own frequency, or one that nobody can tell from it:
 * within 250 parts per million. Unknown frequencies pass: KVM will say. ERROR_CONFIG_UNSUPPORTED */
MUST_CHECK bool cpu_check_tsc(const CpuHost *host, uint64_t wanted_hz, Error **err);
