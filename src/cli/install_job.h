/* What `lodge install` is about: the machine, how it gets its system, and what was made for it so far. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/undo.h"
#include "cli/cli.h"
#include "install/install.h"

typedef struct InstallJob {
    Cli *cli;
    const CliArgs *args;
    Install *install;
    OsDb *db;
    char *name;
    /* what was asked for */
    bool is_dry, prints, checks_paths, checks_space, checks_macs;
    bool os_required, os_detects; /* --osinfo */
    bool asks_nothing;            /* no console */
    /* where the system comes from */
    char *medium;                               /* --cdrom, or an ISO of --location: a path */
    char *location, *tree_kernel, *tree_initrd; /* --location and its sub-options */
    char *kernel, *initrd;                      /* as they are put before QEMU; NULL: none */
    char *kernel_source, *initrd_source;        /* --install kernel=, initrd=: path or URL */
    GString *arguments;                         /* of the kernel */
    bool arguments_alone;                       /* and nothing that is needed anyway */
    char *tree_url;                             /* what the installer is told to fetch from; NULL */
    char *folder;                               /* scratch space; NULL: none yet */
    char *answers;                              /* an ISO image with answers; NULL */
    bool has_seed;                              /* for cloud-init: there for the first start */
    const char *injected_name;                  /* a file for the initrd, in which are answers; NULL */
    char *injected;                             /* what it holds */
    GPtrArray *made;                            /* files that go when the system is installed */
    GPtrArray *volumes;                         /* that were made */
    Undo undo;                                  /* of what is made */
    WireDomain dom;
} InstallJob;

/* ---- install_storage.c ---- */

/* Finds out what the disks are, and what is to be made for them; with @job->is_dry nothing is. */
AWAITS MUST_CHECK bool install_storage(InstallJob *job, Error **err);
void install_volume_free(void *data); /* of InstallJob.volumes */
/* Makes what is to be made. */
AWAITS MUST_CHECK bool install_storage_make(InstallJob *job, Error **err);

/* ---- install_source.c: the system's medium or tree ---- */

/* Looks at it, as far as names and systems go. */
AWAITS MUST_CHECK bool install_source_look(InstallJob *job, Error **err);
/* Brings kernel and initrd to where QEMU reads them. */
AWAITS MUST_CHECK bool install_source_fetch(InstallJob *job, Error **err);

/* Where a file for the machine goes, which QEMU reads; owned. It is taken away with the job's other files. */
AWAITS MUST_CHECK bool install_source_place(InstallJob *job, const char *what, char **ret_path, Error **err);
/* All of it; @arg: the job. */
void install_source_remove(void *arg);
/* Takes away what QEMU has read. */
AWAITS void install_source_end(InstallJob *job);
/* The scratch space; @arg: the job. */
AWAITS void install_source_clear(void *arg);
/* ---- install_answers.c ---- */

/* What --unattended and --cloud-init say. */
AWAITS MUST_CHECK bool install_answers(InstallJob *job, Error **err);

/* ---- install_hostdev.c ---- */

/* Finds the host's devices. */
AWAITS MUST_CHECK bool install_hostdevs(InstallJob *job, Error **err);

/* ---- install_start.c ---- */

/* Makes the machine and goes through its phases. */
AWAITS MUST_CHECK bool install_start(InstallJob *job, Error **err);

/* ---- cmd_install.c ---- */

/* A line for people on standard error: something was not as asked for, and it went on. */
PRINTF(2, 3) void install_warn(const InstallJob *job, const char *format, ...);
