/* The inside of snapshots, for vm_snapshot*.c and what asks whether there are some.
 *
 * Files, below snapshot/MACHINE: NAME.xml as libvirtd has them; in .lodge what libvirtd does not know:
 *   journal       what is about to happen (VmIntent); gone when it has
 *   images        paths of images that snapshots made, one a line: only these are ever removed
 *   NAME.nvram, NAME.tpm   firmware variables and the state of the TPM of that moment
 *   NAME.overwritten       there: its image was written to by a commit, or was about to be */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "conf/snapshot.h"
#include "machine/vm_private.h"
#include "machine/vm_snapshot.h"
#include "storage/image_snapshot.h"

/* ---- the tree (vm_snapshot.c) ---- */

static inline SnapshotDef *snapshot_def(const Moment *snapshot)
{
    return snapshot->def;
}
/* References, parents first. */
GPtrArray *vm_snapshot_list_all(const Vm *vm);
/* The disk of @def that the entry of a snapshot means; NULL. */
DiskDef *vm_snapshot_disk(const DomainDef *def, const char *target);
SnapshotDisk *vm_snapshot_entry(const SnapshotDef *def, const char *target);
/* Did the machine run, so that its memory is kept? */
static inline bool vm_snapshot_has_memory(const SnapshotDef *def)
{
    return def->memory == DISK_SNAPSHOT_INTERNAL || def->memory == DISK_SNAPSHOT_EXTERNAL;
}

/* ---- what libvirtd does not know (vm_snapshot.c) ---- */

/* Of the machine's folder of ours; owned. */
char *vm_snapshot_own_path(const Vm *vm, const char *name, const char *suffix);
AWAITS MUST_CHECK bool vm_snapshot_make_own_folder(const Vm *vm, Error **err);
/* Adds or takes away paths of images that are ours. */
AWAITS MUST_CHECK bool vm_snapshot_own_images(Vm *vm, const GPtrArray *add, const GPtrArray *remove,
                                              Error **err);
bool vm_snapshot_owns_image(const Vm *vm, const char *path);
/* At the daemon's start, of all machines, after moment_load_all(). */
AWAITS void vm_snapshot_load_images(Host *host);
/* Their documents name the machine. */
AWAITS MUST_CHECK bool vm_snapshot_parse(Host *host, const char *xml, size_t len, MomentParseFlags flags,
                                         SnapshotDef **ret_def, Error **err); /* vm_xml.c */
AWAITS MUST_CHECK bool vm_checkpoint_parse(Host *host, const char *xml, size_t len, MomentParseFlags flags,
                                           CheckpointDef **ret_def, Error **err);

/* ---- intents (vm_snapshot_journal.c) ----
 *
 * What is about to happen is written down before it does. Who finds it at the daemon's start takes it back,
 * or, once is_decided, brings it to its end. */

typedef enum IntentKind {
    INTENT_NONE,
    INTENT_CREATE,
    INTENT_REVERT,
    INTENT_DELETE,
    INTENT_KIND_COUNT
} IntentKind;

typedef struct VmIntent {
    IntentKind kind;
    bool is_decided; /* there is no way back */
    bool is_frozen;  /* the guest's file systems are, or will be */
    bool is_live;    /* CREATE: of a running machine */
    char *snapshot;  /* its name */
    char *document;  /* CREATE: that of its file; REVERT: the new definition of the machine */
    char *memory;    /* CREATE: the file that is made; NULL */
    unsigned flags;  /* of the call */
    /* CREATE: what is made, image by image. REVERT: the images that were made; those that the snapshots
     * inside of are to be applied to. DELETE: of which snapshots something is left to do. */
    GPtrArray *disks; /* targets; same length as ... */
    GPtrArray *paths; /* ... these; "" */
    GPtrArray *nodes; /* CREATE, live: names of the nodes; "" */
    GPtrArray *names; /* DELETE: snapshots */
} VmIntent;
VmIntent *vm_intent_new(IntentKind kind, const char *snapshot, unsigned flags);
void vm_intent_free(VmIntent *intent);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmIntent, vm_intent_free)
void vm_intent_add(VmIntent *intent, const char *disk, const char *path, const char *node);
AWAITS MUST_CHECK bool vm_intent_save(Vm *vm, const VmIntent *intent, Error **err);
VmIntent *vm_intent_load(Vm *vm);   /* AWAITS. NULL: there is none */
AWAITS void vm_intent_done(Vm *vm); /* a failure is logged: doing it twice does no harm */
/* After the load of machines and their QEMUs: finishes or takes back what an earlier daemon was at. That
 * which takes long, or fails at first, in the background, with the machine's job held. */
