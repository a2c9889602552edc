/* libnbd, one request at a time: threads with a connection each keep several in flight. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backup/nbd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define STEP_MS 500
#define QUIET_MS 120000 /* a server that needs longer for one request is not there */
#define LOOK_MAX (UINT64_C(1) << 30)
#define CLEAR_MAX (UINT64_C(1) << 28)
#define ALLOCATION "base:allocation"

struct Nbd {
    struct nbd_handle *handle;
    char *name, *bitmap;
    WorkProgress *progress;
    uint64_t size;
    bool has_allocation, has_bitmap;
};

/* What went wrong last in this thread. */
static bool fail(const Nbd *nbd, const char *doing, Error **err)
{
    const char *why = nbd_get_error();
    const int number = nbd_get_errno();

    if (number == ENOSPC)
        return error_set_errno(err, number, "%s", doing);
    return error_set(err, ERROR_OPERATION_FAILED, "%s: %s", doing, why ? why : "the server gave no reason");
}

bool nbd_open(const NbdPlace *place, WorkProgress *progress, Nbd **ret_nbd, Error **err)
{
    g_autoptr(Nbd) nbd = g_new0(Nbd, 1);
    g_autofree char *doing =
        g_strdup_printf("cannot open export '%s' on socket '%s'", place->export, place->socket);

    nbd->progress = progress;
    nbd->bitmap = g_strdup(place->bitmap);
    nbd->handle = nbd_create();
    if (!nbd->handle || nbd_set_export_name(nbd->handle, place->export) < 0 ||
        nbd_add_meta_context(nbd->handle, ALLOCATION) < 0 ||
        (place->bitmap && nbd_add_meta_context(nbd->handle, place->bitmap) < 0) ||
        nbd_connect_unix(nbd->handle, place->socket) < 0)
        return fail(nbd, doing, err);
    const int64_t size = nbd_get_size(nbd->handle);
    if (size < 0)
        return fail(nbd, doing, err);
    nbd->size = (uint64_t)size;
    nbd->has_allocation = nbd_can_meta_context(nbd->handle, ALLOCATION) == 1;
    nbd->has_bitmap = place->bitmap && nbd_can_meta_context(nbd->handle, place->bitmap) == 1;
    *ret_nbd = g_steal_pointer(&nbd);
    return true;
}

void nbd_free(Nbd *nbd)
{
    if (!nbd)
        return;
    if (nbd->handle && nbd_aio_is_ready(nbd->handle))
        (void)nbd_aio_disconnect(nbd->handle, 0); /* a word of farewell; nothing waits for it */
    nbd_close(nbd->handle);
    g_free(nbd->bitmap);
    g_free(nbd);
}

uint64_t nbd_size(const Nbd *nbd)
{
    return nbd->size;
}

bool nbd_has_bitmap(const Nbd *nbd)
{
    return nbd->has_bitmap;
}

static bool await(Nbd *nbd, int64_t cookie, const char *doing, Error **err)
{
    const int64_t begun_us = g_get_monotonic_time();
    int done = 0;

    if (cookie < 0)
        return fail(nbd, doing, err);
    while ((done = nbd_aio_command_completed(nbd->handle, cookie)) == 0) {
        if (work_is_cancelled(nbd->progress))
            return error_set(err, ERROR_CANCELLED, "it was cancelled");
        if (g_get_monotonic_time() - begun_us > QUIET_MS * INT64_C(1000))
            return error_set(err, ERROR_TIMEOUT, "%s: the server does not answer", doing);
        if (nbd_poll(nbd->handle, STEP_MS) < 0)
            return fail(nbd, doing, err);
    }
    return done > 0 || fail(nbd, doing, err);
}

bool nbd_read(Nbd *nbd, void *data, size_t len, uint64_t offset, Error **err)
{
    return await(nbd, nbd_aio_pread(nbd->handle, data, len, offset, NBD_NULL_COMPLETION, 0), "cannot read",
                 err);
}

