/* Overwriting what a volume held. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/image_copy.h"
#include "storage/image_make.h"
#include "storage/tool.h"
#include "wire/wire_enums.h"

/* What scrub calls them. */
static const char *const patterns[] = {
    [VIR_STORAGE_VOL_WIPE_ALG_NNSA] = "nnsa",
    [VIR_STORAGE_VOL_WIPE_ALG_DOD] = "dod",
    [VIR_STORAGE_VOL_WIPE_ALG_BSI] = "bsi",
    [VIR_STORAGE_VOL_WIPE_ALG_GUTMANN] = "gutmann",
    [VIR_STORAGE_VOL_WIPE_ALG_SCHNEIER] = "schneier",
    [VIR_STORAGE_VOL_WIPE_ALG_PFITZNER7] = "pfitzner7",
    [VIR_STORAGE_VOL_WIPE_ALG_PFITZNER33] = "pfitzner33",
    [VIR_STORAGE_VOL_WIPE_ALG_RANDOM] = "random",
};

typedef struct WipeJob {
    int fd;
    bool was_sparse;
    uint64_t size;
    int error;
} WipeJob;

static void wipe_job_free(void *data)
{
    WipeJob *job = data;

    fd_cleanup(&job->fd);
    g_free(job);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WipeJob, wipe_job_free)

/* What a sparse file held is given back to the file system, which shows it to nobody. It keeps its size at
 * every moment: nobody who looks, or is killed, meanwhile meets an empty one. */
static void wipe_job_run(void *data)
{
    WipeJob *job = data;
    struct stat st;

    if (fstat(job->fd, &st) < 0 || !image_fd_size(job->fd, &job->size)) {
        job->error = errno;
        return;
    }
    job->was_sparse = S_ISREG(st.st_mode) && (uint64_t)st.st_blocks * 512 < job->size;
    if (!job->was_sparse ||
        fallocate(job->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)job->size) == 0)
        return;
    job->was_sparse = false; /* it is written over if its file system cannot do that */
    job->error = errno == EOPNOTSUPP || errno == ENOSYS ? 0 : errno;
}

static bool wipe_zero(int fd, const char *path, Error **err)
{
    WipeJob *order = g_new0(WipeJob, 1);

    order->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (!worker_run(worker_lane_for_path(path), wipe_job_run, order, wipe_job_free, IMAGE_PIECE_MS, err))
        return error_prefix(err, "%s", path);
    g_autoptr(WipeJob) job = order;
    if (job->error)
        return error_set_errno(err, job->error, "Failed to wipe volume with path '%s'", path);
    return job->was_sparse || image_zero_bytes(fd, path, job->size, err);
}

/* Scrub gets the file that was opened: its name may lead elsewhere by now. */
static bool wipe_scrub(int *fd_taken, const char *path, const char *pattern, Error **err)
{
    g_auto(Tool) tool = { 0 };

    tool_init(&tool, "scrub", "scrub");
    tool_add(&tool, "-f");
    tool_add(&tool, "-p");
    tool_add(&tool, pattern);
    tool_addf(&tool, "/dev/fd/%d", tool_add_fd(&tool, fd_steal(fd_taken)));
    g_autofree char *hidden = g_strdup(g_ptr_array_index(tool.argv, tool.argv->len - 1));
    tool.hidden_name = hidden;
    tool.shown_name = path;
    return tool_run(&tool, NULL, err);
}

bool image_wipe(const char *path, int algorithm, Error **err)
{
    AUTO_FD fd = -1;

    if (algorithm == VIR_STORAGE_VOL_WIPE_ALG_TRIM)
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "'trim' algorithm not supported");
    if (algorithm < 0 || algorithm >= (int)G_N_ELEMENTS(patterns))
        return error_set(err, ERROR_INVALID_ARGUMENT, "wiping algorithm %d not supported", algorithm);
    if (!image_open(path, O_RDWR, 0, "Failed to open storage volume with path", &fd, err))
        return false;
    return algorithm == VIR_STORAGE_VOL_WIPE_ALG_ZERO ? wipe_zero(fd, path, err)
                                                      : wipe_scrub(&fd, path, patterns[algorithm], err);
}

/* QEMU takes less than 2 GiB in one request, and such as a server can answer in time. */
#define REMOTE_PIECE (UINT64_C(64) << 20)

bool image_wipe_remote(Tool *tool, const char *options, uint64_t size_bytes, int algorithm, bool may_trim,
                       Error **err)
{
    const bool is_trim = algorithm == VIR_STORAGE_VOL_WIPE_ALG_TRIM;
    g_autoptr(GString) orders = g_string_new(NULL);

    if (may_trim && algorithm != VIR_STORAGE_VOL_WIPE_ALG_ZERO && !is_trim)
        return error_set(err, ERROR_INVALID_ARGUMENT, "unsupported algorithm %d", algorithm);
    if (algorithm != VIR_STORAGE_VOL_WIPE_ALG_ZERO && !(is_trim && may_trim))
        return error_set(err, ERROR_ARGUMENT_UNSUPPORTED, "'%s' algorithm not supported",
                         is_trim                                   ? "trim"
                         : algorithm < (int)G_N_ELEMENTS(patterns) ? patterns[algorithm]
                                                                   : "");
    for (uint64_t at = 0; at < size_bytes; at += REMOTE_PIECE)
        g_string_append_printf(orders, "%s -q %s%" PRIu64 " %" PRIu64 "\n", is_trim ? "discard" : "write",
                               is_trim ? "" : "-z ", at, MIN(REMOTE_PIECE, size_bytes - at));
    tool_add(tool, "--image-opts");
    tool_add(tool, options);
    tool->input = orders->str;
    return tool_run(tool, NULL, err);
}
