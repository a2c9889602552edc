/* The <cpu> document: of a host (it has <arch>) or of a guest (it has mode, match, feature policies). */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "host/cpu_features.h"

typedef enum CpuDocKind {
    CPU_DOC_ANY,  /* <arch> makes it a host's */
    CPU_DOC_HOST, /* must be a host's */
} CpuDocKind;

typedef enum CpuMatch { CPU_MATCH_EXACT, CPU_MATCH_MINIMUM, CPU_MATCH_STRICT } CpuMatch;

typedef struct CpuDoc {
    bool is_host;
    char *arch;   /* NULL: not said */
    char *model;  /* NULL: not said */
    char *vendor; /* NULL: not said */
    CpuMatch match;
    /* by policy; a host's features are all required. x86 names only where arch is x86 or not said */
    CpuSet force, require, optional, disable, forbid;
} CpuDoc;

/* @validate: structure is checked too (ERROR_XML_SCHEMA). ERROR_XML_SYNTAX, ERROR_XML_INVALID,
 * ERROR_CONFIG_UNSUPPORTED (values), ERROR_INTERNAL (the code clients know for unknown features). */
MUST_CHECK bool cpu_doc_parse(const char *xml, CpuDocKind kind, bool validate, CpuDoc **ret_doc, Error **err);
void cpu_doc_free(CpuDoc *doc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CpuDoc, cpu_doc_free)

/* A name that documents may give as architecture. */
bool cpu_arch_is_known(const char *arch);
bool cpu_arch_is_x86(const char *arch);
