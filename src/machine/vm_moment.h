/* The moments of a machine: its snapshots, or its checkpoints. Each is a tree (a moment's parent is the one
 * that it came after) and a folder with a file for each, LIB_QEMU/snapshot/MACHINE/NAME.xml, as libvirtd has
 * them. What a moment means to disks is the business of vm_snapshot.h and vm_checkpoint.h.
 *
 * Changes need the machine's job; a file is safe on disk before the tree changes. Whatever instant the daemon
 * is killed at, the files are a tree: children are given their new parent before the old one goes.
 *
 * A Moment is counted; one that was removed meanwhile has no tree. Its definition may be replaced during any
 * await. Loop thread only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "machine/vm.h"

typedef struct MomentClass MomentClass;
typedef struct MomentTree MomentTree;
typedef struct Moment Moment;

struct MomentClass {
    const char *noun; /* "checkpoint" */
    ErrorCode missing;
    const char *edit_command;
    uint16_t folder;             /* offset of a char * in Paths */
    uint16_t name, parent;       /* offsets of char * in the definition */
    uint16_t created;            /* of OptS64, seconds since 1970 */
    uint16_t is_current;         /* of uint32_t; 0: files do not say, it is the newest of the leaves */
    unsigned undefine_flag;      /* of virDomainUndefineFlags: the files may go with the machine */
    void (*free_def)(void *def); /* NULL does nothing */
    void (*format)(const void *def, GString *out); /* as a file has it */
    /* Reads such a text. AWAITS */
    bool (*parse)(Host *host, const char *xml, size_t len, void **ret_def, Error **err);
};
extern const MomentClass snapshot_moments, checkpoint_moments; /* of SnapshotDef, of CheckpointDef */

struct MomentTree {
    const MomentClass *class;
    Vm *vm;              /* borrowed: it owns the tree */
    GHashTable *by_name; /* of Moment, owning a reference */
    GPtrArray *roots;    /* of Moment, borrowed; the latest first */
    Moment *current;     /* what a new one comes after; borrowed, NULL */
    bool is_loaded;
};
struct Moment {
    const MomentClass *class;
    unsigned refs;
    MomentTree *tree;    /* NULL: it was removed */
    Moment *parent;      /* NULL: a root */
    GPtrArray *children; /* of Moment, borrowed; the latest first */
    void *def;
};

Moment *moment_ref(Moment *moment);
void moment_unref(Moment *moment); /* NULL does nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Moment, moment_unref)

MomentTree *moment_tree_new(Vm *vm, const MomentClass *class);
void moment_tree_free(MomentTree *tree); /* moments that are still held have no tree from then on */

const char *moment_name(const Moment *moment);
const char *moment_parent_name(const Moment *moment); /* NULL */
unsigned moment_count(const MomentTree *tree);
/* One that is in no tree; @def taken. */
Moment *moment_new_alone(const MomentClass *class, void *def);
/* Borrowed, NULL. */
Moment *moment_get(const MomentTree *tree, const char *name);
/* A reference. The class's "no such" code: "no domain checkpoint with matching name 'x'". */
Moment *moment_find(const MomentTree *tree, const char *name, Error **err);
/* The class's "no such" code: @moment was removed meanwhile. */
MUST_CHECK bool moment_require_there(const Moment *moment, Error **err);

enum {
    MOMENT_LIST_DIRECT = 1 << 0, /* roots alone, or @from's children alone; else all below */
    MOMENT_LIST_LEAVES = 1 << 1,
    MOMENT_LIST_NO_LEAVES = 1 << 2, /* both or neither: all */
    MOMENT_LIST_SELF = 1 << 3,      /* @from itself, too, as the first */
};
/* References, each parent before its children. @from NULL: of the whole tree. @wanted NULL: all. Never waits.
 */
GPtrArray *moment_list(const MomentTree *tree, const Moment *from, unsigned flags,
                       bool (*wanted)(const Moment *moment, void *arg), void *arg);
bool moment_is_below(const Moment *moment, const Moment *ancestor); /* true of itself */

/* May there be one of this name and @parent (NULL: a root)? One that has the name already may get that
 * parent. ERROR_INVALID_ARGUMENT: no such parent, itself, or one below itself. ERROR_XML_INVALID: no file can
 * have the name. */
MUST_CHECK bool moment_check_place(const MomentTree *tree, const char *name, const char *parent, Error **err);
/* The name of a moment of now that was given none: the time in seconds. Owned. */
char *moment_make_up_name(void);

/* Stores @def and makes it a moment below the parent that it names, which must be there; its name must be
 * free. Takes @def on success only. @is_current: it becomes the current one. ERROR_SYSTEM, ... */
AWAITS MUST_CHECK Moment *moment_add(MomentTree *tree, void *def, bool is_current, Error **err);
/* Stores @def, of the same name, in the place of the present definition, under the parent that it names.
 * Takes
 * @def on success only. */
AWAITS MUST_CHECK bool moment_replace(Moment *moment, void *def, Error **err);
/* NULL: there is none any more. */
AWAITS MUST_CHECK bool moment_set_current(MomentTree *tree, Moment *moment, Error **err);
/* Its children become its parent's, and if it was the current one, its parent is. */
AWAITS MUST_CHECK bool moment_remove(Moment *moment, Error **err);
/* Forgets all of them with their files. */
AWAITS MUST_CHECK bool moment_remove_all(MomentTree *tree, Error **err);

/* ---- of all machines ---- */

/* Reads the files of machines whose trees were not read yet. What makes no sense is set aside. */
AWAITS void moment_load_all(Host *host);
/* The folders follow a machine's name; what was done already is success. */
AWAITS MUST_CHECK bool moment_rename_folders(const Host *host, const char *from, const char *to, Error **err);
/* ERROR_INVALID_STATE: the machine does not run, has some, and @undefine_flags do not say that they may go.
 */
MUST_CHECK bool moment_check_undefine(const Vm *vm, unsigned undefine_flags, Error **err);
/* The machine goes: removes snapshots' and checkpoints' files, and the empty folders. */
AWAITS MUST_CHECK bool moment_forget(Vm *vm, Error **err);
