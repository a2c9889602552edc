/* What is written down about a machine: define, undefine, rename, describe. No QEMU is touched except where
 * said. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm.h"

/* @flags everywhere: the public API's constants of the like-named call; unknown bits are
 * ERROR_INVALID_ARGUMENT "unsupported flags (0x..) in function ...". */

/* The new definition is on disk when this returns. Redefining a running machine changes its next start.
 * ERROR_XML_SYNTAX / _INVALID / _SCHEMA / CONFIG_UNSUPPORTED, ERROR_OPERATION_FAILED for a name or UUID in
 * use. */
AWAITS MUST_CHECK Vm *vm_define(Host *host, const char *xml, unsigned flags, const Caller *caller,
                                Error **err);

/* flags: MANAGED_SAVE 1, SNAPSHOTS_METADATA 2, NVRAM 4, KEEP_NVRAM 8, CHECKPOINTS_METADATA 16. */
AWAITS MUST_CHECK bool vm_undefine(Vm *vm, unsigned flags, const Caller *caller, Error **err);
/* The same of a defined one whose job is held. */
AWAITS MUST_CHECK bool vm_undefine_held(Vm *vm, unsigned flags, const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_rename(Vm *vm, const char *new_name, unsigned flags, const Caller *caller,
                                 Error **err);

/* flags: SECURE 1 (refused for read-only callers), INACTIVE 2, UPDATE_CPU 4, MIGRATABLE 8. Never waits. */
MUST_CHECK bool vm_get_xml(Vm *vm, unsigned flags, const Caller *caller, char **ret_xml, Error **err);

/* type: 0 description, 1 title, 2 element (@key prefix, @uri). NULL @metadata deletes. affect:
 * virDomainModificationImpact
 */
AWAITS MUST_CHECK bool vm_set_metadata(Vm *vm, int type, const char *metadata, const char *key,
                                       const char *uri, unsigned flags, const Caller *caller, Error **err);
MUST_CHECK bool vm_get_metadata(Vm *vm, int type, const char *uri, unsigned flags, char **ret_text,
                                Error **err);

/* flags: affect 1 live, 2 config, 4 maximum (vcpus), 8 guest (vcpus: agent), 16 hotpluggable. Live vCPUs come
 * and go one by one, as the guest lets them (ERROR_TIMEOUT: it has not); live memory goes through the
 * balloon. */
AWAITS MUST_CHECK bool vm_set_vcpus(Vm *vm, unsigned count, unsigned flags, const Caller *caller,
                                    Error **err);
AWAITS MUST_CHECK bool vm_set_memory(Vm *vm, uint64_t bytes, unsigned flags, const Caller *caller,
                                     Error **err);
AWAITS MUST_CHECK bool vm_set_memory_stats_period(Vm *vm, int period_s, unsigned flags, const Caller *caller,
                                                  Error **err);
MUST_CHECK bool vm_get_vcpu_count(Vm *vm, unsigned flags, unsigned *ret_count, Error **err);
uint64_t vm_get_max_memory(Vm *vm); /* bytes */

/* virsh domxml-to-native / lodge explain: the command line that a start would use. Formats: "qemu-argv". */
AWAITS MUST_CHECK bool vm_xml_to_native(Host *host, const char *format, const char *xml, char **ret_text,
                                        Error **err);

typedef struct ExplainItem {
    char *argument, *value, *source, *note;
} ExplainItem; /* source: XPath in the domain XML */
/* Of a machine (live arguments if it runs) or of @xml (then @vm is NULL). */
AWAITS MUST_CHECK bool vm_explain(Host *host, Vm *vm, const char *xml, GPtrArray **ret_items, Error **err);
