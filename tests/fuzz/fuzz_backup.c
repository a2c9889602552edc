/* Fuzz target: what a repository of backups has on disk. The first byte says what the rest is: a manifest, or
 * a pack with a good name for its table. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backup/manifest.h"
#include "backup/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_manifest(const char *text, size_t len)
{
    g_autoptr(Manifest) manifest = NULL, again = NULL;
    g_autoptr(Error) err = NULL;

    if (!manifest_parse(text, len, &manifest, &err)) {
        if (!err || manifest)
            abort();
        return;
    }
    g_autofree char *formatted = manifest_format(manifest);
    if (!manifest_parse(formatted, strlen(formatted), &again, NULL))
        abort();
}

/* Tables are believed by their hash only, so the name is made to fit. */
static void fuzz_pack(const uint8_t *data, size_t size)
{
    AUTO_FD fd = memfd_create("pack", MFD_CLOEXEC);
    g_autoptr(GArray) entries = NULL;
    PackHealth health;
    char name[HASH_TEXT_LEN] = "";
    uint64_t at = 0;
    Hash hash;

    if (size >= 24)
        memcpy(&at, data + size - 16, sizeof(at));
    if (at < size && size - at >= 24) {
        hash_of(data + at + 8, size - at - 24, &hash);
        hash_format(&hash, name);
    }
    if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
        !pack_read_table(fd, name, &entries, &health, NULL))
        return;
    for (guint i = 0; i < entries->len; i++) {
        const PackEntry *entry = &g_array_index(entries, PackEntry, i);
        if (entry->offset > size || entry->stored > size - entry->offset || entry->len > CHUNK_BYTES)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 'm')
        fuzz_manifest((const char *)data + 1, size - 1);
    else
        fuzz_pack(data + 1, size - 1);
    return 0;
}
