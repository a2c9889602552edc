/* Objects that the protocol describes by name and UUID: networks, storage pools, network filters. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/cli.h"

/* The same layout for all of them (checked in object.c). */
typedef WireNetwork NamedObject;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NamedObject, wire_network_clear)

typedef struct ObjectKind {
    CliGroup group;
    const char *option; /* name of the option, and the word in messages: "network" */
    const char *title;  /* "Network" */
    int32_t by_name, by_uuid, get_xml, define, define_flags, create_xml, create, destroy, undefine;
    int32_t set_autostart, get_autostart, is_active, is_persistent;

} ObjectKind;

extern const ObjectKind object_network, object_pool, object_filter;

/* By name or UUID, from the option that the kind names. Clear with wire_network_clear(). */
AWAITS MUST_CHECK bool object_lookup(Cli *cli, const ObjectKind *kind, const char *text,
                                     NamedObject *ret_object, Error **err);
/* A question with a yes or no as its answer. */
AWAITS MUST_CHECK bool object_ask(Cli *cli, int32_t proc, const NamedObject *object, bool *ret_yes,
                                  Error **err);
/* "yes", "no", or "no autostart" when the server does not know. */
AWAITS const char *object_yes_no(Cli *cli, int32_t proc, const NamedObject *object);

/* Handlers of rows; the kind comes from the command's group. */
AWAITS bool object_define_run(Cli *cli, const CliArgs *args, Error **err);
AWAITS bool object_create_xml_run(Cli *cli, const CliArgs *args, Error **err);
AWAITS bool object_dumpxml_run(Cli *cli, const CliArgs *args, Error **err);
AWAITS bool object_edit_run(Cli *cli, const CliArgs *args, Error **err);
AWAITS bool object_start_run(Cli *cli, const CliArgs *args, Error **err);
AWAITS bool object_destroy_run(Cli *cli, const CliArgs *args, Error **err);
AWAITS bool object_undefine_run(Cli *cli, const CliArgs *args, Error **err);
AWAITS bool object_autostart_run(Cli *cli, const CliArgs *args, Error **err);
AWAITS bool object_name_run(Cli *cli, const CliArgs *args, Error **err);
AWAITS bool object_uuid_run(Cli *cli, const CliArgs *args, Error **err);
