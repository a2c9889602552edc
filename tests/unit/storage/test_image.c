/* Headers of disk images made by hand: what qemu-img cannot make, and what somebody with bad intentions
 * would. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "storage/image.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define PATCHES_MAX 12

/* A number or text at a place of a file that is otherwise zero. Formats of Microsoft and qcow are big endian,
 * the others little. */
typedef struct Patch {
    uint32_t offset;
    uint8_t bytes; /* of the number; 0: text */
    uint64_t number;
    const char *text;
} Patch;
#define N(offset, bytes, number)                                                                             \
    {                                                                                                        \
        offset, bytes, number, NULL                                                                          \
    }
#define T(offset, text)                                                                                      \
    {                                                                                                        \
        offset, 0, sizeof(text) - 1, text                                                                    \
    }

typedef struct Fake {
    const Patch *patches[2]; /* the second over the first */
    bool little;
    uint64_t size;
} Fake;

static void fake_put(const Patch *patch, bool little, uint8_t *out)
{
    if (patch->text)
        memcpy(out, patch->text, patch->number);
    for (unsigned i = 0; i < patch->bytes; i++)
        out[i] = (uint8_t)(patch->number >> 8 * (little ? i : patch->bytes - 1u - i));
}

static ssize_t fake_read(void *data, void *buffer, size_t len, uint64_t offset)
{
    const Fake *fake = data;
    uint8_t bytes[600];

    memset(buffer, 0, len);
    for (unsigned set = 0; set < 2; set++) {
        for (unsigned i = 0; fake->patches[set] && i < PATCHES_MAX; i++) {
            const Patch *patch = &fake->patches[set][i];
            const size_t n = patch->text ? patch->number : patch->bytes;
            fake_put(patch, fake->little, bytes);
            for (size_t k = 0; k < n; k++) {
                const uint64_t at = patch->offset + k;
                if (at >= offset && at - offset < len)
                    ((uint8_t *)buffer)[at - offset] = bytes[k];
            }
        }
    }
    return (ssize_t)len;
}

static bool fake_is_little(ImageFormat format)
{
    return format != IMAGE_QCOW && format != IMAGE_QCOW2 && format != IMAGE_VPC && format != IMAGE_LUKS &&
           format != IMAGE_DMG && format != IMAGE_CLOOP;
}

static bool fake_image(ImageFormat format, uint64_t size, const Patch *patches, const Patch *more,
                       ImageInfo *ret_info, Error **err)
{
    Fake fake = { .patches = { patches, more }, .little = fake_is_little(format), .size = size };
    const ImageReader reader = { .read = fake_read, .data = &fake, .size = size };

    return image_read_header_from(&reader, format, ret_info, err);
}

static const Patch qcow2[PATCHES_MAX] = { T(0, "QFI\xfb"),    N(4, 4, 3),  N(20, 4, 16),
                                          N(24, 8, 10 * MIB), N(36, 4, 1), N(40, 8, 0x30000),
                                          N(48, 8, 0x10000),  N(56, 4, 1), N(96, 4, 4),
                                          N(100, 4, 112) };
static const Patch qed[PATCHES_MAX] = { T(0, "QED\0"), N(4, 4, 65536), N(8, 4, 4), N(12, 4, 1),
                                        N(48, 8, 10 * MIB) };
static const Patch vmdk[PATCHES_MAX] = { T(0, "KDMV"),  N(4, 4, 1),  N(12, 8, 20480),
                                         N(20, 8, 128), N(28, 8, 1), N(36, 8, 20) };
static const Patch vdi[PATCHES_MAX] = { N(64, 4, 0xbeda107f),  N(0x44, 4, 0x10001), N(0x4c, 4, 1),
                                        N(0x170, 8, 10 * MIB), N(0x178, 4, MIB),    N(0x180, 4, 10) };
static const Patch vpc[PATCHES_MAX] = { T(0, "conectix"),   N(12, 4, 0x10000),  N(16, 8, 512),
                                        T(28, "win "),      N(48, 8, 10 * MIB), N(60, 4, 3),
                                        T(512, "cxsparse"), N(540, 4, 5),       N(544, 4, 2 * MIB) };
