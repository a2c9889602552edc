/* The file that holds a saved machine: its header, and helpers that carry bytes between it and QEMU.
 *
 * Layout (all numbers in the byte order of the host that wrote it):
 *   16 bytes  "LibvirtQemudSave"
 *   u32       version, 2
 *   u32       length of the data that follows the header
 *   u32       1: the machine ran when it was saved
 *   u32       compression: 0 raw, 1 gzip, 2 bzip2, 3 xz, 4 lzop, 5 zstd
 *   u32       offset of the cookie in the data; 0: none
 *   14 * u32  zero
 *   data      domain XML, NUL; cookie XML, NUL; padding for longer XML
 *   ...       QEMU's migration stream, compressed as said */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/process.h"

typedef enum SaveFormat {
    SAVE_FORMAT_RAW,
    SAVE_FORMAT_GZIP,
    SAVE_FORMAT_BZIP2,
    SAVE_FORMAT_XZ,
    SAVE_FORMAT_LZOP,
    SAVE_FORMAT_ZSTD,
    SAVE_FORMAT_COUNT
} SaveFormat;

/* ERROR_OPERATION_FAILED naming the program that is missing. @name NULL: raw. */
MUST_CHECK bool save_format_from_name(const char *name, SaveFormat *ret_format, Error **err);

typedef struct SaveImage {
    int fd; /* positioned where QEMU's stream begins */
    bool was_running;
    SaveFormat format;
    uint32_t data_len;
    uint32_t cookie_offset;
    char *xml;
    uint64_t size_bytes; /* of the whole file */
} SaveImage;
void save_image_clear(SaveImage *image);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SaveImage, save_image_clear)

/* ERROR_SYSTEM "Failed to open file '...'", ERROR_OPERATION_FAILED for what is no image, ERROR_TIMEOUT. */
AWAITS MUST_CHECK bool save_image_open(const char *path, uint64_t timeout_ms, SaveImage *ret_image,
                                       Error **err);
/* A file that is being written: it lies beside its final name, under one that nobody else uses, until it is
 * complete. */
typedef struct SaveFile {
    char *path;        /* its final name; NULL: no file */
    char *temp;        /* NULL: @path is a device or a pipe and written itself */
    uint64_t dev, ino; /* what was made; 0: nothing yet */
} SaveFile;
/* Chooses the name; nothing is made yet. */
void save_file_init(SaveFile *file, const char *path);
void save_file_copy(SaveFile *dest, const SaveFile *source);
void save_file_clear(SaveFile *file);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SaveFile, save_file_clear)

/* Makes the file (0600). With @xml writes the header; *ret_fd is positioned behind it. A link at the path is
 * not followed but replaced when the file is complete, unless it is root's (or ours) and leads to a device.
 */
AWAITS MUST_CHECK bool save_image_create(SaveFile *file, const char *xml, bool was_running, SaveFormat format,
                                         uint64_t timeout_ms, int *ret_fd, Error **err);
/* Gives the complete file its final name, durably. */
AWAITS MUST_CHECK bool save_image_commit(const SaveFile *file, uint64_t timeout_ms, Error **err);
/* Removes what save_image_create() made, or was about to make; a missing file is success. */
AWAITS MUST_CHECK bool save_image_discard(const SaveFile *file, uint64_t timeout_ms, Error **err);
/* true if the file that was made has got its final name. false also when the storage does not answer. */
AWAITS bool save_image_is_committed(const SaveFile *file, uint64_t timeout_ms);
/* The content is on disk when this returns. */
AWAITS MUST_CHECK bool save_image_sync(const char *path, int fd, uint64_t timeout_ms, Error **err);
/* Replaces XML (and running state) in place. ERROR_OPERATION_FAILED when it does not fit. */
AWAITS MUST_CHECK bool save_image_rewrite(const char *path, const SaveImage *image, const char *xml,
                                          bool was_running, uint64_t timeout_ms, Error **err);

/* A child that copies (and compresses or expands) from one descriptor to the other, so that storage which
 * hangs holds neither QEMU nor us. */
MUST_CHECK bool save_copier_start(SaveFormat format, bool expand, bool bypass_cache, int from_fd, int to_fd,
                                  Process **ret_process, int *ret_words_fd, Error **err);
/* How a copier ended and what it said in *ret_words_fd of its start: "exit status 1: cat: write error: No
 * space left on device". Caller owns. */
char *save_copier_describe(const Process *copier, int words_fd);
