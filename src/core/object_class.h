/* What a kind of object consists of: for those who make a kind, and for the generic operations.
 *
 * Invariants:
 *  1. An object in a registry has a definition: `config` (persistent) or `live` (active), or both.
 *  2. Whoever changes config, live, id or the name holds the object's job.
 *  3. An object that is being made is registered but not listed: a second request for the same name waits for
 *     the first one's job instead of racing it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/fiber.h"
#include "conf/xml_table.h"
#include "core/event.h"
#include "core/job.h"
#include "core/paths.h"
#include "core/types.h"

typedef struct JobHolder {
    JobKind kind; /* JOB_NONE: free */
    uint64_t serial;
    char *caller;
    uint64_t since_ms;
    const char *phase; /* static string; NULL */
    Fiber *fiber;      /* counted */
    bool aborted;      /* job_abort() asked for its end */
    bool committed;    /* job_commit(): that is refused from now on */
    JobProgress progress;
    bool has_progress;
} JobHolder;

typedef struct JobQueue {
    JobHolder holder;
    GQueue waiters; /* of JobWaiter (job.c), first to be served first */
    JobProgress completed;
    bool has_completed;
} JobQueue;

/* The beginning of every kind's struct. A kind writes
 *
 *     struct Network {
 *         OBJECT_BASE(NetworkDef);
 *         ...
 *     };
 *
 * and has typed `config` and `live`, and `object` to hand to generic code. */
#define OBJECT_FIELDS(Def)                                                                                   \
    const ObjectClass *class;                                                                                \
    Host *host;                                                                                              \
    Registry *registry; /* NULL once it was taken out */                                                     \
    unsigned refs;                                                                                           \
    char *name;                                                                                              \
    Uuid uuid;                                                                                               \
    int id;         /* -1: not active */                                                                     \
    bool is_listed; /* visible: false while being made and after removal */                                  \
    bool autostart;                                                                                          \
    bool config_is_new; /* redefined while active */                                                         \
    Def *config;        /* NULL: transient; replaced as a whole by object_set_config() */                    \
    char *config_xml;   /* its text without secrets, made when first asked for */                            \
    const Def *coming;  /* about to become config: what must be unique is looked for here, too */            \
    Def *live;          /* NULL: not active */                                                               \
    JobQueue jobs
struct Object {
    OBJECT_FIELDS(void);
};
#define OBJECT_BASE(Def)                                                                                     \
    union {                                                                                                  \
        Object object;                                                                                       \
        struct {                                                                                             \
            OBJECT_FIELDS(Def);                                                                              \
        };                                                                                                   \
    }

/* Of a list call: two flags that exclude each other's objects, or several of one property. */
typedef struct ObjectFilter {
    unsigned group;                         /* all flags of this property */
    unsigned (*flag)(const Object *object); /* which of them @object has */
} ObjectFilter;
/* For the filters that every kind has. */
unsigned object_flag_active(const Object *object);     /* 1 active, 2 inactive */
unsigned object_flag_inactive(const Object *object);   /* the other way round: 1 inactive, 2 active */
unsigned object_flag_persistent(const Object *object); /* 4, 8 */
unsigned object_flag_autostart(const Object *object);  /* 16, 32 */

struct ObjectClass {
    ObjectKind kind;
    const char *noun;       /* "network", in messages */
    const char *short_noun; /* in messages about two of one name or UUID; NULL: noun */
    const char *not_active; /* "domain is not running"; NULL: "network 'x' is not active" */
    size_t size;            /* of its struct */
    ErrorCode missing;
    const ObjectFilter *filters; /* ends with group 0 */

    /* Its document. */
    const XmlTable *table;
    const char *root;            /* "network" */
    bool undefine_inactive_only; /* "network 'x' is still active" */
    uint16_t def_name, def_uuid; /* offsets of char * and Uuid in the definition */
    bool by_name;                /* clients name it by its name alone, not by its UUID */
    unsigned xml_flags;          /* that its "get XML" call knows: OBJECT_XML_INACTIVE or none */
    unsigned create_flags;       /* that start() knows; they come with "create", too */
    unsigned create_validate;    /* the flag that asks for validation when creating; 0: 1 */
    const char *edit_command;    /* "net-edit": named in the head of its files */
    /* Its folders: offsets of a char * in Paths; 0: none (nothing is stored). */
    uint16_t config_dir, autostart_dir;

    /* The kind's own part; each may be NULL. */

