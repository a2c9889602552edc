/* The options of `lodge install`, all tables of them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "install/option.h"

/* All of them, one after the other; NULL: no more. */
const InstallOption *install_option_at(unsigned index);
/* By name, without "--"; NULL. */
const InstallOption *install_option_find(const char *name);