#define VHDX_METADATA 0x200000
static const Patch vhdx[PATCHES_MAX] = {
    T(0, "vhdxfile"),
    T(196608, "regi"),
    N(196616, 4, 1),
    T(196624, "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"),
    N(196640, 8, VHDX_METADATA),
    T(VHDX_METADATA, "metadata\0\0\2"),
    T(VHDX_METADATA + 32, "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b\0\0\1"),
    T(VHDX_METADATA + 64, "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8\0\0\2"),
    N(VHDX_METADATA + 0x10000, 4, 8 * MIB),
    N(VHDX_METADATA + 0x20000, 8, 10 * MIB),
};
static const Patch parallels[PATCHES_MAX] = { T(0, "WithouFreSpacExt"), N(16, 4, 2), N(28, 4, 2048),
                                              N(36, 8, 20480) };
static const Patch luks1[PATCHES_MAX] = { T(0, "LUKS\xba\xbe\0\1"), T(8, "aes"),     T(40, "xts-plain64"),
                                          T(72, "sha256"),          N(104, 4, 4096), N(108, 4, 64),
                                          N(208, 4, 0xac71f3) };
static const Patch luks2[PATCHES_MAX] = {
    T(0, "LUKS\xba\xbe\0\2"), N(8, 8, 16384), T(24, "label"), T(168, "uuid"),
    T(4096, "{\"keyslots\": {\"0\": {\"key_size\": 64}}, \"segments\": {\"0\": {\"type\": \"crypt\", "
            "\"offset\": \"4194304\", \"encryption\": \"aes-xts-plain64\", \"sector_size\": 4096}}}")
};
static const Patch dmg[PATCHES_MAX] = { T(65536 - 512, "koly"), N(65536 - 20, 8, 20480) };
static const Patch cloop[PATCHES_MAX] = { T(0, "#!/bin/sh\n#V2.0 Format"), N(128, 4, 65536), N(132, 4, 160) };
static const Patch bochs1[PATCHES_MAX] = { T(0, "Bochs Virtual HD Image"), T(32, "Redolog"), T(48, "Growing"),
                                           N(64, 4, 0x10000), N(84, 8, 10 * MIB) };
static const Patch bochs2[PATCHES_MAX] = { T(0, "Bochs Virtual HD Image"), T(32, "Redolog"), T(48, "Growing"),
                                           N(64, 4, 0x20000), N(88, 8, 10 * MIB) };
static const Patch iso[PATCHES_MAX] = { T(32769, "CD001\1"), T(32808, "LABEL   ") };

