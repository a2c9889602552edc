/* Commands as data: one row per command, and the only place that knows its name, options and documentation.
 * The parser, help, completion and the man page all read these rows. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct Cli Cli;
typedef struct CliArgs CliArgs;

typedef enum CliGroup {
    GROUP_DOMAIN,
    GROUP_MONITOR,
    GROUP_EVENTS,
    GROUP_HOST,
    GROUP_CHECKPOINT,
    GROUP_INTERFACE,
    GROUP_FILTER,
    GROUP_NETWORK,
    GROUP_NODEDEV,
    GROUP_SECRET,
    GROUP_SNAPSHOT,
    GROUP_BACKUP,
    GROUP_POOL,
    GROUP_VOLUME,
    GROUP_LODGE,
    GROUP_SHELL,
    GROUP_COUNT
} CliGroup;

typedef enum CliOptionType {
    CLI_BOOL,
    CLI_STRING,
    CLI_INT,
    CLI_SIZE /* a number with an optional unit; see CliOption.unit */
} CliOptionType;

typedef enum CliOptionFlags {
    CLI_REQUIRED = 1, /* implies that it can stand without its name */
    CLI_NAMED = 2,    /* only as --name VALUE; other options with a value can also stand without their name */
    CLI_MANY = 4,     /* takes all words that are left */
    CLI_EMPTY_OK = 8, /* "" is a value */
    CLI_HIDDEN = 16   /* older spelling: accepted, not shown */
} CliOptionFlags;

/* What completes a value. */
typedef enum CliComplete {
    COMPLETE_NONE,
    COMPLETE_FILE,
    COMPLETE_DOMAIN,
    COMPLETE_DOMAIN_ACTIVE,
    COMPLETE_DOMAIN_INACTIVE,
    COMPLETE_NETWORK,
    COMPLETE_POOL,
    COMPLETE_SECRET,
    COMPLETE_FILTER,
    COMPLETE_NODEDEV,
    COMPLETE_INTERFACE,
    COMPLETE_COMMAND,
    COMPLETE_COUNT
} CliComplete;

typedef struct CliOption {
    const char *name;
    char short_name; /* 0: none */
    CliOptionType type;
    unsigned flags; /* CliOptionFlags */
    CliComplete complete;
    unsigned unit; /* CLI_SIZE: bytes of a number without unit; 0 counts as 1 */
    const char
        *words; /* the values that make sense, separated by blanks; NULL: any. For help and completion */
    const char *same_as; /* another spelling of that option */
    const char *doc;     /* starts in lower case, no full stop */
} CliOption;

typedef enum CliCommandFlags {
    CLI_NO_CONNECT = 1, /* works without a daemon */
    CLI_SECRET = 2,     /* not in help: for our own completion scripts */
    CLI_LATER = 4       /* known, but not built yet: says so */
} CliCommandFlags;

typedef struct CliCommand {
    const char *name;
    const char *alias; /* another name, not shown; NULL */
    CliGroup group;
    unsigned flags;           /* CliCommandFlags */
    const char *summary;      /* one line; starts in lower case, no full stop */
    const char *doc;          /* sentences; NULL: the summary says it all */
    const CliOption *options; /* ends with an empty row; NULL: none */
    /* Sets of options that exclude each other: "current live; current config". In a set no two may be given.
     */
    const char *exclusive;
    const char *json; /* shape of what -o json prints; NULL: {"message": string} */
    /* Runs in a fiber, connected unless CLI_NO_CONNECT. */
    bool (*run)(Cli *cli, const CliArgs *args, Error **err);
} CliCommand;

/* Rows that many commands share. */
#define OPT_DOMAIN_FLAGS(completer)                                                                          \
    {                                                                                                        \
        .name = "domain", .type = CLI_STRING, .flags = CLI_REQUIRED, .complete = completer,                  \
        .doc = "name, id or UUID of the domain"                                                              \
    }
#define OPT_DOMAIN OPT_DOMAIN_FLAGS(COMPLETE_DOMAIN)
#define OPT_DOMAIN_ACTIVE OPT_DOMAIN_FLAGS(COMPLETE_DOMAIN_ACTIVE)
#define OPT_DOMAIN_INACTIVE OPT_DOMAIN_FLAGS(COMPLETE_DOMAIN_INACTIVE)
#define OPT_FILE(text)                                                                                       \
    {                                                                                                        \
        .name = "file", .type = CLI_STRING, .flags = CLI_REQUIRED, .complete = COMPLETE_FILE, .doc = text    \
    }
#define OPT_BOOL(option, text)                                                                               \
    {                                                                                                        \
        .name = option, .type = CLI_BOOL, .doc = text                                                        \
    }
#define OPT_STRING(option, text)                                                                             \
    {                                                                                                        \
        .name = option, .type = CLI_STRING, .doc = text                                                      \
    }
#define OPT_NAMED(option, text)                                                                              \
    {                                                                                                        \
        .name = option, .type = CLI_STRING, .flags = CLI_NAMED, .doc = text                                  \
    }
#define OPT_INT(option, text)                                                                                \
    {                                                                                                        \
        .name = option, .type = CLI_INT, .doc = text                                                         \
    }
#define OPT_REQUIRED(option, text)                                                                           \
    {                                                                                                        \
        .name = option, .type = CLI_STRING, .flags = CLI_REQUIRED, .doc = text                               \
    }
#define OPT_AFFECT                                                                                           \
    OPT_BOOL("config", "change or show the stored definition, used at the next start"),                      \
        OPT_BOOL("live", "change or show the running domain"),                                               \
        OPT_BOOL("current", "change or show what is in use now (the default)")
#define EXCLUSIVE_AFFECT "current config; current live"
#define OPT_XPATH                                                                                            \
    OPT_NAMED("xpath", "print only the nodes that this XPath expression selects"),                           \
        OPT_BOOL("wrap", "put the selected nodes below one common element")

/* All commands, in the order of the help. */
unsigned command_count(void);
const CliCommand *command_at(unsigned index);
/* By name or alias; NULL. */
const CliCommand *command_find(const char *name);
/* The closest names to a mistyped one, at most @max; of commands if @command is NULL, else of its options.
 * Owned (g_strfreev), maybe empty. */
char **command_suggest(const CliCommand *command, const char *wrong, unsigned max);
/* By name, or by another spelling; NULL. */
const CliOption *command_find_option(const CliCommand *command, const char *name);
/* Whether the option takes words that stand without its name. */
bool option_is_positional(const CliOption *option);

const char *group_keyword(CliGroup group); /* "domain": for help GROUP */
const char *group_title(CliGroup group);
bool group_find(const char *keyword, CliGroup *ret_group);