    /* Reads a document in place of the table alone (@flags: OBJECT_PARSE_*). AWAITS */
    bool (*parse)(Host *host, const char *xml, size_t len, const char *source, unsigned flags, void **ret_def,
                  Error **err);
    /* Is @xml, as @def was formatted, what a reader makes @def of again? */
    bool (*check_text)(const void *def, const char *xml, Error **err);
    /* Fills in defaults and checks what the table cannot. @trusted: read from a file of ours. */
    bool (*complete)(Host *host, void *def, bool trusted, Error **err);
    /* May @def become @object's definition? (a network's bridge while it is active ...) AWAITS */
    bool (*accept)(Object *object, const void *def, Error **err);
    /* May be NULL: true. false: @def is never written to disk. */
    bool (*is_stored)(const void *def);
    /* It has been (re)defined, and nobody was told yet. AWAITS. The job is held. */
    bool (*defined)(Object *object, Error **err);
    /* Makes it active; @def (owned from now on, also on failure) becomes live. The job is held. */
    bool (*start)(Object *object, void *def, unsigned flags, Error **err);
    bool (*stop)(Object *object, Error **err); /* AWAITS. The job is held */
    /* Before its definition goes: may refuse, removes what belongs to it. AWAITS. The job is held. */
    bool (*undefine)(Object *object, Error **err);
    /* The definition moved to another name: moves what else hangs on it. AWAITS */
    bool (*renamed)(Host *host, const char *from, const char *to, Error **err);
    bool (*was_active)(const Host *host, const char *name); /* when the daemon ended */
    void (*describe)(const Object *object, Event *event);   /* what its events carry beside name and UUID */
    void (*loaded)(Object *object); /* after its file was read at the daemon's start. AWAITS */
    void (*init)(Object *object);   /* of a new one, all zero else */
    void (*free)(Object *object);   /* what is the kind's own in the struct */
};

/* ---- registry ---- */

/* A host has one per class; a parent (the snapshots of a machine) can have some, too. */
Registry *registry_new(Host *host, const ObjectClass *class);
void registry_free(Registry *registry);
Host *registry_host(const Registry *registry);
/* for (RegistryIter iter = registry_iter(registry); (object = registry_next(&iter));)
 * The registry must not change meanwhile. */
typedef struct RegistryIter {
    GHashTableIter iter;
} RegistryIter;
RegistryIter registry_iter(const Registry *registry);
Object *registry_next(RegistryIter *iter); /* borrowed; listed or not */

/* Anybody of that name or UUID, listed or not; borrowed, NULL. */
Object *registry_get_name(const Registry *registry, const char *name);
Object *registry_get_uuid(const Registry *registry, const Uuid *uuid);
Object *registry_get_id(const Registry *registry, int id);
/* A name that is about to be somebody's: nobody else gets it. */
void registry_reserve(Registry *registry, const char *name);
void registry_release(Registry *registry, const char *name);
GHashTable *
registry_unused(Registry *registry); /* of definition files that were left as they are (object_store.h) */
bool registry_is_taken(const Registry *registry, const char *name);

/* Makes an object with that identity and registers it, unlisted. Returns a reference. */
Object *object_new(Registry *registry, const char *name, const Uuid *uuid);
/* Takes it out of the registry; references stay valid. */
void object_unregister(Object *object);
void object_set_name(Object *object, const char *name);
void object_set_id(Object *object, int id);
void object_set_config(Object *object, void *def); /* owned; frees the old one */
void object_set_live(Object *object, void *def);   /* likewise */
const void *object_def(const Object *object);      /* live if active, else config */

/* The class's "no such" code if it is no longer there. */
MUST_CHECK bool object_require_listed(const Object *object, Error **err);
/* ERROR_INVALID_STATE "network 'x' is not active". */
MUST_CHECK bool object_require_active(const Object *object, Error **err);
MUST_CHECK bool object_require_config(const Object *object, const char *what, Error **err);
/* ERROR_INVALID_ARGUMENT "unsupported flags (0x..) in function ...". */
MUST_CHECK bool check_flags(unsigned flags, unsigned known, const char *function, Error **err);

/* *ret_object: the one that name and UUID describe, borrowed; NULL if there is none.
 * ERROR_OPERATION_FAILED when one of them belongs to another. */
MUST_CHECK bool object_check_identity(Registry *registry, const char *name, const Uuid *uuid,
                                      Object **ret_object, Error **err);
/* Finds or makes it and takes its job. A new one is not listed: object_list_it() or object_release_embryo()
 * must follow. */
AWAITS MUST_CHECK bool object_acquire(Registry *registry, const char *name, const Uuid *uuid, JobKind kind,
                                      const Caller *caller, Job *ret_job, Error **err);
void object_list_it(Object *object);
void object_release_embryo(Object *object);

/* Publishes a change of @object, filling in who it is. */
void object_publish(const Object *object, Event *event);
void object_publish_lifecycle(const Object *object, int type, int detail);

/* ---- documents ---- */

const char *object_def_name(const ObjectClass *class, const void *def);
const Uuid *object_def_uuid(const ObjectClass *class, const void *def);

enum { OBJECT_PARSE_VALIDATE = 1 << 0, OBJECT_PARSE_TRUSTED = 1 << 1, OBJECT_PARSE_LIVE = 1 << 2 };
MUST_CHECK bool object_parse(Host *host, const ObjectClass *class, const char *xml, size_t len,
                             const char *source, unsigned flags, void **ret_def, Error **err);
/* Can @xml, as @def was formatted, be read back? Nothing else is ever stored. */
MUST_CHECK bool object_check_text(Host *host, const ObjectClass *class, const void *def, const char *xml,
                                  Error **err);
char *object_format(const ObjectClass *class, const void *def, unsigned flags /* XML_FORMAT_* */);
