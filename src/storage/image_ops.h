/* What people do with images by hand: looking into them, and everything that qemu-img can do with them, on
 * files and on volumes ("POOL/VOLUME"), with the rules of this host: nothing writes to an image that a
 * running machine uses or that another image is based on, and nothing replaces a file that is there. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/caller.h"
#include "core/host.h"

/* Names of images: "POOL/VOLUME" or an absolute path; a format of NULL: what the pool says, else what it
 * looks like. Everything is borrowed. */
typedef struct ImageOrder {
    const char *operation; /* "convert"; see image_ops.c */
    const char *image, *format;
    const char *other, *other_format; /* the second of compare, what convert and dd make, the base of rebase
                                       * and commit; NULL: none */
    const char *text;                 /* the size, snapshot, bitmap or options that it is about; NULL: none */
    char *const *options;             /* "compress", "sparse=4k" */
    unsigned n_options;
    void (*on_progress)(void *arg, unsigned per_mille); /* NULL: nobody wants to know */
    void *arg;
} ImageOrder;

/* Does it. *ret_status: the exit status of qemu-img where it is an answer (compare: 1: they differ; check: 2:
 * damaged, 3: leaks), *ret_text what it printed (check, map, measure: JSON); owned.
 *
 * ERROR_INVALID_ARGUMENT  no such operation or option
 * ERROR_INVALID_STATE     somebody needs the image: the message says who
 * ERROR_VOLUME_EXISTS and those of tool_run(), volume_find_by_name() */
AWAITS MUST_CHECK bool image_order_run(Host *host, const ImageOrder *order, const Caller *caller,
                                       int *ret_status, char **ret_text, Error **err);
/* The image and all that is below it, as a JSON array; caller owns. @what (NULL: nothing) the caller is about
 * to do with it, which ERROR_INVALID_STATE refuses as image_guard_check() does. */
AWAITS MUST_CHECK bool image_describe(Host *host, const char *image, const char *format, const char *what,
                                      char **ret_json, Error **err);
