/* Images are made, copied, resized and overwritten: with what libvirtd's volumes have, and nothing is left of
 * what failed. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define CHECK_FIBER_MS 300000 /* LUKS costs seconds of a CPU each time */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/process.h"
#include "core/secret.h"
#include "storage/image.h"
#include "storage/image_copy.h"
#include "storage/image_make.h"
#include "wire/wire_enums.h"

#define MIB (UINT64_C(1) << 20)
#define SECRET_UUID "5a4d8c1e-0000-4000-8000-000000000001"
#define LUKS "<encryption format='luks'><secret type='passphrase' uuid='" SECRET_UUID "'/></encryption>"
#define PREALLOC VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA
#define ANY UINT64_MAX

static char *dir;
static Host *host;

/* check_fails() for those whose message matters; takes @io_err. */
static void check_says(bool ok, Error **io_err, ErrorCode code, const char *message)
{
    g_autoptr(Error) err = g_steal_pointer(io_err);

    check(!ok);
    check_str(error_code_name(error_code(err)), error_code_name(code));
    check_contains(error_message(err), message);
    check(!strstr(error_message(err), ".temp"));
}

static void world_begin(void)
{
    g_autoptr(Error) err = NULL;
    Config *config = NULL;

    dir = check_make_dir();
    Paths *paths = paths_new_system(dir);
    check_ok(config_load(paths, NULL, &config, &err), err);
    host = host_new(paths, config);
    secret_open(host);
    g_autoptr(Object) secret = object_define(host, &secret_class,
                                             "<secret ephemeral='yes'><uuid>" SECRET_UUID "</uuid>"
                                             "<usage type='volume'><volume>v</volume></usage></secret>",
                                             0, "test", NULL, &err);
    check_ok(secret != NULL, err);
    check_ok(secret_set_value(secret, "pass,word", 9, NULL, &err), err);
}

static void world_end(void)
{
    host_free(host);
    check_remove_dir(dir);
}

static VolumeDef *volume(const char *name, const char *sizes, const char *format, const char *more)
{
    g_autoptr(Error) err = NULL;
    g_autofree char *path = path_join(dir, name);
    g_autofree char *xml = g_strdup_printf("<volume><name>%s</name>%s<target><path>%s</path>"
                                           "<format type='%s'/>%s</target>",
                                           name, sizes, path, format, more ? more : "");
    const char *backing = more ? strstr(more, "<backingStore>") : NULL;
    GString *text = g_string_new(xml);
    VolumeDef *def = NULL;

    if (backing) { /* it stands beside the target */
        g_string_truncate(text, text->len - strlen("</target>") - strlen(backing));
        g_string_append_printf(text, "</target>%s", backing);
    }
    g_string_append(text, "</volume>");
    check_ok(volume_def_parse(text->str, text->len, VOLUME_PARSE_NO_CAPACITY, &def, &err), err);
    g_string_free(text, TRUE);
    return def;
}

