/* The command line of lodged. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Documented in lodged(8). */
enum { EXIT_OK = 0, EXIT_START_FAILED = 1, EXIT_USAGE = 2, EXIT_ALREADY_RUNNING = 3 };

typedef struct Options {
    char *root;         /* NULL: not given. All paths absolute, owned. */
    char *config;       /* NULL: the default file */
    char *pid_file;     /* NULL: only the daemon's own lock file */
    unsigned timeout_s; /* exit when idle that long; 0: never */
    bool listen;        /* on the network, too */
    bool daemonize;
    bool verbose;
} Options;

/* false: nothing is to be started; exit with *ret_code (what there was to say has been printed). */
bool options_parse(int argc, char **argv, Options *ret_options, int *ret_code);
void options_clear(Options *options);
