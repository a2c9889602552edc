/* Where everything lies: libvirt's layout under a root that `--root DIR` changes, or the XDG folders of a
 * user.
 *
 * Fixed after paths_new(); all strings absolute, owned by the struct. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

typedef struct Paths {
    bool is_session; /* per-user daemon: XDG folders, no privileges */
    char *root;      /* "" for the system's own paths, else the --root directory without trailing slash */
    char *etc;       /* ROOT/etc/libvirt               ~/.config/libvirt */
    char *etc_qemu;  /* ROOT/etc/libvirt/qemu */
    char *autostart; /* ROOT/etc/libvirt/qemu/autostart */
    char *secrets;   /* ROOT/etc/libvirt/secrets */
    char *storage;   /* ROOT/etc/libvirt/storage: definitions of pools */
    char *storage_autostart;  /* storage/autostart */
    char *networks;           /* ROOT/etc/libvirt/qemu/networks */
    char *networks_autostart; /* networks/autostart */
    char *nwfilter;           /* ROOT/etc/libvirt/nwfilter */
    char *run_binding;        /* run/nwfilter-binding: of each interface that is filtered */
    char *hooks;              /* ROOT/etc/libvirt/hooks */
    char *lib_qemu;           /* ROOT/var/lib/libvirt/qemu      ~/.local/share/libvirt/qemu */
    char *images;             /* ROOT/var/lib/libvirt/images */
    char *save;               /* lib_qemu/save: managed save */
    char *nvram;              /* lib_qemu/nvram */
    char *dump;               /* lib_qemu/dump */
    char *snapshot;           /* lib_qemu/snapshot */
    char *checkpoint;         /* lib_qemu/checkpoint */
    char *channel_target;     /* lib_qemu/channel/target */
    char *run;                /* ROOT/run/libvirt               $XDG_RUNTIME_DIR/libvirt */
    char *run_qemu;           /* run/qemu: NAME.pid, NAME.xml (status) */
    char *run_network;        /* run/network: NAME.xml of networks that are active, NAME.pid of dnsmasq */
    char *dnsmasq;            /* ROOT/var/lib/libvirt/dnsmasq */
    char *run_storage;        /* run/storage: NAME.xml of pools that are active */
    char *log_qemu;           /* ROOT/var/log/libvirt/qemu      ~/.cache/libvirt/qemu/log */
    char *interfaces;         /* ROOT/etc/libvirt/interfaces: definitions of the host's interfaces */
    char *interface_backup; /* ROOT/var/lib/libvirt/interface-backup: the network configuration before changes
                             */
    char *host_root; /* where /sys, /run/udev and the host's network configuration are: ROOT if it has a
                        sys/devices of its own (a tree for tests), else "" */
    char *cache;     /* ROOT/var/cache/libvirt/lodge   ~/.cache/libvirt/lodge */
} Paths;

Paths *paths_new_system(const char *root); /* "" or NULL: the system's own */
MUST_CHECK bool paths_new_session(Paths **ret_paths,
                                  Error **err); /* from HOME and XDG_*; ERROR_SYSTEM without HOME */
/* Of the system, the folders that QEMU uses become root's: QEMU's user may pass, but change nothing there. */
AWAITS MUST_CHECK bool paths_make_dirs(const Paths *paths, Error **err);
void paths_free(Paths *paths);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Paths, paths_free)