static void write_file(const char *name, uint64_t size, uint64_t data_at, size_t data_len)
{
    g_autofree char *path = path_join(dir, name);
    AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    g_autofree char *data = g_malloc(data_len + 1);

    for (size_t i = 0; i < data_len; i++)
        data[i] = (char)(1 + i % 255);
    check(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    check_eq(pwrite(fd, data, data_len, (off_t)data_at), data_len);
}

/* Its wait status. The loop reaps children, so GLib's functions for that fail now and then. */
static int run(const char *const *argv)
{
    ProcessSpec spec = PROCESS_SPEC_INIT;
    g_auto(ProcessOutput) output = { 0 };
    g_autoptr(Error) err = NULL;

    spec.argv = argv;
    check_ok(process_run(&spec, NULL, 0, 0, 60000, &output, &err), err);
    return output.status;
}

static bool is_same(const char *a, const char *b)
{
    g_autofree char *path_a = path_join(dir, a), *path_b = path_join(dir, b);
    return run((const char *const[]){ "/usr/bin/cmp", "-s", path_a, path_b, NULL }) == 0;
}

static unsigned count_files(void)
{
    g_autoptr(GPtrArray) names = NULL;

    check(file_list_dir(dir, &names, NULL));
    return names->len;
}

#define FULL "<capacity>1048576</capacity>"
#define THIN FULL "<allocation>0</allocation>"
#define PART FULL "<allocation>512000</allocation>"
#define OVER FULL "<allocation>2097152</allocation>"

/* Sizes as libvirtd 9.0.0 leaves them on ext4. */
static const struct {
    const char *sizes, *format, *more;
    unsigned flags;
    ErrorCode code;
    const char *message; /* a part; of success NULL */
    uint64_t length, taken, capacity;
} makes[] = {
    { FULL, "raw", NULL, 0, 0, NULL, MIB, MIB, MIB },
    { THIN, "raw", NULL, 0, 0, NULL, MIB, 0, MIB },
    { PART, "raw", NULL, 0, 0, NULL, MIB, 512000, MIB },
    { OVER, "raw", NULL, 0, 0, NULL, 2 * MIB, 2 * MIB, 2 * MIB },
    { "<capacity>1000</capacity>", "raw", NULL, 0, 0, NULL, 1000, 4096, 1000 },
    { "<capacity>0</capacity>", "raw", NULL, 0, 0, NULL, 0, 0, 0 },
    { FULL, "raw", "<compat>1.1</compat><clusterSize>65536</clusterSize>", 0, 0, NULL, MIB, MIB, MIB },
    { FULL, "iso", NULL, 0, 0, NULL, MIB, 0, ANY },
    { FULL, "qcow2", NULL, 0, 0, NULL, 196616, 200704, MIB },
    { FULL, "qcow2", "<compat>1.1</compat>", 0, 0, NULL, 196616, 200704, MIB },
    { FULL, "qcow2", "<compat></compat><nocow/>", 0, 0, NULL, 196616, 200704, MIB },
    { FULL, "qcow2", "<features><lazy_refcounts/></features>", 0, 0, NULL, 196616, ANY, MIB },
    { FULL, "qcow2", "<features><extended_l2/></features>", 0, 0, NULL, 196616, ANY, MIB },
    { FULL, "qcow2", "<clusterSize unit='KiB'>128</clusterSize>", 0, 0, NULL, 393224, 397312, MIB },
    { FULL, "qcow2", NULL, PREALLOC, 0, NULL, 1376256, 1314816, MIB },
    { PART, "qcow2", NULL, PREALLOC, 0, NULL, 1376256, 266240, MIB },
    { OVER, "qcow2", NULL, 0, 0, NULL, 196616, 200704, MIB },
    { "<capacity>1000</capacity>", "qcow2", NULL, 0, 0, NULL, ANY, ANY, 1024 },
    { FULL, "qcow2", "<backingStore><path>base</path><format type='raw'/></backingStore>", 0, 0, NULL, 196616,
      ANY, MIB },
    { "", "qcow2", "<backingStore><path>base</path></backingStore>", 0, 0, NULL, 196616, ANY, 2 * MIB },
    { FULL, "qcow", NULL, 0, 0, NULL, 560, 4096, MIB },
    { FULL, "qed", NULL, 0, 0, NULL, 327680, 266240, MIB },
    { FULL, "vmdk", NULL, 0, 0, NULL, 65536, 12288, MIB },
    { FULL, "vdi", NULL, 0, 0, NULL, 1024, 4096, MIB },
    { FULL, "vpc", NULL, 0, 0, NULL, 2560, 4096, ANY },
    { FULL, "vhdx", NULL, 0, 0, NULL, ANY, ANY, MIB },

    { FULL, "bochs", NULL, 0, ERROR_REFUSED, "Format driver 'bochs' does not support image creation" },
    { FULL, "qcow2", "<compat>2.3</compat>", 0, ERROR_REFUSED, "Parameter 'version' does not accept value" },
    { FULL, "qcow2", "<clusterSize>1000</clusterSize>", 0, ERROR_REFUSED, "must be a power of two" },
    { FULL, "qcow2", "<compat>0.10</compat><features><lazy_refcounts/></features>", 0,
      ERROR_CONFIG_UNSUPPORTED, "lazy_refcounts not supported with compat level 0.10" },
    { FULL, "qcow2", "<compat>0.10</compat><features><extended_l2/></features>", 0, ERROR_CONFIG_UNSUPPORTED,
      "'extended_l2' not supported with compat level 0.10" },
    { FULL, "qcow", "<compat>1.1</compat>", 0, ERROR_CONFIG_UNSUPPORTED,
      "compatibility option only available with qcow2" },
    { FULL, "raw", NULL, PREALLOC, ERROR_CONFIG_UNSUPPORTED,
      "metadata preallocation is not supported for raw volumes" },
    { FULL, "vmdk", NULL, PREALLOC, ERROR_CONFIG_UNSUPPORTED,
      "metadata preallocation only available with qcow2" },
    { FULL, "raw", "<backingStore><path>base</path></backingStore>", 0, ERROR_NOT_SUPPORTED,
      "backing storage not supported for raw volumes" },
    { FULL, "qcow2", "<backingStore><path>base</path></backingStore>", PREALLOC, ERROR_CONFIG_UNSUPPORTED,
      "metadata preallocation conflicts with backing store" },
    { FULL, "qcow2", "<backingStore><path>/nowhere</path></backingStore>", 0, ERROR_SYSTEM,
      "inaccessible backing store volume /nowhere: No such file" },
    { FULL, "qcow2", "<backingStore><path>nbd://localhost/x</path></backingStore>", 0, ERROR_SYSTEM,
      "inaccessible backing store volume" },
    { FULL, "qcow2", "<backingStore><path>base</path><format type='vmdk'/></backingStore>", 0, ERROR_REFUSED,
      "invalid VMDK image descriptor" },
    { FULL, "raw", "<encryption format='qcow'/>", 0, ERROR_REFUSED,
      "Only luks encryption is supported for raw files" },
    { FULL, "qcow2", "<encryption format='default'/>", 0, ERROR_CONFIG_UNSUPPORTED,
      "creation of qcow2 encrypted image is not supported" },
    { FULL, "qcow2", "<encryption format='luks2'/>", 0, ERROR_CONFIG_UNSUPPORTED,
      "unsupported volume encryption format 3" },
    { FULL, "vmdk", "<encryption format='luks'/>", 0, ERROR_CONFIG_UNSUPPORTED,
      "volume encryption unsupported with format vmdk" },
    { FULL, "raw", "<encryption format='luks'/>", 0, ERROR_INVALID_ARGUMENT, "A single <secret" },
    { FULL, "qcow2",
      "<encryption format='luks'><secret type='passphrase' uuid='5a4d8c1e-0000-4000-8000-000000000002'/>"
      "</encryption>",
      0, ERROR_NO_SECRET, "no secret with matching uuid" },
    { "<capacity unit='EiB'>7</capacity>", "raw", NULL, 0, ERROR_SYSTEM, "cannot extend file '" },
    { "<capacity unit='EiB'>7</capacity>", "qcow2", NULL, 0, ERROR_REFUSED, "The image size is too large" },
};

static void check_made(const char *path, const VolumeDef *def, size_t i)
{
    g_autoptr(Error) err = NULL;
    struct stat st;
    ImageFormat format = IMAGE_RAW;

    check_eq(stat(path, &st), 0);
    check_eq(st.st_mode, S_IFREG | 0600);
    if (makes[i].length != ANY)
        check_eq(st.st_size, makes[i].length);
    if (makes[i].taken != ANY)
        check_eq((uint64_t)st.st_blocks * 512, makes[i].taken);
    for (unsigned f = 0; f < IMAGE_FORMAT_COUNT; f++)
        if (g_str_equal(image_format_names.names[f], makes[i].format))
            format = f;
    if (makes[i].capacity == ANY)
        return;
    g_auto(ImageInfo) info = { 0 };
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    check_ok(image_read_header(fd, format, &info, &err), err);
    check_eq(info.virtual_bytes, makes[i].capacity);
    check_eq(info.encryption.kind == IMAGE_LUKS1, def->target.encryption != NULL);
}

TEST_FIBER(images_are_made_as_their_document_says)
{
    world_begin();
    write_file("base", 2 * MIB, 0, 100);
    const unsigned files = count_files();
    g_autofree char *path = path_join(dir, ".temp");

    for (size_t i = 0; i < G_N_ELEMENTS(makes); i++) {
        g_autoptr(Error) err = NULL;
        g_autofree char *text =
            g_strdup_printf("%zu %s %s %s", i, makes[i].sizes, makes[i].format, makes[i].more);
        g_autoptr(VolumeDef) def = volume("v", makes[i].sizes, makes[i].format, makes[i].more);
        check_case(text);
        const bool ok = image_make(host, def, path, NULL, makes[i].flags, &err);
        if (makes[i].message) {
            check_says(ok, &err, makes[i].code, makes[i].message);
        } else {
            check_ok(ok, err);
            check_made(path, def, i);
            check_eq(unlink(path), 0);
        }
        check_eq(count_files(), files);
    }
    world_end();
}

static const struct {
    const char *from, *from_format, *sizes, *format, *more;
    uint64_t length, taken;
} copies[] = {
    /* 512 KiB of data in the middle of 2 MiB */
    { "data", "raw", "<allocation>0</allocation>", "raw", NULL, 2 * MIB, MIB / 2 },
    { "data", "raw", "", "raw", NULL, 2 * MIB, 2 * MIB },
    { "data", "raw", "<capacity>4194304</capacity><allocation>0</allocation>", "raw", NULL, 4 * MIB,
      MIB / 2 },
    { "data", "raw", "<capacity>4096</capacity><allocation>0</allocation>", "raw", NULL, 2 * MIB, MIB / 2 },
    { "data", "raw", "", "qcow2", NULL, ANY, ANY },
    { "data", "raw", "<capacity>4194304</capacity>", "qcow2", "<compat>1.1</compat>", ANY, ANY },
    { "data.qcow2", "qcow2", "<allocation>0</allocation>", "raw", NULL, 2 * MIB, MIB / 2 },
    { "data.qcow2", "qcow2", "", "vmdk", NULL, ANY, ANY },
};

static void convert_back(const char *format, const char *name)
{
    g_autofree char *from = path_join(dir, name), *back = path_join(dir, "back");

    check_eq(run((const char *const[]){ "/usr/bin/qemu-img", "convert", "-f", format, "-O", "raw", from, back,
                                        NULL }),
             0);
}

TEST_FIBER(images_are_made_from_others)
{
    world_begin();
    write_file("data", 2 * MIB, MIB / 2, MIB / 2);
    for (size_t i = 0; i < G_N_ELEMENTS(copies); i++) {
        g_autoptr(Error) err = NULL;
        g_autofree char *from_path = path_join(dir, copies[i].from);
        g_autofree char *path = path_join(dir, "copy");
        g_autoptr(VolumeDef) def = volume("copy", copies[i].sizes, copies[i].format, copies[i].more);
        const ImageInput from = { from_path, copies[i].from_format, NULL, 2 * MIB };
        struct stat st;
        check_case(copies[i].sizes);
        check_ok(image_make(host, def, path, &from, 0, &err), err);
        check_eq(stat(path, &st), 0);
        if (copies[i].length != ANY)
            check_eq(st.st_size, copies[i].length);
        if (copies[i].taken != ANY) /* and a block or two of the file system's own */
            check_eq((uint64_t)st.st_blocks * 512 / 65536, copies[i].taken / 65536);
        convert_back(copies[i].format, "copy");
        if (!def->capacity.is_set || def->capacity.value < 2 * MIB)
            check(is_same("data", "back"));
        if (i == 4) /* a later row is made from it */
            convert_back("qcow2", "copy");
        g_autofree char *kept = path_join(dir, "data.qcow2");
        check_eq(i == 4 ? rename(path, kept) : unlink(path), 0);
    }
    world_end();
}

/* qemu-img measures for seconds how fast it derives keys: one LUKS image in each test. */
TEST_FIBER(an_encrypted_image_is_made_with_its_cipher)
{
    world_begin();
    g_autoptr(Error) err = NULL;
    g_auto(ImageInfo) info = { 0 };
    g_autoptr(VolumeDef) def =
        volume("v", FULL, "qcow2",
               "<encryption format='luks'><secret type='passphrase' usage='v'/><cipher name='serpent' "
               "size='256' "
               "mode='cbc' hash='sha256'/><ivgen name='plain64' hash='sha256'/></encryption>");

    check_ok(image_make(host, def, def->target.path, NULL, 0, &err), err);
    AUTO_FD fd = open(def->target.path, O_RDONLY | O_CLOEXEC);
    check_ok(image_read_header(fd, IMAGE_QCOW2, &info, &err), err);
    check_eq(info.encryption.kind, IMAGE_LUKS1);
    check_str(info.encryption.cipher, "serpent");
    check_str(info.encryption.mode, "cbc-plain64:sha256");
    world_end();
}

TEST_FIBER(content_goes_into_an_encrypted_image_and_out_of_it)
{
    world_begin();
    write_file("data", 2 * MIB, MIB / 2, MIB / 2);
    g_autoptr(Error) err = NULL;
    g_autofree char *from_path = path_join(dir, "data");
    g_autoptr(VolumeDef) def = volume("v", "", "raw", LUKS);
    g_autoptr(VolumeDef) back = volume("back", "", "raw", NULL);
    const ImageInput from = { from_path, "raw", NULL, 2 * MIB };
    const ImageInput again = { def->target.path, "raw", def->target.encryption, 2 * MIB };

    check_ok(image_make(host, def, def->target.path, &from, 0, &err), err);
    check_ok(image_make(host, back, back->target.path, &again, 0, &err), err);
    check(is_same("data", "back"));
    def->capacity = (OptU64){ .is_set = true, .value = 2 * MIB };
    check_ok(image_resize(host, def, 3 * MIB, 0, &err), err);
    check_fails(image_resize(host, def, 4 * MIB, VIR_STORAGE_VOL_RESIZE_ALLOCATE, &err), err,
                ERROR_OPERATION_UNSUPPORTED);
    world_end();
}

TEST_FIBER(a_copy_that_fails_leaves_nothing)
{
    world_begin();
    g_autofree char *missing = path_join(dir, "missing"), *path = path_join(dir, "copy");
    const char *const formats[] = { "raw", "qcow2" };

    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(VolumeDef) def = volume("copy", "", formats[i], NULL);
        const ImageInput from = { missing, "raw", NULL, MIB };
        check_says(image_make(host, def, path, &from, 0, &err), &err, i == 0 ? ERROR_SYSTEM : ERROR_REFUSED,
                   missing);
        check(access(path, F_OK) < 0);
    }
    world_end();
}

