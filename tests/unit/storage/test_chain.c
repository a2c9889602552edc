/* Backing chains of files that are made here: headers of qcow2 images without any data. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "conf/volume.h"
#include "storage/chain.h"
#include "storage/source_name.h"

static void put32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * (3 - i));
}

/* @backing, @format NULL: not said */
static void make_qcow2(const char *dir, const char *name, const char *backing, const char *format)
{
    uint8_t header[2048] = "QFI\xfb";
    g_autofree char *path = g_build_filename(dir, name, NULL);

    put32(header + 4, 3);
    put32(header + 20, 16);
    put32(header + 28, 1 << 20);
    put32(header + 96, 4);
    put32(header + 100, 104);
    if (format) {
        put32(header + 104, 0xe2792aca);
        put32(header + 108, (uint32_t)strlen(format));
        memcpy(header + 112, format, strlen(format));
    }
    if (backing) {
        put32(header + 12, 512);
        put32(header + 16, (uint32_t)strlen(backing));
        memcpy(header + 512, backing, strlen(backing));
    }
    g_assert(g_file_set_contents(path, (const char *)header, sizeof(header), NULL));
}

typedef struct Opened {
    unsigned n_calls;
    const char *leave_alone; /* its name */
    char *last_above;        /* path */
} Opened;

static bool open_file(void *data, const StorageSource *source, const ChainImage *above, int *ret_fd,
                      Error **err)
{
    Opened *opened = data;

    opened->n_calls++;
    g_free(opened->last_above);
    opened->last_above = g_strdup(above ? above->source->path : NULL);
    if (opened->leave_alone && g_str_has_suffix(source->path, opened->leave_alone))
        return true;
    *ret_fd = open(source->path, O_RDONLY | O_CLOEXEC);
    return *ret_fd >= 0 || error_set_errno(err, errno, "cannot open '%s'", source->path);
}

typedef struct Fixture {
    char *dir;
    Opened opened;
    ChainOpener opener;
    ImageChain *chain;
    Error *err;
} Fixture;

static void fixture_init(Fixture *f)
{
    *f = (Fixture){ .dir = check_make_dir() };
    f->opener = (ChainOpener){ .open = open_file, .data = &f->opened };
}

static void fixture_clear(Fixture *f)
{
    image_chain_free(f->chain);
    error_free(f->err);
    g_free(f->opened.last_above);
    check_remove_dir(f->dir);
}

static bool read_chain(Fixture *f, const char *name, StorageFormat format)
{
    g_autoptr(StorageSource) top = source_new(STORAGE_FILE);

    top->path = g_build_filename(f->dir, name, NULL);
    top->format = format;
    g_clear_pointer(&f->chain, image_chain_free);
    return image_chain_read(top, &f->opener, &f->chain, &f->err);
}

static const ChainImage *nth(const Fixture *f, guint i)
{
    check(i < f->chain->images->len);
    return g_ptr_array_index(f->chain->images, i);
}

TEST(a_chain_is_followed_to_its_end)
{
    Fixture f;
    fixture_init(&f);
    g_autofree char *sub = g_build_filename(f.dir, "sub", NULL);
    check_eq(mkdir(sub, 0755), 0);
    make_qcow2(f.dir, "top", "sub/middle", "qcow2");
    make_qcow2(f.dir, "sub/middle", "../base", "raw"); /* from its own folder */
    make_qcow2(f.dir, "base", "/etc/passwd", "raw");   /* a raw image, whatever a guest wrote into it */

    check_ok(read_chain(&f, "top", STORAGE_FORMAT_QCOW2), f.err);
    check_eq(f.chain->images->len, 3);
    check_eq(nth(&f, 0)->info.virtual_bytes, 1 << 20);
    check_eq(nth(&f, 2)->format, IMAGE_RAW);
    check_eq(nth(&f, 2)->info.virtual_bytes, 2048);
    check_str(nth(&f, 2)->info.backing, NULL);
    /* ... and stands in the copy of the source */
    check_eq(f.chain->top->backing->format, STORAGE_FORMAT_QCOW2);
    check_eq(f.chain->top->backing->backing->format, STORAGE_FORMAT_RAW);
    check_eq(f.chain->top->backing->backing->backing_ends, true);
    check(g_str_has_suffix(f.chain->top->backing->backing->path, "/sub/../base"));
    check_eq(f.opened.n_calls, 3);
    check(g_str_has_suffix(f.opened.last_above, "/sub/middle"));
    fixture_clear(&f);
}