TEST(sizes_are_read_in_every_format)
{
    static const struct {
        const char *name;
        ImageFormat format;
        const Patch *patches;
        uint64_t size, virtual_bytes, cluster_bytes;
    } cases[] = {
        { "raw", IMAGE_RAW, qcow2, 12345, 12345, 0 },
        { "qcow2", IMAGE_QCOW2, qcow2, 65536, 10 * MIB, 65536 },
        { "qed", IMAGE_QED, qed, 65536, 10 * MIB, 65536 },
        { "vmdk", IMAGE_VMDK, vmdk, 65536, 10 * MIB, 65536 },
        { "vdi", IMAGE_VDI, vdi, 65536, 10 * MIB, MIB },
        { "vpc", IMAGE_VPC, vpc, 65536, 10 * MIB, 2 * MIB }, /* rows: images-05 */
        { "vhdx", IMAGE_VHDX, vhdx, 8 * MIB, 10 * MIB, 8 * MIB },
        { "parallels", IMAGE_PARALLELS, parallels, 65536, 10 * MIB, MIB },
        { "luks1", IMAGE_LUKS, luks1, 12 * MIB, 10 * MIB, 0 },
        { "luks2", IMAGE_LUKS, luks2, 14 * MIB, 10 * MIB, 0 },
        { "dmg", IMAGE_DMG, dmg, 65536, 10 * MIB, 0 },
        { "cloop", IMAGE_CLOOP, cloop, 65536, 10 * MIB, 65536 },
        { "bochs1", IMAGE_BOCHS, bochs1, 65536, 10 * MIB, 0 },
        { "bochs2", IMAGE_BOCHS, bochs2, 65536, 10 * MIB, 0 },
        { "iso", IMAGE_ISO, iso, 65536, 65536, 0 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_auto(ImageInfo) info = { 0 };

        check_case(cases[i].name);
        check_ok(fake_image(cases[i].format, cases[i].size, cases[i].patches, NULL, &info, &err), err);
        check_eq(info.virtual_bytes, cases[i].virtual_bytes);
        check_eq(info.cluster_bytes, cases[i].cluster_bytes);
        check_eq(info.file_bytes, cases[i].size);
        check_eq(info.format, cases[i].format);
    }
}

/* Each row changes one thing in a good header. */
TEST(damaged_and_hostile_headers_are_refused)
{
    static const struct {
        ImageFormat format;
        const Patch *good;
        uint64_t size;
        Patch bad[PATCHES_MAX];
        ErrorCode code;
        const char *text; /* in the message */
    } cases[] = {
        { IMAGE_QCOW2, qcow2, 65536, { T(0, "QFJ") }, ERROR_INVALID_ARGUMENT, "no qcow2 image" },
        { IMAGE_QCOW2, qcow2, 3, {}, ERROR_INVALID_ARGUMENT, "no qcow2 image" },
        { IMAGE_QCOW2, qcow2, 0, {}, ERROR_INVALID_ARGUMENT, "no qcow2 image" },
        { IMAGE_QCOW2, qcow2, 80, {}, ERROR_OPERATION_FAILED, "the header (104 bytes at 0)" },
        { IMAGE_QCOW2, qcow2, 65536, { N(4, 4, 1) }, ERROR_INVALID_ARGUMENT, "no qcow2 image" },
        { IMAGE_QCOW2, qcow2, 65536, { N(4, 4, 4) }, ERROR_OPERATION_UNSUPPORTED, "version 4" },
        { IMAGE_QCOW2, qcow2, 65536, { N(20, 4, 8) }, ERROR_OPERATION_FAILED, "2^8 bytes" },
        { IMAGE_QCOW2, qcow2, 65536, { N(20, 4, 64) }, ERROR_OPERATION_FAILED, "2^64 bytes" },
        { IMAGE_QCOW2, qcow2, 65536, { N(24, 8, UINT64_MAX) }, ERROR_OPERATION_FAILED, "the disk has" },
        { IMAGE_QCOW2, qcow2, 65536, { N(32, 4, 3) }, ERROR_OPERATION_FAILED, "encryption method 3" },
        { IMAGE_QCOW2, qcow2, 65536, { N(32, 4, 2) }, ERROR_OPERATION_FAILED, "no LUKS header" },
        { IMAGE_QCOW2, qcow2, 65536, { N(36, 4, 0xffffffff) }, ERROR_OPERATION_FAILED, "the L1 table has" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(40, 8, 0x30001) },
          ERROR_OPERATION_FAILED,
          "does not begin at a cluster" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(56, 4, 0xffffffff) },
          ERROR_OPERATION_FAILED,
          "reference counts has" },
        { IMAGE_QCOW2, qcow2, 65536, { N(96, 4, 7) }, ERROR_OPERATION_FAILED, "2^7 bits" },
        { IMAGE_QCOW2, qcow2, 65536, { N(100, 4, 96) }, ERROR_OPERATION_FAILED, "the header has 96 bytes" },
        { IMAGE_QCOW2, qcow2, 65536, { N(100, 4, 0xfffffff8) }, ERROR_OPERATION_FAILED, "the header has" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(72, 8, 8), N(104, 1, 9) },
          ERROR_OPERATION_FAILED,
          "compression type 9" },
        { IMAGE_QCOW2, qcow2, 65536, { N(72, 8, 8), N(100, 4, 104) }, ERROR_OPERATION_FAILED, "compressed" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(8, 8, 200), N(16, 4, 1024) },
          ERROR_OPERATION_FAILED,
          "more than 1023" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(8, 8, 65500), N(16, 4, 100) },
          ERROR_OPERATION_FAILED,
          "behind the end" },
        { IMAGE_QCOW2,
          qcow2,
          1 << 20,
          { N(8, 8, 65536), N(16, 4, 9) },
          ERROR_OPERATION_FAILED,
          "outside of the header" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(8, 8, UINT64_MAX), N(16, 4, 9) },
          ERROR_OPERATION_FAILED,
          "outside" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(112, 4, 1), N(116, 4, 0xffffffff) },
          ERROR_OPERATION_FAILED,
          "0x00000001" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(112, 4, 0xe2792aca), N(116, 4, 2000) },
          ERROR_OPERATION_FAILED,
          "the format of the backing file has 2000 bytes" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(32, 4, 2), N(112, 4, 0x0537be77), N(116, 4, 16), N(120, 8, UINT64_MAX) },
          ERROR_OPERATION_FAILED,
          "LUKS header (8 bytes at" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(32, 4, 2), N(112, 4, 0x0537be77), N(116, 4, 16), N(120, 8, 0) },
          ERROR_OPERATION_FAILED,
          "at 0 there is no LUKS header" }, /* the image itself */
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(60, 4, 65537) },
          ERROR_OPERATION_FAILED,
          "65537 snapshots, more than 65536" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(60, 4, 1), N(64, 8, 0x7fffffffffff0000) },
          ERROR_OPERATION_FAILED,
          "table of snapshots" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(60, 4, 60000), N(64, 8, 0) },
          ERROR_OPERATION_FAILED,
          "table of snapshots" }, /* its own header */
        { IMAGE_QCOW2,
          qcow2,
          1 << 17,
          { N(60, 4, 1), N(64, 8, 65536), N(65548, 4, 0xffffffff) },
          ERROR_OPERATION_FAILED,
          "the id of a snapshot" },
        { IMAGE_QCOW2,
          qcow2,
          1 << 20,
          { N(60, 4, 1), N(64, 8, 65536), N(65572, 4, 1025) },
          ERROR_OPERATION_FAILED,
          "1025 bytes of extra data" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(88, 8, 1), N(112, 4, 0x23852875), N(116, 4, 8) },
          ERROR_OPERATION_FAILED,
          "of bitmaps has 8 bytes" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(88, 8, 1), N(112, 4, 0x23852875), N(116, 4, 24), N(120, 4, 65536) },
          ERROR_OPERATION_FAILED,
          "65536 bitmaps" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(88, 8, 1), N(112, 4, 0x23852875), N(116, 4, 24), N(120, 4, 1), N(128, 8, 1 << 30) },
          ERROR_OPERATION_FAILED,
          "more than 16777216" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(88, 8, 1), N(112, 4, 0x23852875), N(116, 4, 24), N(120, 4, 1), N(128, 8, 64),
            N(136, 8, UINT64_MAX - 10) },
          ERROR_OPERATION_FAILED,
          "behind the end" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(88, 8, 1), N(112, 4, 0x23852875), N(116, 4, 24), N(120, 4, 9), N(128, 8, 64), N(136, 8, 4096) },
          ERROR_OPERATION_FAILED,
          "shorter than the bitmaps" },
        { IMAGE_QCOW2,
          qcow2,
          65536,
          { N(88, 8, 1), N(112, 4, 0x23852875), N(116, 4, 24), N(120, 4, 1), N(128, 8, 64), N(136, 8, 4096),
            N(4113, 1, 64) },
          ERROR_OPERATION_FAILED,
          "2^64 bytes" },
        { IMAGE_QED, qed, 65536, { N(4, 4, 65537) }, ERROR_OPERATION_FAILED, "65537 bytes" },
        { IMAGE_QED, qed, 65536, { N(4, 4, 0) }, ERROR_OPERATION_FAILED, "0 bytes" },
        { IMAGE_QED, qed, 65536, { N(8, 4, 32) }, ERROR_OPERATION_FAILED, "32 clusters" },
        { IMAGE_QED,
          qed,
          65536,
          { N(16, 8, 1), N(56, 4, 64), N(60, 4, 0xffffffff) },
          ERROR_OPERATION_FAILED,
          "more than 1023" },
        { IMAGE_QED, qed, 65536, { N(48, 8, UINT64_MAX) }, ERROR_OPERATION_FAILED, "the disk has" },
        { IMAGE_VMDK, vmdk, 65536, { N(4, 4, 4) }, ERROR_OPERATION_UNSUPPORTED, "version 4" },
        { IMAGE_VMDK, vmdk, 65536, { N(12, 8, UINT64_MAX) }, ERROR_OPERATION_FAILED, "the disk is" },
        { IMAGE_VMDK, vmdk, 65536, { N(20, 8, 0) }, ERROR_OPERATION_FAILED, "0 sectors" },
        { IMAGE_VMDK,
          vmdk,
          65536,
          { N(36, 8, UINT64_MAX / 4) },
          ERROR_OPERATION_FAILED,
          "the description is" },
        { IMAGE_VMDK, vmdk, 65536, { N(36, 8, 4096) }, ERROR_OPERATION_FAILED, "more than 1048576" },
        { IMAGE_VMDK, vmdk, 65536, { N(28, 8, 1 << 20) }, ERROR_OPERATION_FAILED, "behind the end" },
        { IMAGE_VMDK, vmdk, 65536, { N(56, 8, UINT64_MAX) }, ERROR_OPERATION_FAILED, "no footer" },
        { IMAGE_VMDK,
          vmdk,
          65536,
          { T(512, "RW 99999999999999999999 SPARSE \"x\"") },
          ERROR_OPERATION_FAILED,
          "extent 1 is not described" },
        { IMAGE_VMDK,
          vmdk,
          65536,
          { T(512, "RW 18446744073709551615 SPARSE \"x\"") },
          ERROR_OPERATION_FAILED,
          "an extent is" },
        { IMAGE_VMDK, vmdk, 65536, { T(512, "RW x") }, ERROR_OPERATION_FAILED, "extent 1 is not described" },
        { IMAGE_VMDK,
          NULL,
          512,
          { T(0, "# Disk DescriptorFile\nCID=1\n") },
          ERROR_OPERATION_FAILED,
          "no createType" },
        { IMAGE_VMDK, NULL, 512, { T(0, "# Disk Descriptor") }, ERROR_INVALID_ARGUMENT, "no vmdk image" },
        { IMAGE_VMDK,
          NULL,
          2 * MIB,
          { T(0, "# Disk DescriptorFile\n") },
          ERROR_OPERATION_FAILED,
          "more than 1048576" },
        { IMAGE_VDI, vdi, 65536, { N(0x44, 4, 0x20000) }, ERROR_OPERATION_UNSUPPORTED, "version 2" },
        { IMAGE_VDI, vdi, 65536, { N(0x4c, 4, 0) }, ERROR_OPERATION_FAILED, "type 0" },
        { IMAGE_VDI, vdi, 65536, { N(0x170, 8, UINT64_MAX) }, ERROR_OPERATION_FAILED, "the disk has" },
        { IMAGE_VDI, vdi, 65536, { N(0x178, 4, 0) }, ERROR_OPERATION_FAILED, "blocks have 0" },
        { IMAGE_VDI, vdi, 65536, { N(0x180, 4, 9) }, ERROR_OPERATION_FAILED, "its 9 blocks" },
        { IMAGE_VPC, vpc, 65536, { N(12, 4, 0x20000) }, ERROR_OPERATION_UNSUPPORTED, "version 2" },
        { IMAGE_VPC, vpc, 65536, { N(16, 8, UINT64_MAX) }, ERROR_OPERATION_FAILED, "behind the end" },
        { IMAGE_VPC, vpc, 65536, { N(16, 8, 0) }, ERROR_OPERATION_FAILED, "at 0 there is no header" },
        { IMAGE_VPC, vpc, 65536, { N(60, 4, 5) }, ERROR_OPERATION_FAILED, "type 5" },
        { IMAGE_VPC, vpc, 65536, { N(540, 4, 4) }, ERROR_OPERATION_FAILED, "fewer than the disk" },
        { IMAGE_VPC, vpc, 65536, { N(544, 4, 3) }, ERROR_OPERATION_FAILED, "3 bytes" },
        { IMAGE_VPC, vpc, 65536, { N(60, 4, 4) }, ERROR_OPERATION_FAILED, "parent without a name" },
        { IMAGE_VHDX, vhdx, 65536, {}, ERROR_OPERATION_FAILED, "the region table (65536 bytes at 196608)" },
        { IMAGE_VHDX, vhdx, 8 * MIB, { N(196616, 4, 2048) }, ERROR_OPERATION_FAILED, "no region table" },
        { IMAGE_VHDX, vhdx, 8 * MIB, { N(196640, 8, UINT64_MAX) }, ERROR_OPERATION_FAILED, "behind the end" },
        { IMAGE_VHDX,
          vhdx,
          8 * MIB,
          { N(196640, 8, 0) },
          ERROR_OPERATION_FAILED,
          "at 0 there is no metadata" },
        { IMAGE_VHDX,
          vhdx,
          8 * MIB,
          { N(VHDX_METADATA + 10, 2, 2048) },
          ERROR_OPERATION_FAILED,
          "no metadata table" },
        { IMAGE_VHDX,
          vhdx,
          8 * MIB,
          { N(VHDX_METADATA + 10, 2, 1) },
          ERROR_OPERATION_FAILED,
          "not say the size" },
        { IMAGE_VHDX,
          vhdx,
          8 * MIB,
          { N(VHDX_METADATA + 80, 4, 0xffffffff) },
          ERROR_OPERATION_FAILED,
          "behind" },
        { IMAGE_VHDX,
          vhdx,
          8 * MIB,
          { N(VHDX_METADATA + 0x10000, 4, 3 * MIB) },
          ERROR_OPERATION_FAILED,
          "blocks have" },
        { IMAGE_VHDX,
          vhdx,
          8 * MIB,
          { N(VHDX_METADATA + 0x10004, 4, 2) },
          ERROR_OPERATION_FAILED,
          "does not name it" },
        { IMAGE_PARALLELS, parallels, 65536, { N(16, 4, 3) }, ERROR_OPERATION_UNSUPPORTED, "version 3" },
        { IMAGE_PARALLELS, parallels, 65536, { N(28, 4, 0) }, ERROR_OPERATION_FAILED, "0 bytes" },
        { IMAGE_PARALLELS,
          parallels,
          65536,
          { N(36, 8, UINT64_MAX) },
          ERROR_OPERATION_FAILED,
          "the disk is" },
        { IMAGE_LUKS, luks1, 12 * MIB, { N(6, 2, 3) }, ERROR_OPERATION_UNSUPPORTED, "version 3" },
        { IMAGE_LUKS,
          luks1,
          12 * MIB,
          { N(104, 4, 0xffffffff) },
          ERROR_OPERATION_FAILED,
          "the data begins at" },
        { IMAGE_LUKS, luks1, 12 * MIB, { N(108, 4, 513) }, ERROR_OPERATION_FAILED, "513 bytes" },
        { IMAGE_LUKS, luks2, 14 * MIB, { N(8, 8, 4096) }, ERROR_OPERATION_FAILED, "has 4096 bytes" },
        { IMAGE_LUKS, luks2, 14 * MIB, { N(8, 8, UINT64_MAX) }, ERROR_OPERATION_FAILED, "not between" },
        { IMAGE_LUKS,
          luks2,
          14 * MIB,
          { T(4096, "[[") },
          ERROR_OPERATION_FAILED,
          "JSON of the LUKS2 header" },
        { IMAGE_LUKS, luks2, 14 * MIB, { T(4096, "{}\0") }, ERROR_OPERATION_FAILED, "no encrypted segment" },
        { IMAGE_DMG, dmg, 65536, { T(65536 - 512, "nope") }, ERROR_INVALID_ARGUMENT, "no dmg image" },
        { IMAGE_DMG, dmg, 65536, { N(65536 - 20, 8, UINT64_MAX) }, ERROR_OPERATION_FAILED, "the disk is" },
        { IMAGE_CLOOP, cloop, 65536, { N(128, 4, 513) }, ERROR_OPERATION_FAILED, "513 bytes" },
        { IMAGE_CLOOP, cloop, 65536, { N(128, 4, 0) }, ERROR_OPERATION_FAILED, "0 bytes" },
        { IMAGE_BOCHS, bochs1, 65536, { N(64, 4, 0x30000) }, ERROR_OPERATION_UNSUPPORTED, "version 3" },
        { IMAGE_BOCHS, bochs1, 65536, { T(48, "Flat") }, ERROR_OPERATION_FAILED, "Growing" },
        { IMAGE_ISO, iso, 32768, {}, ERROR_INVALID_ARGUMENT, "no iso image" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        ImageInfo info = { .virtual_bytes = 7 };
        g_autofree char *name = g_strdup_printf("%zu: %s", i, cases[i].text);

        check_case(name);
        check_eq(fake_image(cases[i].format, cases[i].size, cases[i].good, cases[i].bad, &info, &err), false);
        check_eq(error_code(err), cases[i].code);
        check_contains(error_message(err), cases[i].text);
        check_eq(info.virtual_bytes, 7);
    }
}

