/* Ownership of files that are lent to QEMU's user: given when a machine starts, given back when it ends,
 * across crashes of the daemon, and never of another file than the one that was looked at. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/trail.h"
#include "conf/domain_device.h"
#include "conf/domain_xml.h"
#include "core/host.h"

typedef struct DacItem {
    char *path;
    uid_t uid; /* the owner before, to be restored */
    gid_t gid;
    uid_t lent_to;
    FileId id;   /* what was lent: another file under this path is not touched */
    bool shared; /* read-only or shareable: other machines may use it, too */
    /* Where each machine is a user of its own, a shared file keeps its owner; the machines' group may use it.
     */
    mode_t group_mode; /* what it may do, besides; 0: it is lent to a user */
    gid_t group;
    mode_t mode; /* permissions before, to be restored; with group_mode */
} DacItem;

typedef struct DacTable DacTable; /* which paths are lent, how often */

DacTable *dac_table_new(void);
void dac_table_free(DacTable *table);
GPtrArray *dac_list_new(void); /* of DacItem, owning */
/* Notes that a file is to be lent and adds a copy of @item to @list, with the owner of now or, if another
 * machine borrowed it first, the owner of then. Devices that are everybody's (/dev/null) are left alone. */
void dac_list_add(DacTable *table, GPtrArray *list, const DacItem *item);
/* A file is named inside an image, which its owner (or a QEMU that broke out) can write: it must not lend him
 * the reach of root to read what he cannot. An image of root may name anything. Owners as dac_find_owner()
 * gives them. ERROR_OPERATION_FAILED naming both. */
typedef struct FileOwner {
    uid_t uid;
    gid_t gid;
    mode_t mode;
} FileOwner;
MUST_CHECK bool dac_judge_named(const Config *config, const char *image_path, const FileOwner *image,
                                const char *path, const FileOwner *file, Error **err);
/* Whose a file really is: the owner before it was lent, if that is why it has the owner that it has. */
void dac_find_owner(const DacTable *table, const FileId *id, uid_t *io_uid, gid_t *io_gid);
/* Takes over a list read from a status file. */
void dac_list_adopt(DacTable *table, const GPtrArray *list);
/* Gives all files of @list to @uid:@gid, in parallel, each within @timeout_ms. ERROR_OPERATION_FAILED for one
 * that is no longer what it was when it was added. */
AWAITS MUST_CHECK bool dac_apply(const GPtrArray *list, uid_t uid, gid_t gid, uint64_t timeout_ms,
                                 Error **err);
/* Gives back what no other machine holds and is still what was lent; failures are logged. Empties @list. */
AWAITS void dac_restore(DacTable *table, GPtrArray *list, uint64_t timeout_ms);

/* Forgets the files of @list, whose QEMU is another host's now, but for those at @paths (of char *), which
 * stay. */
void dac_abandon(DacTable *table, GPtrArray *list, const GPtrArray *paths);

/* Are machines users of their own? */
bool dac_has_own_users(const Host *host);
/* The <seclabel model='dac'> of a machine that is about to run: who QEMU will be, who will own its files;
 * @uid: where each is a user of its own, that of this one, likewise its group. Does nothing for a daemon that
 * cannot change users. ERROR_CONFIG_UNSUPPORTED: a label that names no numbers. */
MUST_CHECK bool dac_fill_seclabel(const Host *host, DomainDef *live, uid_t uid, Error **err);
/* "+64055:+107" or "64055:107". */
bool dac_parse_label(const char *text, uid_t *ret_uid, gid_t *ret_gid);
/* Who QEMU of @live runs as. */
void dac_get_owner(const Host *host, const DomainDef *live, uid_t *ret_uid, gid_t *ret_gid);
/* true: files of @live are given to QEMU's user; of @source (NULL: any), if its own label does not forbid. */
bool dac_is_wanted(const Host *host, const DomainDef *live, const StorageSource *source);
/* The same for one file; @item has all but lent_to. */
void dac_lend(Host *host, const DomainDef *live, GPtrArray *list, const StorageSource *source,
              const DacItem *item);
/* Adds the devices, pipes and sockets that QEMU opens by name for character devices and inputs.
 * ERROR_SYSTEM, ERROR_OPERATION_FAILED for one that a foreign link leads to. */
AWAITS MUST_CHECK bool dac_lend_devices(Host *host, DomainDef *live, GPtrArray *list, Error **err);
/* The same for one device of @live. */
AWAITS MUST_CHECK bool dac_lend_device(Host *host, const DomainDef *live, GPtrArray *list, DeviceKind kind,
                                       void *device, Error **err);

/* Where no udev rule did it, gives /dev/kvm to group @gid as the usual rule does. */
void dac_lend_kvm(uid_t uid, gid_t gid);