TEST(what_the_document_says_is_believed)
{
    Fixture f;
    fixture_init(&f);
    make_qcow2(f.dir, "top", "base", "qcow2");
    make_qcow2(f.dir, "base", "/etc/passwd", "raw");

    check_ok(read_chain(&f, "top", STORAGE_FORMAT_RAW), f.err);
    check_eq(f.chain->images->len, 1);
    check_ok(read_chain(&f, "top", STORAGE_FORMAT_ABSENT), f.err); /* means raw */
    check_eq(f.chain->images->len, 1);

    g_autoptr(StorageSource) top = source_new(STORAGE_FILE);
    top->path = g_build_filename(f.dir, "top", NULL);
    top->format = STORAGE_FORMAT_QCOW2;
    top->backing_ends = true;
    g_clear_pointer(&f.chain, image_chain_free);
    check_ok(image_chain_read(top, &f.opener, &f.chain, &f.err), f.err);
    check_eq(f.chain->images->len, 1);

    top->backing_ends = false;
    top->backing = source_new(STORAGE_FILE);
    top->backing->path = g_build_filename(f.dir, "base", NULL);
    top->backing->format = STORAGE_FORMAT_RAW; /* the header says another */
    g_clear_pointer(&f.chain, image_chain_free);
    check_ok(image_chain_read(top, &f.opener, &f.chain, &f.err), f.err);
    check_eq(f.chain->images->len, 2);
    check_eq(nth(&f, 1)->format, IMAGE_RAW);
    fixture_clear(&f);
}

TEST(a_format_that_nobody_says_is_guessed_only_if_allowed)
{
    Fixture f;
    fixture_init(&f);
    make_qcow2(f.dir, "top", "base", NULL);
    make_qcow2(f.dir, "base", NULL, NULL);
    make_qcow2(f.dir, "odd", "base", "odd");

    check_eq(read_chain(&f, "top", STORAGE_FORMAT_QCOW2), false);
    check_eq(error_code(f.err), ERROR_INVALID_STATE);
    check_contains(error_message(f.err), "was not specified in the image metadata");
    check(error_hint_text(f.err) != NULL);
    g_clear_pointer(&f.err, error_free);
    check_fails(read_chain(&f, "odd", STORAGE_FORMAT_QCOW2), f.err, ERROR_OPERATION_UNSUPPORTED);
    f.opener.may_probe = true;
    check_ok(read_chain(&f, "top", STORAGE_FORMAT_QCOW2), f.err);
    check_eq(nth(&f, 1)->format, IMAGE_QCOW2);
    check_ok(read_chain(&f, "top", STORAGE_FORMAT_ABSENT), f.err);
    check_eq(nth(&f, 0)->format, IMAGE_QCOW2);
    fixture_clear(&f);
}

/* Step by step, as a start does it. */
static bool read_by_steps(Fixture *f, const StorageSource *top, ChainGuess guess)
{
    ChainImage *image = NULL;

    g_clear_pointer(&f->chain, image_chain_free);
    f->chain = image_chain_new(top, guess);
    for (;;) {
        if (!image_chain_next(f->chain, &image, &f->err))
            return false;
        if (!image)
            return true;
        ChainLook look;
        chain_look_init(image, &look);
        AUTO_FD fd = open(image->source->path, O_RDONLY | O_CLOEXEC);
        const bool ok = chain_look(fd, &look, &f->err) && image_chain_put(f->chain, &look, &f->err);
        image_info_clear(&look.info);
        if (!ok)
            return false;
    }
}

