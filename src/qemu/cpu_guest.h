/* The CPU of a machine: what its definition becomes before the start, and what QEMU made of that. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "conf/domain_def.h"
#include "qemu/qemu_caps.h"

/* Makes a named model with features, as the live XML shows it, of cpu mode host-model, of a model that is
 * only the least (match='minimum') and of optional features. Without features that forbid migration, unless
 * asked for.
 *
 * ERROR_CPU_INCOMPATIBLE  check='partial', and this QEMU on this host can't give it */
MUST_CHECK bool qemu_resolve_cpu(DomainDef *def, const QemuCaps *caps, Error **err);

/* What the guest really has. *ret_live: @cpu with check='full' and a policy for each feature that differs
 * from the model (owned; untouched where there is nothing to tell).
 *
 * @feature_words  the property of that name of the guest's first CPU
 *
 * ERROR_OPERATION_FAILED  check='full', and it is another CPU than the definition says */
MUST_CHECK bool qemu_live_cpu(const CpuDef *cpu, const Json *feature_words, CpuDef **ret_live, Error **err);
