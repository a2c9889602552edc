/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/option_list.h"

#include <string.h>

#include "install/option_rows.h"

const InstallOption *install_option_at(unsigned index)
{
    static const InstallOption *const tables[] = { option_rows_guest, option_rows_device,
                                                   option_rows_install };

    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
        for (const InstallOption *option = tables[i]; option->name; option++)
            if (index-- == 0)
                return option;
    return NULL;
}

const InstallOption *install_option_find(const char *name)
{
    const InstallOption *option;

    for (unsigned i = 0; (option = install_option_at(i)); i++)
        if (strcmp(option->name, name) == 0 || (option->also && strcmp(option->also, name) == 0))
            return option;
    return NULL;
}
