/* The table of configuration keys.
 *
 * Keys of libvirtd.conf and qemu.conf have the names and meanings their users know; those that have no effect
 * here are listed without a field, so that the log can say so instead of calling them unknown; where somebody
 * may rely on the effect, doc is what is missing, and the log warns. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/config_keys.h"

#include <string.h>

#include "base/units.h"

#define LIBVIRTD_CONF "libvirtd.conf"
#define QEMU_CONF "qemu.conf"
#define LOCKD_CONF "qemu-lockd.conf"

const ConfigKey config_keys[] = {
    { .file = LIBVIRTD_CONF,
      .name = "unix_sock_group",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, unix_sock_group),
      .fallback = "",
      .doc = "group that owns the sockets" },
    { .file = LIBVIRTD_CONF,
      .name = "unix_sock_ro_perms",
      .type = CONFIG_KEY_MODE,
      .offset = offsetof(Config, unix_sock_ro_perms),
      .fallback = "0777",
      .doc = "mode of the read-only socket" },
    { .file = LIBVIRTD_CONF,
      .name = "unix_sock_rw_perms",
      .type = CONFIG_KEY_MODE,
      .offset = offsetof(Config, unix_sock_rw_perms),
      .fallback = "0777",
      .doc = "mode of the read-write socket" },
    { .file = LIBVIRTD_CONF,
      .name = "unix_sock_dir",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, unix_sock_dir),
      .doc = "folder of the sockets" },
    { .file = LIBVIRTD_CONF,
      .name = "auth_unix_ro",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, auth_unix_ro),
      .fallback = "none",
      .choices = "none|polkit|sasl",
      .doc = "how read-only clients prove who they are" },
    { .file = LIBVIRTD_CONF,
      .name = "auth_unix_rw",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, auth_unix_rw),
      .fallback = "none",
      .choices = "none|polkit|sasl",
      .doc = "how read-write clients prove who they are" },
    { .file = LIBVIRTD_CONF,
      .name = "max_clients",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, max_clients),
      .fallback = "5000",
      .min = 1,
      .max = 100000,
      .doc = "connections at once" },
    { .file = LIBVIRTD_CONF,
      .name = "max_anonymous_clients",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, max_anonymous_clients),
      .fallback = "20",
      .min = 0,
      .max = 100000,
      .doc = "connections that have not proved who they are yet; 0: no limit of their own" },
    { .file = LIBVIRTD_CONF,
      .name = "max_client_requests",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, max_client_requests),
      .fallback = "5",
      .min = 1,
      .max = 10000,
      .doc = "calls under way for one client" },
    { .file = LIBVIRTD_CONF,
      .name = "max_workers",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, max_user_requests),
      .fallback = "20",
      .min = 1,
      .max = 10000,
      .doc = "calls under way for all clients of one user that is not root" },
    { .file = LIBVIRTD_CONF,
      .name = "prio_workers",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, max_user_urgent_requests),
      .fallback = "5",
      .min = 1,
      .max = 10000,
      .doc = "calls beyond max_workers for what is quick, or ends other calls" },
    { .file = LIBVIRTD_CONF,
      .name = "max_queued_clients",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, max_queued_clients),
      .fallback = "1000",
      .min = 1,
      .max = 100000,
      .doc = "connections that wait to be accepted" },
    { .file = LIBVIRTD_CONF,
      .name = "keepalive_interval",
      .type = CONFIG_KEY_INT,
      .offset = offsetof(Config, keepalive_interval_s),
      .fallback = "5",
      .min = -1,
      .max = 86400,
      .doc = "seconds of silence after which a client is asked whether it lives; -1: never" },
    { .file = LIBVIRTD_CONF,
      .name = "keepalive_count",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, keepalive_count),
      .fallback = "5",
      .min = 0,
      .max = 1000,
      .doc = "unanswered questions before the client is dropped" },
    { .file = LIBVIRTD_CONF,
      .name = "log_level",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, log_level),
      .fallback = "3",
      .min = 1,
      .max = 4,
      .doc = "1 debug, 2 information, 3 warnings, 4 errors" },
    { .file = LIBVIRTD_CONF,
      .name = "log_outputs",
      .type = CONFIG_KEY_WORDS,
      .offset = offsetof(Config, log_outputs),
      .doc = "where log lines go: LEVEL:stderr, LEVEL:journald, LEVEL:file:PATH" },
    { .file = LIBVIRTD_CONF,
      .name = "host_uuid",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, host_uuid),
      .doc = "this host's UUID" },
    { .file = LIBVIRTD_CONF,
      .name = "host_uuid_source",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, host_uuid_source),
      .fallback = "smbios",
      .choices = "smbios|machine-id",
      .doc = "where the UUID is from if host_uuid does not say it" },
    { .file = LIBVIRTD_CONF,
      .name = "start_timeout",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, start_timeout_s),
      .fallback = "30",
      .min = 1,
      .max = 3600,
      .doc = "seconds within which QEMU must answer after its start" },
    { .file = LIBVIRTD_CONF,
      .name = "secrets_encrypted",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, secrets_encrypted),
      .fallback = "1",
      .doc = "values of secrets are encrypted on disk; 0: as libvirtd keeps them, which can then read them" },
    { .file = LIBVIRTD_CONF,
      .name = "storage_timeout",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, storage_timeout_s),
      .fallback = "10",
      .min = 1,
      .max = 3600,
      .doc = "seconds that one call on storage may take" },
    { .file = LIBVIRTD_CONF,
      .name = "resume_after_enospc",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, resume_after_enospc_s),
      .fallback = "0",
      .max = 86400,
      .doc = "seconds between two looks whether a machine that was paused because its storage is full has "
             "space again and goes on; 0: somebody has to resume it" },
    { .file = LIBVIRTD_CONF,
      .name = "hook_timeout",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, hook_timeout_s),
      .fallback = "30",
      .min = 1,
      .max = 3600,
      .doc = "seconds that a hook script may take" },
    { .file = LIBVIRTD_CONF,
      .name = "job_timeout",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, job_timeout_s),
      .fallback = "30",
      .min = 1,
      .max = 3600,
      .doc = "seconds that a change waits for another change of the same machine" },
    { .file = LIBVIRTD_CONF,
      .name = "pool_warn_percent",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, pool_warn_percent),
      .fallback = "85",
      .max = 100,
      .doc =
          "a storage pool that is this full is warned about: in the log, by the event that it changed, and "
          "in its list; 0: none is" },
    { .file = LIBVIRTD_CONF,
      .name = "pool_full_percent",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, pool_full_percent),
      .fallback = "95",
      .max = 100,
      .doc = "a storage pool that is this full is warned about once more; 0: none is" },
    { .file = LIBVIRTD_CONF,
      .name = "pool_check_interval",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, pool_check_interval_s),
      .fallback = "30",
      .max = 86400,
      .doc =
          "seconds between two looks at how full storage pools of folders are; 0: only when somebody asks" },
    { .file = LIBVIRTD_CONF,
      .name = "unix_sock_admin_perms",
      .type = CONFIG_KEY_MODE,
      .offset = offsetof(Config, unix_sock_admin_perms),
      .fallback = "0700",
      .doc = "mode of the socket for virt-admin" },
    { .file = LIBVIRTD_CONF,
      .name = "listen",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, listen),
      .fallback = "0",
      .doc = "wait for clients from other hosts, too, as lodged --listen does; listen_tls and listen_tcp say "
             "how" },
    { .file = LIBVIRTD_CONF,
      .name = "listen_tls",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, listen_tls),
      .fallback = "1",
      .doc = "if it listens: by TLS, with certificates" },
    { .file = LIBVIRTD_CONF,
      .name = "listen_tcp",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, listen_tcp),
      .fallback = "0",
      .doc = "if it listens: by TCP alone" },
    { .file = LIBVIRTD_CONF,
      .name = "listen_addr",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, listen_addr),
      .doc = "address or name to listen on; without it all addresses" },
    { .file = LIBVIRTD_CONF,
      .name = "tls_port",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, tls_port),
      .fallback = "16514",
      .doc = "port for TLS" },
    { .file = LIBVIRTD_CONF,
      .name = "tcp_port",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, tcp_port),
      .fallback = "16509",
      .doc = "port for TCP" },
    { .file = LIBVIRTD_CONF,
      .name = "auth_tls",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, auth_tls),
      .fallback = "none",
      .choices = "none|sasl",
      .doc = "how clients by TLS prove who they are besides their certificate" },
    { .file = LIBVIRTD_CONF,
      .name = "auth_tcp",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, auth_tcp),
      .fallback = "sasl",
      .choices = "none|sasl",
      .doc = "how clients by TCP prove who they are" },
    { .file = LIBVIRTD_CONF,
      .name = "tcp_min_ssf",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, tcp_min_ssf),
      .fallback = "112",
      .min = 56,
      .max = 1024,
      .doc = "how well SASL has to protect a connection by TCP: bits of the key" },
    { .file = LIBVIRTD_CONF,
      .name = "sasl_allowed_username_list",
      .type = CONFIG_KEY_LIST,
      .offset = offsetof(Config, sasl_allowed_users),
      .doc = "names, or patterns for them, that SASL may have found; without it all" },
    { .file = LIBVIRTD_CONF,
      .name = "key_file",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, tls_key_file),
      .doc = "key of the server's certificate" },
    { .file = LIBVIRTD_CONF,
      .name = "cert_file",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, tls_cert_file),
      .doc = "the server's certificate" },
    { .file = LIBVIRTD_CONF,
      .name = "ca_file",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, tls_ca_file),
      .doc = "certificates of those who sign others" },
    { .file = LIBVIRTD_CONF,
      .name = "crl_file",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, tls_crl_file),
      .doc = "certificates that are revoked" },
    { .file = LIBVIRTD_CONF,
      .name = "tls_no_sanity_certificate",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, tls_no_sanity_certificate),
      .fallback = "0",
      .doc = "take the server's own certificate as it is, even if it is out of date" },
    { .file = LIBVIRTD_CONF,
      .name = "tls_no_verify_certificate",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, tls_no_verify_certificate),
      .fallback = "0",
      .doc = "take clients with any certificate, or none" },
    { .file = LIBVIRTD_CONF,
      .name = "tls_allowed_dn_list",
      .type = CONFIG_KEY_LIST,
      .offset = offsetof(Config, tls_allowed_names),
      .doc = "names in certificates, or patterns for them, that may connect; without it all" },
    { .file = LIBVIRTD_CONF,
      .name = "tls_priority",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, tls_priority),
      .doc = "what TLS may use, in GnuTLS's words" },
    { .file = LIBVIRTD_CONF,
      .name = "web",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, web),
      .fallback = "1",
      .doc = "the web console and its API" },
    { .file = LIBVIRTD_CONF,
      .name = "web_listen",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, web_listen),
      .fallback = "127.0.0.1",
      .doc = "IP address that the web console listens on; beyond this host only with TLS" },
    { .file = LIBVIRTD_CONF,
      .name = "web_port",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, web_port),
      .fallback = "8006",
      .max = 65535,
      .doc = "port of the web console; 0: only the socket lodge-web-sock" },
    { .file = LIBVIRTD_CONF,
      .name = "web_prefix",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, web_prefix),
      .doc = "what all paths of the web console begin with, behind a proxy: /lodge" },
    { .file = LIBVIRTD_CONF,
      .name = "web_tls",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, web_tls),
      .fallback = "0",
      .doc = "the web console speaks TLS on this host, too" },
    { .file = LIBVIRTD_CONF,
      .name = "web_certificate",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, web_certificate),
      .doc = "PEM file with the web console's certificate and those of its issuers; else it makes one" },
    { .file = LIBVIRTD_CONF,
      .name = "web_key",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, web_key),
      .doc = "PEM file with the key of web_certificate" },
    { .file = LIBVIRTD_CONF,
      .name = "web_pam",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, web_pam),
      .fallback = "1",
      .doc = "root and members of unix_sock_group log in to the web console with their passwords" },
    { .file = LIBVIRTD_CONF,
      .name = "access_drivers",
      .type = CONFIG_KEY_LIST,
      .offset = offsetof(Config, access_drivers),
      .doc = "who is asked about each call of those who are not root: [ \"polkit\" ]; access.conf has rules "
             "besides" },
    { .file = LIBVIRTD_CONF, .name = "min_workers", .type = CONFIG_KEY_UNUSED },
    { .file = LIBVIRTD_CONF, .name = "admin_min_workers", .type = CONFIG_KEY_UNUSED },
    { .file = LIBVIRTD_CONF, .name = "admin_max_workers", .type = CONFIG_KEY_UNUSED },
    { .file = LIBVIRTD_CONF,
      .name = "admin_max_clients",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, admin_max_clients),
      .fallback = "5",
      .min = 1,
      .max = 1000,
      .doc = "connections of virt-admin at once" },
    { .file = LIBVIRTD_CONF, .name = "admin_max_queued_clients", .type = CONFIG_KEY_UNUSED },
    { .file = LIBVIRTD_CONF, .name = "admin_max_client_requests", .type = CONFIG_KEY_UNUSED },
    { .file = LIBVIRTD_CONF,
      .name = "log_filters",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, log_filters),
      .doc = "levels of parts of the daemon, as in \"1:qemu 3:rpc\"" },
    { .file = LIBVIRTD_CONF, .name = "audit_level", .type = CONFIG_KEY_UNUSED },
    { .file = LIBVIRTD_CONF, .name = "audit_logging", .type = CONFIG_KEY_UNUSED },
    { .file = LIBVIRTD_CONF, .name = "keepalive_required", .type = CONFIG_KEY_UNUSED },
    { .file = LIBVIRTD_CONF, .name = "admin_keepalive_required", .type = CONFIG_KEY_UNUSED },
    { .file = LIBVIRTD_CONF, .name = "admin_keepalive_interval", .type = CONFIG_KEY_UNUSED },
    { .file = LIBVIRTD_CONF, .name = "admin_keepalive_count", .type = CONFIG_KEY_UNUSED },
    { .file = LIBVIRTD_CONF,
      .name = "ovs_timeout",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, ovs_timeout_s),
      .fallback = "5",
      .min = 1,
      .max = 60,
      .doc = "seconds in which Open vSwitch has to answer" },
    { .file = QEMU_CONF,
      .name = "user",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, user),
      .doc = "user that machines run as" },
    { .file = QEMU_CONF,
      .name = "group",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, group),
      .doc = "group that machines run as" },
    { .file = QEMU_CONF,
      .name = "machine_uid_min",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, machine_uid_min),
      .fallback = "0",
      .min = 0,
      .max = INT32_MAX,
      .doc =
          "with machine_uid_max: each machine runs as a user, and group, of its own, from these numbers that "
          "no account has" },
    { .file = QEMU_CONF,
      .name = "machine_uid_max",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, machine_uid_max),
      .fallback = "0",
      .min = 0,
      .max = INT32_MAX,
      .doc = "0: all machines run as one user" },
    { .file = QEMU_CONF,
      .name = "dynamic_ownership",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, dynamic_ownership),
      .fallback = "1",
      .doc = "give the files of a machine to its user" },
    { .file = QEMU_CONF,
      .name = "remember_owner",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, remember_owner),
      .fallback = "1",
      .doc = "give them back to their owner afterwards" },
    { .file = QEMU_CONF,
      .name = "vnc_listen",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, vnc_listen),
      .fallback = "127.0.0.1",
      .doc = "address of VNC displays that do not say one" },
    { .file = QEMU_CONF,
      .name = "vnc_password",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, vnc_password),
      .secret = true,
      .doc = "password of VNC displays that do not say one" },
    { .file = QEMU_CONF,
      .name = "spice_listen",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, spice_listen),
      .fallback = "127.0.0.1",
      .doc = "address of SPICE displays that do not say one" },
    { .file = QEMU_CONF,
      .name = "spice_password",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, spice_password),
      .secret = true,
      .doc = "password of SPICE displays that do not say one" },
    { .file = QEMU_CONF,
      .name = "remote_display_port_min",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, remote_display_port_min),
      .fallback = "5900",
      .min = 5900,
      .max = 65535,
      .doc = "lowest port given to displays" },
    { .file = QEMU_CONF,
      .name = "remote_display_port_max",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, remote_display_port_max),
      .fallback = "65535",
      .min = 5900,
      .max = 65535,
      .doc = "highest port given to displays" },
    { .file = QEMU_CONF,
      .name = "remote_websocket_port_min",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, remote_websocket_port_min),
      .fallback = "5700",
      .min = 5700,
      .max = 65535,
      .doc = "lowest port given to VNC websockets" },
    { .file = QEMU_CONF,
      .name = "remote_websocket_port_max",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, remote_websocket_port_max),
      .fallback = "65535",
      .min = 5700,
      .max = 65535,
      .doc = "highest port given to VNC websockets" },
    { .file = QEMU_CONF,
      .name = "auto_dump_path",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, auto_dump_path),
      .doc = "folder of dumps made when a machine crashes" },
    { .file = QEMU_CONF,
      .name = "auto_dump_bypass_cache",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, auto_dump_bypass_cache),
      .fallback = "0",
      .doc = "write such dumps around the file cache" },
    { .file = QEMU_CONF,
      .name = "auto_start_bypass_cache",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, auto_start_bypass_cache),
      .fallback = "0",
      .doc = "read saved states around the file cache at autostart" },
    { .file = QEMU_CONF,
      .name = "save_image_format",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, save_image_format),
      .fallback = "raw",
      .choices = "raw|gzip|bzip2|xz|lzop|zstd",
      .doc = "compression of saved machines" },
    { .file = QEMU_CONF,
      .name = "dump_image_format",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, dump_image_format),
      .fallback = "raw",
      .choices = "raw|gzip|bzip2|xz|lzop|zstd",
      .doc = "compression of dumps" },
    { .file = QEMU_CONF,
      .name = "set_process_name",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, set_process_name),
      .fallback = "0",
      .doc = "let the process list show qemu:NAME" },
    { .file = QEMU_CONF,
      .name = "max_processes",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, max_processes),
      .fallback = "0",
      .min = 0,
      .max = 2147483647,
      .doc = "limit of processes of a machine; 0: as the daemon" },
    { .file = QEMU_CONF,
      .name = "max_files",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, max_files),
      .fallback = "0",
      .min = 0,
      .max = 2147483647,
      .doc = "limit of open files of a machine; 0: as the daemon" },
    { .file = QEMU_CONF,
      .name = "max_core",
      .type = CONFIG_KEY_BYTES,
      .offset = offsetof(Config, max_core_bytes),
      .fallback = "0",
      .doc = "size in bytes of a crashed QEMU's core file, or unlimited" },
    { .file = QEMU_CONF,
      .name = "dump_guest_core",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, dump_guest_core),
      .fallback = "0",
      .doc = "core files of QEMU contain the memory of the guest" },
    { .file = QEMU_CONF,
      .name = "max_queued",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, max_queued),
      .fallback = "0",
      .min = 0,
      .max = 100000,
      .doc = "changes that may wait for one machine; 0: no limit" },
    { .file = QEMU_CONF,
      .name = "seccomp_sandbox",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, seccomp_sandbox),
      .fallback = "1",
      .doc = "QEMU forbids itself the system calls it does not need" },
    { .file = QEMU_CONF,
      .name = "nvram",
      .type = CONFIG_KEY_LIST,
      .offset = offsetof(Config, nvram),
      .doc = "CODE:VARS pairs of firmware images" },
    { .file = QEMU_CONF,
      .name = "security_default_confined",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, security_default_confined),
      .fallback = "1",
      .doc = "machines that say nothing are confined by AppArmor, if that is chosen" },
    { .file = QEMU_CONF, .name = "default_tls_x509_cert_dir", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF, .name = "default_tls_x509_verify", .type = CONFIG_KEY_UNUSED, .doc = "TLS" },
    { .file = QEMU_CONF, .name = "default_tls_x509_secret_uuid", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF, .name = "vnc_auto_unix_socket", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF,
      .name = "vnc_tls",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, vnc_tls),
      .fallback = "0",
      .doc = "VNC displays are served by TLS" },
    { .file = QEMU_CONF,
      .name = "vnc_tls_x509_cert_dir",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, vnc_tls_x509_cert_dir),
      .fallback = "/etc/pki/libvirt-vnc",
      .doc = "folder of the certificates of VNC displays" },
    { .file = QEMU_CONF, .name = "vnc_tls_x509_secret_uuid", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF,
      .name = "vnc_tls_x509_verify",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, vnc_tls_x509_verify),
      .fallback = "0",
      .doc = "clients of VNC displays show a certificate" },
    { .file = QEMU_CONF,
      .name = "vnc_sasl",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, vnc_sasl),
      .fallback = "0",
      .doc = "clients of VNC displays prove by SASL who they are" },
    { .file = QEMU_CONF,
      .name = "vnc_sasl_dir",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, vnc_sasl_dir),
      .doc = "folder of the qemu.conf that tells SASL how, in place of /etc/sasl2" },
    { .file = QEMU_CONF, .name = "vnc_allow_host_audio", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF,
      .name = "spice_tls",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, spice_tls),
      .fallback = "0",
      .doc = "SPICE displays have a port with TLS, too" },
    { .file = QEMU_CONF,
      .name = "spice_tls_x509_cert_dir",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, spice_tls_x509_cert_dir),
      .fallback = "/etc/pki/libvirt-spice",
      .doc = "folder of the certificates of SPICE displays" },
    { .file = QEMU_CONF, .name = "spice_auto_unix_socket", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF,
      .name = "spice_sasl",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, spice_sasl),
      .fallback = "0",
      .doc = "clients of SPICE displays prove by SASL who they are" },
    { .file = QEMU_CONF,
      .name = "spice_sasl_dir",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, spice_sasl_dir),
      .doc = "as vnc_sasl_dir" },
    { .file = QEMU_CONF,
      .name = "chardev_tls",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, chardev_tls),
      .fallback = "0",
      .doc = "whether TCP character devices whose definition does not say use TLS" },
    { .file = QEMU_CONF,
      .name = "chardev_tls_x509_cert_dir",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, chardev_tls_x509_cert_dir),
      .fallback = "/etc/pki/qemu",
      .doc = "folder of the certificates of character devices" },
    { .file = QEMU_CONF,
      .name = "chardev_tls_x509_verify",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, chardev_tls_x509_verify),
      .fallback = "1",
      .doc = "clients of TCP character devices show a certificate" },
    { .file = QEMU_CONF, .name = "chardev_tls_x509_secret_uuid", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF, .name = "vxhs_tls", .type = CONFIG_KEY_UNUSED, .doc = "TLS of VxHS disks" },
    { .file = QEMU_CONF, .name = "vxhs_tls_x509_cert_dir", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF, .name = "vxhs_tls_x509_secret_uuid", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF,
      .name = "nbd_tls",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, nbd_tls),
      .fallback = "0",
      .doc = "whether NBD disks whose definition does not say use TLS" },
    { .file = QEMU_CONF,
      .name = "nbd_tls_x509_cert_dir",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, nbd_tls_x509_cert_dir),
      .fallback = "/etc/pki/qemu",
      .doc = "folder of the certificates with which NBD disks use TLS" },
    { .file = QEMU_CONF,
      .name = "nbd_tls_x509_secret_uuid",
      .type = CONFIG_KEY_UNUSED,
      .doc = "a TLS key of NBD disks with a passphrase" },
    { .file = QEMU_CONF,
      .name = "migrate_tls_x509_cert_dir",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, migrate_tls_x509_cert_dir),
      .fallback = "/etc/pki/qemu",
      .doc = "folder of the certificates with which memory and disks migrate under TLS" },
    { .file = QEMU_CONF,
      .name = "migrate_tls_x509_verify",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, migrate_tls_x509_verify),
      .fallback = "1",
      .doc = "a source that migrates here under TLS shows a certificate, too" },
    { .file = QEMU_CONF, .name = "migrate_tls_x509_secret_uuid", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF,
      .name = "migrate_tls_force",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, migrate_tls_force),
      .fallback = "0",
      .doc = "memory and disks migrate under TLS, or not at all" },
    { .file = QEMU_CONF,
      .name = "migrate_tls_offered",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, migrate_tls_offered),
      .fallback = "1",
      .doc = "memory and disks migrate under TLS, even when nobody asks for it, if both hosts have "
             "certificates of "
             "the same CA" },
    { .file = QEMU_CONF,
      .name = "backup_tls_x509_cert_dir",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, backup_tls_x509_cert_dir),
      .fallback = "/etc/pki/qemu",
      .doc = "folder of the certificates with which backups are served" },
    { .file = QEMU_CONF,
      .name = "backup_tls_x509_verify",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, backup_tls_x509_verify),
      .fallback = "1",
      .doc = "clients of backups show a certificate" },
    { .file = QEMU_CONF,
      .name = "backup_tls_x509_secret_uuid",
      .type = CONFIG_KEY_UNUSED,
      .doc = "a TLS key of backups with a passphrase" },
    { .file = QEMU_CONF, .name = "nographics_allow_host_audio", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF,
      .name = "security_driver",
      .type = CONFIG_KEY_LIST,
      .offset = offsetof(Config, security_driver),
      .choices = "none|dac|apparmor",
      .doc = "besides the owners of files (dac): none, apparmor" },
    { .file = QEMU_CONF,
      .name = "security_require_confined",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, security_require_confined),
      .fallback = "0",
      .doc = "no machine runs that AppArmor does not confine, if that is chosen" },
    { .file = QEMU_CONF, .name = "cgroup_controllers", .type = CONFIG_KEY_UNUSED, .doc = "control groups" },
    { .file = QEMU_CONF,
      .name = "cgroup_device_acl",
      .type = CONFIG_KEY_LIST,
      .offset = offsetof(Config, device_acl),
      .doc = "devices that every QEMU sees, beside those of its machine" },
    { .file = QEMU_CONF,
      .name = "snapshot_image_format",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, snapshot_image_format),
      .fallback = "raw",
      .choices = "raw|gzip|bzip2|xz|lzop|zstd",
      .doc = "compression of the memory of snapshots" },
    { .file = QEMU_CONF, .name = "hugetlbfs_mount", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF,
      .name = "bridge_helper",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, bridge_helper),
      .fallback = "/usr/lib/qemu/qemu-bridge-helper",
      .doc = "what plugs machines of ordinary users into the bridges that /etc/qemu/bridge.conf allows" },
    { .file = QEMU_CONF,
      .name = "max_threads_per_process",
      .type = CONFIG_KEY_UNUSED,
      .doc = "the limit on threads" },
    { .file = QEMU_CONF, .name = "mac_filter", .type = CONFIG_KEY_UNUSED, .doc = "filters of MAC addresses" },
    { .file = QEMU_CONF, .name = "relaxed_acs_check", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF,
      .name = "lock_manager",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, lock_manager),
      .choices = "lockd|nop",
      .doc = "leases of disks, beside QEMU's own locks: lockd keeps them as virtlockd does, without it" },
    { .file = QEMU_CONF, .name = "allow_disk_format_probing", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF, .name = "keepalive_interval", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF, .name = "keepalive_count", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF,
      .name = "migration_address",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, migration_address),
      .doc = "where QEMU listens for machines that migrate here; default: everywhere" },
    { .file = QEMU_CONF,
      .name = "migration_host",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, migration_host),
      .doc = "name or address by which others reach this host for migrations; default: its host name" },
    { .file = QEMU_CONF,
      .name = "migration_port_min",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, migration_port_min),
      .min = 1,
      .max = 65535,
      .fallback = "49152",
      .doc = "first port for migrations to this host" },
    { .file = QEMU_CONF,
      .name = "migration_port_max",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, migration_port_max),
      .min = 1,
      .max = 65535,
      .fallback = "49215",
      .doc = "last port for migrations to this host" },
    { .file = QEMU_CONF,
      .name = "migration_converge",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, migration_converge),
      .fallback = "slow-down",
      .choices = "slow-down|postcopy|downtime|none",
      .doc =
          "what is done when a guest changes its memory faster than that can be sent: it stands still longer "
          "(at most migration_downtime_max), then is slowed down, or with postcopy goes on at the "
          "destination first; downtime: only the former" },
    { .file = QEMU_CONF,
      .name = "migration_downtime_max",
      .type = CONFIG_KEY_UINT,
      .offset = offsetof(Config, migration_downtime_max_ms),
      .min = 1,
      .max = 2000000,
      .fallback = "1000",
      .doc =
          "milliseconds that a guest may stand still when its migration does not come to its end otherwise" },
    { .file = QEMU_CONF, .name = "log_timestamp", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF, .name = "stdio_handler", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF, .name = "gluster_debug_level", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF, .name = "virtiofsd_debug", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF,
      .name = "namespaces",
      .type = CONFIG_KEY_LIST,
      .offset = offsetof(Config, namespaces),
      .doc = "name spaces of QEMU; \"mount\": it sees its own devices, and no sockets of the daemon's" },
    { .file = QEMU_CONF,
      .name = "landlock",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, landlock),
      .fallback = "1",
      .doc = "QEMU makes, removes and renames files in its own folders only, and reaches no other process" },
    { .file = QEMU_CONF, .name = "memory_backing_dir", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF,
      .name = "pr_helper",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, pr_helper),
      .fallback = "/usr/bin/qemu-pr-helper",
      .doc = "program that makes persistent reservations for machines" },
    { .file = QEMU_CONF, .name = "slirp_helper", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF,
      .name = "dbus_daemon",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, dbus_daemon),
      .fallback = "/usr/bin/dbus-daemon",
      .doc = "program of the bus of a machine with a D-Bus display" },
    { .file = QEMU_CONF,
      .name = "swtpm_user",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, swtpm_user),
      .fallback = "tss",
      .doc = "user that emulated TPMs run as" },
    { .file = QEMU_CONF,
      .name = "swtpm_group",
      .type = CONFIG_KEY_STRING,
      .offset = offsetof(Config, swtpm_group),
      .fallback = "tss",
      .doc = "group that emulated TPMs run as" },
    { .file = QEMU_CONF,
      .name = "capability_filters",
      .type = CONFIG_KEY_UNUSED,
      .doc = "filters of capabilities" },
    { .file = QEMU_CONF, .name = "deprecation_behavior", .type = CONFIG_KEY_UNUSED },
    { .file = QEMU_CONF, .name = "sched_core", .type = CONFIG_KEY_UNUSED, .doc = "core scheduling" },
    { .file = LOCKD_CONF,
      .name = "auto_disk_leases",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, auto_disk_leases),
      .fallback = "1",
      .doc = "each disk that is written to has a lease" },
    { .file = LOCKD_CONF,
      .name = "require_lease_for_disks",
      .type = CONFIG_KEY_BOOL,
      .offset = offsetof(Config, require_lease_for_disks),
      .fallback = "0",
      .doc = "machines with disks and without a <lease> are not started; 1 if there are no automatic ones" },
    { .file = LOCKD_CONF,
      .name = "file_lockspace_dir",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, file_lockspace_dir),
      .doc = "folder of leases by the images' paths, instead of locks of the images themselves" },
    { .file = LOCKD_CONF,
      .name = "lvm_lockspace_dir",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, lvm_lockspace_dir),
      .doc = "folder of leases by the UUIDs of logical volumes" },
    { .file = LOCKD_CONF,
      .name = "scsi_lockspace_dir",
      .type = CONFIG_KEY_PATH,
      .offset = offsetof(Config, scsi_lockspace_dir),
      .doc = "folder of leases by the serial numbers of SCSI disks" },
};
const size_t config_keys_count = G_N_ELEMENTS(config_keys);

static void *key_field(const ConfigKey *key, Config *config)
{
    return (char *)config + key->offset;
}

static const void *key_field_const(const ConfigKey *key, const Config *config)
{
    return (const char *)config + key->offset;
}

char *config_key_describe(const ConfigKey *key)
{
    switch (key->type) {
    case CONFIG_KEY_BOOL:
        return g_strdup("0 or 1");
    case CONFIG_KEY_UINT:
    case CONFIG_KEY_INT:
        return g_strdup_printf("a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, key->min, key->max);
    case CONFIG_KEY_BYTES:
        return g_strdup("a number of bytes or \"unlimited\"");
    case CONFIG_KEY_MODE:
        return g_strdup("an octal mode in quotes, like \"0770\"");
    case CONFIG_KEY_PATH:
        return g_strdup("an absolute path in quotes");
    case CONFIG_KEY_LIST:
        if (!key->choices)
            return g_strdup("a list of strings in brackets");
        break;
    case CONFIG_KEY_STRING:
    case CONFIG_KEY_WORDS:
    case CONFIG_KEY_UNUSED:
        break;
    }
    if (!key->choices)
        return g_strdup("a string in quotes");
    g_auto(GStrv) words = g_strsplit(key->choices, "|", -1);
    g_autofree char *list = g_strjoinv("\", \"", words);
    return g_strdup_printf("one of \"%s\"", list);
}

static bool set_number(const ConfigKey *key, int64_t number, Config *config)
{
    if (key->type == CONFIG_KEY_BOOL) {
        if (number != 0 && number != 1)
            return false;
        *(bool *)key_field(key, config) = number == 1;
        return true;
    }
    if (key->type == CONFIG_KEY_BYTES) {
        if (number < 0)
            return false;
        *(uint64_t *)key_field(key, config) = (uint64_t)number;
        return true;
    }
    if (number < key->min || number > key->max)
        return false;
    if (key->type == CONFIG_KEY_UINT)
        *(unsigned *)key_field(key, config) = (unsigned)number;
    else if (key->type == CONFIG_KEY_INT)
        *(int *)key_field(key, config) = (int)number;
    else
        return false;
    return true;
}

static bool set_mode(const ConfigKey *key, const char *text, Config *config)
{
    char *end;
    guint64 mode = g_ascii_strtoull(text, &end, 8);
    if (!g_ascii_isdigit(*text) || *end || mode > 0777)
        return false;
    *(mode_t *)key_field(key, config) = (mode_t)mode;
    return true;
}

static bool is_choice(const ConfigKey *key, const char *text)
{
    if (!key->choices)
        return true;
    g_auto(GStrv) words = g_strsplit(key->choices, "|", -1);
    return g_strv_contains((const char *const *)words, text);
}

static void replace_list(const ConfigKey *key, char **list, Config *config)
{
    char ***field = key_field(key, config);
    g_strfreev(*field);
    *field = list;
}

static bool set_string(const ConfigKey *key, const char *text, Config *config)
{
    if (key->type == CONFIG_KEY_MODE)
        return set_mode(key, text, config);
    if (key->type == CONFIG_KEY_WORDS) {
        replace_list(key, g_strsplit(text, " ", -1), config);
        return true;
    }
    if (key->type == CONFIG_KEY_LIST && key->choices && is_choice(key, text)) { /* a list of one */
        const char *const list[] = { text, NULL };
        replace_list(key, g_strdupv((char **)list), config);
        return true;
    }
    if (key->type == CONFIG_KEY_BYTES) {
        if (strcmp(text, "unlimited") != 0)
            return false;
        *(uint64_t *)key_field(key, config) = UINT64_MAX;
        return true;
    }
    if (key->type == CONFIG_KEY_PATH && *text != '/')
        return false;
    if ((key->type != CONFIG_KEY_STRING && key->type != CONFIG_KEY_PATH) || !is_choice(key, text))
        return false;
    char **field = key_field(key, config);
    g_free(*field);
    *field = g_strdup(text);
    return true;
}

