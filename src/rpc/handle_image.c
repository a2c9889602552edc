/* Images by hand: calls of Lodge's own program. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/convert.h"
#include "rpc/handlers.h"
#include "storage/image_ops.h"
#include "wire/wire_enums.h"

/* Those that run, by the number that their client chose; loop thread only. */
static GHashTable *running; /* token -> ImageProgress */

typedef struct ImageProgress {
    uint64_t token, client_id;
    unsigned per_mille;
} ImageProgress;

static void image_on_progress(void *arg, unsigned per_mille)
{
    ((ImageProgress *)arg)->per_mille = per_mille;
}

RPC_HANDLER(lodge_image_info)
{
    return rpc_check_flags(call, args->flags, LODGE_IMAGE_INFO_TO_WRITE, err) &&
           image_describe(call->host, args->image, args->format,
                          args->flags & LODGE_IMAGE_INFO_TO_WRITE ? "write to" : NULL, &ret->json, err);
}

RPC_HANDLER(lodge_image_run)
{
    ImageProgress progress = { .token = args->token, .client_id = rpc_caller(call)->client_id };
    const ImageOrder order = { .operation = args->operation,
                               .image = args->image,
                               .format = args->format,
                               .other = args->other,
                               .other_format = args->other_format,
                               .text = args->text,
                               .options = args->options,
                               .n_options = args->n_options,
                               .on_progress = image_on_progress,
                               .arg = &progress };

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    if (!running)
        running = g_hash_table_new(g_int64_hash, g_int64_equal);
    if (g_hash_table_contains(running, &progress.token))
        return error_set(err, ERROR_INVALID_ARGUMENT, "the token of this operation is in use");
    g_hash_table_insert(running, &progress.token, &progress);
    const bool ok = image_order_run(call->host, &order, rpc_caller(call), &ret->status, &ret->output, err);
    g_hash_table_remove(running, &progress.token);
    return ok;
}

RPC_HANDLER(lodge_image_progress)
{
    const ImageProgress *progress = running ? g_hash_table_lookup(running, &args->token) : NULL;

    if (!rpc_check_flags(call, args->flags, 0, err))
        return false;
    if (progress && progress->client_id == rpc_caller(call)->client_id)
        ret->per_mille = progress->per_mille;
    return true;
}

const RpcEntry rpc_entries_image[] = {
    RPC_ENTRY(lodge_image_info),
    RPC_ENTRY_CANCELLABLE(lodge_image_run),
    RPC_ENTRY(lodge_image_progress),
    { 0 },
};
