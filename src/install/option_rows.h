/* The tables of options, in parts. Each ends with an empty row. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "install/option_apply.h"

/* An older spelling of a sub-option: understood, not listed. */
#define OLD(word, place, kind) { word, place, kind, .is_old = true }

extern const InstallOption option_rows_guest[], option_rows_device[];
/* How it is installed: no parts of the document. */
extern const InstallOption option_rows_install[];
