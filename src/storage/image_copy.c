/* Moving plain bytes between files and devices.
 *
 * A worker does a piece of at most IMAGE_PIECE_BYTES, then the fiber looks whether somebody cancelled it. So
 * a copy may take hours, and still ends soon after the client has left or the storage has died. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storage/image_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fiber.h"

#define BUFFER_BYTES ((size_t)1 << 20)
#define ZERO_BLOCK_BYTES ((size_t)4096)     /* what is looked at for zeros */
#define ALLOCATE_BYTES ((uint64_t)16 << 30) /* that is only a change of tables */

typedef enum PieceKind { PIECE_CLONE, PIECE_COPY, PIECE_ALLOCATE, PIECE_ZERO, PIECE_FINISH } PieceKind;

/* The work, which a worker owns while it does a piece. */
typedef struct Pieces {
    PieceKind kind;
    int from,
        to; /* duplicates, so that a late piece never touches a reused number; from: -1 if there is none */
    uint64_t at, end;
    bool from_is_device, to_is_device;
    bool no_ranges;  /* copy_file_range() does not work here */
    bool no_extents; /* the file system does not tell its holes */
    bool no_fallocate;
    uint8_t *buffer;
    bool is_looked_at; /* both ends */
    bool in_from;      /* what failed */
    int error;         /* 0: none */
} Pieces;

static void pieces_free(void *data)
{
    Pieces *pieces = data;

    fd_cleanup(&pieces->from);
    fd_cleanup(&pieces->to);
    g_free(pieces->buffer);
    g_free(pieces);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pieces, pieces_free)

bool image_fd_size(int fd, uint64_t *ret_bytes)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return false;
    if (S_ISBLK(st.st_mode))
        return ioctl(fd, BLKGETSIZE64, ret_bytes) == 0;
    *ret_bytes = (uint64_t)st.st_size;
    return true;
}

static bool pieces_fail(Pieces *pieces, bool in_from)
{
    pieces->in_from = in_from;
    pieces->error = errno ? errno : EIO;
    return false;
}

/* ---- what workers do ---- */

