/* Fuzz target: documents of machines of other programs, and files of `lodge apply`. The first byte says
 * which. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "install/lab.h"
#include "media/machine_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_document(const char *text, size_t len)
{
    AUTO_JSON machine = json_pack("{s:[], s:[], s:[]}", "disks", "nics", "notes");
    g_autoptr(Error) err = NULL;

    if (!machine_read_text(text, len, "m.ovf", machine, &err) && !err)
        abort();
    g_autofree char *formatted = json_format(machine);
    if (!formatted)
        abort();
}

static void fuzz_lab(const char *text, size_t len)
{
    g_autoptr(Lab) lab = NULL;
    g_autoptr(Error) err = NULL;

    if (!lab_read("lab.yaml", text, len, &lab, &err)) {
        if (!err || lab)
            abort();
        return;
    }
    for (guint i = 0; i < lab->items->len; i++)
        for (const LabKey *key = lab_keys(((LabItem *)lab->items->pdata[i])->kind); key->name; key++)
            (void)lab_number(lab->items->pdata[i], key->name, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    g_autofree char *text = g_malloc0(size);
    memcpy(text, data + 1, size - 1);
    if (data[0] == 'y')
        fuzz_lab(text, size - 1);
    else
        fuzz_document(text, size - 1);
    return 0;
}
