/* The chain of images below a disk: each names the one that it is based on.
 *
 * Who opens the files decides by which rules that is done (whose they may be, which links count): chain.c has
 * a callback for it and touches no path itself. Everything blocks: in a worker. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/trail.h"
#include "conf/domain_def.h"
#include "storage/image.h"

#define IMAGE_CHAIN_MAX 200

typedef struct ChainImage {
    const StorageSource *source; /* part of the chain's list */
    ImageFormat format;          /* says more than the source's, which has no name for luks and vhdx */
    FileId id;                   /* unknown if it was not opened */
    bool is_opened; /* false: it lies on a server, or the opener wants it left alone; @info is empty */
    ImageInfo info;
} ChainImage;

typedef struct ImageChain {
    /* A copy of the source that was asked for, with the images below linked in by .backing; the last one has
     * .backing_ends, unless it was not opened. */
    StorageSource *top;
    GPtrArray *images; /* ChainImage, top first; at least one */
} ImageChain;

void image_chain_free(ImageChain *chain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageChain, image_chain_free)

typedef struct ChainOpener {
    /* Opens @source (file or block device) for reading. @above is the image that names it; NULL: the top one.
     * *ret_fd becomes the chain's; left at -1 with true, the image is not looked into and the chain ends
     * there. On failure the error must name the image. Called once for each image, top first. */
    bool (*open)(void *data, const StorageSource *source, const ChainImage *above, int *ret_fd, Error **err);
    void *data;
    bool may_probe; /* the administrator allows to guess formats that nobody says */
} ChainOpener;

/* Follows the chain of @top (borrowed): where it has a .backing, that is believed; below, what the headers
 * say. A format comes from the document or the image above, or is an error unless it may be guessed.
 *
 * ERROR_INVALID_STATE     an image does not say the format of the one below
 * ERROR_OPERATION_FAILED  an image occurs twice, the chain is longer than IMAGE_CHAIN_MAX, a header is
 * damaged ERROR_OPERATION_UNSUPPORTED, ERROR_INVALID_ARGUMENT: as image_read_header() and source_from_name()
 * and what the opener fails with. The messages name the images. */
MUST_CHECK bool image_chain_read(const StorageSource *top, const ChainOpener *opener, ImageChain **ret_chain,
                                 Error **err);
