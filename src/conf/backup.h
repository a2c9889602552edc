/* The document of a backup that a machine is to make, or makes. After "Backup XML format" of libvirt-doc, and
 * what libvirtd 9.0.0 makes of such documents. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/domain_xml.h"

typedef enum BackupMode {
    BACKUP_PUSH, /* QEMU writes into images */
    BACKUP_PULL, /* programs fetch what they want over NBD; scratch images keep what the guest overwrites */
    BACKUP_MODE_COUNT
} BackupMode;
extern const EnumNames backup_mode_names;

typedef enum BackupDiskMode {
    BACKUP_DISK_DEFAULT,
    BACKUP_FULL,
    BACKUP_INCREMENTAL,
    BACKUP_DISK_COUNT
} BackupDiskMode;
extern const EnumNames backup_disk_mode_names;

typedef struct BackupDisk {
    char *name;        /* the disk's target */
    uint8_t backup;    /* Tristate: takes part, or not */
    uint8_t type;      /* StorageType of the image; UINT8_MAX: not said */
    uint8_t mode;      /* BackupDiskMode */
    uint8_t format;    /* StorageFormat of the image */
    char *incremental; /* checkpoint; NULL: the backup's */
    char *exportname, *exportbitmap;
    StorageSource target, scratch; /* push, pull: the image; its index is that of its node */
    bool is_pull;                  /* as the whole backup */
} BackupDisk;

typedef enum BackupTransport {
    BACKUP_TRANSPORT_DEFAULT,
    BACKUP_TCP,
    BACKUP_UNIX,
    BACKUP_TRANSPORT_COUNT
} BackupTransport;
extern const EnumNames backup_transport_names;

typedef struct BackupServer {
    uint8_t transport; /* BackupTransport */
    uint8_t tls;       /* Tristate */
    char *host;
    OptU64 port;
    char *socket; /* absolute path */
} BackupServer;

typedef struct BackupDef {
    uint8_t mode;         /* BackupMode */
    char *incremental;    /* checkpoint; NULL: full */
    BackupServer *server; /* pull only */
    bool has_disks;       /* there is a list, however empty */
    GPtrArray *disks;     /* BackupDisk */
} BackupDef;

/* Reads a <domainbackup>, which must follow the schema.
 *
 * ERROR_XML_SYNTAX, ERROR_XML_INVALID, ERROR_XML_SCHEMA, ERROR_OPERATION_UNSUPPORTED (TCP without port),
 * ERROR_INVALID_ARGUMENT (a port that is none) */
MUST_CHECK bool backup_def_parse(const char *xml, size_t len, BackupDef **ret_def, Error **err);
char *backup_def_format(const BackupDef *def); /* caller owns */
void backup_def_free(BackupDef *def);          /* NULL does nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BackupDef, backup_def_free)

StorageSource *backup_disk_image(BackupDisk *disk);
/* Gives each disk of the machine its entry, in the machine's order: what the document says; if it names no
 * disk at all, all that can be written to take part, else only those that are named. Fills in modes, names of
 * exports and of images: that of the disk's image with @suffix.
 *
 * ERROR_CONFIG_UNSUPPORTED: no such disk, one twice, empty, none at all, or no name can be made up */
MUST_CHECK bool backup_align_disks(BackupDef *def, const DomainDef *domain, const char *suffix, Error **err);

extern const XmlTable backup_disk_table;
extern const XmlTable backup_table; /* for the manual */
