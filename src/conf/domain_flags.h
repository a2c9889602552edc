/* How a domain document is read and written, and whom its reader asks. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "conf/domain_def.h"
#include "conf/xml_table.h"

typedef enum DomainParseFlags {
    DOMAIN_PARSE_INACTIVE = 1 << 0,      /* drop what only running machines have */
    DOMAIN_PARSE_VALIDATE = 1 << 1,      /* refuse what the schema does not know: ERROR_XML_SCHEMA */
    DOMAIN_PARSE_SKIP_DEFAULTS = 1 << 2, /* as it stands: fill in nothing, check nothing */
    DOMAIN_PARSE_SKIP_CHECKS = 1 << 3, /* a document that was accepted before, perhaps by an older version */
} DomainParseFlags;

/* What the host's QEMU says about a machine; strings owned. */
typedef struct DomainPlatform {
    char *emulator;  /* path; for documents that name none */
    char *machine;   /* canonical name of the machine type that the document names, or of the default */
    char *cpu_model; /* the machine type's CPU model ("qemu64"); NULL: it has none */
    char *nvram_dir; /* where firmware variables are kept by default; NULL: no default */
} DomainPlatform;
void domain_platform_clear(DomainPlatform *platform);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DomainPlatform, domain_platform_clear)

typedef struct DomainHooks {
    Arch host_arch; /* for documents that name none */
    /* Called once per document with type, os and emulator as read (os.arch filled in). May wait. NULL: what
     * is absent stays absent. Failing (unknown machine type, no such emulator) fails the parse. */
    bool (*platform)(void *arg, const DomainDef *def, DomainPlatform *ret_platform, Error **err);
    /* Something that no table describes was dropped. NULL: it is logged at debug level. */
    void (*dropped)(void *arg, const char *path, unsigned line);
    void *arg;
} DomainHooks;

typedef enum DomainFormatFlags {
    DOMAIN_FORMAT_SECURE = XML_FORMAT_SECURE,     /* with passwords */
    DOMAIN_FORMAT_INACTIVE = XML_FORMAT_INACTIVE, /* as it would start next time */
    /* for another host, perhaps with an older daemon: inactive, without devices that every reader adds itself
     */
    DOMAIN_FORMAT_MIGRATABLE = XML_FORMAT_MIGRATABLE,
    DOMAIN_FORMAT_STATUS = XML_FORMAT_USER, /* with what only a restarted daemon wants to know */
} DomainFormatFlags;