bool nbd_write(Nbd *nbd, const void *data, size_t len, uint64_t offset, Error **err)
{
    return await(nbd, nbd_aio_pwrite(nbd->handle, data, len, offset, NBD_NULL_COMPLETION, 0), "cannot write",
                 err);
}

bool nbd_clear(Nbd *nbd, uint64_t len, uint64_t offset, Error **err)
{
    for (uint64_t n = 0; len; len -= n, offset += n) {
        n = MIN(len, CLEAR_MAX);
        if (!await(nbd, nbd_aio_zero(nbd->handle, n, offset, NBD_NULL_COMPLETION, 0), "cannot write zeroes",
                   err))
            return false;
    }
    return true;
}

bool nbd_sync(Nbd *nbd, Error **err)
{
    return nbd_can_flush(nbd->handle) <= 0 ||
           await(nbd, nbd_aio_flush(nbd->handle, NBD_NULL_COMPLETION, 0), "cannot write what is left", err);
}

/* ---- what is where ---- */

typedef struct Look {
    const char *context;
    unsigned flag;
    uint64_t offset, end, grain; /* of all that is looked at */
    uint64_t at;                 /* how far we are */
    uint8_t *flags;
    bool is_wrong;
} Look;

static int take_extents(void *data, const char *context, uint64_t offset, uint32_t *pairs, size_t n,
                        int *error)
{
    Look *look = data;

    if (strcmp(context, look->context) != 0)
        return 0;
    if (offset != look->at) {
        look->is_wrong = true;
        return 0;
    }
    for (size_t i = 0; i + 1 < n && look->at < look->end; i += 2) {
        const uint64_t to = MIN(look->at + pairs[i], look->end);
        const bool is_zero = pairs[i + 1] & LIBNBD_STATE_ZERO;
        const bool counts = look->flag == NBD_IS_DATA ? !is_zero : (pairs[i + 1] & 1) != 0;
        for (uint64_t grain = (look->at - look->offset) / look->grain;
             counts && look->at < to && grain <= (to - 1 - look->offset) / look->grain; grain++)
            look->flags[grain] |= (uint8_t)look->flag;
        look->at = to;
    }
    return 0;
}

static bool look_at(Nbd *nbd, Look *look, Error **err)
{
    while (look->at < look->end) {
        const uint64_t before = look->at;
        nbd_extent_callback callback = { .callback = take_extents, .user_data = look };
        const uint64_t len = MIN(look->end - look->at, LOOK_MAX);
        if (!await(nbd, nbd_aio_block_status(nbd->handle, len, look->at, callback, NBD_NULL_COMPLETION, 0),
                   "cannot ask what is where", err))
            return false;
        if (look->is_wrong || look->at <= before)
            return error_set(err, ERROR_OPERATION_FAILED,
                             "the server's answer about offset %" PRIu64 " makes no sense", before);
    }
    return true;
}

bool nbd_look(Nbd *nbd, uint64_t offset, uint64_t len, uint64_t grain, uint8_t *ret_flags, Error **err)
{
    Look look = { .context = ALLOCATION,
                  .flag = NBD_IS_DATA,
                  .offset = offset,
                  .end = offset + len,
                  .grain = grain,
                  .at = offset,
                  .flags = ret_flags };
    const uint64_t n = len / grain + (len % grain != 0);
    const uint8_t known =
        (uint8_t)((nbd->has_allocation ? 0 : NBD_IS_DATA) | (nbd->has_bitmap ? 0 : NBD_IS_DIRTY));

    memset(ret_flags, known, n);
    if (nbd->has_allocation && !look_at(nbd, &look, err))
        return false;
    look.context = nbd->bitmap;
    look.flag = NBD_IS_DIRTY;
    look.at = offset;
    return !nbd->has_bitmap || look_at(nbd, &look, err);
}
