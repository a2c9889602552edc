/* What an image of a disk says of itself, before any program of QEMU's opens it: an image names other files,
 * and they would be opened, too.
 *
 * Request: {path}. Answer: {format, bytes, parent: what it stands on, extents: [names of other files with its
 * data]}. The format is QEMU's name for it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "media/verbs_machine.h"

#define SECTOR 512
#define DESCRIPTOR_MAX ((size_t)1 << 20)
#define EXTENTS_MAX 4096u
#define VMDK_TEXT "# Disk DescriptorFile"

typedef struct Look {
    const char *path;
    int fd;
    uint64_t size;
    uint8_t head[SECTOR];
    Json *result; /* borrowed */
} Look;

static uint64_t little(const uint8_t *at, unsigned n)
{
    uint64_t value = 0;

    while (n-- > 0)
        value = value << 8 | at[n];
    return value;
}

static bool stands_on(const Look *look, const char *parent)
{
    json_object_set_new(look->result, "parent",
                        json_string(g_utf8_validate(parent, -1, NULL) ? parent : "another image"));
    return true;
}

static bool damaged(const Look *look, const char *what, Error **err)
{
    return error_set(err, ERROR_PROBE_FAILED, "'%s' is damaged: %s", look->path, what);
}

/* ---- vmdk ---- */

/* RW 4192256 SPARSE "disk-s001.vmdk" */
static bool take_extent(const Look *look, const char *line, Error **err)
{
    Json *list = json_object_get(look->result, "extents");
    const char *open = strchr(line, '"'), *close = open ? strchr(open + 1, '"') : NULL;

    if (strstr(line, " ZERO"))
        return true;
    if (!close)
        return damaged(look, "an extent of it has no name", err);
    g_autofree char *name = g_strndup(open + 1, (size_t)(close - open - 1));
    if (!path_is_safe_component(name) || !g_utf8_validate(name, -1, NULL))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED,
                         "'%s' keeps its data in '%s', which is no file beside it", look->path,
                         g_utf8_validate(name, -1, NULL) ? name : "?");
    if (json_array_size(list) >= EXTENTS_MAX)
        return error_set(err, ERROR_OVERFLOW, "'%s' has more than %u extents", look->path, EXTENTS_MAX);
    json_array_append_new(list, json_string(name));
    return true;
}

static bool read_descriptor(const Look *look, uint64_t offset, uint64_t len, bool has_extents, Error **err)
{
    static const char *const access[] = { "RW ", "RDONLY ", "NOACCESS " };
    g_autofree char *text = g_malloc0((size_t)MIN(len, DESCRIPTOR_MAX) + 1);

    if (pread(look->fd, text, (size_t)MIN(len, DESCRIPTOR_MAX), (off_t)offset) < 0)
        return error_set_errno(err, errno, "cannot read '%s'", look->path);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_strstrip(*line);
        if (g_ascii_strncasecmp(*line, "parentCID=", 10) == 0 &&
            g_ascii_strcasecmp(*line + 10, "ffffffff") != 0)
            (void)stands_on(look, "the disk of a snapshot");
        if (g_ascii_strncasecmp(*line, "parentFileNameHint=", 19) == 0)
            (void)stands_on(look, *line + 19);
        for (size_t i = 0; has_extents && i < G_N_ELEMENTS(access); i++)
            if (g_str_has_prefix(*line, access[i]) && !take_extent(look, *line, err))
                return false;
    }
    return true;
}

static bool read_vmdk(Look *look, Error **err)
{
    const uint64_t capacity = little(look->head + 12, 8), offset = little(look->head + 28, 8),
                   sectors = little(look->head + 36, 8);

    /* QEMU takes such a file for a descriptor of others. */
    if (capacity == 0)
        return damaged(look, "it says that it holds nothing", err);
    if (offset == 0 || sectors == 0)
        return true;
    if (offset > look->size / SECTOR)
        return damaged(look, "its description lies behind its end", err);
    return read_descriptor(look, offset * SECTOR, MIN(sectors, DESCRIPTOR_MAX / SECTOR) * SECTOR, false, err);
}

