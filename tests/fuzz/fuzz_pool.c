/* Documents of pools and volumes of unknown origin: what is accepted is written and read again without a change. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/pool.h"
#include "conf/volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *pool_again(const char *text)
{
    g_autoptr(PoolDef) def = NULL;

    return pool_def_parse(text, strlen(text), 0, &def, NULL) ? pool_def_format(def, 0) : NULL;
}

static char *volume_again(const char *text)
{
    g_autoptr(VolumeDef) def = NULL;

    return volume_def_parse(text, strlen(text), 0, &def, NULL) ? volume_def_format(def) : NULL;
}

static void try(const char *text, char *(*again)(const char *text))
{
    g_autofree char *first = again(text);

    if (!first)
        return;
    g_autofree char *second = again(first);
    if (g_strcmp0(first, second) != 0) {
        fprintf(stderr, "written twice, not the same:\n%s\n%s\n", first, second ? second : "(cannot be read)");
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);

    try(text, pool_again);
    try(text, volume_again);
    return 0;
}