TEST(what_a_qcow2_says_about_itself_is_reported)
{
    static const Patch more[PATCHES_MAX] = { N(72, 8, 1 | 2 | 4 | 8 | 16 | 1 << 9),
                                             N(80, 8, 1),
                                             N(88, 8, 2),
                                             N(104, 1, 1),
                                             N(112, 4, 0x44415441),
                                             N(116, 4, 5),
                                             T(120, "d.raw"),
                                             N(128, 4, 0xe2792aca),
                                             N(132, 4, 3),
                                             T(136, "raw") };
    g_autoptr(Error) err = NULL;
    g_auto(ImageInfo) info = { 0 };

    check_ok(fake_image(IMAGE_QCOW2, 65536, qcow2, more, &info, &err), err);
    check(info.is_dirty && info.is_corrupt && info.has_data_file && info.has_zstd && info.has_extended_l2);
    check(info.has_lazy_refcounts && info.is_data_file_raw && info.has_unknown_features);
    check_str(info.data_file, "d.raw");
    check_str(info.backing_format, "raw");
    check_eq(info.version, 3);
    check_eq(info.incompatible, 31 + 512);
}

TEST(a_name_ends_at_its_first_nul)
{
    static const Patch more[PATCHES_MAX] = { N(8, 8, 1000), N(16, 4, 9), T(1000, "base\0evil") };
    g_autoptr(Error) err = NULL;
    g_auto(ImageInfo) info = { 0 };

    check_ok(fake_image(IMAGE_QCOW2, 65536, qcow2, more, &info, &err), err);
    check_str(info.backing, "base");
}

