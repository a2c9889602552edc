/* Connection URIs: DRIVER[+TRANSPORT]://[USER@][HOST][:PORT]/PATH[?NAME=VALUE&...] */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

typedef struct WireUri {
    char *driver;    /* "qemu" */
    char *transport; /* "unix", "ssh", "tcp", "tls", ...; without one "unix", or "tls" if there is a host */
    char *user;      /* NULL */
    char *host;      /* NULL */
    int port;        /* 0 */
    char *path;      /* "/system" */
    /* client parameters; NULL or false if absent */
    char *socket;
    char *keyfile;
    char *command;
    char *netcat;
    char *proxy;        /* auto, native, netcat */
    char *mode;         /* auto, legacy, direct */
    char *pkipath;      /* folder of certificates */
    char *tls_priority; /* in GnuTLS's words */
    char *auth;         /* sasl.MECHANISM */
    char *authfile;     /* names and passwords */
    char *known_hosts, *known_hosts_verify;
    bool no_tty;
    bool no_verify;
    char *name; /* what the server is told: without transport, host and client parameters, or "" */
} WireUri;

/* ERROR_INVALID_ARGUMENT says what is wrong with it. NULL or "" for @text: the local default, that is
 * qemu:///system for root and qemu:///session for others, where the server is told "". */
MUST_CHECK bool wire_uri_parse(const char *text, WireUri *ret_uri, Error **err);
void wire_uri_clear(WireUri *uri);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WireUri, wire_uri_clear)

/* The socket on this machine that the URI means; owned. */
char *wire_uri_socket_path(const WireUri *uri, bool read_only);
/* argv of the program that reaches the URI over SSH; NULL-terminated, owned (g_strfreev). */
char **wire_uri_ssh_command(const WireUri *uri, bool read_only);