static bool read_vmdk_text(Look *look, Error **err)
{
    return read_descriptor(look, 0, look->size, true, err);
}

/* ---- others ---- */

static bool read_qcow2(Look *look, Error **err)
{
    static const uint8_t none[8];

    if (memcmp(look->head + 8, none, sizeof(none)) != 0)
        return stands_on(look, "another image");
    if (look->head[7] >= 3 && (look->head[79] & 4))
        return error_set(err, ERROR_OPERATION_UNSUPPORTED, "'%s' keeps its data in another file", look->path);
    return true;
}

static bool read_vdi(Look *look, Error **err)
{
    return little(look->head + 0x4c, 4) != 4 || stands_on(look, "the disk of a snapshot");
}

/* The footer, which is at the beginning, too, unless all of the disk is there. */
static bool read_vhd(Look *look, Error **err)
{
    return look->head[63] != 4 || stands_on(look, "the disk of a checkpoint");
}

static bool read_nothing(Look *look, Error **err)
{
    return true;
}

static bool is_packed(Look *look, Error **err)
{
    error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is an archive, no disk", look->path);
    return error_hint(err, "unpack it first");
}

static bool is_locked(Look *look, Error **err)
{
    return error_set(err, ERROR_NOT_SUPPORTED, "'%s' is encrypted by LUKS: its content is not seen here",
                     look->path);
}

static const struct {
    const char *magic;
    size_t len;
    const char *format;
    bool (*read)(Look *look, Error **err);
} formats[] = { { "QFI\xfb", 4, "qcow2", read_qcow2 },
                { "KDMV", 4, "vmdk", read_vmdk },
                { "COWD", 4, "vmdk", read_nothing },
                { VMDK_TEXT, sizeof(VMDK_TEXT) - 1, "vmdk", read_vmdk_text },
                { "vhdxfile", 8, "vhdx", read_nothing },
                { "conectix", 8, "vpc", read_vhd },
                { "<<< ", 4, "vdi", read_vdi },
                { "LUKS\xba\xbe", 6, NULL, is_locked },
                { "\xfd\x37zXZ", 6, NULL, is_packed },
                { "\x1f\x8b", 2, NULL, is_packed },
                { "\x28\xb5\x2f\xfd", 4, NULL, is_packed },
                { "BZh", 3, NULL, is_packed },
                { "PK\x03\x04", 4, NULL, is_packed } };

static bool look_at(Look *look, Error **err)
{
    const char *format = "raw";

    if (pread(look->fd, look->head, sizeof(look->head), 0) < 0)
        return error_set_errno(err, errno, "cannot read '%s'", look->path);
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (memcmp(look->head, formats[i].magic, formats[i].len) != 0)
            continue;
        json_object_set_new(look->result, "format",
                            formats[i].format ? json_string(formats[i].format) : json_null());
        return formats[i].read(look, err);
    }
    if (look->size >= 2 * SECTOR &&
        pread(look->fd, look->head, sizeof(look->head), (off_t)look->size - SECTOR) == SECTOR &&
        memcmp(look->head, "conectix", 8) == 0)
        format = "vpc";
    if (look->size == 0 || look->size % SECTOR)
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is no image of a disk that is known here",
                         look->path);
    json_object_set_new(look->result, "format", json_string(format));
    return true;
}

bool media_disk(const Json *request, Json **ret_result, Error **err)
{
    Look look = { .path = json_get_str(request, "path") };
    struct stat st;

    if (!look.path)
        return error_set(err, ERROR_INVALID_ARGUMENT, "which disk?");
    AUTO_FD fd = open(look.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set_errno(err, errno, "cannot open '%s'", look.path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID_ARGUMENT, "'%s' is not a file", look.path);
    if (!media_confine(NULL, NULL, err))
        return false;
    look.fd = fd;
    look.size = (uint64_t)st.st_size;
    look.result = json_pack("{s:[], s:I}", "extents", "bytes", (json_int_t)st.st_size);
    if (look_at(&look, err)) {
        *ret_result = look.result;
        return true;
    }
    json_decref(look.result);
    return false;
}
