/* The running state of a machine in a file: save, restore, managed save, core dump.
 *
 * Image layout is libvirt's (magic "LibvirtQemudSave", header version 2, domain XML, cookie XML, QEMU
 * migration stream), so images of either daemon restore in the other. An image becomes valid only when
 * complete. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm.h"

/* flags (virDomainSaveRestoreFlags): BYPASS_CACHE 1, RUNNING 2, PAUSED 4, RESET_NVRAM 8. @dxml NULL: as it
 * is. On failure the machine runs on as before and no file is left. */
AWAITS MUST_CHECK bool vm_save(Vm *vm, const char *path, const char *dxml, unsigned flags,
                               const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_restore(Host *host, const char *path, const char *dxml, unsigned flags,
                                  const Caller *caller, Error **err);
AWAITS MUST_CHECK bool save_image_get_xml(Host *host, const char *path, unsigned flags, char **ret_xml,
                                          Error **err);
AWAITS MUST_CHECK bool save_image_define_xml(Host *host, const char *path, const char *dxml, unsigned flags,
                                             Error **err);

AWAITS MUST_CHECK bool vm_managed_save(Vm *vm, unsigned flags, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_managed_save_remove(Vm *vm, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_managed_save_get_xml(Vm *vm, unsigned flags, char **ret_xml, Error **err);
AWAITS MUST_CHECK bool vm_managed_save_define_xml(Vm *vm, const char *dxml, unsigned flags, Error **err);

/* format: virDomainCoreDumpFormat; flags (virDomainCoreDumpFlags): CRASH 1, LIVE 2, BYPASS_CACHE 4, RESET 8,
 * MEMORY_ONLY 16. */
AWAITS MUST_CHECK bool vm_core_dump(Vm *vm, const char *path, unsigned format, unsigned flags,
                                    const Caller *caller, Error **err);
