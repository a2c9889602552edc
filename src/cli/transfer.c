/* The content of volumes, in and out. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/transfer.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/progress.h"
#include "wire/frame.h"

#define PIECE_BYTES ((size_t)WIRE_STREAM_CHUNK * 4)

/* One side of a transfer. */
typedef struct Transfer {
    Cli *cli;
    const char *path; /* of the local file */
    int fd;           /* borrowed */
    uint64_t size;    /* of the local file, if it is being read */
    uint64_t done;
    bool sparse;
    uint64_t data_end; /* up to there is data: to find that out, a file in memory is walked page by page */
    WireStream *stream;
    CliProgress progress;
} Transfer;

static void transfer_clear(Transfer *transfer)
{
    progress_end(&transfer->progress);
    wire_stream_free(transfer->stream);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Transfer, transfer_clear)

static bool transfer_local_failed(const Transfer *transfer, const char *what, Error **err)
{
    return error_set_errno(err, errno, "cannot %s '%s'", what, transfer->path);
}

/* Skips a hole at the place, telling the server. */
static bool transfer_send_hole(Transfer *transfer, Error **err)
{
    if (transfer->done < transfer->data_end)
        return true;
    off_t data = lseek(transfer->fd, (off_t)transfer->done, SEEK_DATA);

    if (data < 0)
        data = errno == ENXIO ? (off_t)transfer->size : (off_t)transfer->done;
    const off_t hole = lseek(transfer->fd, data, SEEK_HOLE);
    transfer->data_end = hole > data ? (uint64_t)hole : transfer->size;
    if (data <= (off_t)transfer->done)
        return true;
    if (!wire_stream_send_hole(transfer->stream, (uint64_t)data - transfer->done, WIRE_NO_TIMEOUT, err))
        return false;
    transfer->done = (uint64_t)data;
    return true;
}

/* How much data lies at the place, at most a piece. */
static size_t transfer_next_len(const Transfer *transfer, uint64_t limit)
{
    const uint64_t len = MIN(limit - transfer->done, PIECE_BYTES);

    return (size_t)(transfer->done < transfer->data_end ? MIN(len, transfer->data_end - transfer->done)
                                                        : len);
}

static bool transfer_send_all(Transfer *transfer, uint64_t limit, Error **err)
{
    g_autofree uint8_t *buffer = g_malloc(PIECE_BYTES);

    while (transfer->done < limit) {
        if (transfer->sparse && !transfer_send_hole(transfer, err))
            return false;
        if (transfer->done >= limit)
            break;
        const ssize_t got = transfer->sparse ? pread(transfer->fd, buffer, transfer_next_len(transfer, limit),
                                                     (off_t)transfer->done)
                                             : read(transfer->fd, buffer, transfer_next_len(transfer, limit));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return transfer_local_failed(transfer, "read", err);
        if (got == 0)
            break;
        if (!wire_stream_send(transfer->stream, buffer, (size_t)got, WIRE_NO_TIMEOUT, err))
            return false;
        transfer->done += (uint64_t)got;
        progress_update(&transfer->progress, transfer->done);
    }
    return true;
}

bool transfer_upload(Cli *cli, const WireStorageVolUploadArgs *call, int fd, const char *path, Error **err)
{
    g_auto(Transfer) transfer = { .cli = cli, .path = path, .fd = fd };
    struct stat st;

    if (fstat(fd, &st) < 0)
        return transfer_local_failed(&transfer, "read", err);
    transfer.size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    transfer.sparse = call->flags && S_ISREG(st.st_mode);
    const uint64_t limit = call->length ? call->length : transfer.sparse ? transfer.size : UINT64_MAX;
    progress_begin(&transfer.progress, cli, call->vol.name, MIN(limit, transfer.size), true);
    return wire_call_stream(cli->client, WIRE_PROGRAM_REMOTE, PROC_STORAGE_VOL_UPLOAD, call, NULL,
                            WIRE_NO_TIMEOUT, &transfer.stream, err) &&
           transfer_send_all(&transfer, limit, err) &&
           wire_stream_finish(transfer.stream, WIRE_NO_TIMEOUT, err);
}

static bool transfer_write(Transfer *transfer, const uint8_t *data, size_t len, Error **err)
{
    return file_write_all(transfer->fd, data, len) || transfer_local_failed(transfer, "write", err);
}

/* A hole of a file that was emptied; what cannot be left out is written. */
static bool transfer_skip(Transfer *transfer, uint64_t bytes, Error **err)
{
    static const uint8_t zeros[65536];

    if (lseek(transfer->fd, (off_t)bytes, SEEK_CUR) >= 0)
        return true;
    for (; bytes > 0; bytes -= MIN(bytes, sizeof(zeros)))
        if (!transfer_write(transfer, zeros, (size_t)MIN(bytes, sizeof(zeros)), err))
            return false;
    return true;
}

static bool transfer_receive_all(Transfer *transfer, Error **err)
{
    for (;;) {
        WirePiece piece = { 0 };
        if (!wire_stream_receive(transfer->stream, WIRE_NO_TIMEOUT, &piece, err))
            return false;
        g_autofree uint8_t *data = piece.data.data;
        if (piece.at_end)
            break;
        if (piece.hole_bytes ? !transfer_skip(transfer, piece.hole_bytes, err)
                             : !transfer_write(transfer, data, piece.data.len, err))
            return false;
        transfer->done += piece.hole_bytes + piece.data.len;
        progress_update(&transfer->progress, transfer->done);
    }
    /* A hole at the end. */
    struct stat st;
    const off_t end = lseek(transfer->fd, 0, SEEK_CUR);
    if (end > 0 && fstat(transfer->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < end &&
        ftruncate(transfer->fd, end) < 0)
        return transfer_local_failed(transfer, "write", err);
    return true;
}

/* What will come, for the bar. */
static uint64_t download_size(Cli *cli, const WireStorageVolDownloadArgs *call)
{
    WireStorageVolGetInfoFlagsArgs args = { .vol = call->vol, .flags = VIR_STORAGE_VOL_GET_PHYSICAL };
    g_auto(WireStorageVolGetInfoFlagsRet) ret = { 0 };

    if (call->length)
        return call->length;
    if (!cli_call(cli, PROC_STORAGE_VOL_GET_INFO_FLAGS, &args, &ret, NULL))
        return 0;
    return ret.allocation > call->offset ? ret.allocation - call->offset : 0;
}

bool transfer_download(Cli *cli, const WireStorageVolDownloadArgs *call, int fd, const char *path,
                       Error **err)
{
    g_auto(Transfer) transfer = { .cli = cli, .path = path, .fd = fd };

    progress_begin(&transfer.progress, cli, call->vol.name, download_size(cli, call), true);
    return wire_call_stream(cli->client, WIRE_PROGRAM_REMOTE, PROC_STORAGE_VOL_DOWNLOAD, call, NULL,
                            WIRE_NO_TIMEOUT, &transfer.stream, err) &&
           transfer_receive_all(&transfer, err) && wire_stream_finish(transfer.stream, WIRE_NO_TIMEOUT, err);
}
