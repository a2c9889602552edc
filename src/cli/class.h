/* The kinds of objects that the protocol knows. A row in class_rows.c gives a kind its look-up, and the
 * commands that all kinds have: list, info, dumpxml, edit, define, create, start, destroy, undefine,
 * autostart, event and completion. What is special about one kind is a row or function beside it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/row.h"

typedef enum CliVerb {
    VERB_AUTOSTART,
    VERB_CREATE, /* start what an XML file describes */
    VERB_DEFINE, /* store what an XML file describes */
    VERB_DELETE,
    VERB_DESTROY, /* stop */
    VERB_DUMPXML,
    VERB_EDIT,  /* the procedure that stores */
    VERB_EVENT, /* the procedure that registers */
    VERB_INFO,
    VERB_LIST,
    VERB_NAME,
    VERB_PARENT,
    VERB_START,
    VERB_UNDEFINE,
    VERB_UUID,
    VERB_COUNT
} CliVerb;

/* A way to find an object by what the user typed. */
typedef struct CliLookup {
    int32_t proc; /* 0: the end of the list */
    const char
        *member; /* of its arguments; its type says what the text must look like: a number, a UUID, any */
} CliLookup;

/* What is known about an object: a column of its list, a line of its info, a member of their JSON. */
typedef enum FactKind {
    FACT_MEMBER, /* of the handle */
    FACT_ASK,    /* a number in an answer: 0 or 1, as .words; in JSON a boolean if these are "no yes" */
    FACT_WORD,   /* a number in an answer, counting .words */
    FACT_COUNT,  /* a number in an answer */
    FACT_SIZE,   /* bytes in an answer; not known while its "state" is 0 */
    FACT_TEXT,   /* a string in an answer; not known if it is left out */
    FACT_XML,    /* what the XPath .member finds in the XML */
    FACT_TIME,   /* seconds since 1970 that an XPath finds */
    FACT_USAGE,  /* of a secret */
    FACT_SHARE,  /* bytes in an answer, which says in .words how many percent of the capacity they are */
    FACT_USERS   /* who needs a volume: only where there are some */
} FactKind;

enum { IN_LIST = 1, IN_INFO = 2, IN_LIST_JSON = 4 };

struct CliFact {
    const char *label; /* NULL ends the list */
    const char *key;
    uint8_t kind;     /* FactKind */
    uint8_t where;    /* IN_... */
    uint32_t program; /* of the procedure; 0: the main one */
    int32_t proc;
    unsigned flags;   /* of the procedure */
    bool shows_empty; /* also where there is nothing to show */
    const char *member;
    const char *words;
    const char *given; /* only with this option; "!x": only without it */
    /* A second question: what it answers in "warning", if anything, stands behind the text. 0: none. Of
     * Lodge's program. */
    int32_t warning_proc;
    unsigned warning_flags;
};

typedef struct CliEvent {
    const char *name; /* "lifecycle"; NULL ends the list */
    int32_t proc;     /* of its message */
    const char *text; /* of its members: see events.c */
} CliEvent;

struct CliClass {
    const char *prefix; /* of its commands: "net-" */
    const char *option; /* that names one: "network" */
    const char *word;   /* in virsh's messages: "network" */
    const char *noun;   /* in ours: "network"; plural with s */
    const char *naming; /* what names one: "name or UUID of the network" */
    CliGroup group;
    WireType handle;
    const char *name;       /* the member of the handle that names it */
    const CliClass *parent; /* where it is; NULL: nowhere in particular */
    bool parent_is_optional;
    CliLookup lookups[4];
    int32_t current;           /* the look-up of option --current */
    int32_t children;          /* what lists those below one, for options --from and --current of its list */
    bool bare_list;            /* names, one per line */
    unsigned active, inactive; /* flags of the list's procedure */
    const CliFact *facts;
    const CliEvent *events;
    int32_t event_end; /* the procedure that ends VERB_EVENT's registration */
    int32_t get_xml;
    unsigned edit_flags; /* of get_xml */
    unsigned store_flags;
    int32_t procs[VERB_COUNT];
    const CliOption *extra[VERB_COUNT];
    const char *exclusive[VERB_COUNT];
    const char *doing[VERB_COUNT]; /* where virsh's words differ from all other kinds' */
    const char *done[VERB_COUNT];
};

#define CLASS_MAX 16
extern const CliClass *const cli_classes[]; /* ends with NULL */
extern const CliClass class_domain, class_network, class_pool, class_volume, class_secret, class_filter,
    class_binding, class_interface, class_nodedev, class_snapshot, class_checkpoint, class_port;

/* The commands of all classes, made of their rows; ends with an empty row. */
const CliCommand *class_commands(void);

const CliClass *class_of_handle(WireType handle); /* NULL: of no class */
WireType class_handle(const CliClass *class);
const char *class_option(const CliClass *class);
const char *class_word(const CliClass *class, bool capital);
/* A member of a handle as text: "name", "uuid", "id" ("-" if it has none); owned. NULL if there is no such
 * member. */
char *class_member(const CliClass *class, const void *handle, const char *member);
char *class_name(const CliClass *class, const void *handle);

/* The object that the options name (its own, and those of its parent). Clear *ret_handle with wire_clear().
 */
AWAITS MUST_CHECK bool class_lookup(Cli *cli, const CliClass *class, const CliArgs *args, void *ret_handle,
                                    Error **err);
/* The same by a text. */
AWAITS MUST_CHECK bool class_lookup_text(Cli *cli, const CliClass *class, const CliArgs *args,
                                         const char *text, void *ret_handle, Error **err);

/* Handles of a list, sorted by name. Of a class with a parent: *@parent. */
typedef struct CliHandles {
    RowCall call;
    char *data;
    unsigned n;
    size_t size;
} CliHandles;
AWAITS MUST_CHECK bool class_list(Cli *cli, const CliClass *class, RowCall *call, CliHandles *ret_list,
                                  Error **err);

AWAITS bool class_list_run(Cli *cli, const CliArgs *args, Error **err);
AWAITS bool class_event_run(Cli *cli, const CliArgs *args, Error **err); /* cmd_event.c */