TEST(snapshots_and_bitmaps_are_listed)
{
    static const Patch snapshots[PATCHES_MAX] = {
        N(60, 4, 1),      N(64, 8, 65536), N(65548, 2, 1),  N(65550, 2, 4),          N(65552, 4, 1700000000),
        N(65560, 8, 123), N(65568, 4, 99), N(65572, 4, 16), N(65576, 8, 5000000000), N(65584, 8, 42),
        T(65592, "7name")
    };
    static const Patch bitmaps[PATCHES_MAX] = { N(88, 8, 1),    N(112, 4, 0x23852875), N(116, 4, 24),
                                                N(120, 4, 1),   N(128, 8, 32),         N(136, 8, 65536),
                                                N(65548, 4, 3), N(65552, 1, 1),        N(65553, 1, 16),
                                                N(65554, 2, 2), T(65560, "bm") };
    g_autoptr(Error) err = NULL;
    g_auto(ImageInfo) with_snapshot = { 0 };
    g_auto(ImageInfo) with_bitmap = { 0 };

    check_ok(fake_image(IMAGE_QCOW2, 1 << 20, qcow2, snapshots, &with_snapshot, &err), err);
    check(with_snapshot.snapshots != NULL && with_snapshot.snapshots->len == 1 && !with_snapshot.bitmaps);
    const ImageSnapshot *snapshot = g_ptr_array_index(with_snapshot.snapshots, 0);
    check_str(snapshot->id, "7");
    check_str(snapshot->name, "name");
    check_eq(snapshot->time_s, 1700000000);
    check_eq(snapshot->vm_clock_ns, 123);
    check_eq(snapshot->vm_state_bytes, 5000000000); /* of the 64 bits, not the 32 */
    check_eq(snapshot->disk_bytes, 42);

    check_ok(fake_image(IMAGE_QCOW2, 1 << 20, qcow2, bitmaps, &with_bitmap, &err), err);
    check(with_bitmap.bitmaps != NULL && with_bitmap.bitmaps->len == 1);
    const ImageBitmap *bitmap = g_ptr_array_index(with_bitmap.bitmaps, 0);
    check_str(bitmap->name, "bm");
    check(bitmap->is_in_use && bitmap->is_auto);
    check_eq(bitmap->granularity_bytes, 65536);
}

