/* The frequency of a guest's time stamp counter. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/cpu_tsc.h"

#include <inttypes.h>

#define TOLERANCE_PPM 250

bool cpu_check_tsc(const CpuHost *host, uint64_t wanted_hz, Error **err)
{
    const uint64_t tolerance = host->tsc_hz / 1000000 * TOLERANCE_PPM;

    if (wanted_hz == 0 || host->tsc_hz == 0 || host->tsc_scaling ||
        (wanted_hz >= host->tsc_hz - tolerance && wanted_hz <= host->tsc_hz + tolerance))
        return true;
    return error_set(err, ERROR_CONFIG_UNSUPPORTED,
                     "Requested TSC frequency %" PRIu64 " Hz is outside tolerance range ([%" PRIu64
                     ", %" PRIu64 "] Hz) around host frequency %" PRIu64
                     " Hz and TSC scaling is not supported by the host CPU",
                     wanted_hz, host->tsc_hz - tolerance, host->tsc_hz + tolerance, host->tsc_hz);
}
