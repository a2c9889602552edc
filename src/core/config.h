/* The effective configuration: keys of libvirtd.conf and qemu.conf, each with the place it came from.
 *
 * One table (config_keys.c) has a row per key: file, name, type, field, default, allowed values, doc. Known
 * keys that have no effect here and unknown keys are named in the log; wrong values are refused with file and
 * line. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "core/paths.h"

typedef struct Config {
    /* libvirtd.conf */
    char *
        unix_sock_group; /* "libvirt" if there is that group; "" leaves it as it is (private root, session) */
    mode_t unix_sock_ro_perms;
    mode_t unix_sock_rw_perms, unix_sock_admin_perms;
    unsigned admin_max_clients;
    char *unix_sock_dir; /* default: run/libvirt below the root */
    char *auth_unix_ro;  /* none | polkit */
    char *auth_unix_rw;
    bool listen; /* on the network, too, where one of the next two says so */
    bool listen_tls, listen_tcp;
    char *listen_addr; /* NULL: all */
    char *tls_port, *tcp_port;
    char *auth_tls, *auth_tcp;                                       /* none | sasl */
    unsigned tcp_min_ssf;                                            /* bits of SASL's protection */
    char **sasl_allowed_users;                                       /* globs; NULL: all */
    char *tls_key_file, *tls_cert_file, *tls_ca_file, *tls_crl_file; /* NULL: where everybody looks */
    bool tls_no_sanity_certificate, tls_no_verify_certificate;
    char **tls_allowed_names; /* globs for names in certificates; NULL: all */
    char *tls_priority;
    char **access_drivers; /* "polkit": asked about each call of who is not root; NULL: none */
    unsigned max_clients;
    unsigned max_anonymous_clients;
    unsigned max_client_requests;
    unsigned ovs_timeout_s;
    unsigned max_user_requests, max_user_urgent_requests;
    unsigned max_queued_clients;
    int keepalive_interval_s; /* -1: never */
    unsigned keepalive_count;
    unsigned log_level; /* 1 debug .. 4 error */
    char **log_outputs;
    char *log_filters;      /* NULL: none */
    char *host_uuid;        /* NULL: from DMI or machine-id */
    char *host_uuid_source; /* smbios | machine-id: already followed, see host_uuid */
    /* qemu.conf */
    char *user; /* name or number */
    char *group;
    uid_t qemu_uid; /* resolved */
    gid_t qemu_gid;
    gid_t *qemu_groups; /* supplementary; never empty */
    size_t n_qemu_groups;
    unsigned machine_uid_min, machine_uid_max; /* each machine is a user of its own; 0: all are one */
    bool is_privileged;                        /* we are root: the machines' user may differ from ours */
    bool secrets_encrypted;
    bool dynamic_ownership;
    bool remember_owner;
    char *vnc_listen;
    char *vnc_password; /* secret: config_list shows "***" */
    char *spice_listen;
    char *spice_password;
    unsigned remote_display_port_min; /* 5900 */
    unsigned remote_display_port_max; /* 65535 */
    unsigned remote_websocket_port_min;
    unsigned remote_websocket_port_max;
    bool vnc_tls, vnc_tls_x509_verify, spice_tls, chardev_tls, chardev_tls_x509_verify;
    bool vnc_sasl, spice_sasl;
    char *vnc_sasl_dir, *spice_sasl_dir; /* where SASL's own configuration lies; NULL: in /etc/sasl2 */
    char *vnc_tls_x509_cert_dir, *spice_tls_x509_cert_dir, *chardev_tls_x509_cert_dir;
    char *pr_helper, *dbus_daemon, *swtpm_user, *swtpm_group;
    bool nbd_tls; /* of NBD disks that do not say */
    char *nbd_tls_x509_cert_dir;
    char *migrate_tls_x509_cert_dir;
    bool migrate_tls_x509_verify;
    char *migration_address, *migration_host; /* NULL: everywhere; the host's name */
    unsigned migration_port_min, migration_port_max;
    char *lock_manager; /* "lockd", NULL */
    bool auto_disk_leases, require_lease_for_disks;
    char *file_lockspace_dir, *lvm_lockspace_dir, *scsi_lockspace_dir;
    char *backup_tls_x509_cert_dir;
    bool backup_tls_x509_verify;
    bool auto_dump_bypass_cache;
    char *auto_dump_path;
    bool auto_start_bypass_cache;
    char *save_image_format; /* raw gzip bzip2 xz lzop zstd */
    char *snapshot_image_format;
    char *bridge_helper; /* a path */
    char *dump_image_format;
    bool set_process_name;
    unsigned max_processes; /* 0: as ours */
    unsigned max_files;
    uint64_t max_core_bytes; /* UINT64_MAX: unlimited */
    bool dump_guest_core;
    bool seccomp_sandbox;
    bool landlock;
    char **namespaces;      /* of QEMU: "mount"; NULL: not said */
    char **device_acl;      /* devices that every QEMU may open; NULL: not said */
    char **nvram;           /* "code:vars" pairs; NULL: not said */
    char **security_driver; /* "apparmor", "none"; NULL: not said */
    bool security_default_confined, security_require_confined;
    unsigned max_queued; /* jobs waiting for one machine; 0: unlimited */
    /* Lodge's own, in libvirtd.conf too */
    unsigned start_timeout_s;        /* QEMU must greet by then; 30 */
    unsigned storage_timeout_s;      /* a call on storage may take this long; 10 */
    unsigned hook_timeout_s;         /* 30 */
    unsigned resume_after_enospc_s;  /* how often a machine that ran out of space is tried again; 0: not */
    unsigned job_timeout_s;          /* a change waits this long for another; 30 */
    unsigned pool_warn_percent;      /* pools that are fuller are warned about; 0: none */
    unsigned pool_full_percent;      /* once more */
    unsigned pool_check_interval_s;  /* how often pools are measured; 0: when somebody looks */
    bool web;                        /* the web console and its API */
    char *web_listen;                /* IP address; beyond this host only with TLS */
    unsigned web_port;               /* 0: the socket in run/libvirt alone */
    char *web_prefix;                /* of all paths: "/lodge"; NULL */
    bool web_tls;                    /* on this host, too */
    char *web_certificate, *web_key; /* PEM files; NULL: one of its own */
    bool web_pam;                    /* users of the host may log in */

    GPtrArray *origins; /* private: of ConfigOrigin, one per key */

    /* Of migrations, in qemu.conf. */
    char *migration_converge; /* "slow-down", "postcopy", "downtime", "none" */
    unsigned migration_downtime_max_ms;
    bool migrate_tls_force, migrate_tls_offered;
} Config;

/* What `lodge config` shows. */
typedef struct ConfigOrigin {
    const char *file; /* "libvirtd.conf" or "qemu.conf" */
    const char *key;
    char *value;  /* as text; "***" for secrets */
    char *origin; /* "default", "/etc/libvirt/qemu.conf:12", "command line" */
    const char *doc;
} ConfigOrigin;

/* Reads both files of @paths->etc (@libvirtd_conf overrides the first, and must exist then; NULL: default).
 * ERROR_CONFIG_SYNTAX with "FILE:LINE: ..." for a wrong value. */
MUST_CHECK bool config_load(const Paths *paths, const char *libvirtd_conf, Config **ret_config, Error **err);
const GPtrArray *config_origins(const Config *config); /* borrowed, of ConfigOrigin, in table order */
void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)
