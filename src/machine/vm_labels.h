/* What rules of access go by: who owns a machine, and the words on it. In its metadata:
 * <access xmlns='urn:lodge:access:1' owner='alice' tags='prod fast'/>. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "machine/vm.h"

#define VM_LABELS_NAMESPACE "urn:lodge:access:1"
#define VM_LABELS_KEY "access"

typedef struct VmLabels {
    char *owner, *tags; /* owned; NULL */
} VmLabels;
void vm_labels_clear(VmLabels *labels);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmLabels, vm_labels_clear)

/* false: it has none. Never waits: longer ones than 4 KiB do not count. */
bool vm_labels_get(Vm *vm, VmLabels *ret_labels);
/* The element; owned; NULL for labels that are empty. */
char *vm_labels_format(const VmLabels *labels);
