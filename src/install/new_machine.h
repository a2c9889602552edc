/* The document of a machine that Lodge makes from an image: the defaults that its manual tells of. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NEW_MACHINE_FREE_PORTS 8u /* for devices that are plugged in later */

/* In the metadata of a machine: what lodge has to know later on. */
#define LODGE_XMLNS "https://lodge.dev/xmlns/machine/1.0"
#define LODGE_KEY "lodge"

typedef struct NewMachine {
    const char *name, *uuid;
    const char *type;    /* "kvm", "qemu" */
    const char *machine; /* NULL: q35 */
    bool efi;
    unsigned cpus;
    uint64_t memory_bytes;
    const char *disk, *seed;      /* paths; the seed may be NULL */
    const char *network, *bridge; /* one of both; neither: passt, as an ordinary user has it */
    unsigned ssh_port;            /* of this host, that leads to its SSH; with passt; 0: none */
    const char *mac;
    const char *serial_log; /* path; NULL: none */
    const char *os;         /* its id for libosinfo; NULL: not known */
    const char *image;      /* it came from; NULL */
    const char *user;       /* who may log in; NULL */
    const char *identity;   /* path of the key that opens; NULL */
    bool no_display;
} NewMachine;

char *new_machine_document(const NewMachine *machine); /* owned */
/* The element that the metadata keeps; owned. */
char *new_machine_note(const NewMachine *machine);
