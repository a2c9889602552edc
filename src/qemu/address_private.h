/* Shared by address.c, address_pci.c and address_usb.c. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_def.h"

/* PCI addresses of everything on PCI, and the controllers they need. */
MUST_CHECK bool assign_pci(DomainDef *def, Error **err);
/* USB ports of everything on USB, and the hubs they need. */
MUST_CHECK bool assign_usb(DomainDef *def, Error **err);