TEST(luks_headers_say_how_they_encrypt)
{
    g_autoptr(Error) err = NULL;
    g_auto(ImageInfo) one = { 0 };
    g_auto(ImageInfo) two = { 0 };

    check_ok(fake_image(IMAGE_LUKS, 12 * MIB, luks1, NULL, &one, &err), err);
    check_eq(one.encryption.kind, IMAGE_LUKS1);
    check_str(one.encryption.cipher, "aes");
    check_str(one.encryption.mode, "xts-plain64");
    check_str(one.encryption.hash, "sha256");
    check_eq(one.encryption.n_keyslots, 1);
    check_eq(one.encryption.payload_offset_bytes, 2 * MIB);
    check_ok(fake_image(IMAGE_LUKS, 14 * MIB, luks2, NULL, &two, &err), err);
    check_eq(two.encryption.kind, IMAGE_LUKS2);
    check_str(two.encryption.cipher, "aes");
    check_str(two.encryption.mode, "xts-plain64");
    check_str(two.encryption.label, "label");
    check_eq(two.encryption.sector_bytes, 4096);
    check_eq(two.encryption.key_bytes, 64);
    check_eq(two.encryption.n_keyslots, 1);
}

TEST(parents_of_vpc_vhdx_and_vmdk_are_named)
{
    static const Patch vpc_more[PATCHES_MAX] = { N(60, 4, 4), T(576, "\0p\0.\0v\0h\0d") };
    static const Patch vhdx_more[PATCHES_MAX] = {
        T(VHDX_METADATA + 10, "\3"),
        T(VHDX_METADATA + 96,
          "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c\0\0\3\0\x4e\0\0\0"),
        N(VHDX_METADATA + 0x10004, 4, 2),
        N(VHDX_METADATA + 0x30012, 2, 1),
        N(VHDX_METADATA + 0x30014, 4, 32),
        N(VHDX_METADATA + 0x30018, 4, 58),
        N(VHDX_METADATA + 0x3001c, 2, 26),
        N(VHDX_METADATA + 0x3001e, 2, 20),
        T(VHDX_METADATA + 0x30020, "r\0e\0l\0a\0t\0i\0v\0e\0_\0p\0a\0t\0h\0p\0.\0v\0h\0d\0x"),
    };
    static const Patch vmdk_more[PATCHES_MAX] = { T(512,
                                                    "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=2\n"
                                                    "createType=\"monolithicSparse\"\n"
                                                    "parentFileNameHint=\"p q.vmdk\"\n"
                                                    "RW 20480 SPARSE \"x.vmdk\"\nRDONLY 63 FLAT \"y z\" 10\n"
                                                    "NOACCESS 1 ZERO\n") };
    g_autoptr(Error) err = NULL;
    g_auto(ImageInfo) of_vpc = { 0 };
    g_auto(ImageInfo) of_vhdx = { 0 };
    g_auto(ImageInfo) of_vmdk = { 0 };

    check_ok(fake_image(IMAGE_VPC, 65536, vpc, vpc_more, &of_vpc, &err), err);
    check_str(of_vpc.backing, "p.vhd");
    check_str(of_vpc.subformat, "differencing");
    check_ok(fake_image(IMAGE_VHDX, 8 * MIB, vhdx, vhdx_more, &of_vhdx, &err), err);
    check_str(of_vhdx.backing, "p.vhdx");
    check_ok(fake_image(IMAGE_VMDK, 65536, vmdk, vmdk_more, &of_vmdk, &err), err);
    check_str(of_vmdk.backing, "p q.vmdk");
    check_str(of_vmdk.backing_format, "vmdk");
    check_eq(of_vmdk.extents->len, 3);
    const ImageExtent *flat = g_ptr_array_index(of_vmdk.extents, 1);
    check_str(flat->access, "RDONLY");
    check_str(flat->file, "y z");
    check_eq(flat->offset_bytes, 5120);
    check_str(((const ImageExtent *)g_ptr_array_index(of_vmdk.extents, 2))->file, NULL);
}