bool config_key_set(const ConfigKey *key, const ConfigValue *value, Config *config)
{
    switch (value->type) {
    case CONFIG_INT:
        return set_number(key, value->number, config);
    case CONFIG_STRING:
        return set_string(key, value->string, config);
    case CONFIG_LIST:
        if (key->type != CONFIG_KEY_LIST)
            return false;
        for (char **word = value->list; word && *word; word++) {
            if (!is_choice(key, *word))
                return false;
        }
        replace_list(key, g_strdupv(value->list), config);
        return true;
    }
    return false;
}

void config_key_set_default(const ConfigKey *key, Config *config)
{
    int64_t number;
    if (key->type == CONFIG_KEY_UNUSED || !key->fallback)
        return;
    bool ok = key->type == CONFIG_KEY_BOOL || key->type == CONFIG_KEY_UINT || key->type == CONFIG_KEY_INT ||
                      key->type == CONFIG_KEY_BYTES
                  ? parse_int(key->fallback, &number, NULL) && set_number(key, number, config)
                  : set_string(key, key->fallback, config);
    g_assert(ok); /* the table's own values must be allowed */
}

static char *format_list(char *const *list)
{
    GString *text = g_string_new("[");
    for (size_t i = 0; list && list[i]; i++)
        g_string_append_printf(text, "%s\"%s\"", i ? ", " : "", list[i]);
    return g_string_free(g_string_append_c(text, ']'), FALSE);
}