AWAITS void vm_snapshot_recover(Host *host);
/* Before anything else is done with a machine: finishes or takes back what ended without a clear end, because
 * QEMU went away or did not answer. Nothing to do: true. */
AWAITS MUST_CHECK bool vm_snapshot_settle(Vm *vm, Job *job, Error **err);
/* Something ended so, and the journal stays: from time to time that is tried, until it is done. */
void vm_snapshot_settle_later(Vm *vm);

/* ---- making (vm_snapshot_create.c, vm_snapshot_live.c) ---- */

typedef struct SnapshotMake {
    Vm *vm;
    Job *job;
    SnapshotDef *def; /* aligned and complete; borrowed */
    unsigned flags;
    const Caller *caller;
    KeptMemory *memory; /* filled in at the same moment (vm_memory_clone.h); NULL: none */
    VmIntent *intent;
    Moment *moment; /* once it is in the tree; borrowed from there */
} SnapshotMake;
/* As vm_snapshot_create(), which is the same without @memory. */
AWAITS MUST_CHECK Moment *vm_snapshot_create_with(Vm *vm, const char *xml, unsigned flags, KeptMemory *memory,
                                                  const Caller *caller, Error **err);
AWAITS MUST_CHECK bool vm_snapshot_make_live(SnapshotMake *make, Error **err);
/* What was made is the snapshot's: its file, the list of images; and back, where it was not to be. */
AWAITS MUST_CHECK bool vm_snapshot_promise(SnapshotMake *make, Error **err);
AWAITS void vm_snapshot_unpromise(SnapshotMake *make);
/* @config goes on in the overlays of @def, where its disks are those of @before. */
void vm_snapshot_follow(DomainDef *config, const SnapshotDef *def, const DomainDef *before);
/* The image that is written to from then on, with @below (copied; NULL: nobody says what) below it. */
StorageSource *vm_snapshot_overlay(const SnapshotDisk *entry, const StorageSource *below);
void vm_snapshot_put_source(DiskDef *disk, StorageSource *source /* taken */);
const char *vm_snapshot_format(const StorageSource *source); /* as QEMU's driver is called */
/* Of a volume, too. ERROR_CONFIG_UNSUPPORTED: it is no file or block device of this host */
MUST_CHECK bool vm_snapshot_path(Host *host, const StorageSource *source, char **ret_path, Error **err);

/* ---- firmware variables and TPM (vm_snapshot_state.c) ---- */

AWAITS MUST_CHECK bool vm_snapshot_keep_state(Vm *vm, const char *name, Error **err);
AWAITS MUST_CHECK bool vm_snapshot_restore_state(Vm *vm, const Moment *snapshot, Error **err);
AWAITS void vm_snapshot_drop_state(Vm *vm, const char *name); /* failures are logged */

/* ---- images (vm_snapshot_images.c) ---- */

/* One of the images that the machine's present and its snapshots are made of. */
typedef struct SnapshotImage {
    char *path;
    const char *format;  /* static */
    char *base;          /* what is below; NULL: nothing that is known */
    bool is_active;      /* the present writes to it */
    bool is_frozen;      /* what it is now is the state of an external snapshot */
    bool is_kept;        /* a snapshot is inside of it */
    bool has_inside;     /* there are snapshots inside of it, whosever */
    bool is_missing;     /* it, or one below it */
    bool is_broken;      /* marked corrupt */
    unsigned n_overlays; /* of these images */
    uint64_t allocated_bytes;
} SnapshotImage;
/* All of them; SnapshotImage, owned. ERROR_OPERATION_FAILED: a chain is damaged */
AWAITS MUST_CHECK bool vm_snapshot_images(Vm *vm, GPtrArray **ret_images, Error **err);
SnapshotImage *vm_snapshot_image_find(const GPtrArray *images, const char *path); /* borrowed, NULL */
/* Who else needs @path, or an image on top of it. NULL: nobody; owned. */
AWAITS char *vm_snapshot_strangers(Vm *vm, const GPtrArray *images, const char *path);