TEST_FIBER(bytes_are_copied_by_extents_from_a_file_and_without_zeros_from_where_there_are_none)
{
    world_begin();
    write_file("from", 200 * MIB, 150 * MIB + 123, 3 * MIB);
    g_autofree char *from_path = path_join(dir, "from");
    static const char *const names[] = { "to", "from a pipe's file" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(Error) err = NULL;
        g_autofree char *to_path = path_join(dir, names[i]);
        AUTO_FD from = open(from_path, O_RDONLY | O_CLOEXEC);
        AUTO_FD to = open(to_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        struct stat st;
        check_ok(image_copy_bytes(from, from_path, to, to_path, false, &err), err);
        check(is_same("from", names[i]));
        check_eq(fstat(to, &st), 0);
        check_eq(st.st_size, 200 * MIB);
        check(st.st_blocks * 512 <= 4 * (off_t)MIB);
    }
    /* This file system has no reflinks, or it has. */
    g_autoptr(Error) err = NULL;
    AUTO_FD from = open(from_path, O_RDONLY | O_CLOEXEC);
    g_autofree char *to_path = path_join(dir, "link");
    AUTO_FD to = open(to_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (!image_copy_bytes(from, from_path, to, to_path, true, &err)) {
        check_eq(error_code(err), ERROR_SYSTEM);
        check_contains(error_message(err), "failed to clone files from");
    }
    world_end();
}

TEST_FIBER(a_full_device_is_named)
{
    g_autoptr(Error) err = NULL;
    AUTO_FD full = open("/dev/full", O_RDWR | O_CLOEXEC);
    AUTO_FD from = open("/bin/sh", O_RDONLY | O_CLOEXEC);

    check_says(image_zero_bytes(full, "/dev/full", 4096, &err), &err, ERROR_SYSTEM,
               "'/dev/full': No space left on device");
    check_says(image_copy_bytes(from, "/bin/sh", full, "/dev/full", false, &err), &err, ERROR_SYSTEM,
               "cannot write '/dev/full': No space left on device");
}

static const struct {
    const char *format, *sizes;
    uint64_t capacity;
    unsigned flags;
    ErrorCode code;
    const char *message;
    uint64_t length, taken;
} resizes[] = {
    { "raw", THIN, 2 * MIB, 0, 0, NULL, 2 * MIB, 0 },
    { "raw", FULL, 3 * MIB, VIR_STORAGE_VOL_RESIZE_ALLOCATE, 0, NULL, 3 * MIB, 3 * MIB },
    { "raw", FULL, 4096, VIR_STORAGE_VOL_RESIZE_SHRINK, 0, NULL, 4096, 4096 },
    { "raw", THIN, UINT64_C(1) << 62, 0, ERROR_SYSTEM, "Failed to truncate file '", MIB, 0 },
    { "qcow2", FULL, 2 * MIB, 0, 0, NULL, 196616, ANY },
    { "qcow2", FULL, MIB / 2, VIR_STORAGE_VOL_RESIZE_SHRINK, 0, NULL, ANY, ANY },
    { "qcow2", FULL, MIB / 2, 0, ERROR_REFUSED, "--shrink", ANY, ANY },
    { "qcow2", FULL, 2 * MIB, VIR_STORAGE_VOL_RESIZE_ALLOCATE, ERROR_OPERATION_UNSUPPORTED,
      "preallocate is only supported for raw type volume", ANY, ANY },
    { "vmdk", FULL, 2 * MIB, 0, ERROR_REFUSED, "Image format driver does not support resize", ANY, ANY },
};

TEST_FIBER(images_are_resized)
{
    world_begin();
    for (size_t i = 0; i < G_N_ELEMENTS(resizes); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(VolumeDef) def = volume("v", resizes[i].sizes, resizes[i].format, NULL);
        struct stat st;
        check_case(resizes[i].format);
        check_ok(image_make(host, def, def->target.path, NULL, 0, &err), err);
        const bool ok = image_resize(host, def, resizes[i].capacity, resizes[i].flags, &err);
        check_eq(error_code(err), resizes[i].code);
        check_eq(ok, resizes[i].message == NULL);
        if (resizes[i].message)
            check_contains(error_message(err), resizes[i].message);
        check_eq(stat(def->target.path, &st), 0);
        if (resizes[i].length != ANY)
            check_eq(st.st_size, resizes[i].length);
        if (resizes[i].taken != ANY)
            check_eq((uint64_t)st.st_blocks * 512, resizes[i].taken);
        check_eq(unlink(def->target.path), 0);
    }
    world_end();
}

TEST_FIBER(what_is_wiped_reads_as_zeros)
{
    world_begin();
    static const struct {
        const char *name;
        uint64_t data_at;
        uint64_t taken;
    } cases[] = { { "full", 0, MIB }, { "sparse", MIB / 2, 0 } };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autofree char *path = path_join(dir, cases[i].name);
        struct stat st;
        write_file("zeros", MIB, 0, 0);
        write_file(cases[i].name, MIB, cases[i].data_at, MIB - cases[i].data_at);
        check(!is_same("zeros", cases[i].name));
        check_ok(image_wipe(path, VIR_STORAGE_VOL_WIPE_ALG_ZERO, &err), err);
        check(is_same("zeros", cases[i].name));
        check_eq(stat(path, &st), 0);
        check_eq((uint64_t)st.st_blocks * 512, cases[i].taken);
    }
    g_autoptr(Error) err = NULL;
    g_autofree char *path = path_join(dir, "full");
    check_fails(image_wipe(path, VIR_STORAGE_VOL_WIPE_ALG_TRIM, &err), err, ERROR_ARGUMENT_UNSUPPORTED);
    g_clear_pointer(&err, error_free);
    check_fails(image_wipe(path, 10, &err), err, ERROR_INVALID_ARGUMENT);
    g_clear_pointer(&err, error_free);
    g_autofree char *missing = path_join(dir, "missing");
    check_says(image_wipe(missing, 0, &err), &err, ERROR_SYSTEM, "Failed to open storage volume with path '");
    g_autofree char *scrub = g_find_program_in_path("scrub");
    if (!image_wipe(path, VIR_STORAGE_VOL_WIPE_ALG_RANDOM, &err)) {
        check(!scrub);
        check_eq(error_errno(err), ENOENT);
        check_contains(error_hint_text(err), "scrub");
    }
    world_end();
}

TEST_FIBER(owners_and_modes_are_as_asked_for)
{
    world_begin();
    g_autoptr(Error) err = NULL;
    g_autoptr(VolumeDef) plain = volume("v", THIN, "raw", NULL);
    g_autoptr(VolumeDef) asked = volume("v", THIN, "raw", "<permissions><mode>0640</mode></permissions>");
    struct stat st;

    write_file("v", 10, 0, 10);
    check_ok(image_set_owner(asked, asked->target.path, 0600, &err), err);
    check_eq(stat(asked->target.path, &st), 0);
    check_eq(st.st_mode & 07777, 0640);
    check_ok(image_set_owner(plain, plain->target.path, 0600, &err), err);
    check_eq(stat(plain->target.path, &st), 0);
    check_eq(st.st_mode & 07777, 0600);
    world_end();
}
