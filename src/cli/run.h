/* What `lodge run` and its kin share: watching a machine come up, reaching it by SSH. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "cli/cli.h"

/* ---- what the machine's metadata keep (ssh.c) ---- */

typedef struct MachineNote {
    char *image, *user, *identity; /* owned; NULL: not known */
    char *address;                 /* that it was given; NULL: none */
    char *port;                    /* of this host, that leads to its SSH; NULL: none */
} MachineNote;
/* A machine that lodge did not make has none of it. */
AWAITS MUST_CHECK bool machine_note(Cli *cli, const WireDomain *dom, MachineNote *ret_note, Error **err);
void machine_note_clear(MachineNote *note);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MachineNote, machine_note_clear)

/* An address by which the machine is reached, IPv4 first; owned. NULL: none is known yet. Seen by networks,
 * agent or neighbours; */
AWAITS MUST_CHECK bool machine_seen_address(Cli *cli, const WireDomain *dom, char **ret_address, Error **err);
/* or else the one that it was given, which nobody has seen: a guest that has said nothing is not known. */
AWAITS MUST_CHECK bool machine_address(Cli *cli, const WireDomain *dom, char **ret_address, Error **err);

/* argv of ssh; owned (g_strfreev). @user NULL: who the metadata name, or ssh's own choice. */
AWAITS MUST_CHECK bool ssh_command(Cli *cli, const WireDomain *dom, const char *address, const char *user,
                                   const char *identity, const char *const *command, char ***ret_argv,
                                   Error **err);
/* Runs it with our standard input and output. *ret_code: what it ended with. */
AWAITS MUST_CHECK bool ssh_run(char *const *argv, int *ret_code, Error **err);

/* The public keys that may log in: those of @given (files, or keys), else the user's own, else a pair that is
 * made. *ret_identity: path of the private key, owned; NULL: ssh finds it. */
AWAITS MUST_CHECK bool ssh_keys(Cli *cli, const char *given, char ***ret_keys, char **ret_identity,
                                Error **err);

/* ---- watching (watch.c) ---- */

typedef enum WatchFor {
    WATCH_ADDRESS = 1,
    WATCH_CLOUD_INIT = 2,
} WatchFor;

typedef struct Watch Watch;
typedef void WatchStage(void *arg, const char *stage, const char *text);

/* Listens to the console of a machine that has just been started. @stage is called for each thing that it
 * shows: "kernel", "cloud-init", "address". */
AWAITS Watch *watch_begin(Cli *cli, const WireDomain *dom, WatchStage *stage, void *arg);
void watch_end(Watch *watch);

/* Waits for all of @what (WatchFor).
 * ERROR_TIMEOUT           it takes longer; the message says what is missing, and how far it came
 * ERROR_INVALID_STATE     the machine has ended
 * ERROR_OPERATION_FAILED  its kernel panicked, or cloud-init failed */
AWAITS MUST_CHECK bool watch_wait(Watch *watch, unsigned what, uint64_t timeout_ms, Error **err);
const char *watch_address(const Watch *watch); /* borrowed; NULL */
/* Lines about what failed, or the last ones of the console; owned, "" if there are none. */
char *watch_lines(const Watch *watch);

/* ---- `lodge run` for others (cmd_run.c); @args: of that command ---- */

/* Makes the machine, starts it and waits for it; @stage hears how far it is. What fails before the start is
 * taken back. */
AWAITS MUST_CHECK bool run_machine(Cli *cli, const CliArgs *args, WatchStage *stage, void *arg, Error **err);
/* What cloud-init would be told in a machine with that UUID and address: [{name, text}]; owned. */
AWAITS MUST_CHECK bool run_files(Cli *cli, const CliArgs *args, const char *uuid, const char *mac,
                                 Json **ret_files, Error **err);
