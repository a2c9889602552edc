/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/image_call.h"

#include "cli/lodge_call.h"
#include "cli/progress.h"

#define PROGRESS_MS 250

/* Another fiber asks while the first waits. */

typedef struct ImageWatch {
    Cli *cli;
    uint64_t token;
    CliProgress progress;
} ImageWatch;

static void watch_fiber(void *arg)
{
    ImageWatch *watch = arg;
    const WireLodgeImageProgressArgs args = { .token = watch->token };

    while (fiber_sleep(PROGRESS_MS, NULL)) {
        WireLodgeImageProgressRet ret = { 0 };
        if (!wire_call(watch->cli->client, WIRE_PROGRAM_LODGE, LODGE_PROC_IMAGE_PROGRESS, &args, &ret, 5000,
                       NULL))
            return;
        progress_update(&watch->progress, ret.per_mille);
    }
}

bool image_call(Cli *cli, const char *label, WireLodgeImageRunArgs *call, WireLodgeImageRunRet *ret,
                Error **err)
{
    ImageWatch watch = { .cli = cli, .token = ((uint64_t)g_random_int() << 32) | g_random_int() };

    call->token = watch.token;
    progress_begin(&watch.progress, cli, label, 1000, false);
    g_autoptr(Fiber) fiber =
        watch.progress.is_shown ? fiber_ref(fiber_spawn_or_abort("progress", watch_fiber, &watch)) : NULL;
    /* What changes an image in its place runs to its end. */
    const bool ok = call->other ? lodge_call_settled(cli, LODGE_PROC_IMAGE_RUN, call, ret, err)
                                : lodge_call(cli, LODGE_PROC_IMAGE_RUN, call, ret, WIRE_NO_TIMEOUT, err);
    if (fiber) {
        fiber_cancel(fiber);
        (void)!fiber_join(fiber, WIRE_NO_TIMEOUT, NULL);
    }
    progress_end(&watch.progress);
    return ok;
}

bool image_convert(Cli *cli, const char *from, const char *format, const char *to, const char *to_format,
                   Error **err)
{
    WireLodgeImageRunArgs call = { .operation = (char *)"convert",
                                   .image = (char *)from,
                                   .format = (char *)format,
                                   .other = (char *)to,
                                   .other_format = (char *)to_format };
    g_auto(WireLodgeImageRunRet) ret = { 0 };

    if (!image_call(cli, to, &call, &ret, err))
        return false;
    return ret.status == 0 || error_set(err, ERROR_OPERATION_FAILED, "%s", g_strstrip(ret.output));
}