static bool is_zero(const uint8_t *data, size_t len)
{
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

static bool pieces_write(Pieces *pieces, const uint8_t *data, size_t len, uint64_t at)
{
    while (len > 0) {
        const ssize_t put = pwrite(pieces->to, data, len, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return pieces_fail(pieces, false);
        data += put;
        at += (uint64_t)put;
        len -= (size_t)put;
    }
    return true;
}

/* Zeros where there may be something else: on a device. */
static bool pieces_write_zeros(Pieces *pieces, uint64_t at, uint64_t len)
{
    uint64_t range[2] = { at, len };

    /* The kernel promises zeros for this one (unlike for BLKDISCARD), and writes them itself if it has to. */
    if (pieces->to_is_device && pieces->kind == PIECE_COPY && ioctl(pieces->to, BLKZEROOUT, range) == 0)
        return true;
    memset(pieces->buffer, 0, MIN(len, BUFFER_BYTES));
    while (len > 0) {
        const size_t part = (size_t)MIN(len, BUFFER_BYTES);
        if (!pieces_write(pieces, pieces->buffer, part, at))
            return false;
        at += part;
        len -= part;
    }
    return true;
}

/* What was read, without its blocks of zeros. */
static bool pieces_write_sparse(Pieces *pieces, size_t len)
{
    const uint8_t *data = pieces->buffer;

    for (size_t at = 0; at < len;) {
        size_t end = at;
        while (end < len && !is_zero(data + end, MIN(ZERO_BLOCK_BYTES, len - end)))
            end += MIN(ZERO_BLOCK_BYTES, len - end);
        if (end > at && !pieces_write(pieces, data + at, end - at, pieces->at + at))
            return false;
        at = end;
        while (at < len && is_zero(data + at, MIN(ZERO_BLOCK_BYTES, len - at)))
            at += MIN(ZERO_BLOCK_BYTES, len - at);
    }
    return true;
}

/* Copies what lies before @end as data. */
static bool pieces_copy_data(Pieces *pieces, uint64_t end)
{
    while (pieces->at < end) {
        const size_t len = (size_t)MIN(end - pieces->at, IMAGE_PIECE_BYTES);
        if (!pieces->no_ranges) {
            off_t from = (off_t)pieces->at, to = from;
            const ssize_t done = copy_file_range(pieces->from, &from, pieces->to, &to, len, 0);
            if (done > 0) {
                pieces->at += (uint64_t)done;
                continue;
            }
            pieces->no_ranges = true; /* by bytes: those calls say better what is wrong */
        }
        const ssize_t got = pread(pieces->from, pieces->buffer, MIN(len, BUFFER_BYTES), (off_t)pieces->at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return pieces_fail(pieces, true);
        if (got == 0) /* it became shorter meanwhile */
            break;
        const bool ok = pieces->to_is_device ? pieces_write(pieces, pieces->buffer, (size_t)got, pieces->at)
                                             : pieces_write_sparse(pieces, (size_t)got);
        if (!ok)
            return false;
        pieces->at += (uint64_t)got;
    }
    pieces->at = end;
    return true;
}

/* Where the next data of the source is: *ret_start is pieces->end if there is none. */
static void pieces_next_extent(Pieces *pieces, uint64_t *ret_start, uint64_t *ret_end)
{
    *ret_start = pieces->at;
    *ret_end = pieces->end;
    if (pieces->no_extents)
        return;
    const off_t start = lseek(pieces->from, (off_t)pieces->at, SEEK_DATA);
    if (start < 0 && errno == ENXIO) {
        *ret_start = pieces->end;
        return;
    }
    const off_t end = start < 0 ? -1 : lseek(pieces->from, start, SEEK_HOLE);
    if (end < 0) {
        pieces->no_extents = true;
        return;
    }
    *ret_start = MIN((uint64_t)start, pieces->end);
    *ret_end = MIN((uint64_t)end, pieces->end);
}

static bool pieces_copy(Pieces *pieces)
{
    const uint64_t budget_end = MIN(pieces->end, pieces->at + IMAGE_PIECE_BYTES);

    while (pieces->at < budget_end) {
        uint64_t start, end;
        pieces_next_extent(pieces, &start, &end);
        if (start > pieces->at && pieces->to_is_device) { /* pieces of a hole, too */
            start = MIN(start, budget_end);
            if (!pieces_write_zeros(pieces, pieces->at, start - pieces->at))
                return false;
        }
        pieces->at = start;
        if (start < budget_end && !pieces_copy_data(pieces, MIN(end, budget_end)))
            return false;
    }
    return true;
}

/* Real space for [at, end): holes become zeros. */
static bool pieces_allocate(Pieces *pieces)
{
    uint64_t end = MIN(pieces->end, pieces->at + ALLOCATE_BYTES);

    if (!pieces->no_fallocate) {
        if (fallocate(pieces->to, 0, (off_t)pieces->at, (off_t)(end - pieces->at)) == 0) {
            pieces->at = end;
            return true;
        }
        if (errno == EINTR)
            return true;
        if (errno != EOPNOTSUPP && errno != ENOSYS)
            return pieces_fail(pieces, false);
        pieces->no_fallocate = true;
    }
    end = MIN(pieces->end, pieces->at + IMAGE_PIECE_BYTES);
    while (pieces->at < end) {
        const off_t data = lseek(pieces->to, (off_t)pieces->at, SEEK_DATA);
        const uint64_t hole_end = data < 0 ? end : MIN((uint64_t)data, end);
        if (!pieces_write_zeros(pieces, pieces->at, hole_end - pieces->at))
            return false;
        const off_t next = data < 0 ? -1 : lseek(pieces->to, data, SEEK_HOLE);
        pieces->at = next < 0 ? hole_end : MIN((uint64_t)next, end);
    }
    return true;
}

static bool pieces_zero(Pieces *pieces)
{
    const uint64_t len = MIN(pieces->end - pieces->at, IMAGE_PIECE_BYTES);

    if (!pieces_write_zeros(pieces, pieces->at, len))
        return false;
    if (fdatasync(pieces->to) < 0 && errno != EINVAL)
        return pieces_fail(pieces, false);
    pieces->at += len;
    return true;
}

/* The length of a copy that ends with a hole. */
static bool pieces_finish(Pieces *pieces)
{
    struct stat st;

    if (fstat(pieces->to, &st) < 0)
        return pieces_fail(pieces, false);
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < pieces->end &&
        ftruncate(pieces->to, (off_t)pieces->end) < 0)
        return pieces_fail(pieces, false);
    return true;
}

static bool pieces_clone(Pieces *pieces)
{
    struct stat from, to;

    if (fstat(pieces->from, &from) < 0 || !image_fd_size(pieces->from, &pieces->end))
        return pieces_fail(pieces, true);
    if (fstat(pieces->to, &to) < 0)
        return pieces_fail(pieces, false);
    pieces->to_is_device = S_ISBLK(to.st_mode);
    pieces->no_extents = S_ISBLK(from.st_mode);
    pieces->no_ranges = S_ISBLK(from.st_mode) || S_ISBLK(to.st_mode);
    pieces->buffer = g_malloc(BUFFER_BYTES);
    pieces->is_looked_at = true;
    if (pieces->at > 0) { /* a tail */
        pieces->end = MAX(pieces->end, pieces->at);
        return true;
    }
    if (ioctl(pieces->to, FICLONE, pieces->from) < 0)
        return pieces_fail(pieces, true);
    pieces->at = pieces->end;
    return true;
}

static void pieces_do_one(void *data)
{
    Pieces *pieces = data;

    pieces->error = 0;
    switch (pieces->kind) {
    case PIECE_CLONE:
        (void)pieces_clone(pieces);
        return;
    case PIECE_COPY:
        (void)pieces_copy(pieces);
        return;
    case PIECE_ALLOCATE:
        (void)pieces_allocate(pieces);
        return;
    case PIECE_ZERO:
        (void)pieces_zero(pieces);
        return;
    case PIECE_FINISH:
        (void)pieces_finish(pieces);
        return;
    }
}

/* ---- what fibers do ---- */

WorkerLane *image_lane_of(const char *from_name, const char *to_name)
{
    WorkerLane *from = worker_lane_for_path(from_name);
    WorkerLane *to = worker_lane_for_path(to_name);

    if (from == to)
        return to;
    g_autofree char *name = g_strdup_printf("%s to %s", worker_lane_name(from), worker_lane_name(to));
    return worker_lane_named(name);
}

static Pieces *pieces_new(PieceKind kind, int from, int to, uint64_t end, Error **err)
{
    g_autoptr(Pieces) pieces = g_new0(Pieces, 1);

    pieces->kind = kind;
    pieces->end = end;
    pieces->from = from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, 0);
    pieces->to = fcntl(to, F_DUPFD_CLOEXEC, 0);
    if (pieces->to < 0 || (from >= 0 && pieces->from < 0)) {
        error_set_errno(err, errno, "cannot duplicate a descriptor");
        return NULL;
    }
    return g_steal_pointer(&pieces);
}

/* One piece; false: *io_pieces is gone (NULL) or has an .error. */
static bool pieces_step(Pieces **io_pieces, WorkerLane *lane, const char *name, Error **err)
{
    if (!worker_run(lane, pieces_do_one, *io_pieces, pieces_free, IMAGE_PIECE_MS, err)) {
        *io_pieces = NULL;
        return error_prefix(err, "%s", name);
    }
    return (*io_pieces)->error == 0;
}

static bool pieces_run(Pieces **io_pieces, PieceKind kind, WorkerLane *lane, const char *name, Error **err)
{
    (*io_pieces)->kind = kind;
    if ((*io_pieces)->at == (*io_pieces)->end && kind != PIECE_FINISH)
        return true;
    do {
        if (!pieces_step(io_pieces, lane, name, err))
            return false;
    } while (kind != PIECE_FINISH && (*io_pieces)->at < (*io_pieces)->end);
    return true;
}

/* What could not be shared. */
static bool pieces_copy_all(Pieces **io_pieces, WorkerLane *lane, const char *from_name, const char *to_name,
                            Error **err)
{
    if ((*io_pieces)->is_looked_at)
        (*io_pieces)->error = 0;
    if ((*io_pieces)->error == 0 && pieces_run(io_pieces, PIECE_COPY, lane, to_name, err) &&
        pieces_run(io_pieces, PIECE_FINISH, lane, to_name, err))
        return true;
    const Pieces *pieces = *io_pieces;
    return pieces ? error_set_errno(err, pieces->error, "cannot %s '%s'", pieces->in_from ? "read" : "write",
                                    pieces->in_from ? from_name : to_name)
                  : false;
}

bool image_copy_bytes(int from_fd, const char *from_name, int to_fd, const char *to_name, bool reflink_only,
                      Error **err)
{
    WorkerLane *lane = image_lane_of(from_name, to_name);
    g_autoptr(Pieces) pieces = pieces_new(PIECE_CLONE, from_fd, to_fd, 0, err);

    if (!pieces)
        return false;
    if (pieces_step(&pieces, lane, to_name, err))
        return true;
    if (!pieces)
        return false;
    if (reflink_only)
        return error_set_errno(err, pieces->error, "failed to clone files from '%s'", from_name);
    return pieces_copy_all(&pieces, lane, from_name, to_name, err);
}

bool image_copy_tail(int from_fd, const char *from_name, int to_fd, const char *to_name, uint64_t start_bytes,
                     Error **err)
{
    WorkerLane *lane = image_lane_of(from_name, to_name);
    g_autoptr(Pieces) pieces = pieces_new(PIECE_CLONE, from_fd, to_fd, start_bytes, err);

    if (start_bytes == 0)
        return image_copy_bytes(from_fd, from_name, to_fd, to_name, false, err);
    if (!pieces)
        return false;
    pieces->at = start_bytes;
    if (!pieces_step(&pieces, lane, to_name, err) && !pieces)
        return false;
    return pieces_copy_all(&pieces, lane, from_name, to_name, err);
}

bool image_allocate_bytes(int fd, const char *name, uint64_t bytes, Error **err)
{
    g_autoptr(Pieces) pieces = pieces_new(PIECE_ALLOCATE, -1, fd, bytes, err);

    if (!pieces)
        return false;
    pieces->buffer = g_malloc(BUFFER_BYTES);
    if (pieces_run(&pieces, PIECE_ALLOCATE, worker_lane_for_path(name), name, err))
        return true;
    if (pieces)
        error_set_errno(err, pieces->error, "cannot allocate %" PRIu64 " bytes in file '%s'", bytes, name);
    return false;
}

bool image_zero_bytes(int fd, const char *name, uint64_t bytes, Error **err)
{
    g_autoptr(Pieces) pieces = pieces_new(PIECE_ZERO, -1, fd, bytes, err);

    if (!pieces)
        return false;
    pieces->buffer = g_malloc(BUFFER_BYTES);
    if (pieces_run(&pieces, PIECE_ZERO, worker_lane_for_path(name), name, err))
        return true;
    if (pieces)
        error_set_errno(err, pieces->error, "Failed to write to storage volume with path '%s'", name);
    return false;
}
