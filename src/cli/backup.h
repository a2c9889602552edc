/* What the commands `lodge backup ...` share. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>

#include "backup/manifest.h"
#include "backup/work.h"
#include "cli/domain.h"

/* The repository that option "repository" names, opened. @doing: for those who have to wait. */
MUST_CHECK bool backup_open_repo(const CliArgs *args, RepoUse use, const char *doing, Repo **ret_repo,
                                 Error **err);
/* Absolute; owned. */
char *backup_repo_path(const CliArgs *args);

/* Runs something that blocks in a thread of its own, and shows how far it is. Ctrl-C, SIGTERM and the
 * cancelling of the fiber end it with ERROR_CANCELLED as soon as it notices. @label: of the progress. */
typedef bool BackupFunc(void *arg, WorkProgress *progress, Error **err);
AWAITS MUST_CHECK bool backup_run(Cli *cli, const char *label, BackupFunc *func, void *arg, Error **err);

/* From begin to end Ctrl-C and SIGTERM wait for a moment at which all can be taken back: backup_run() notices
 * them, and check, which says ERROR_CANCELLED then. One that comes too late is as if it had not come. */
typedef struct BackupGuard {
    sigset_t before;
    bool is_on; /* not in the shell, where Ctrl-C cancels the fiber */
} BackupGuard;
void backup_guard_begin(const Cli *cli, BackupGuard *guard);
MUST_CHECK bool backup_guard_check(const BackupGuard *guard, Error **err);
void backup_guard_end(BackupGuard *guard);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BackupGuard, backup_guard_end)

/* A program of qemu-utils, by name; argv ends with NULL. *ret_out: what it printed, owned; NULL: not wanted.
 * ERROR_NOT_SUPPORTED: it is not here. ERROR_OPERATION_FAILED: its words */
AWAITS MUST_CHECK bool backup_run_tool(const char *const *argv, char **ret_out, Error **err);

/* ---- the state of a machine beside its disks ---- */

/* Files with the state of firmware and TPM, from the daemon, into the manifest. */
AWAITS MUST_CHECK bool backup_fetch_state(Cli *cli, const WireDomain *dom, Json **ret_files, Error **err);
/* Gives a machine that does not run the files of a backup. */
AWAITS MUST_CHECK bool backup_put_state(Cli *cli, const WireDomain *dom, Repo *repo, const Manifest *manifest,
                                        Error **err);

/* ---- restoring ---- */

typedef struct RestoreOrder {
    Repo *repo;
    const Manifest *manifest;
    const char *name;   /* of the new machine; NULL: the same one */
    const char *pool;   /* where its disks go; NULL: not into a pool */
    const char *folder; /* absolute; NULL: not into a folder. Neither: where they were */
    const char *format; /* of the images; NULL: as they were */
    bool decrypt;       /* what was encrypted is not any more */
    bool salvage;       /* what is damaged is left out */
    bool isolated;      /* without network, and nothing that the host has but once */
} RestoreOrder;

typedef struct Restored {
    WireDomain dom;
    GPtrArray *images; /* paths of the files that were made; owned */
    GPtrArray *damage; /* sentences about what was left out; owned */
} Restored;
void restored_clear(Restored *restored);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Restored, restored_clear)

/* Restores a machine. What fails leaves nothing behind, and of the same machine all as it was.
 * ERROR_INVALID_STATE: it runs */
AWAITS MUST_CHECK bool backup_restore(Cli *cli, const RestoreOrder *order, Restored *ret_restored,
                                      Error **err);

/* Whether a backup comes up: it is restored below @folder, started without network, looked at, and removed.
 * *ret_sign: what showed that it lives, owned; NULL: nothing within @timeout_s. */
AWAITS MUST_CHECK bool backup_boot(Cli *cli, Repo *repo, const Manifest *manifest, const char *folder,
                                   unsigned timeout_s, char **ret_sign, Error **err);

/* ---- commands in files of their own ---- */
AWAITS bool backup_create_run(Cli *cli, const CliArgs *args, Error **err);
AWAITS bool backup_restore_run(Cli *cli, const CliArgs *args, Error **err);
