/* What the files of filter documents share. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/nwfilter.h"

const char *filter_attr_name(FilterAttrId attr);
bool filter_is_name(const char *text); /* of a variable */