TEST(only_files_and_devices_are_images)
{
    g_autoptr(Error) err = NULL;
    ImageInfo info;
    ImageFormat format = IMAGE_FORMAT_COUNT;
    int fds[2];

    check_eq(pipe(fds), 0);
    check_fails(image_read_header(fds[0], IMAGE_RAW, &info, &err), err, ERROR_INVALID_ARGUMENT);
    close(fds[0]);
    close(fds[1]);
    AUTO_FD dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check_fails(image_read_header(dir, IMAGE_QCOW2, &info, &err), err, ERROR_INVALID_ARGUMENT);
    check_fails(image_read_header(-1, IMAGE_QCOW2, &info, &err), err, ERROR_SYSTEM);
    AUTO_FD empty = memfd_create("empty", MFD_CLOEXEC);
    check_ok(image_detect_format(empty, &format, &err), err);
    check_eq(format, IMAGE_RAW);
}

TEST(formats_of_documents_are_known)
{
    ImageFormat format = IMAGE_FORMAT_COUNT;

    check(image_format_from_storage(STORAGE_FORMAT_ABSENT, &format) && format == IMAGE_RAW);
    check(image_format_from_storage(STORAGE_FORMAT_RAW, &format) && format == IMAGE_RAW);
    check(image_format_from_storage(STORAGE_FORMAT_VHD, &format) && format == IMAGE_VPC);
    check(image_format_from_storage(STORAGE_FORMAT_PLOOP, &format) && format == IMAGE_PARALLELS);
    check(!image_format_from_storage(STORAGE_FORMAT_DIR, &format));
    check(!image_format_from_storage(STORAGE_FORMAT_COW, &format));
    check_eq(image_format_to_storage(IMAGE_QCOW2), STORAGE_FORMAT_QCOW2);
    check_eq(image_format_to_storage(IMAGE_LUKS), STORAGE_FORMAT_RAW);
    check_eq(image_format_to_storage(IMAGE_VHDX), STORAGE_FORMAT_ABSENT);
}
