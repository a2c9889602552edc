/* Commands as data: one row per command, and the only place that knows its name, options and documentation.
 * The parser, help, completion and the man page all read these rows. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct Cli Cli;
typedef struct CliArgs CliArgs;
typedef struct CliClass CliClass; /* class.h */
typedef struct CliFact CliFact;

/* How results are printed. */
typedef enum CliFormat { CLI_TEXT, CLI_JSON, CLI_YAML, CLI_CSV, CLI_NAMES, CLI_FORMAT_COUNT } CliFormat;
#define CLI_FORMATS "text json yaml csv name"
#define CLI_FORMATS_TEXT "text, json, yaml, csv (of tables) or name (of lists)"
/* "json": false for an unknown name. */
bool cli_format_find(const char *name, CliFormat *ret_format);

/* A column of a table. */
typedef struct CliColumn {
    const char *label; /* NULL: only in JSON */
    const char *key;   /* in JSON; NULL ends a list of columns */
    const char *shape; /* of the values in JSON; NULL: "string" */
} CliColumn;

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
    CLI_HIDDEN = 16,  /* older spelling: accepted, not shown */
    CLI_ONE_OF = 32,  /* one of .words, nothing else */
    CLI_LIST_OF = 64, /* some of .words, separated by commas */
    CLI_EACH = 128,   /* with CLI_MANY: the command runs once for each word */
    CLI_CONTENT = 256,   /* the name of a file; .arg gets what it holds */
    CLI_PATH = 512,      /* made absolute: the daemon's working directory is not ours */
    CLI_NOT = 1024,      /* CLI_BOOL with .arg: 1 unless it is given */
    CLI_FDS = 2048,      /* numbers of descriptors that are sent along */
    CLI_LINES = 4096,    /* may be given several times: its values are lines */
    CLI_REPEAT = 8192,   /* may be given several times: args_get_list() */
    CLI_OPTIONAL = 16384 /* the value may be left out: it is "" then; with CLI_EMPTY_OK */
} CliOptionFlags;

/* What completes a value. */
typedef enum CliComplete {
    COMPLETE_NONE,
    COMPLETE_FILE,
    COMPLETE_DOMAIN,
    COMPLETE_DOMAIN_ACTIVE,
    COMPLETE_DOMAIN_INACTIVE,
    COMPLETE_DOMAIN_DISK,      /* of the domain that the line names */
    COMPLETE_DOMAIN_INTERFACE, /* likewise */
    COMPLETE_CONFIG_KEY,
    COMPLETE_COMMAND,
    COMPLETE_COUNT
} CliComplete;

typedef struct CliOption {
    const char *name;
    char short_name; /* 0: none */
    CliOptionType type;
    unsigned flags; /* CliOptionFlags */
    CliComplete complete;
    const CliClass *class; /* the value names one of these; completes it */
    unsigned
        unit; /* CLI_SIZE: bytes of a number without unit; 0 counts as 1. .arg is counted in it, rounded up */
    int64_t min; /* CLI_INT with .arg: the least value */
    const char
        *words; /* the values that make sense, separated by blanks; NULL: any. For help and completion */
    unsigned
        flag; /* what it adds to the procedure's flags; with .words that of the first, doubled per word */
    const char *arg;       /* the member of the procedure's arguments that gets the value */
    const char *otherwise; /* what .arg gets if the option is not given; NULL: nothing */
    const char *same_as;   /* another spelling of that option */
    const char *doc;       /* starts in lower case, no full stop */
} CliOption;

typedef enum CliCommandFlags {
    CLI_NO_CONNECT = 1, /* works without a daemon */
    CLI_SECRET = 2,     /* not in help: for our own completion scripts */
    CLI_LATER = 4,      /* known, but not built yet: says so */
    CLI_LISTS = 16,     /* .facts are columns of a table */
    CLI_UNSERVED = 8    /* lodged does not have the operation yet; other daemons do */
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
    const char *json; /* shape of what -o json prints; NULL: it follows from .columns, .facts, .show, or is a
                         message */
    const CliColumn *columns; /* of the table that it prints */
    const CliClass *class;    /* what it is about; NULL: a domain, or nothing */
    const CliFact *facts;     /* what it lists or tells of the class; see class.h */
    /* The call that the command is, if it has no function of its own; see row.h. */
    uint32_t program; /* 0: the main one */
    int32_t proc;     /* PROC_...; 0: it only looks the object up */
    int32_t plain;    /* the procedure if only required options are given, for its other default; 0: .proc */
    int32_t with_fds; /* the procedure if descriptors go along */
    int32_t once;     /* the procedure if --once is given; 0: there is no such option */
    int32_t store;    /* an editor's: the procedure that takes the changed XML */
    unsigned always;  /* flags of .proc that are always set */
    unsigned store_always; /* flags of .store, unless the user lets the rules go */
    /* Texts: {name} is the object, {file} what option --file says, {Word} and {word} the class,
     * {live?a|b} depends on an option. */
    const char *doing; /* the headline of its failure; NULL: none */
    const char *done;  /* the message of its success; NULL: none */
    const char *show;  /* the member of the answer that is printed; "name:path" calls it path in JSON */
    /* Prints more of it: the struct that the procedure answers with. NULL: nothing. */
    bool (*tell)(Cli *cli, const CliArgs *args, const void *answer, Error **err);
    /* After success, with the object. NULL: nothing. */
    bool (*then)(Cli *cli, const CliArgs *args, const void *object, Error **err);
    /* Runs in a fiber, connected unless CLI_NO_CONNECT. NULL: row_run(). */
    bool (*run)(Cli *cli, const CliArgs *args, Error **err);
} CliCommand;

