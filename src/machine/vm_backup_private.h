/* A backup of a running machine from the inside: for vm_backup*.c and the status file. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/backup.h"
#include "machine/vm_backup.h"
#include "machine/vm_private.h"

typedef struct VmBackupDisk {
    char *name;
    bool is_made;  /* its image, by us, or about to be: it goes unless it is a copy that became whole */
    bool has_node; /* QEMU has the image, or may have */
    char *bitmap;  /* of the source's node, for this alone; NULL */
    uint32_t end;  /* BLOCK_JOB_COMPLETED and following; 0: not over */
    uint64_t done, total;
} VmBackupDisk;

typedef struct VmBackup {
    BackupDef *def;
    GPtrArray *disks; /* VmBackupDisk of those that take part */
    uint32_t flags;
    uint64_t begun_ms; /* of the wall clock */
    char *caller;
    char *problem; /* of the first disk that failed; NULL */
    char *socket;  /* made by us; NULL */
    bool has_server, has_tls;
    bool is_begun; /* all of its jobs have */
    bool is_aborted;
    bool is_ending, is_watched; /* not in files */
} VmBackup;
extern const XmlTable vm_backup_table;
VmBackup *vm_backup_new(BackupDef *def /* taken */);
void vm_backup_free(VmBackup *backup);                                  /* NULL does nothing */
VmBackupDisk *vm_backup_disk(const VmBackup *backup, const char *name); /* NULL */
#define VM_BACKUP_PRESERVE 2 /* flag after 9.0: PRESERVE_SHUTDOWN_DOMAIN */
#define VM_BACKUP_TLS_ID "objlibvirt-backup-tls0"

/* The image of a backup's disk as if it were the disk's: borrows what both have. */
void vm_backup_shell(const DiskDef *disk, BackupDisk *entry, DiskDef *ret_shell);
/* Takes everything away; @is_whole: copies are kept. The job is held; run->backup is NULL then. */
AWAITS void vm_backup_clean_up(Vm *vm, bool is_whole);
/* Cancels its jobs and waits for them; the job is held. */
AWAITS void vm_backup_cancel_jobs(Vm *vm, bool wait);
/* Ends the connections of those who fetch it. There must be a backup. */
void vm_backup_drop_clients(const Vm *vm);
