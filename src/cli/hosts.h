/* Hosts by name: uri_aliases of libvirt.conf, which other clients read, too. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

/* The URI behind an alias; owned. *ret_uri NULL: there is no such alias. The user's own file comes first:
 * ~/.config/libvirt/libvirt.conf, then /etc/libvirt/libvirt.conf. */
MUST_CHECK bool hosts_find(const char *name, char **ret_uri, Error **err);
/* --host: an alias, or else a host that is reached by ssh; owned. NULL: see @err. */
char *hosts_uri(const char *name, Error **err);

/* Runs the words behind the options of @argv (its first @n_options words) once for each host, at the same
 * time, and prints what each said under its name. Returns the worst exit code. */
AWAITS int hosts_run_all(Cli *cli, char **argv, int n_options);

/* For WireClientOptions.ask: on the terminal. */
char *hosts_ask(const char *question, bool is_secret, void *arg);