typedef struct ImageChange {
    const char *from, *to, *format; /* borrowed */
    bool keeps_inside;              /* snapshots inside of @from stay there */
} ImageChange;
/* Everywhere in the definition and in snapshots @to stands for @from, which reads the same; stored. The live
 * machine is not touched. */
AWAITS MUST_CHECK bool vm_snapshot_replace_image(Vm *vm, const ImageChange *change, Error **err);
/* The same, and images that are based on @from are based on @to. The machine does not run. */
AWAITS MUST_CHECK bool vm_snapshot_move_image(Vm *vm, const ImageChange *change, Error **err);
/* @from goes down into @to, which is below it, and stands for it from then on. Doing it again does no harm.
 */
AWAITS MUST_CHECK bool vm_snapshot_merge(Vm *vm, Job *job, const GPtrArray *images, const char *from,
                                         const char *to, Error **err);
/* Removes what nobody needs any more. @bases (NULL: only that): images that were the states of snapshots that
 * are gone, and may become one with what is above. @intent: where each merge is noted. Cancelled between two
 * steps; what is left then stays, and is no snapshot's. */
AWAITS MUST_CHECK bool vm_snapshot_collect(Vm *vm, Job *job, VmIntent *intent, const GPtrArray *bases,
                                           Error **err);
/* Mends images that no QEMU has open, after programs that worked on them died; failures are logged. */
AWAITS void vm_snapshot_mend(Vm *vm);
/* Is there room for that, and are those images whole? ERROR_OPERATION_FAILED */
AWAITS MUST_CHECK bool vm_snapshot_check_merges(const Vm *vm, const GPtrArray *images, const GPtrArray *bases,
                                                Error **err);

/* ---- jobs of QEMU, and what is in step after a switch (vm_snapshot_live.c) ---- */

typedef enum SnapshotVerb { SNAPSHOT_SAVE, SNAPSHOT_LOAD, SNAPSHOT_DELETE } SnapshotVerb;
/* Of the disks of vm->live that @def keeps inside of their images. */
AWAITS MUST_CHECK bool vm_snapshot_ask_qemu(Vm *vm, SnapshotVerb verb, const SnapshotDef *def, Error **err);
/* The live disk writes to the overlay of @entry, whose node has the number @index. */
void vm_snapshot_put_overlay(DiskDef *disk, const SnapshotDisk *entry, uint32_t index);
/* What is below the overlay is not written to any more. */
AWAITS void vm_snapshot_drop_lease_below(Vm *vm, const char *target);
AWAITS MUST_CHECK bool vm_snapshot_settle_config(Vm *vm, const SnapshotDef *def, Error **err);
/* Whatever happens: for a while, as long as the agent does not answer. */
AWAITS void vm_snapshot_thaw(Vm *vm);

/* ---- going back (vm_snapshot_revert.c) ---- */

/* Has a commit overwritten it (vm_snapshot_overwrite.c)? It needs nothing any more. */
AWAITS MUST_CHECK bool vm_snapshot_is_lost(Vm *vm, const char *name, bool *ret_lost, Error **err);
/* ERROR_OPERATION_FAILED: a commit has overwritten it */
AWAITS MUST_CHECK bool vm_snapshot_require_whole(Vm *vm, const char *name, Error **err);

/* Does what is decided. */
AWAITS MUST_CHECK bool vm_snapshot_finish_revert(Vm *vm, Job *job, VmIntent *intent, Error **err);
/* Takes back what was made for one that was not decided. */
AWAITS void vm_snapshot_undo_revert(Vm *vm, const VmIntent *intent);

/* ---- deleting (vm_snapshot_delete.c) ---- */

AWAITS MUST_CHECK bool vm_snapshot_finish_delete(Vm *vm, Job *job, VmIntent *intent, Error **err);
