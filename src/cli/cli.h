/* What a command sees: the connection, how to print, and what the user asked for globally.
 *
 * Text goes to people, JSON (-o json) to programs: a command prints exactly one JSON document (events: one
 * per line). The functions that print choose by themselves. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "base/fiber.h"
#include "cli/args.h"
#include "wire/client.h"
#include "wire/wire_enums.h"

/* Exit codes; documented in the manual page. */
typedef enum CliExit {
    CLI_EXIT_OK = 0,
    CLI_EXIT_FAILED = 1,  /* the operation failed, or the answer is "no" */
    CLI_EXIT_USAGE = 2,   /* unknown command or option, wrong value */
    CLI_EXIT_CONNECT = 3, /* no connection to the daemon */
} CliExit;

struct Cli {
    char *uri;        /* as asked for; NULL: the default */
    const char *root; /* --root; borrowed, NULL if not given */
    bool read_only;
    bool quiet;
    bool timing;
    bool json;           /* results are documents: JSON or YAML */
    CliFormat format;    /* what exactly */
    const char *columns; /* --columns; borrowed, NULL: all */
    bool no_header;      /* --no-header */
    unsigned width;      /* columns of the terminal; 0: not on one */
    GPtrArray *collect;  /* results of a command that runs for several objects; NULL: printed at once */
    bool color;          /* stdout is a terminal and colours are wanted */
    bool interactive;    /* commands come from the shell */
    bool quit;           /* the shell is to end */
    bool debug;
    char escape;              /* leaves the console: this key with Control */
    unsigned keepalive_s;     /* 0: never */
    unsigned keepalive_count; /* */
    bool keepalive_set;
    WireClient *client; /* NULL: not connected (yet) */
    int exit_code;      /* a command sets it where its answer is "no" and nothing failed */
    char *doing;        /* "Failed to start domain 'x'": the headline if the command fails now */
    FILE *out;          /* stdout */
    /* Events: set by the command that waits for them. */
    void (*on_event)(Cli *cli, uint32_t program, int32_t proc, const void *message, void *arg);
    void *on_event_arg;
    WaitQueue broken; /* woken when the connection breaks */
};

void cli_init(Cli *cli);
AWAITS void cli_clear(Cli *cli);

void cli_set_format(Cli *cli, CliFormat format);

/* ---- the connection (session.c) ---- */

/* The URI of the lodged that was started with --root @root; owned. */
char *cli_root_uri(const char *root, bool read_only);
/* Connects if that has not been done; again if the connection broke. */
AWAITS MUST_CHECK bool cli_connect(Cli *cli, Error **err);
AWAITS void cli_disconnect(Cli *cli);
/* What the user asked for, or the default; owned. */
char *cli_uri(const Cli *cli);
/* Whether the daemon that is connected, or would be, is on this host. */
bool cli_is_local(const Cli *cli);

/* A call of the main program. No deadline of its own: saving a machine may take an hour, and a server that no
 * longer answers is noticed by the keepalive. */
AWAITS MUST_CHECK bool cli_call(Cli *cli, int32_t proc, const void *args, void *ret, Error **err);
/* By wire_call_settled(). */
AWAITS MUST_CHECK bool cli_call_settled(Cli *cli, int32_t proc, const void *args, void *ret, Error **err);

/* Looks up what option "domain" says: an id, a UUID or a name. */
AWAITS MUST_CHECK bool cli_domain(Cli *cli, const CliArgs *args, WireDomain *ret_domain, Error **err);
/* The XML of a domain, owned. */
AWAITS MUST_CHECK bool cli_domain_xml(Cli *cli, const WireDomain *domain, unsigned flags, char **ret_xml,
                                      Error **err);

/* What fails if the command fails from here on; NULL: nothing to add to the error itself. */
PRINTF(2, 3) void cli_doing(Cli *cli, const char *format, ...);

/* A whole file that the user named; "-" or /dev/stdin is the standard input. Owned. */
MUST_CHECK bool cli_read_file(const char *path, char **ret_text, Error **err);

/* ---- running commands (run.c) ---- */

/* One command as words, or a line of commands separated by ';'. Errors are reported. Returns a CliExit. */
AWAITS int cli_run_words(Cli *cli, char *const *words, unsigned n_words);
AWAITS int cli_run_line(Cli *cli, const char *line);
/* Prints an error with its headline and what to do about it. */
void cli_report(Cli *cli, const Error *err);
/* The shell (shell.c): until the user leaves. */
AWAITS int cli_shell(Cli *cli);