char *config_key_format(const ConfigKey *key, const Config *config)
{
    const void *field = key_field_const(key, config);
    switch (key->type) {
    case CONFIG_KEY_BOOL:
        return g_strdup(*(const bool *)field ? "1" : "0");
    case CONFIG_KEY_UINT:
        return g_strdup_printf("%u", *(const unsigned *)field);
    case CONFIG_KEY_INT:
        return g_strdup_printf("%d", *(const int *)field);
    case CONFIG_KEY_BYTES: {
        uint64_t bytes = *(const uint64_t *)field;
        return bytes == UINT64_MAX ? g_strdup("unlimited") : g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
    }
    case CONFIG_KEY_MODE:
        return g_strdup_printf("%04o", (unsigned)*(const mode_t *)field);
    case CONFIG_KEY_STRING:
    case CONFIG_KEY_PATH: {
        const char *text = *(char *const *)field;
        return g_strdup(key->secret && text ? "***" : text ? text : "");
    }
    case CONFIG_KEY_WORDS: {
        char *const *words = *(char **const *)field;
        return words ? g_strjoinv(" ", (char **)words) : g_strdup("");
    }
    case CONFIG_KEY_LIST:
        return format_list(*(char **const *)field);
    case CONFIG_KEY_UNUSED:
        break;
    }
    return g_strdup("");
}

void config_key_clear(const ConfigKey *key, Config *config)
{
    if (key->type == CONFIG_KEY_STRING || key->type == CONFIG_KEY_PATH)
        g_clear_pointer((char **)key_field(key, config), g_free);
    else if (key->type == CONFIG_KEY_WORDS || key->type == CONFIG_KEY_LIST)
        g_clear_pointer((char ***)key_field(key, config), g_strfreev);
}
