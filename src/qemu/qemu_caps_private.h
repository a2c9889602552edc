/* What the modules behind qemu_caps.h share; nobody else includes this.
 *
 * A probe yields one JSON document, which is also what the cache file holds; qemu_caps_from_document() packs
 * it into the small immutable struct that stays in memory:
 *
 *   {"format": 4, "key": "...", "binary", "arch", "version": 7002022, "package", "kvm": bool,
 *    "facts": ["command:stop", "device:VGA", "prop:VGA.vgamem_mb", "option:sandbox", "option:sandbox.spawn",
 *              "schema:QUERY", "tpm-model:tpm-tis", "tpm-type:passthrough", "probed:VGA", "hyperv:relaxed",
 * ...], "machines": [{"name", "alias", "default", "cpus", "hotplug", "numa", "deprecated", "cpu", "ram"}],
 *    "cpus": {"kvm": {"models": [{"name", "type", "blockers": [...], "deprecated", "static"}], "host":
 * {...}}, "tcg": ...}, "firmware": [see firmware.h]} */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"
#include "qemu/qemu_caps.h"

#define QEMU_CAPS_FORMAT 4

typedef struct QemuCpuSet {
    QemuCpuModel *models;
    size_t n_models;
    Json *host;
} QemuCpuSet;

struct QemuCaps {
    unsigned refs;
    GStringChunk *strings; /* every string below */
    const char *binary, *arch, *package;
    char *key;
    uint64_t version;
    bool kvm;
    uint64_t *facts; /* sorted hashes of their names: all that is ever asked is whether one is there */
    size_t n_facts;
    QemuMachine *machines;
    size_t n_machines;
    const char **blockers; /* backing store of QemuCpuModel.blockers */
    QemuCpuSet cpus[2];    /* [0] TCG, [1] KVM */
    Json *firmware;
};

bool qemu_caps_has_fact(const QemuCaps *caps, const char *kind, const char *name, const char *detail);

/* ERROR_INVALID_ARGUMENT for a document that is not as above. */
MUST_CHECK bool qemu_caps_from_document(const Json *document, QemuCaps **ret_caps, Error **err);

typedef struct QemuProbeUser {
    bool set; /* we are root: run QEMU as this user */
    uid_t uid;
    gid_t gid;
    gid_t *groups;
    size_t n_groups;
} QemuProbeUser;

/* Runs @binary and asks it everything. @kvm_usable: /dev/kvm can be opened by us. */
AWAITS MUST_CHECK bool qemu_caps_probe(const char *binary, const QemuProbeUser *user, bool kvm_usable,
                                       Json **ret_document, Error **err);

/* Changes when what a probe asks changes. */
uint64_t qemu_caps_probe_signature(void);