TEST(a_format_may_be_guessed_where_nothing_follows_from_it)
{
    Fixture f;
    fixture_init(&f);
    g_autoptr(StorageSource) top = source_new(STORAGE_FILE);
    make_qcow2(f.dir, "top", "base", NULL);
    make_qcow2(f.dir, "base", NULL, NULL);
    top->path = g_build_filename(f.dir, "top", NULL);
    top->format = STORAGE_FORMAT_QCOW2;

    check_ok(read_by_steps(&f, top, CHAIN_GUESS_LAST), f.err);
    check_eq(nth(&f, 1)->format, IMAGE_QCOW2);
    check_eq(nth(&f, 1)->source->format, STORAGE_FORMAT_QCOW2);
    check(nth(&f, 1)->source->backing_ends);
    make_qcow2(f.dir, "base", "/etc/shadow", "raw"); /* as a guest could write it into its raw disk */
    check_eq(read_by_steps(&f, top, CHAIN_GUESS_LAST), false);
    check_eq(error_code(f.err), ERROR_INVALID_STATE);
    check_contains(error_message(f.err), "was not specified in the image metadata");
    g_clear_pointer(&f.err, error_free);
    make_qcow2(f.dir, "base", "top", "qcow2");
    make_qcow2(f.dir, "top", "base", "qcow2");
    check_fails(read_by_steps(&f, top, CHAIN_GUESS_LAST), f.err, ERROR_OPERATION_FAILED);
    fixture_clear(&f);
}

TEST(a_slice_is_an_image_of_its_own_and_encryption_says_luks)
{
    Fixture f;
    fixture_init(&f);
    g_autoptr(StorageSource) top = source_new(STORAGE_FILE);
    g_autofree char *path = g_build_filename(f.dir, "top", NULL);
    StorageSlice *slice = g_new0(StorageSlice, 1);
    char data[8192] = { 0 };
    char *header = NULL;
    size_t len = 0;
    make_qcow2(f.dir, "base", NULL, NULL);
    make_qcow2(f.dir, "top", "base", "qcow2");
    check(g_file_get_contents(path, &header, &len, NULL));
    memcpy(data + 4096, header, len);
    g_free(header);
    check(g_file_set_contents(path, data, sizeof(data), NULL));
    *slice = (StorageSlice){ .type = g_strdup("storage"), .offset_bytes = 4096, .size_bytes = 4096 };
    top->slices = g_ptr_array_new();
    g_ptr_array_add(top->slices, slice);
    top->path = g_strdup(path);
    top->format = STORAGE_FORMAT_QCOW2;

    check_ok(read_by_steps(&f, top, CHAIN_GUESS_LAST), f.err);
    check_eq(f.chain->images->len, 2);
    check_eq(nth(&f, 0)->info.file_bytes, 4096);
    slice->offset_bytes = 0;
    check_fails(read_by_steps(&f, top, CHAIN_GUESS_LAST), f.err, ERROR_INVALID_ARGUMENT);
    top->format = STORAGE_FORMAT_RAW;
    top->encryption = xml_table_new(&volume_encryption_table);
    check_fails(read_by_steps(&f, top, CHAIN_GUESS_LAST), f.err, ERROR_INVALID_ARGUMENT);
    check_eq(nth(&f, 0)->format, IMAGE_LUKS);
    fixture_clear(&f);
}

TEST(formats_that_documents_cannot_say_are_read)
{
    Fixture f;
    fixture_init(&f);
    g_autofree char *path = g_build_filename(f.dir, "base", NULL);
    char header[4096] = "LUKS\xba\xbe\0\1";
    memcpy(header + 8, "aes", 3);
    check(g_file_set_contents(path, header, sizeof(header), NULL));
    make_qcow2(f.dir, "top", "base", "luks");

    check_ok(read_chain(&f, "top", STORAGE_FORMAT_QCOW2), f.err);
    check_eq(nth(&f, 1)->format, IMAGE_LUKS);
    check_eq(nth(&f, 1)->info.encryption.kind, IMAGE_LUKS1);
    check_eq(nth(&f, 1)->source->format, STORAGE_FORMAT_RAW);
    fixture_clear(&f);
}