/* A command with a function (NULL: row_run) and whatever else. */
#define COMMAND(command, in, text, rows, function, ...)                                                      \
    {                                                                                                        \
        .name = command, .group = in, .summary = text, .options = rows, .run = function, __VA_ARGS__         \
    }

/* Rows that many commands share. */
#define OPT(kind, option, text, ...)                                                                         \
    {                                                                                                        \
        .name = option, .type = kind, .doc = text, __VA_ARGS__                                               \
    }
#define DOMAIN_DOC "name, id or UUID of the domain"
#define OPT_DOMAIN OPT(CLI_STRING, "domain", DOMAIN_DOC, .flags = CLI_REQUIRED, .complete = COMPLETE_DOMAIN)
#define OPT_DOMAIN_ACTIVE                                                                                    \
    OPT(CLI_STRING, "domain", DOMAIN_DOC, .flags = CLI_REQUIRED, .complete = COMPLETE_DOMAIN_ACTIVE)
#define OPT_DOMAIN_INACTIVE                                                                                  \
    OPT(CLI_STRING, "domain", DOMAIN_DOC, .flags = CLI_REQUIRED, .complete = COMPLETE_DOMAIN_INACTIVE)
/* Several at once. */
#define OPT_DOMAINS(completer)                                                                               \
    OPT(CLI_STRING, "domain", DOMAIN_DOC, .flags = CLI_REQUIRED | CLI_MANY | CLI_EACH, .complete = completer)
#define OPT_FILE(text) OPT(CLI_STRING, "file", text, .flags = CLI_REQUIRED, .complete = COMPLETE_FILE)
/* A file whose content goes into a member of the call. */
#define OPT_XML(option, member, required, text)                                                              \
    OPT(CLI_STRING, option, text, .flags = CLI_CONTENT | (required), .arg = member, .complete = COMPLETE_FILE)
#define OPT_VALIDATE(bit) OPT_FLAG("validate", bit, "refuse XML that does not follow the schema")
#define OPT_BOOL(option, text) OPT(CLI_BOOL, option, text)
#define OPT_FLAG(option, bit, text) OPT(CLI_BOOL, option, text, .flag = bit)
#define OPT_STRING(option, text) OPT(CLI_STRING, option, text)
#define OPT_ARG(option, member, text) OPT(CLI_STRING, option, text, .arg = member)
#define OPT_NAMED(option, text) OPT(CLI_STRING, option, text, .flags = CLI_NAMED)
#define OPT_INT(option, text) OPT(CLI_INT, option, text)
#define OPT_REQUIRED(option, text) OPT(CLI_STRING, option, text, .flags = CLI_REQUIRED)
#define OPT_AFFECT                                                                                           \
    OPT_FLAG("config", 2, "change or show the stored definition, used at the next start"),                   \
        OPT_FLAG("live", 1, "change or show the running domain"),                                            \
        OPT_BOOL("current", "change or show what is in use now (the default)")
#define EXCLUSIVE_AFFECT "current config; current live"
#define OPT_XPATH                                                                                            \
    OPT_NAMED("xpath", "print only the nodes that this XPath expression selects"),                           \
        OPT_BOOL("wrap", "put the selected nodes below one common element")

/* Whether this version of lodged can do it; else the help says that only other daemons can. */
bool command_is_served(const CliCommand *command);
/* "[{...}]": prints a table, so that --columns and the like make sense. */
bool command_is_list(const CliCommand *command);
/* The options whose names are closest to a mistyped one, at most @max. Owned (g_strfreev), maybe empty. */
char **option_suggest(const CliCommand *command, const char *wrong, unsigned max);
/* How far a name may be from it: see word_distance(). */
unsigned word_distance_limit(const char *wrong);
/* By name, or by another spelling; NULL. */
const CliOption *command_find_option(const CliCommand *command, const char *name);
/* Whether the option takes words that stand without its name. */
bool option_is_positional(const CliOption *option);

const char *group_keyword(CliGroup group); /* "domain": for help GROUP */
const char *group_title(CliGroup group);
bool group_find(const char *keyword, CliGroup *ret_group);
