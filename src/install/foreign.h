/* Systems as other programs call them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "install/os_db.h"

/* What VMware ("debian12-64"), VirtualBox ("Ubuntu22_LTS_64") or CIM's number in an OVF (0: none) mean; the
 * nearest version that is known. false: not known. @word: NULL, or text of anybody's. */
bool foreign_find(OsDb *db, const char *word, uint64_t number, OsFacts *ret_facts);
/* CIM's number for a system of ours; 102 (other) if there is none. */
unsigned foreign_number(const OsFacts *facts);