TEST(a_chain_in_a_circle_is_refused_naming_the_images)
{
    Fixture f;
    fixture_init(&f);
    make_qcow2(f.dir, "self", "self", "qcow2");
    make_qcow2(f.dir, "one", "two", "qcow2");
    make_qcow2(f.dir, "two", "link", "qcow2");
    g_autofree char *link = g_build_filename(f.dir, "link", NULL);
    check_eq(symlink("one", link), 0);

    check_eq(read_chain(&f, "self", STORAGE_FORMAT_QCOW2), false);
    check_eq(error_code(f.err), ERROR_OPERATION_FAILED);
    check_contains(error_message(f.err), "goes in a circle");
    check_contains(error_message(f.err), "/self'");
    g_clear_pointer(&f.err, error_free);
    check_eq(read_chain(&f, "one", STORAGE_FORMAT_QCOW2), false); /* by another name */
    check_contains(error_message(f.err), "/two' is based on '");
    check_contains(error_message(f.err), "/link', which is '");
    fixture_clear(&f);
}

TEST(a_chain_longer_than_the_limit_is_refused)
{
    Fixture f;
    fixture_init(&f);
    for (unsigned i = 0; i <= IMAGE_CHAIN_MAX; i++) {
        g_autofree char *name = g_strdup_printf("i%u", i), *below = g_strdup_printf("i%u", i + 1);
        make_qcow2(f.dir, name, i < IMAGE_CHAIN_MAX ? below : NULL, i < IMAGE_CHAIN_MAX ? "qcow2" : NULL);
    }
    check_ok(read_chain(&f, "i1", STORAGE_FORMAT_QCOW2), f.err);
    check_eq(f.chain->images->len, IMAGE_CHAIN_MAX);
    f.opened.n_calls = 0;
    check_eq(read_chain(&f, "i0", STORAGE_FORMAT_QCOW2), false);
    check_eq(error_code(f.err), ERROR_OPERATION_FAILED);
    check_contains(error_message(f.err), "/i0' is longer than 200 images");
    check_contains(error_message(f.err), "/i200'");
    check_eq(f.opened.n_calls, IMAGE_CHAIN_MAX);
    fixture_clear(&f);
}

TEST(servers_and_images_left_alone_end_the_chain)
{
    Fixture f;
    fixture_init(&f);
    make_qcow2(f.dir, "net", "nbd://host/export", "raw");
    make_qcow2(f.dir, "fat", "fat:/etc", "raw");
    make_qcow2(f.dir, "top", "net", "qcow2");

    check_ok(read_chain(&f, "net", STORAGE_FORMAT_QCOW2), f.err);
    check_eq(f.chain->images->len, 2);
    check_eq(nth(&f, 1)->source->type, STORAGE_NETWORK);
    check_eq(nth(&f, 1)->source->protocol, STORAGE_PROTOCOL_NBD);
    check_eq(nth(&f, 1)->source->format, STORAGE_FORMAT_RAW);
    check_eq(nth(&f, 1)->is_opened, false);
    check_eq(f.chain->top->backing->backing_ends, false); /* nobody looked */
    f.opened.leave_alone = "/net";
    check_ok(read_chain(&f, "top", STORAGE_FORMAT_QCOW2), f.err);
    check_eq(f.chain->images->len, 2);
    check_eq(nth(&f, 1)->is_opened, false);
    check_eq(read_chain(&f, "fat", STORAGE_FORMAT_QCOW2), false);
    check_eq(error_code(f.err), ERROR_OPERATION_UNSUPPORTED);
    check_contains(error_message(f.err), "/fat'");
    check_contains(error_message(f.err), "over 'fat'");
    fixture_clear(&f);
}

TEST(failures_name_the_image)
{
    Fixture f;
    fixture_init(&f);
    make_qcow2(f.dir, "top", "missing", "qcow2");
    make_qcow2(f.dir, "bad", "raw", "qcow2");
    g_autofree char *raw = g_build_filename(f.dir, "raw", NULL);
    check(g_file_set_contents(raw, "nothing", -1, NULL));

    check_eq(read_chain(&f, "top", STORAGE_FORMAT_QCOW2), false);
    check_eq(error_errno(f.err), ENOENT);
    check_contains(error_message(f.err), "/missing'");
    g_clear_pointer(&f.err, error_free);
    check_eq(read_chain(&f, "bad", STORAGE_FORMAT_QCOW2), false);
    check_eq(error_code(f.err), ERROR_INVALID_ARGUMENT);
    check_contains(error_message(f.err), "/raw': this is no qcow2 image");
    fixture_clear(&f);
}
