/* A machine that is being put together from options, what its system is like and what its host can do.
 *
 *     install_new -> install_take (each option) -> install_platform -> [storage is looked up by the caller]
 *     -> install_finish -> install_document
 *
 * Nothing here asks a daemon: what is known of it comes in as documents. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libxml/tree.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "install/os_db.h"

/* A disk or drive as --disk says it; what it is made of is the caller's business. */
typedef struct InstallDisk {
    xmlNode *node;    /* <disk>; borrowed */
    char *path;       /* of a file, device, folder, or a URL; NULL */
    char *pool, *vol; /* a pool to make it in; POOL/VOLUME that is there; NULL */
    char *format;     /* that was asked for; NULL */
    char *backing_store, *backing_format;
    double size_gib;       /* 0: none given */
    bool is_full;          /* all of it is allocated at once */
    bool is_install_media; /* goes when the system is installed */
    bool is_made;          /* set by the caller: it is made for this machine */
} InstallDisk;

typedef struct InstallHostdev {
    xmlNode *node; /* <hostdev>; borrowed */
    char *name;    /* as it was given: a name of a node device, 001.003, 0x1234:0x5678, 1f.01.02 */
} InstallHostdev;

typedef enum InstallMethod {
    METHOD_NONE, /* --import, or --boot alone */
    METHOD_CDROM,
    METHOD_LOCATION, /* kernel and initrd out of a tree or an ISO */
    METHOD_KERNEL,   /* --install kernel=,initrd= */
    METHOD_PXE,
    METHOD_BOOTDEV /* --install bootdev= */
} InstallMethod;

typedef struct Install {
    xmlDoc *doc;
    xmlNode *domain;  /* its root */
    char *os_asked;   /* by --metadata; NULL */
    OsFacts os;       /* .id NULL: a system that is not known */
    GArray *disks;    /* of InstallDisk */
    GArray *hostdevs; /* of InstallHostdev */
    /* the platform */
    char *arch, *virt_type, *os_type, *machine, *emulator; /* arch to machine: as asked for, then as chosen */
    bool has_kvm, has_spice, has_emulated_tpm, has_efi;    /* what the host can */
    bool boot_given;
    /* the installation */
    InstallMethod method;
    char *bootdev;
    bool ejects_media;   /* the medium is not needed when the system is installed */
    bool boots_by_order; /* devices say their turn themselves (boot.order) */
    bool is_taken_over;  /* the machine was there before */
    char *ignition;      /* a file that CoreOS is told of on its first start; NULL */
    int pcie_ports;      /* -1: as many as usual */
    GHashTable *none;    /* options of devices that are "none" */
    GPtrArray *edits;    /* --xml, which comes after all else */
} Install;

Install *install_new(void);
void install_free(Install *install);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Install, install_free)

/* One use of an option that is a part of the document. @text: as on the command line. */
MUST_CHECK bool install_take(Install *install, const char *option, const char *text, Error **err);

/* Chooses architecture, kind of machine, emulator from what the daemon's host has. @capabilities: of the
 * connection. ERROR_NOT_SUPPORTED if the host does not have what was asked for. */
MUST_CHECK bool install_platform(Install *install, const char *capabilities, Error **err);
/* What the chosen kind of machine can have; @domcaps: of the connection. */
MUST_CHECK bool install_limits(Install *install, const char *domcaps, Error **err);

/* The devices and settings that nobody named, as they suit the system. */
MUST_CHECK bool install_finish(Install *install, Error **err);

/* The definition of a machine that is there in the place of a new one, to install it again: its disks stay
 * what they are. Then install_add_medium() and install_finish_disks() are all that it takes. */
MUST_CHECK bool install_take_over(Install *install, const char *xml, Error **err);
void install_finish_disks(Install *install);

/* The text of the document; owned. Of the first phase: for the first boot of an installation with this
 * kernel, initrd and arguments (NULL: none); of the final one otherwise. */
typedef struct InstallBoot {
    const char *kernel, *initrd, *arguments;
} InstallBoot;
char *install_document(const Install *install);
char *install_first_document(const Install *install, const InstallBoot *boot);

/* Puts a copy of @text (which may be NULL, or the old one itself) in the place of a text. */
void install_set(char **text_place, const char *text);
InstallDisk *install_disk(const Install *install, guint index);
bool install_is_windows(const Install *install);
/* Whether "--OPTION none" was given. */
bool install_has_none(const Install *install, const char *option);
/* What a disk is, now that somebody looked: @type (file, block, dir, volume), @source, @format (NULL: it is
 * not known). */
void install_disk_is(InstallDisk *disk, const char *type, const char *source, const char *format);
/* Windows gets devices of virtio if a drive has the ISO image with their drivers (virtio-win*.iso), which its
 * installer is told of by --unattended. */
void install_use_drivers(Install *install);
/* A medium to install from; its drive comes after the disks. */
MUST_CHECK bool install_add_medium(Install *install, const char *path, Error **err);
