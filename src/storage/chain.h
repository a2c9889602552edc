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
    bool is_guessed;             /* nobody said the format */
    FileId id;                   /* unknown if it was not opened */
    bool is_opened; /* false: it lies on a server, or the opener wants it left alone; @info is empty */
    ImageInfo info;
} ChainImage;

/* May a format that nobody says be guessed? */
typedef enum ChainGuess {
    CHAIN_GUESS_NEVER,
    CHAIN_GUESS_LAST, /* of the last image: nobody has to be trusted for what it names, for it names nothing
                       */
    CHAIN_GUESS_ANY,
} ChainGuess;

typedef struct ImageChain {
    /* A copy of the source that was asked for, with the images below linked in by .backing; the last one has
     * .backing_ends, unless it was not opened. */
    StorageSource *top;
    GPtrArray *images; /* ChainImage, top first; at least one when it is complete */
    ChainGuess guess;
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

/* The same step by step, for who looks at each image in a worker of its own; only chain_look() blocks.
 *
 *     chain = image_chain_new(top, guess);
 *     while (image_chain_next(chain, &image, &err) && image)
 *         ... chain_look() at its file, if it is to be looked into, and image_chain_put() what was found ...
 */
ImageChain *image_chain_new(const StorageSource *top, ChainGuess guess);
/* *ret_image: the next image of the chain (its format, and whether that is to be guessed, are set); NULL: the
 * chain is complete. Errors as image_chain_read(). */
MUST_CHECK bool image_chain_next(ImageChain *chain, ChainImage **ret_image, Error **err);

typedef struct ChainLook {
    ImageFormat format;
    bool guess;                        /* @format is a result */
    uint64_t offset_bytes, size_bytes; /* the part of the file that is the image; size 0: all of it */
    FileId id;                         /* result, as the next */
    ImageInfo info;
} ChainLook;
/* The part of @image's source that is the image, and its format. */
void chain_look_init(const ChainImage *image, ChainLook *ret_look);
/* Errors as image_read_header(). */
MUST_CHECK bool chain_look(int fd, ChainLook *look, Error **err);
/* Takes over @look's info for the last image. ERROR_OPERATION_FAILED: it occurs twice */
MUST_CHECK bool image_chain_put(ImageChain *chain, ChainLook *look, Error **err);
